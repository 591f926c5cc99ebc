package plan_test

import (
	"fmt"
	"net/netip"
	"testing"

	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// BenchmarkEdit plans a change of one backend with 512 VIPs of 8 backends present.
func BenchmarkEdit(b *testing.B) {
	s := &spec.Spec{}
	for i := range 512 {
		v := spec.VIP{Name: fmt.Sprintf("vip%d", i), Protocol: spec.TCP, Ring: spec.DefaultRing}
		for j := range 8 {
			v.Backends = append(v.Backends, spec.Backend{Address: netip.AddrFrom4([4]byte{10, byte(j), byte(i >> 8), byte(i)}), Weight: 100})
		}
		s.VIPs = append(s.VIPs, v)
	}
	p, err := plan.Compute(plan.World{}, s)
	if err != nil {
		b.Fatal(err)
	}
	w := plan.World{Spec: s, VIPs: map[string]plan.VIP{}, IDs: map[plan.Key]uint16{}, Nums: map[uint16]bool{}}
	for _, c := range p.VIPs {
		w.VIPs[c.Spec.Name], w.Nums[c.Num] = plan.VIP{Num: c.Num, Ring: c.Ring}, true
		for i, id := range c.IDs {
			w.IDs[plan.Key{VIP: c.Num, Address: c.Spec.Backends[i].Address}] = id
		}
	}
	next := *s
	next.VIPs = append([]spec.VIP{}, s.VIPs...)
	next.VIPs[7].Backends = append([]spec.Backend{}, s.VIPs[7].Backends...)
	next.VIPs[7].Backends[3].State = spec.Drain
	b.ReportAllocs()
	for b.Loop() {
		if _, err := plan.Compute(w, &next); err != nil {
			b.Fatal(err)
		}
	}
}
