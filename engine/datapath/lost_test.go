package datapath

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"hairpin/engine/packet"
	"hairpin/engine/reason"
	"hairpin/engine/spec"
)

// lossySpec puts stages that refuse in front of the balancers: what else loses packets is not theirs.
var lossySpec = strings.Replace(balancerSpec, "nics: {eth0: {xdp: [balancer]}, eth1: {xdp: [balancer]}}", `
stages:
  firewall:
    rules: [{name: probes, match: src net 203.0.113.0/24, action: drop}]
    drop: {sources: [192.0.2.0/24], destinations: [10.99.0.9]}
  ratelimit: {limits: [{rate: 1, per: vip, vip: one}, {rate: 5, per: source}]}
  connlimit: {source: sockets, limits: [{max: 100, per: vip, vip: one}, {max: 5, per: source}]}
  tlswall: {ports: [443], vips: [one], full: drop}
nics: {eth0: {xdp: [firewall, ratelimit, balancer]}, eth1: {xdp: [tlswall, connlimit, balancer]}}
`, 1)

// lossyNodes are the specs whose nodes lose packets.
var lossyNodes = map[string]string{"balancer": lossySpec, "agent": snatSpec, "steer": `
version: 1
stages:
  steer: {rules: [{name: strict, to: [192.0.2.0/24], nic: nowhere, otherwise: drop}]}
nics: {eth0: {tcx_egress: [steer]}}
`}

// lostWay is a way to lose a packet.
type lostWay struct {
	sentence string
	node     string // of lossyNodes
	nic      string // by whose chain the packet comes
	hook     Hook   // of that; 0 = XDP
	in       []byte
	reason   string
	vip      string                                 // empty: of none
	before   func(t *testing.T, n *node, chain int) // makes it so; may be nil
	meta     int                                    // bytes in front of the packet
	fleeting bool                                   // what refuses it is over after a moment: when that passed, it is tried again
}

// lost is a way that nothing has to come before.
func lost(sentence, node, nic string, in []byte, why, vip string) lostWay {
	return lostWay{sentence: sentence, node: node, nic: nic, in: in, reason: why, vip: vip}
}

// at is the same at another hook.
func (w lostWay) at(hook Hook) lostWay {
	w.hook = hook
	return w
}

// after is the same behind something.
func (w lostWay) after(before func(t *testing.T, n *node, chain int)) lostWay {
	w.before = before
	return w
}

// behind is the same where others of its kind came so often that it is refused.
func (w lostWay) behind(others []byte, most int) lostWay {
	w.fleeting = true
	return w.after(func(t *testing.T, n *node, chain int) {
		for range most {
			if why, _, _ := n.exit(t, chain, others); why.Name == w.reason {
				return
			}
		}
		t.Fatalf("%d packets and none of them is %s", most, w.reason)
	})
}

var ackOf = tcp{Flags: "A"}

// lostWays are ordered: what one does to its node stays.
func lostWays() []lostWay {
	const lb, agent = "balancer", "agent"
	large, _ := big(1500, to4("12"), ackOf)
	told, _ := big(1500, ip4{Dst: addr("10.99.0.12"), DF: true}, ackOf)
	flood := func(last string) []byte { return frame(ip4{Src: addr("198.51.100." + last)}, syn) }
	noRoom := lost("no headroom", lb, "eth0", frame(ip4{}, ackOf), "no_headroom", "web")
	noRoom.meta = 200
	return []lostWay{
		lost("a later fragment whose first one went elsewhere", lb, "eth0", frame(ip4{ID: 78, Offset: 101, Protocol: packet.ProtoUDP}, fill(10)), "fragment", "web"),
		lost("a fragment that hides its header", lb, "eth0", frame(ip4{Offset: 1, Protocol: packet.ProtoTCP}, fill(16)), "bad_fragment", "web"),
		lost("too many extension headers", lb, "eth0", frame(ip6{}, opts{Options: make([]byte, 71)}, ackOf), "extension_header", "web"),
		lost("a routing header that leads on", lb, "eth0", frame(ip6{}, routing{Left: 1, Route: []netip.Addr{packet.VIP6}}, ackOf), "extension_header", "web"),
		lost("an icmp message about nothing", lb, "eth0", frame(ip4{}, icmp4{Type: 13}, fill(12)), "icmp", "web"),
		lost("a routing loop", lb, "eth0", frame(ip4{TTL: 1}, ackOf), "ttl_exceeded", "web"),
		lost("an encapsulation loop", lb, "eth0", frame(tunnel4, udp{}, ip4{}, ackOf), "looped", "tunnel"),
		lost("a vip without backends", lb, "eth0", frame(to4("10"), ackOf), "no_backend", "empty"),
		lost("backends that are down or weigh nothing", lb, "eth0", frame(to4("11"), ackOf), "no_backend", "resting"),
		lost("a neighbour that never answered", lb, "eth0", frame(to4("13"), ackOf), "no_next_hop", "lost"),
		lost("a neighbour that answers no more", lb, "eth0", frame(to4("5"), ackOf), "no_next_hop", "custom").after(func(t *testing.T, n *node, chain int) {
			n.served(t, chain, frame(to4("5"), ackOf))
			n.SetNextHop(n.id(t, "custom", "10.1.1.31"), NextHop{Unknown: "its neighbour does not answer"})
		}),
		lost("the last backend goes down", lb, "eth0", frame(to4("6"), syn), "no_backend", "all").after(func(t *testing.T, n *node, chain int) {
			n.served(t, chain, frame(to4("6"), syn))
			n.edit(t, 0, func(s *spec.Spec) (*spec.Spec, error) { return spec.SetState(s, "all", addr("10.1.1.41"), spec.Down) })
		}),
		lost("the last backend is taken out", lb, "eth0", frame(to4("6"), syn), "no_backend", "all").after(func(t *testing.T, n *node, _ int) {
			n.remove(t, "all", "10.1.1.41")
		}),
		lost("an mtu without room for the tunnel", lb, "eth0", large, "too_big", "narrow"),
		lost("an mtu without room for the tunnel, and the sender is told", lb, "eth0", told, "too_big_told", "narrow"),
		noRoom,
		lost("more pings than are answered", lb, "eth0", frame(ip4{}, icmp4{}, fill(8)), "echo_limited", "web").behind(frame(ip4{}, icmp4{}, fill(8)), 100_000),
		lost("a rule of the firewall", lb, "eth0", frame(ip4{Src: addr("203.0.113.9")}, ackOf), "firewall_rule", "web"),
		lost("a source that is listed", lb, "eth0", frame(ip4{Src: addr("192.0.2.9")}, ackOf), "firewall_source", "web"),
		lost("a destination that is listed", lb, "eth0", frame(ip4{Dst: addr("10.99.0.9")}, ackOf), "firewall_destination", ""),
		lost("the rate of a source", lb, "eth0", flood("98"), "source_rate_limited", "web").behind(flood("98"), 100),
		lost("the rate of a vip", lb, "eth0", frame(ip4{Dst: addr("10.99.0.6")}, tcp{Dst: 443, Flags: "S"}), "rate_limited", "one").after(func(_ *testing.T, n *node, _ int) { n.fillWindows() }),
		lost("the connections of a source", lb, "eth1", flood("99"), "source_conn_limited", "web").behind(flood("99"), 100),
		lost("the connections of a vip", lb, "eth1", frame(to4("6"), tcp{Dst: 443, Flags: "S"}), "conn_limited", "one").after(func(t *testing.T, n *node, _ int) {
			n.seats.all[n.vip(t, "one").Num].Open = 100
		}),
		lost("plain text where only tls is spoken", lb, "eth1", frame(to4("6"), tcp{Src: 40001, Dst: 443, Seq: 8, Flags: "A"}, packet.Payload("GET / HTTP/1.1")), "not_tls", "one").after(func(t *testing.T, n *node, chain int) {
			n.run(t, chain, frame(to4("6"), tcp{Src: 40001, Dst: 443, Seq: 7, Flags: "S"}), 0)
		}),
		lost("no room to remember who has said nothing yet", lb, "eth1", frame(to4("6"), tcp{Dst: 443, Flags: "S"}), "wall_full", "one").after(func(_ *testing.T, n *node, _ int) { n.fillWall(Monotonic(), wallOpen) }),
		lost("a vlan tag that another nic does not know", lb, "eth1", frame(vlan{}, ip4{}, ackOf), "vlan", "web"),
		lost("a backend behind a nic whose driver runs no xdp", lb, "eth1", frame(ip4{}, ackOf), "other_nic", "web").after(func(_ *testing.T, n *node, _ int) { n.runsGeneric() }),

		lost("no path, and no other way", "steer", "eth0", frame(ip4{Dst: addr("192.0.2.7")}, ackOf), "unsteered", "").at(TCXEgress),

		lost("a vip that this backend does not serve", agent, "eth0", frame(outer4, udp{}, ip4{Dst: addr("10.99.0.3")}, ackOf), "foreign_vip", ""),
		lost("half a packet inside", agent, "eth0", frame(outer4, udp{}, ip4{Len: 41}, syn), "inner_malformed", ""),
		lost("congestion on the way to the backend", agent, "eth0", frame(ip4{TOS: 3}, udp{}, ip4{}, ackOf), "congested", ""),
		lost("a protocol that cannot be translated", agent, "eth0", wrapped(ip4{Protocol: 47}, fill(20)), "untranslatable", "agent"),
		lost("a direct connection with the ends of another", agent, "eth0", frame(at4, syn), "flow_taken", "").after(func(t *testing.T, n *node, chain int) { n.run(t, chain, begin4, 0) }),
		lost("the same ends for another vip", agent, "eth0", wrapped(ip4{Dst: second4}, syn), "flow_taken", "agent"),
		lost("no room for one flow more", agent, "eth0", wrapped(ip4{}, tcp{Src: 40001, Flags: "S"}), "flows_full", "agent").after(func(_ *testing.T, n *node, _ int) { n.fillFlows() }),
	}
}

// untraced are reasons that a trace cannot name, and why.
var untraced = map[string]string{
	"no_headroom":  "the packet of a trace has room in front: what a driver leaves is not known before the packet comes",
	"echo_limited": "what a cpu answers in a moment is counted on that cpu alone, and a trace has a count of its own",
}

// unlosable are reasons for which no test can lose a packet, and why.
var unlosable = map[string]string{
	"internal": "it stands where the kernel would have to refuse what it never refuses",
}

// TestLost loses a packet in every way that a chain has: the ledger says at which stage, of which VIP and why, and a trace
// of the same packet says why too. No reason to drop is left out.
func TestLost(t *testing.T) {
	t.Parallel()
	ways, reasons := map[string]bool{}, map[string]bool{}
	for name, text := range lossyNodes {
		t.Run(name, func(t *testing.T) { // a goroutine each: it alone reaches the node's pins
			n := newNode(t, text)
			for _, w := range lostWays() {
				if w.node == name {
					n.lose(t, w)
					ways[w.sentence], reasons[w.reason] = true, true
				}
			}
		})
	}
	for _, r := range reason.All() {
		if why, cannot := unlosable[r.Name]; r.Verdict == reason.Drop && reasons[r.Name] == cannot {
			t.Errorf("%s: lost a packet: %v; why none can be: %q", r.Name, reasons[r.Name], why)
		}
	}
	if len(ways) != len(lostWays()) || len(ways) < 20 {
		t.Errorf("packets were lost in %d ways of %d, at least 20 are wanted", len(ways), len(lostWays()))
	}
	t.Logf("%d ways, %d reasons", len(ways), len(reasons))
}

// lose sends the packet of a way dry and live.
func (n *node) lose(t *testing.T, w lostWay) {
	t.Helper()
	chain := n.chain(t, w.nic, max(w.hook, XDP))
	r, _ := reason.ByName(w.reason)
	want := fmt.Sprintf("%s of %q: %s 1/%d", r.Stage, w.vip, w.reason, len(w.in))
	_, unsaid := untraced[w.reason]
	for tries := 30; ; tries-- {
		if w.before != nil {
			w.before(t, n, chain)
		}
		dry, err := n.Dry(int(n.Control().Active), chain, w.in)
		if err != nil {
			t.Fatalf("%s: %v", w.sentence, err)
		}
		before := n.losses(t)
		n.run(t, chain, w.in, w.meta)
		traced, counted := reasonName(int(dry.Note.Reason)), n.losses(t).since(before)
		if counted == want && (traced == w.reason) != unsaid {
			return
		}
		if !w.fleeting || tries == 0 {
			t.Errorf("%s: the ledger says %q, want %q; a trace says %s, want %s: %v", w.sentence, counted, want, traced, w.reason, !unsaid)
			return
		}
	}
}

// losses is the drop ledger as it is shown: by names of stages and VIPs.
func (n *node) losses(t *testing.T) ledger {
	t.Helper()
	var s Snapshot
	if err := n.Snapshot(&s); err != nil {
		t.Fatal(err)
	}
	chains, l := map[int]Chain{}, ledger{}
	for _, c := range n.Chains() {
		chains[c.Number] = c
	}
	for d, count := range s.Drops {
		vip := ""
		if d.VIP != 0 {
			vip = n.vipName(int(d.VIP))
		}
		key := fmt.Sprintf("%s of %q: %s", chains[d.Chain].Names[d.Account], vip, reasonName(int(d.Reason)))
		l[key] = plus(l[key], count)
	}
	return l
}

// served demands that a packet reaches a backend.
func (n *node) served(t *testing.T, chain int, in []byte) {
	t.Helper()
	if why, _, _ := n.exit(t, chain, in); why.Name != "forwarded" {
		t.Fatalf("before it was lost it was %s", why.Name)
	}
}

// fillFlows leaves no room for a flow more: each has been answered, and was seen a moment ago.
func (n *node) fillFlows() {
	now := coarse() >> tickShift << natAgeShift
	for i := range n.natFlows.all {
		for way := range n.natFlows.all[i].State {
			n.natFlows.all[i].Flow[way], n.natFlows.all[i].State[way] = uint64(way+1), now|natConfirmed|natAnswered|1
		}
	}
}
