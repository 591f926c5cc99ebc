package spec

import (
	"fmt"
	"net/netip"
	"slices"
)

// MaxHosted is how many addresses an agent takes packets for, each of its taps' included.
const MaxHosted = 1023

// checkAgent looks at what an agent hosts and does. One that gives packets on to a balancer may host nothing.
func checkAgent(g *Agent, rebalances bool, f *faults) {
	here := whole.field("agent")
	if len(g.VIPs) == 0 && len(g.Taps) == 0 && !rebalances {
		f.wrong(here.field("vips"), "empty: write the VIP addresses whose packets come to this host")
	}
	if !has(modes, g.Mode) {
		f.wrong(here.field("mode"), "%s is not known", g.Mode)
	}
	if !has(orphans, g.Orphans) {
		f.wrong(here.field("orphans"), "%s is not known", g.Orphans)
	}
	if g.EncapPort == 0 {
		f.wrong(here.field("encap_port"), "0 is not within 1 to 65535")
	}
	if g.MSS != 0 && (g.MSS < MinMSS || g.MSS > MaxMSS) {
		f.wrong(here.field("mss"), "%d is not within %d to %d", g.MSS, MinMSS, MaxMSS)
	}
	g.checkPeers(here.field("handover"), f)
	g.checkHosted(g.VIPs, g.Local, here, f)
	hosted := map[netip.Addr]bool{}
	for _, a := range g.VIPs {
		hosted[a] = true
	}
	names := map[string]bool{}
	for i, t := range g.Taps {
		at := here.field("taps").item(i)
		if why := badNICName(t.Name); why != "" {
			f.wrong(at.field("name"), "%s", why)
		} else if names[t.Name] {
			f.wrong(at.field("name"), "%s stands in this list already", t.Name)
		}
		names[t.Name] = true
		if len(t.VIPs) == 0 {
			f.wrong(at.field("vips"), "empty: write the VIP addresses that are for this machine")
		}
		g.checkHosted(t.VIPs, t.Local, at, f)
		for _, a := range t.VIPs {
			hosted[a] = true
		}
	}
	if len(hosted) > MaxHosted {
		f.wrong(here, "%d addresses are too many: at most %d, those of taps included", len(hosted), MaxHosted)
	}
	if g.Report != nil {
		g.Report.check(here.field("report"), f)
	}
}

func (g *Agent) checkPeers(list *at, f *faults) {
	if len(g.Handover) > MaxPeers {
		f.wrong(list, "%d are too many: at most %d", len(g.Handover), MaxPeers)
	}
	for i, p := range g.Handover {
		if why := badPrefix(p); why != "" {
			f.wrong(list.item(i), "%s", why)
		} else if p.Bits() == 0 {
			f.wrong(list.item(i), "%s is everybody, who could then have this host send packets: write the networks of load balancers and backends", p)
		}
	}
}

// checkHosted looks at the VIPs of the host or of a tap, and at the local addresses that stand in for them.
func (g *Agent) checkHosted(vips, local []netip.Addr, here *at, f *faults) {
	hosted := checkAddresses(vips, here.field("vips"), f)
	at, stands := here.field("local"), map[bool]netip.Addr{}
	if g.Mode != SNATMode {
		if len(local) > 0 {
			f.wrong(at, "is for mode: snat: with dsr, servers have the VIP itself")
		}
		return
	}
	checkAddresses(local, at, f)
	for i, a := range local {
		switch other := stands[a.Is4()]; {
		case hosted[a]:
			f.wrong(at.item(i), "%s is a VIP: write an address that servers listen on, and that is this machine's alone", a)
		case other.IsValid() && other != a:
			f.wrong(at.item(i), "%s and %s are of one family: write one of them", other, a)
		}
		stands[a.Is4()] = a
	}
	for i, a := range vips {
		if !stands[a.Is4()].IsValid() {
			f.wrong(here.field("vips").item(i), "%s has no local address of its family to stand in for it: add one, as local: [%s]",
				a, exampleLocal(a))
		}
	}
}

func exampleLocal(like netip.Addr) string {
	if like.Is4() {
		return "10.1.1.11"
	}
	return `"fd00:1:1::11"`
}

// checkAddresses looks at a list of addresses of which each stands once, and returns which.
func checkAddresses(list []netip.Addr, here *at, f *faults) map[netip.Addr]bool {
	seen := map[netip.Addr]bool{}
	for i, a := range list {
		if why := badAddress(a); why != "" {
			f.wrong(here.item(i), "%s", why)
		} else if seen[a] {
			f.wrong(here.item(i), "%s stands in this list already", a)
		}
		seen[a] = true
	}
	return seen
}

// checkSides compares where decap and snat stand with what the agent is to do. On a tap, what its chains call egress goes
// to the machine.
func (s *Spec) checkSides(f *faults) {
	inward, outward := map[string]bool{}, map[string]bool{}
	for _, n := range s.NICs {
		here, tap := whole.field("nics").field(n.Name), s.Agent.Tap(n.Name) != nil
		for _, c := range n.Chains() {
			at := here.field(string(c.Hook))
			if s.stands(c.Stages, Decap) {
				inward[n.Name] = true
				if tap != (c.Hook == TCXEgress) {
					f.wrong(at, "%s", wrongSide(n.Name, Decap, tap))
				}
			}
			if s.stands(c.Stages, SNAT) {
				outward[n.Name] = true
				if tap != (c.Hook == TCXIngress) {
					f.wrong(at, "%s", wrongSide(n.Name, SNAT, tap))
				}
			}
		}
		if s.Agent.Mode == SNATMode && s.stands(n.XDP, Decap) && s.stands(n.TCXIngress, Decap) {
			f.wrong(here.field("tcx_ingress"), "decap stands in xdp already, and would take what that has translated for a direct connection: remove it")
		}
		if tap && inward[n.Name] != outward[n.Name] && s.Agent.Mode == SNATMode {
			f.wrong(here, "a tap needs both: %s: {tcx_egress: [decap], tcx_ingress: [snat]}", n.Name)
		}
	}
	s.checkMissing(inward, outward, f)
}

// checkMissing looks for what the agent is to do and no chain does.
func (s *Spec) checkMissing(inward, outward map[string]bool, f *faults) {
	host := false
	for nic := range outward {
		host = host || s.Agent.Tap(nic) == nil
	}
	here := whole.field("agent")
	if len(s.Agent.Handover) > 0 && !slices.ContainsFunc(s.NICs, func(n NIC) bool { return s.stands(n.XDP, Decap) }) {
		f.wrong(here.field("handover"), "only decap in xdp can pass packets on, and there is none: put it there, or remove this")
	}
	if len(s.Agent.VIPs) > 0 && !host {
		switch {
		case s.Agent.Mode == SNATMode:
			f.wrong(here.field("mode"), "no chain has snat to make replies come from the VIP: add it, as in nics: {eth0: {xdp: [decap], tcx_egress: [snat]}}")
		case s.Agent.MSS != 0:
			f.wrong(here.field("mss"), "no chain has snat, which sees what the servers announce: add it, as in nics: {eth0: {xdp: [decap], tcx_egress: [snat]}}")
		}
	}
	if s.Agent.Mode == DSR && s.Agent.MSS == 0 && len(outward) > 0 {
		f.wrong(here.field("mode"), "snat stands in a chain and has nothing to do with dsr: remove it there, or write mode: snat")
	}
	for i, t := range s.Agent.Taps {
		if !inward[t.Name] {
			f.wrong(here.field("taps").item(i), "%s has no chain with decap: add one, as in nics: {%s: {tcx_egress: [decap]%s}}", t.Name, t.Name,
				map[AgentMode]string{SNATMode: ", tcx_ingress: [snat]"}[s.Agent.Mode])
		}
	}
}

func wrongSide(nic string, kind Stage, tap bool) string {
	place := map[Stage]string{Decap: "xdp or tcx_ingress", SNAT: "tcx_egress"}
	if tap {
		place = map[Stage]string{Decap: "tcx_egress", SNAT: "tcx_ingress"}
		return fmt.Sprintf("%s is a tap of agent.taps, where the machine is on the other side: put %s into %s", nic, kind, place[kind])
	}
	return fmt.Sprintf("%s belongs into %s, but for taps, which agent.taps names: put it there, or add {name: %s, ...} to agent.taps", kind, place[kind], nic)
}
