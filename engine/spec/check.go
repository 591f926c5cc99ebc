package spec

import (
	"fmt"
	"slices"
	"strings"
)

// Validate tells what is wrong with a spec that did not come from Parse, as an *Error with all of it, or nil. Unlike
// Parse it fills in no defaults.
func (s *Spec) Validate() error {
	f := &faults{}
	check(s, f)
	return f.err("check spec", nil)
}

// check notes every value that a spec must not have, alone or together with others.
func check(s *Spec, f *faults) {
	if s.Version != Version {
		f.wrong(whole.field("version"), "%d is not %d", s.Version, Version)
	}
	checkStages(s, f)
	checkProbes(s, f)
	checkNICs(s, f)
	checkVIPs(s, f)
	if s.Agent != nil {
		checkAgent(s.Agent, slices.ContainsFunc(s.NICs, s.Rebalances), f)
	}
	checkRoles(s, f)
	checkBGP(s, f)
	checkTenants(s, f)
}

// whole is the place of the whole spec.
var whole *at

func checkNICs(s *Spec, f *faults) {
	nics := whole.field("nics")
	if len(s.NICs) > MaxNICs {
		f.wrong(nics, "%d are too many: at most %d", len(s.NICs), MaxNICs)
	}
	seen := map[string]bool{}
	for _, n := range s.NICs {
		here := nics.field(n.Name)
		checkEntry(seen, n.Name, badNICName(n.Name), here, f)
		for _, c := range n.Chains() {
			checkChain(s, c, here.field(string(c.Hook)), f)
		}
	}
}

// badNICName is what the kernel has against a name of a network interface, and what a terminal has.
func badNICName(name string) string {
	const most = 15
	odd := func(c rune) bool { return c <= ' ' || c > '~' || c == '/' || c == ':' }
	switch {
	case name == "":
		return "empty: write the name of a network interface"
	case len(name) > most:
		return fmt.Sprintf("a network interface's name has at most %d bytes, this has %d", most, len(name))
	case name == "." || name == "..":
		return "not a name that a network interface can have"
	case strings.ContainsFunc(name, odd):
		return "a network interface's name has letters, digits and signs, but no space, slash or colon"
	}
	return ""
}

func listed[T ~string](words []T, between string) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return strings.Join(all, between)
}

// checkRoles compares what the chains do with what the rest of the spec is for.
func checkRoles(s *Spec, f *faults) {
	if f.outside("vips", "version") {
		return // a stage or block may only look missing
	}
	var balancer, decap, snat *at
	for _, n := range s.NICs {
		here := whole.field("nics").field(n.Name)
		if s.Has(n, Balancer) {
			balancer = here
		}
		if s.Has(n, Decap) {
			decap = here
		}
		if s.Has(n, SNAT) {
			snat = here
		}
		s.checkRebalanced(n, here, f)
	}
	if len(s.VIPs) > 0 && balancer == nil && !s.endsConnections() {
		f.wrong(whole.field("vips"), "no chain has a balancer to serve them: add one, as in nics: {eth0: {xdp: [balancer]}}")
	}
	if s.Reported() != nil && balancer == nil {
		f.wrong(whole.field("nics"), "no chain has a balancer, and source: agents counts what one sends to backends: where connections "+
			"end, write source: sockets")
	}
	if decap != nil && s.Agent == nil {
		f.wrong(decap, "decap unwraps nothing without an agent block: add one, as in agent: {vips: [10.99.0.1]}")
	}
	if snat != nil && s.Agent == nil {
		f.wrong(snat, "snat translates nothing without an agent block: add one, as in agent: {mode: snat, vips: [10.99.0.1], local: [10.1.1.11]}")
	}
	switch {
	case s.Agent == nil:
	case decap == nil:
		f.wrong(whole.field("agent"), "no chain has decap to work for it: add one, as in nics: {eth0: {xdp: [decap]}}")
	default:
		s.checkSides(f)
	}
}

// checkRebalanced looks at a NIC with balancer and decap: that gives on to it what tunnels bring for its VIPs.
func (s *Spec) checkRebalanced(n NIC, here *at, f *faults) {
	switch {
	case !s.Has(n, Balancer) || !s.Has(n, Decap):
	case !s.Rebalances(n) || s.stands(n.TCXIngress, Decap):
		f.wrong(here, "balancer and decap share a NIC: put them into one chain, as in xdp: [decap, balancer], where decap gives on to the "+
			"balancer what is for its VIPs; or give each a NIC of its own")
	case s.Agent.LooksInside():
		f.wrong(here, "in front of a balancer, decap unwraps and does no more: give each a NIC of its own, or have agent.mode be dsr, and "+
			"remove agent.mss and agent.orphans")
	}
}

// checkEntry: the name of an entry of a mapping is fit, or says why it is not, and stands there once.
func checkEntry(seen map[string]bool, name, why string, here *at, f *faults) {
	if why != "" {
		f.wrong(here, "%s", why)
	}
	if seen[name] {
		f.wrong(here, "given twice")
	}
	seen[name] = true
}
