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
	Stages []Stage
}

// Chains are the NIC's chains in the order in which a packet meets their hooks; a hook without stages has none.
func (n NIC) Chains() []Chain {
	all := []Chain{{XDP, n.XDP}, {TCXIngress, n.TCXIngress}, {TCXEgress, n.TCXEgress}}
	return slices.DeleteFunc(all, func(c Chain) bool { return len(c.Stages) == 0 })
}

// Has tells whether a stage stands in any chain of the NIC.
func (n NIC) Has(s Stage) bool {
	return slices.ContainsFunc(n.Chains(), func(c Chain) bool { return slices.Contains(c.Stages, s) })
}

// stages of this version, and the hooks at which each can stand.
var stages = []struct {
	name  Stage
	hooks []Hook
}{
	{Balancer, []Hook{XDP}},
	{Decap, []Hook{XDP, TCXIngress}},
}
