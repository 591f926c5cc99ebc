package bench

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// Sources of the packets that meet firewalls: 65,536 each, in networks of which something is listed, or nothing.
const (
	nearListed = 20<<24 | 0x8000 // 20.0.128.0 to 20.1.127.255
	unlisted   = 10 << 24
	blocked    = 30 << 24 // 30.0.0.0/16
)

// tenThousand are prefixes as lists have them: networks of 256 and single addresses, all over the address space, with none
// of the sources above but those of blocked.
func tenThousand() []netip.Prefix {
	r := rand.New(rand.NewPCG(1, 2))
	list := []netip.Prefix{netip.MustParsePrefix("30.0.0.0/16"), netip.MustParsePrefix("2001:db8:f::/48")}
	for len(list) < 10_000 {
		a := netip.AddrFrom4([4]byte{byte(1 + r.UintN(223)), byte(r.UintN(256)), byte(r.UintN(256)), byte(r.UintN(256))})
		if len(list)%10 == 0 { // in the networks of the sources, beside them
			a = netip.AddrFrom4([4]byte{20, byte(len(list) / 10 % 2), byte(r.UintN(128)) | byte(len(list)/10%2)<<7, byte(r.UintN(256))})
		}
		if b := a.As4(); b[0] == 10 || b[0] == 20 && len(list)%10 != 0 {
			continue
		}
		p := netip.PrefixFrom(a, 24+8*r.IntN(2))
		if len(list)%4 == 0 {
			p = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(r.UintN(256)), byte(16 + r.UintN(200)), byte(r.UintN(256))}), 64)
		}
		list = append(list, p.Masked())
	}
	return list
}

// newWalled is a quiet node with a firewall in front of the balancer.
func newWalled(t *testing.T, bpffs, name string, rules ...spec.Rule) *node {
	n := newNode(t, bpffs, name)
	s := parseSpec(t, quietSpec)
	s.Stages = []spec.Named{{Name: "firewall", Kind: spec.Firewall, Settings: &spec.Policy{Rules: rules, Drop: spec.DropLists{Sources: tenThousand()}}}}
	s.NICs[0].XDP = spec.Stands(spec.Firewall, spec.Balancer)
	n.apply(t, s)
	n.reach()
	return n
}

// newLimited is a walled node with a limit of new connections behind the firewall.
func newLimited(t *testing.T, bpffs, name string) *node {
	n := newWalled(t, bpffs, name)
	s := n.running.Clone()
	s.Stages = append(s.Stages, spec.Named{Name: "ratelimit", Kind: spec.RateLimit, Settings: &spec.Rates{Limits: []spec.Rate{{Rate: 1000, Per: spec.PerVIP}}}})
	s.NICs[0].XDP = spec.Stands(spec.Firewall, spec.RateLimit, spec.Balancer)
	n.apply(t, s)
	n.reach()
	return n
}

// tenRules are rules none of which matches the packets that are measured.
func tenRules() (all []spec.Rule) {
	for i := range 10 {
		match := fmt.Sprintf("src net 198.18.%d.0/24 and tcp dst port %d and not host 198.18.0.1", i, 8000+i)
		all = append(all, spec.Rule{Name: fmt.Sprint("rule-", i), Match: match, Action: spec.RuleDrop})
	}
	return all
}

// firewallPaths are the ways through a firewall with 10,000 prefixes, and what it adds to a chain without it.
func firewallPaths(t *testing.T, bpffs string, empty, short *path) []*path {
	limited := newLimited(t, bpffs, "limited")
	walled, ruled := newWalled(t, bpffs, "walled"), newWalled(t, bpffs, "ruled", tenRules()...)
	ack4, ack6 := frame4(packet.TCP{Flags: "A"}), frame6(packet.TCP{Flags: "A"})
	far, close, listed := flows{ack4, unlisted, 65536}, flows{ack4, nearListed, 65536}, flows{ack4, blocked, 65536}
	rows := []*path{
		{name: "firewall, balancer, 65,536 flows", node: walled, flows: far, base: empty},
		{name: "firewall, balancer, listed /16s, 65,536 flows", node: walled, flows: close, base: empty},
		{name: "firewall, balancer, v6, 65,536 flows", node: walled, flows: flows{ack6, unlisted, 65536}, base: empty},
		{name: "firewall of 10 rules, balancer, 65,536 flows", node: ruled, flows: far, base: empty},
		{name: "dropped by the firewall", budget: 1.7, node: walled, flows: listed, reason: "firewall_source", base: empty},
		{name: "the firewall alone", node: walled, flows: far.with(ack4, 1), base: short},
		{name: "the firewall alone, listed /16s", node: walled, flows: close.with(ack4, 1), base: short},
		{name: "the firewall alone, 10 rules", node: ruled, flows: far.with(ack4, 1), base: short},
	}
	for _, p := range rows {
		p.calls = threeTails
	}
	return append(rows,
		&path{name: "firewall, ratelimit, balancer, 65,536 flows", budget: 5.7, node: limited, flows: far, calls: fourTails, base: empty},
		&path{name: "the same, listed /16s", budget: 5.7, node: limited, flows: close, calls: fourTails, base: empty})
}
