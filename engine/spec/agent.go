package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Agent is the backend's side: which encapsulated VIPs it accepts and how replies leave.
type Agent struct {
	VIPs      []netip.Addr
	Mode      AgentMode
	Local     []netip.Addr // with SNAT: where the servers listen, at most one address a family
	Taps      []Tap        // of virtual machines
	MSS       uint16       // most that either side may announce; 0 = as it is
	Orphans   Orphans
	Handover  []netip.Prefix // where load balancers and other backends are, between whom it passes packets on; empty = it does not
	EncapPort uint16
	Report    *Report // nil = it tells nobody
}

// Tap is a network interface behind which a virtual machine is, and the VIPs that are for it alone.
type Tap struct {
	Name  string
	VIPs  []netip.Addr
	Local []netip.Addr // with SNAT: the machine's own addresses
}

// AgentMode says how replies leave a backend.
type AgentMode uint8

// DSR: the VIP is configured on the backend's lo, and replies go straight to the client. SNAT: packets go to a local address,
// and replies are made to come from the VIP, for servers that know nothing of it.
const (
	DSR AgentMode = iota
	SNATMode
)

// Orphans says what an agent does about packets of TCP for which no socket waits.
type Orphans uint8

// OrphansIgnored leaves them to the kernel; OrphansCounted does too, and counts them, which looks for a socket with every
// packet.
const (
	OrphansIgnored Orphans = iota
	OrphansCounted
)

// MaxPeers is how many networks Handover may name.
const MaxPeers = 8

// What an agent may write for MSS: IPv4 hosts take 536 bytes always.
const (
	MinMSS = 536
	MaxMSS = 65495
)

// Tap is the one of that name; nil when there is none.
func (g *Agent) Tap(nic string) *Tap {
	if g == nil {
		return nil
	}
	i := slices.IndexFunc(g.Taps, func(t Tap) bool { return t.Name == nic })
	if i < 0 {
		return nil
	}
	return &g.Taps[i]
}

// Hosted are all addresses that the agent takes packets for, those of taps last; some stand more than once.
func (g *Agent) Hosted() []netip.Addr {
	if g == nil {
		return nil
	}
	all := slices.Clone(g.VIPs)
	for _, t := range g.Taps {
		all = append(all, t.VIPs...)
	}
	return all
}

// LooksInside tells whether the agent has to read more of packets than their IP headers.
func (g *Agent) LooksInside() bool {
	return g != nil && (g.Mode == SNATMode || g.MSS != 0 || g.Orphans != OrphansIgnored || len(g.Handover) > 0)
}

func (r *reader) agent(n *yaml.Node, a *at) *Agent {
	g := &Agent{EncapPort: DefaultEncapPort}
	r.fields(n, a,
		field{"vips", "", list(r, &g.VIPs, 2*MaxAddresses, r.address)},
		field{"mode", "", choice(r, &g.Mode, modes)},
		field{"local", "", list(r, &g.Local, 2, r.address)},
		field{"taps", "", list(r, &g.Taps, MaxNICs, r.tap)},
		field{"mss", "", number(r, &g.MSS, MinMSS, MaxMSS)},
		field{"orphans", "", choice(r, &g.Orphans, orphans)},
		field{"handover", "", list(r, &g.Handover, MaxPeers, r.prefix)},
		field{"encap_port", "", number(r, &g.EncapPort, 1, 65535)},
		field{"report", "", func(n *yaml.Node, a *at) { g.Report = r.report(n, a) }},
	)
	return g
}

func (r *reader) tap(n *yaml.Node, a *at) (t Tap) {
	r.fields(n, a,
		field{"name", "the name of the tap device", scalar(r, &t.Name, name)},
		field{"vips", "the VIP addresses that are for this machine", list(r, &t.VIPs, 2*MaxAddresses, r.address)},
		field{"local", "", list(r, &t.Local, 2, r.address)},
	)
	return t
}

// write is the agent as one value. What is as it is by default, and came later than agents, is left out.
func (g *Agent) write() string {
	var b strings.Builder
	fmt.Fprintf(&b, "{vips: [%s], mode: %s", addresses(g.VIPs), g.Mode)
	if len(g.Local) > 0 {
		fmt.Fprintf(&b, ", local: [%s]", addresses(g.Local))
	}
	if len(g.Taps) > 0 {
		all := make([]string, len(g.Taps))
		for i, t := range g.Taps {
			all[i] = t.write()
		}
		fmt.Fprintf(&b, ", taps: [%s]", strings.Join(all, ", "))
	}
	if g.MSS != 0 {
		fmt.Fprintf(&b, ", mss: %d", g.MSS)
	}
	if g.Orphans != OrphansIgnored {
		fmt.Fprintf(&b, ", orphans: %s", g.Orphans)
	}
	if len(g.Handover) > 0 {
		b.WriteString(", handover: " + prefixList(g.Handover))
	}
	fmt.Fprintf(&b, ", encap_port: %d", g.EncapPort)
	if g.Report != nil {
		b.WriteString(", report: " + g.Report.write())
	}
	return b.String() + "}"
}

func (t Tap) write() string {
	local := ""
	if len(t.Local) > 0 {
		local = ", local: [" + addresses(t.Local) + "]"
	}
	return fmt.Sprintf("{name: %s, vips: [%s]%s}", plain(t.Name), addresses(t.VIPs), local)
}

func (g *Agent) clone() *Agent {
	if g == nil {
		return nil
	}
	c := *g
	c.VIPs, c.Local, c.Report = slices.Clone(g.VIPs), slices.Clone(g.Local), g.Report.clone()
	c.Handover = slices.Clone(g.Handover)
	c.Taps = slices.Clone(g.Taps)
	for i := range c.Taps {
		t := &c.Taps[i]
		t.VIPs, t.Local = slices.Clone(t.VIPs), slices.Clone(t.Local)
	}
	return &c
}

// Equal is Spec.Equal for an agent.
func (g *Agent) Equal(o *Agent) bool {
	if g == nil || o == nil {
		return g == o
	}
	return g.Mode == o.Mode && g.EncapPort == o.EncapPort && g.MSS == o.MSS && g.Orphans == o.Orphans &&
		slices.Equal(g.Handover, o.Handover) && slices.Equal(g.VIPs, o.VIPs) && slices.Equal(g.Local, o.Local) && slices.EqualFunc(g.Taps, o.Taps, Tap.Equal) &&
		g.Report.Equal(o.Report)
}

// Equal is Spec.Equal for a tap.
func (t Tap) Equal(o Tap) bool {
	return t.Name == o.Name && slices.Equal(t.VIPs, o.VIPs) && slices.Equal(t.Local, o.Local)
}
