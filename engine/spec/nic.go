package spec

import "slices"

// Hook is a place in the kernel at which a NIC's packets meet a chain.
type Hook string

// Hooks that a spec can name. Where the kernel has no tcx, its clsact takes the place.
const (
	XDP        Hook = "xdp"
	TCXIngress Hook = "tcx_ingress"
	TCXEgress  Hook = "tcx_egress"
)

// Chain is the stages of a NIC at one hook, first stage first.
type Chain struct {
	Hook   Hook
	Stages []Position
}

// Chains are the NIC's chains in the order in which a packet meets their hooks; a hook without stages has none.
func (n NIC) Chains() []Chain {
	all := []Chain{{XDP, n.XDP}, {TCXIngress, n.TCXIngress}, {TCXEgress, n.TCXEgress}}
	return slices.DeleteFunc(all, func(c Chain) bool { return len(c.Stages) == 0 })
}

// At is where the chain of a hook stands within n; nil for no hook.
func (n *NIC) At(h Hook) *[]Position {
	switch h {
	case XDP:
		return &n.XDP
	case TCXIngress:
		return &n.TCXIngress
	case TCXEgress:
		return &n.TCXEgress
	}
	return nil
}

// Has tells whether packets meet a stage of that kind in any chain of the NIC.
func (s *Spec) Has(n NIC, kind Stage) bool {
	return slices.ContainsFunc(n.Chains(), func(c Chain) bool { return s.stands(c.Stages, kind) })
}

func (s *Spec) stands(list []Position, kind Stage) bool {
	return slices.ContainsFunc(Enabled(list), func(p Position) bool { return s.KindOf(p.Name) == kind })
}

// BalancesAt tells whether a NIC has a balancer.
func (s *Spec) BalancesAt(nic string) bool {
	n := s.NIC(nic)
	return n != nil && s.Has(*n, Balancer)
}

// Rebalances tells whether decap stands in front of the balancer of a NIC, to which it gives on what tunnels bring for its
// VIPs.
func (s *Spec) Rebalances(n NIC) bool { return s.stands(n.XDP, Decap) && s.stands(n.XDP, Balancer) }
