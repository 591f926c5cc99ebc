package datapath

import (
	"fmt"

	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// World is what the active generation runs, read from the maps; s is the spec stored under its number.
func (k *Kernel) World(s *spec.Spec) (plan.World, error) {
	w := plan.World{Spec: s, VIPs: map[string]plan.VIP{}, IDs: k.ids(), Nums: map[uint16]bool{}}
	for g := range k.generations.all {
		if gen := &k.generations.all[g]; gen.Flags&GenerationLive != 0 {
			k.eachVIP(int(gen.VIPVersion), func(v *VIP) { w.Nums[v.Num] = true })
		}
	}
	for key := range w.IDs {
		w.Nums[key.VIP] = true
	}
	w.Nums[agentNum] = true
	if s == nil {
		return w, nil
	}
	for _, v := range s.VIPs {
		e := k.findActive(v)
		if e == nil {
			return w, fmt.Errorf("read data path: vip %s of the stored spec is not in the kernel's table", v.Name)
		}
		w.VIPs[v.Name] = k.realized(e)
	}
	return w, nil
}

// Recover is World where the spec of what runs was lost: a VIP of s that runs under the same address, port and protocol is
// taken for the same.
func (k *Kernel) Recover(s *spec.Spec) plan.World {
	w, _ := k.World(nil) // fails on VIPs of a spec only
	for _, v := range s.VIPs {
		if e := k.findActive(v); e != nil {
			w.VIPs[v.Name] = k.realized(e)
		}
	}
	return w
}

func (k *Kernel) realized(e *VIP) plan.VIP {
	v := plan.VIP{Num: e.Num, Ring: k.slots(e.Ring, e.RingSize)}
	if e.Flags&VIPSettling != 0 {
		v.Before = k.slots(e.Before, e.BeforeSize)
	}
	return v
}

// findActive is the entry of a VIP in the active generation.
func (k *Kernel) findActive(v spec.VIP) *VIP {
	g := k.generations.all[k.Control().Active]
	if g.Flags&GenerationLive == 0 || len(v.Addresses) == 0 {
		return nil
	}
	return k.findVIP(int(g.VIPVersion), g.VIPSeed, service{v.Addresses[0], v.Port, uint8(v.Protocol)})
}

// activeVIPs are the entries of the active generation by VIP number, one of each.
func (k *Kernel) activeVIPs() map[uint16]VIP {
	all := map[uint16]VIP{}
	if g := k.generations.all[k.Control().Active]; g.Flags&GenerationLive != 0 {
		k.eachVIP(int(g.VIPVersion), func(v *VIP) {
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
