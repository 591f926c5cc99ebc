package datapath

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"

	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// nameKey is the key of the entry that a VIP has by its name.
func nameKey(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name)) // a hash takes whatever it is given
	return vipNamed | mix(h.Sum64())
}

// servicesOf are the entries that are one VIP's alone.
func servicesOf(v *spec.VIP) (list []service) {
	if v.Wide() || len(v.Sources) > 0 {
		list = append(list, service{name: nameKey(v.Name)})
	}
	if v.LastPort != 0 || len(v.Sources) > 0 {
		return list
	}
	for _, a := range v.Addresses {
		list = append(list, service{Address: a, Port: v.Port, Protocol: uint8(v.Protocol)})
	}
	return list
}

// wide is what leads packets to VIPs that have more than addresses and one port, while it is made.
type wide struct {
	*vipVersion
	nums   map[*spec.VIP]uint16
	tables func(list []prefix) (uint32, error)
}

// addWide adds what leads to the VIPs of p that have prefixes, ranges of ports or sources. It tells whether there are any.
func (k *Kernel) addWide(say *vipVersion, p *plan.Plan) (bool, error) {
	held := map[uint64]uint32(nil)
	w := wide{say, map[*spec.VIP]uint16{}, func(list []prefix) (uint32, error) {
		if held == nil {
			held = k.heldTables()
		}
		of := digest(list)
		if of == 0 || held[of] != 0 {
			return held[of], nil
		}
		return k.putTable(list, of, held)
	}}
	var all []*spec.VIP
	for i := range p.VIPs {
		if v := &p.VIPs[i].Spec; v.Wide() || len(v.Sources) > 0 {
			all = append(all, v)
			w.nums[v] = p.VIPs[i].Num
		}
	}
	if len(all) == 0 {
		return false, nil
	}
	w.addPrefixes(all)
	return true, w.addSources(all)
}

// rule is a claim of a VIP's.
type rule struct {
	spec.Claim
	vip *spec.VIP
}

// addPrefixes adds an entry for each prefix that some VIP claims, with the ports that lead to a VIP there, also those that
// shorter prefixes claim.
func (w *wide) addPrefixes(all []*spec.VIP) {
	var rules []rule
	for _, v := range all {
		for _, c := range v.Claims() {
			rules = append(rules, rule{c, v})
		}
	}
	slices.SortStableFunc(rules, func(a, b rule) int {
		return cmp.Or(cmp.Compare(b.Prefix.Bits(), a.Prefix.Bits()), cmp.Compare(a.High-a.Low, b.High-b.Low))
	})
	done, lengths := map[netip.Prefix]bool{}, [2]int{}
	for _, r := range rules {
		if done[r.Prefix] {
			continue
		}
		done[r.Prefix] = true
		family, bits := 0, uint8(r.Prefix.Bits()+1)
		if r.Prefix.Addr().Is6() {
			family = 1
		}
		if n := lengths[family]; n == 0 || w.bits[family][n-1] != bits {
			w.bits[family][n] = bits
			lengths[family]++
		}
		first := len(w.ways)
		for _, protocol := range []spec.Protocol{spec.TCP, spec.UDP} {
			w.flatten(slices.DeleteFunc(slices.Clone(rules), func(o rule) bool {
				return o.vip.Protocol != protocol || o.Prefix.Bits() > r.Prefix.Bits() || !o.Prefix.Contains(r.Prefix.Addr())
			}))
		}
		w.add(vipEntry{service{Address: r.Prefix.Addr(), bits: bits},
			VIP{Num: w.nums[r.vip], Flags: VIPAddress, Before: uint32(first), BeforeSize: uint32(len(w.ways) - first)}})
	}
}

// flatten adds the runs of ports that rules of one protocol come to, in order. Of rules for the same port the first wins.
func (w *wide) flatten(rules []rule) {
	var begins []int
	for _, r := range rules {
		begins = append(begins, int(r.Low), int(r.High)+1)
	}
	slices.Sort(begins)
	begins = slices.Compact(begins)
	for i, port := range begins {
		at := slices.IndexFunc(rules, func(r rule) bool { return int(r.Low) <= port && port <= int(r.High) })
		if at < 0 {
			continue
		}
		protocol, key := uint32(rules[at].vip.Protocol)<<16, nameKey(rules[at].vip.Name)
		low, high := protocol|uint32(port), protocol|uint32(begins[i+1]-1)
		if last := len(w.ways) - 1; last >= 0 && w.ways[last].Key == key && w.ways[last].High+1 == low {
			w.ways[last].High = high
			continue
		}
		w.ways = append(w.ways, vipWay{key, low, high})
	}
}

// addSources has the entry of each service that has VIPs for some sources lead to them.
func (w *wide) addSources(all []*spec.VIP) error {
	routed := map[service][]*spec.VIP{}
	for _, v := range all {
		if len(v.Sources) == 0 {
			continue
		}
		for _, a := range v.Addresses {
			s := service{Address: a, Port: v.Port, Protocol: uint8(v.Protocol)}
			routed[s] = append(routed[s], v)
		}
	}
	for _, family := range w.vips {
		for i := range family {
			e := &family[i]
			if vips := routed[e.service]; vips != nil {
				routes, err := w.addRoutes(vips)
				if err != nil {
					return err
				}
				e.VIP.Routes = routes
				delete(routed, e.service)
			}
		}
	}
	for s, vips := range routed { // of others they are nobody's
		routes, err := w.addRoutes(vips)
		if err != nil {
			return err
		}
		w.add(vipEntry{s, VIP{Flags: VIPAddress, Routes: routes}})
	}
	return nil
}

// addRoutes adds the ways to VIPs by sources, of which no two list the same: longer prefixes are cut out of shorter ones.
func (w *wide) addRoutes(vips []*spec.VIP) (routes uint16, err error) {
	routes = uint16(len(w.ways) + 1)
	for _, v := range vips {
		var lists [2][]prefix
		for _, p := range v.Sources {
			var holes []netip.Prefix
			for _, o := range vips {
				if o != v {
					holes = append(holes, o.Sources...)
				}
			}
			family := 0
			if p.Addr().Is6() {
				family = 1
			}
			lists[family] = append(lists[family], carve(p, holes)...)
		}
		to := vipWay{Key: nameKey(v.Name)}
		for i, table := range []*uint32{&to.Low, &to.High} {
			if *table, err = w.tables(disjoint(lists[i])); err != nil {
				return 0, fmt.Errorf("vip %s: sources: %w", v.Name, err)
			}
		}
		w.ways = append(w.ways, to)
	}
	w.ways = append(w.ways, vipWay{})
	return routes, nil
}

// carve is p without the holes that lie in it.
func carve(p netip.Prefix, holes []netip.Prefix) []prefix {
	inside := slices.DeleteFunc(slices.Clone(holes), func(h netip.Prefix) bool { return h.Bits() < p.Bits() || !p.Contains(h.Addr()) })
	switch {
	case len(inside) == 0:
		return []prefix{prefixOf(p)}
	case slices.Contains(inside, p):
		return nil
	}
	low := netip.PrefixFrom(p.Addr(), p.Bits()+1)
	return append(carve(low, inside), carve(upperHalf(p), inside)...)
}

func upperHalf(p netip.Prefix) netip.Prefix {
	b := p.Addr().AsSlice()
	b[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	a, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(a, p.Bits()+1)
}

// heldSources adds the tables of prefixes that the VIPs of live generations name.
func (k *Kernel) heldSources(held map[uint64]uint32) {
	for _, t := range k.liveTables() {
		if k.ways[t.version].all == nil {
			continue
		}
		all := &k.ways[t.version].all[0]
		k.eachVIP(t, func(v *VIP) {
			if v.Routes == 0 {
				return
			}
			for i := int(v.Routes) - 1; i < Ways && all.Way[i].Key != 0; i++ {
				for _, table := range []uint32{all.Way[i].Low, all.Way[i].High} {
					if table != 0 {
						held[k.blocks.all[(table-1)/PrefixBlock%prefixBlocks]] = table
					}
				}
			}
		})
	}
}
