package engine

import "slices"

// ingress tells whether packets from outside come by this chain.
func (n NIC) ingress() bool { return n.Hook != "tcx_egress" && n.Hook != "clsact_egress" }

// Fronts are the chains that are the first of their NIC to see what comes in, so that no packet counts twice.
func Fronts(nics []NIC) []NIC {
	return slices.DeleteFunc(slices.Clone(nics), func(n NIC) bool {
		return !n.ingress() || n.Hook != "xdp" && slices.ContainsFunc(nics, func(o NIC) bool {
			return o.Name == n.Name && o.Hook == "xdp" && o.State == "attached"
		})
	})
}

// Totals are the rates of all NICs: what comes in from outside, and what becomes of it.
func (s *State) Totals() (in, forward, drop float64) {
	for _, n := range Fronts(s.NICs) {
		in += n.In.PPS
	}
	for _, n := range s.NICs {
		if n.ingress() {
			forward, drop = forward+n.Forward.PPS, drop+n.Drop.PPS
		}
	}
	return in, forward, drop
}
