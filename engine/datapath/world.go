package datapath

import (
	"fmt"

	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// World is what the active generation runs, read from the maps; s is the spec stored under its number.
func (k *Kernel) World(s *spec.Spec) (plan.World, error) {
	if !k.Owns() { // whoever does may have made parts of the tables since
		if err := k.mapParts(); err != nil {
			return plan.World{}, fmt.Errorf("read data path: %w", err)
		}
	}
	ids := k.ids()
	w := plan.World{Spec: s, IDs: ids, Nums: k.nums(ids), Tenants: map[string]uint16{}}
	if s == nil {
		w.VIPs = map[string]plan.VIP{}
		return w, nil
	}
	w.VIPs = make(map[string]plan.VIP, len(s.VIPs))
	if k.live != nil && k.live.Spec == s && k.Owns() {
		w.Last = k.live
	}
	for _, v := range s.VIPs {
		e := k.findActive(v)
		if e == nil {
			return w, fmt.Errorf("read data path: vip %s of the stored spec is not in the kernel's table", v.Name)
		}
		w.VIPs[v.Name] = k.realized(e)
		k.addTenant(w.Tenants, v, e.Num)
	}
	return w, nil
}

// nums are the VIP numbers in use: by an entry or a tenant of a live generation, by a backend, or by the agent.
func (k *Kernel) nums(ids map[plan.Key]uint16) map[uint16]bool {
	var used [VIPs]bool
	for _, tables := range k.liveTables() {
		for num, is := range k.places(tables).nums {
			used[num] = used[num] || is
		}
		for _, num := range k.vipTenants.all[tables.version].Of {
			if num != 0 {
				used[num&(VIPs-1)] = true
			}
		}
	}
	for key := range ids {
		used[key.VIP&(VIPs-1)] = true
	}
	used[agentNum] = true
	nums := map[uint16]bool{}
	for num, is := range used {
		if is {
			nums[uint16(num)] = true
		}
	}
	return nums
}

// Recover is World where the spec of what runs was lost: a VIP of s that runs under the same address, port and protocol is
// taken for the same.
func (k *Kernel) Recover(s *spec.Spec) plan.World {
	w, _ := k.World(nil) // fails on VIPs of a spec only
	for _, v := range s.VIPs {
		if e := k.findActive(v); e != nil {
			w.VIPs[v.Name] = k.realized(e)
			k.addTenant(w.Tenants, v, e.Num)
		}
	}
	return w
}

func (k *Kernel) realized(e *VIP) plan.VIP {
	v := plan.VIP{Num: e.Num, Ring: k.slots(e.Ring, e.RingSize)}
	if e.Flags&VIPSettling != 0 {
		v.Before, v.HashBefore = k.slots(e.Before, e.BeforeSize), spec.Hash(k.settlings.all[e.Num&(VIPs-1)].HashBefore)
	}
	return v
}

// findActive is the entry of a VIP in the active generation.
func (k *Kernel) findActive(v spec.VIP) *VIP {
	active := int(k.Control().Active)
	if k.generations.all[active].Flags&GenerationLive == 0 {
		return nil
	}
	for _, s := range servicesOf(&v) {
		return k.findVIP(k.vipTablesOf(active), s)
	}
	return nil
}

// activeVIPs are the entries of the active generation by VIP number, one of each.
func (k *Kernel) activeVIPs() map[uint16]VIP {
	all := map[uint16]VIP{}
	if active := int(k.Control().Active); k.generations.all[active].Flags&GenerationLive != 0 {
		k.eachVIP(k.vipTablesOf(active), func(v *VIP) {
			if v.Flags&VIPAddress == 0 {
				all[v.Num] = *v
			}
		})
	}
	return all
}

// Revision of the spec that a generation was made from; empty when it holds nothing.
func (k *Kernel) Revision(generation int) string {
	g := &k.generations.all[generation]
	if g.Flags&GenerationLive == 0 {
		return ""
	}
	return cString(g.Revision[:])
}
