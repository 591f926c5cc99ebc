package plan_test

import (
	"maps"
	"net/netip"

	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// after is the world once p is live: what the kernel would show and the store would hold.
func after(w plan.World, p *plan.Plan) plan.World {
	n := plan.World{Spec: p.Spec, VIPs: map[string]plan.VIP{}, IDs: map[plan.Key]uint16{}, Nums: map[uint16]bool{}}
	maps.Copy(n.IDs, w.IDs)
	maps.Copy(n.Nums, w.Nums)
	for _, c := range p.VIPs {
		v := w.VIPs[c.Spec.Name]
		v.Num, n.Nums[c.Num] = c.Num, true
		if c.Ring != nil {
			v.Ring = c.Ring
		}
		switch {
		case c.Before != nil:
			v.Before = c.Before
		case !plan.Settles(c.Spec):
			v.Before = nil
		}
		n.VIPs[c.Spec.Name] = v
		for i, b := range c.Spec.Backends {
			n.IDs[plan.Key{VIP: c.Num, Address: b.Address}] = c.IDs[i]
		}
	}
	return n
}

// rested is the world some time later: every VIP has settled, and what nothing names any more has come free.
func rested(w plan.World) plan.World {
	n := plan.World{Spec: w.Spec, VIPs: map[string]plan.VIP{}, IDs: map[plan.Key]uint16{}, Nums: map[uint16]bool{}}
	for name, v := range w.VIPs {
		v.Before = nil
		n.VIPs[name], n.Nums[v.Num] = v, true
		for _, b := range w.Spec.VIP(name).Backends {
			k := plan.Key{VIP: v.Num, Address: b.Address}
			n.IDs[k] = w.IDs[k]
		}
	}
	return n
}

func backend(address string, weight uint32, state spec.State) spec.Backend {
	return spec.Backend{Address: netip.MustParseAddr(address), Weight: weight, State: state}
}
