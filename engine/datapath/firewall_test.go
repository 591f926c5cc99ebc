package datapath

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"hairpin/engine/packet"
	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// wallSpec has a firewall at each hook; those of eth1 and of eth0's egress have other lists than eth0's ingress.
const wallSpec = `
version: 1
stages:
  firewall:
    drop:
      sources: [192.0.2.0/24, 192.0.2.7, 203.0.113.128/25, "2001:db8:bad::/48"]
      destinations: [10.99.0.2, "fd00:99::2", 10.99.0.0/32]
  strict: {kind: firewall, drop: {sources: [192.0.2.0/24], destinations: [0.0.0.0/0]}}
nics:
  eth0: {xdp: [firewall, balancer], tcx_egress: [strict]}
  eth1: {tcx_ingress: [firewall]}
vips:
  - {name: web,  addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
  - {name: dark, addresses: [10.99.0.2, "fd00:99::2"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
`

func from4(a string) ip4 { return ip4{Src: addr(a)} }
func from6(a string) ip6 { return ip6{Src: addr(a)} }

var walled = []row{
	{"a listed source", frame(from4("192.0.2.7"), syn), dropped("firewall_source", "web")},
	{"the first address of a network", frame(from4("192.0.2.0"), syn), dropped("firewall_source", "web")},
	{"the last address of a network", frame(from4("192.0.2.255"), syn), dropped("firewall_source", "web")},
	{"the address behind a network", frame(from4("192.0.3.0"), syn), sent("web", gue)},
	{"the address before a network", frame(from4("192.0.1.255"), syn), sent("web", gue)},
	{"the first address of half a network", frame(from4("203.0.113.128"), syn), dropped("firewall_source", "web")},
	{"the address before it", frame(from4("203.0.113.127"), syn), sent("web", gue)},
	{"a listed source of no service", frame(ip4{Src: addr("192.0.2.7"), Dst: addr("10.1.1.1")}, tcp{Dst: 22, Flags: "S"}), dropped("firewall_source", "")},
	{"a listed source, v6", frame(from6("2001:db8:bad::1"), syn), dropped("firewall_source", "web")},
	{"the last address of a network, v6", frame(from6("2001:db8:bad:ffff:ffff:ffff:ffff:ffff"), syn), dropped("firewall_source", "web")},
	{"the address behind a network, v6", frame(from6("2001:db8:bae::"), syn), sent("web", gue)},
	{"a listed destination", frame(to4("2"), syn), dropped("firewall_destination", "dark")},
	{"a listed destination, v6", frame(to6("2"), syn), dropped("firewall_destination", "dark")},
	{"source and destination listed", frame(ip4{Src: addr("192.0.2.7"), Dst: addr("10.99.0.2")}, syn), dropped("firewall_source", "dark")},
	{"a source that is listed as a destination", frame(ip4{Src: addr("10.99.0.2")}, syn), sent("web", gue)},
	{"a destination that is listed as a source", frame(ip4{Dst: addr("192.0.2.7")}, syn), passed("no_vip")},
	{"a fragment", frame(ip4{Src: addr("192.0.2.7"), MF: true}, udp{}, fill(8)), dropped("firewall_source", "web")},
	{"behind a vlan tag", frame(vlan{}, from4("192.0.2.7"), syn), dropped("firewall_source", "web")},
	{"icmp", frame(from4("192.0.2.7"), packet.ICMPv4{}), dropped("firewall_source", "web")},
	{"extension headers", frame(from6("2001:db8:bad::1"), packet.HopByHop{}, syn), dropped("firewall_source", "web")},
	{"arp", frame(packet.ARP{}), passed("not_ip")},
	{"a packet that contradicts itself", frame(ip4{Src: addr("192.0.2.7"), IHL: 4}, syn), passed("malformed")},
}

func TestFirewall(t *testing.T) {
	t.Parallel()
	n := newNode(t, wallSpec)
	for _, r := range walled {
		t.Run(r.sentence, func(t *testing.T) { n.check(t, n.chain(t, "eth0", XDP), r, 0) })
	}
	for _, r := range []row{
		{"from a listed source", frame(from4("192.0.2.7"), syn), dropped("firewall_source", "web")},
		{"to a listed destination, v6", frame(to6("2"), syn), dropped("firewall_destination", "dark")},
		{"from another source", frame(from4("198.51.100.7"), syn), passed("chain_end")},
		{"from another source, v6", frame(from6("2001:db8::7"), syn), passed("chain_end")},
	} {
		t.Run("tcx ingress, "+r.sentence, func(t *testing.T) { n.check(t, n.chain(t, "eth1", TCXIngress), r, 0) })
	}
	for _, r := range []row{
		{"from a listed source", frame(from4("192.0.2.7"), syn), dropped("firewall_source", "web")},
		{"to any destination", frame(from4("198.51.100.7"), syn), dropped("firewall_destination", "web")},
		{"to any destination, v6", frame(from6("2001:db8:bad::1"), syn), passed("chain_end")},
	} {
		t.Run("tcx egress, "+r.sentence, func(t *testing.T) { n.check(t, n.chain(t, "eth0", TCXEgress), r, 0) })
	}
}

// TestFirewallInShadow: what it would drop is counted as that, and goes on.
func TestFirewallInShadow(t *testing.T) {
	t.Parallel()
	n := newNode(t, strings.Replace(wallSpec, "[firewall, balancer]", "[{stage: firewall, shadow: true}, balancer]", 1))
	chain, in := n.chain(t, "eth0", XDP), frame(from4("192.0.2.7"), syn)
	before := n.ledger(t)
	if verdict, _ := n.run(t, chain, in, 0); verdict != xdpTX {
		t.Errorf("verdict %d", verdict)
	}
	each := fmt.Sprintf(" 1/%d, ", len(in))
	want := "backend web 10.1.1.11" + each + fmt.Sprintf("chain %d forwarded", chain) + each +
		dropLine(chain, 1, "web", "firewall_source", true) + each + strings.TrimSuffix("vip web"+each, ", ")
	if got := n.ledger(t).since(before); got != want {
		t.Errorf("counted %s\nwant    %s", got, want)
	}
}

// TestTablesAreShared: equal lists have one table, and a change makes only the tables of lists that it changes.
func TestTablesAreShared(t *testing.T) {
	t.Parallel()
	n := newNode(t, `
version: 1
stages:
  firewall: {drop: {sources: [192.0.2.0/24, "2001:db8::/32"]}}
  other:    {kind: firewall, drop: {sources: ["2001:db8::/32"], destinations: [192.0.2.128/25, 192.0.2.0/24, 198.51.100.1]}}
  third:    {kind: firewall, drop: {destinations: [192.0.2.0/24]}}
nics: {eth0: {xdp: [firewall, other], tcx_egress: [third]}, eth1: {xdp: [firewall]}}
`)
	row := func(nic string, hook Hook) rowSettings {
		return n.rows.all[int(n.Control().Active)*Chains+n.chain(t, nic, hook)]
	}
	walls := func() (a, b, c firewall) {
		r := row("eth0", XDP)
		return n.firewalls.all[r.Settings[1]], n.firewalls.all[r.Settings[2]], n.firewalls.all[row("eth0", TCXEgress).Settings[1]]
	}
	a, b, c := walls()
	if a.Src4 == 0 || a.Src4 != c.Dst4 || a.Src6 == 0 || a.Src6 != b.Src6 || b.Dst4 == a.Src4 || b.Src4 != 0 {
		t.Errorf("tables %v, %v, %v", a, b, c)
	}
	if got, want := row("eth1", XDP).Settings[1], row("eth0", XDP).Settings[1]; got != want {
		t.Errorf("one stage has the settings %d and %d", got, want)
	}
	n.edit(t, 0, func(s *spec.Spec) (*spec.Spec, error) {
		s = s.Clone()
		drop := &s.Stage("firewall").Settings.(*spec.Policy).Drop
		drop.Sources = append(drop.Sources, netip.MustParsePrefix("10.0.0.0/8"))
		return s, nil
	})
	if a2, b2, c2 := walls(); a2.Src4 == a.Src4 || a2.Src6 != a.Src6 || b2 != b || c2 != c {
		t.Errorf("a change of one list of %v, %v, %v made %v, %v, %v", a, b, c, a2, b2, c2)
	}
}

// TestTablesComeFree: the blocks of tables that nobody names any more are given out again.
func TestTablesComeFree(t *testing.T) {
	t.Parallel()
	n := newNode(t, firewallSpec("sources: [192.0.2.0/24]"))
	used := func() (blocks int) {
		for i := range n.blocks.all {
			if n.blocks.all[i] != 0 {
				blocks++
			}
		}
		return blocks
	}
	first := used()
	for i := range 2 * Generations {
		n.apply(t, parse(t, firewallSpec(fmt.Sprintf("sources: [192.0.%d.0/24]", i))), 0)
	}
	if got := used(); got > (Generations+1)*first {
		t.Errorf("%d blocks for one table, %d after %d changes", first, got, 2*Generations)
	}
	n.apply(t, parse(t, firewallSpec("")), 0)
	if n.drops(t, addr("192.0.31.1")) {
		t.Error("an empty firewall drops")
	}
}

// TestFullFirewalls: where the store of prefixes or the counters of rules have no room, a change fails, and nothing of what
// runs is different.
func TestFullFirewalls(t *testing.T) {
	t.Parallel()
	n := newNode(t, rulesSpec)
	chain, active := n.chain(t, "eth0", XDP), n.Control().Active
	const element, of = Firewalls - 1, 7
	r := &n.rows.all[int(active)*Chains+Chains-1] // of a chain that is not there
	r.Kind[1], r.Settings[1] = stageFirewall, element
	fails := func(edit func(*spec.Policy), want string) {
		t.Helper()
		s := n.spec.Clone()
		edit(s.Stage("firewall").Settings.(*spec.Policy))
		world, err := n.World(n.spec)
		if err != nil {
			t.Fatal(err)
		}
		p, err := plan.Compute(world, s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Stage(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if rules, reason := n.counts(t, chain, frame(from4("192.0.2.8"), syn)); len(rules) != 2 || reason != "firewall_source" || n.Control().Active != active {
			t.Errorf("afterwards: counted %v, left by %s, generation %d", rules, reason, n.Control().Active)
		}
	}
	blocks := slices.Clone(n.blocks.all)
	for i, digest := range blocks {
		if digest == 0 {
			n.blocks.all[i] = of
		}
	}
	n.firewalls.all[element] = firewall{Src4: 1, Digest: [4]uint64{of}}
	fails(func(p *spec.Policy) { p.Drop.Sources[0] = netip.MustParsePrefix("10.0.0.0/8") }, "stage firewall: the store of prefixes is full")
	copy(n.blocks.all, blocks)
	n.firewalls.all[element] = firewall{}
	var some []uint16
	for i := range uint16(RuleCounters - 6) {
		some = append(some, i+1+5)
	}
	for i := range len(some) / Rules { // elements full of counters that nobody else has
		copy(n.firewalls.all[element-i].Counter[:], some[i*Rules:])
		r := &n.rows.all[int(active)*Chains+Chains-1-i]
		r.Kind[1], r.Settings[1] = stageFirewall, uint16(element-i)
	}
	fails(func(p *spec.Policy) {
		for i := range Rules {
			p.Rules = append(p.Rules[:min(len(p.Rules), Rules-1)], spec.Rule{Name: fmt.Sprint("more-", i), Match: "tcp", Action: spec.RuleCount})
		}
		for i := range p.Rules {
			p.Rules[i].Name = fmt.Sprint("new-", i)
		}
	}, "stage firewall: rules: all 1023 counters are in use")
}
