package bench

import (
	"cmp"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"

	"hairpin/engine/datapath"
	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

const (
	eachNew = 1 << 32 // flows: every packet is one of its own
	manyNew = 1 << 24 // the same for a minute, in a /8
	// twoTails is how many calls fit one run when a packet takes two tail calls (to parse and to the balancer), of 33 that the
	// kernel allows; threeTails and fourTails with more stages, fiveTails with an external one, sevenTails with a captor in front.
	twoTails   = 16
	threeTails = 11
	fourTails  = 8
	fiveTails  = 6
	sevenTails = 4
)

// path is one way through a chain that is measured.
type path struct {
	name     string
	budget   float64 // in units of L; 0 = none
	node     *node   // the zero node: what is called enters no chain
	target   target
	flows    flows
	calls    int
	reason   string // by which every packet must leave
	rated    int    // windows that count a packet
	admitted int    // limits of connections that count it, but for those of sources
	settled  datapath.Settled
	base     *path // what is subtracted

	wrapper *wrapper
	ns      []float64 // of a call, by round; the base's included
}

const quietSpec = `
version: 1
nics: {bench0: {xdp: [balancer]}}
vips:
  - {name: web4, addresses: [10.99.0.1], port: 80, protocol: tcp, backends: [{address: 10.1.1.11}, {address: 10.1.1.12},
     {address: 10.1.1.13}, {address: 10.1.1.14}, {address: 10.1.1.15}, {address: 10.1.1.16}, {address: 10.1.1.17}, {address: 10.1.1.18}]}
  - {name: web6, addresses: ["fd00:99::1"], port: 80, protocol: tcp, backends: [{address: "fd00:1::11"}, {address: "fd00:1::12"},
     {address: "fd00:1::13"}, {address: "fd00:1::14"}, {address: "fd00:1::15"}, {address: "fd00:1::16"}]}
  - {name: echo, addresses: [10.99.0.1], port: 7, protocol: udp, backends: [{address: 10.1.1.11}, {address: 10.1.1.12},
     {address: 10.1.1.13}, {address: 10.1.1.14}]}
`

const settlingSpec = `
version: 1
nics: {bench0: {xdp: [balancer]}}
vips:
  - {name: web4, addresses: [10.99.0.1], port: 80, protocol: tcp, backends: [{address: 10.1.1.11}, {address: 10.1.1.12},
     {address: 10.1.1.13}, {address: 10.1.1.14}, {address: 10.1.1.15}, {address: 10.1.1.16}, {address: 10.1.1.17}, {address: 10.1.1.18}]}
`

// newQuiet is a node on which nothing changes.
func newQuiet(t *testing.T, bpffs, name string) *node {
	n := newNode(t, bpffs, name)
	n.apply(t, parseSpec(t, quietSpec))
	n.reach()
	return n
}

// externalSpec is quietSpec with a program of somebody else's in front of the balancer, which goes on at once.
func externalSpec(t *testing.T) *spec.Spec {
	t.Helper()
	object, err := filepath.Abs(filepath.Join("..", "..", "testdata", "external", "odd.o"))
	if err != nil {
		t.Fatal(err)
	}
	s := parseSpec(t, quietSpec)
	s.Stages = []spec.Named{{Name: "idle", Kind: spec.External, Settings: &spec.ExternalStage{Next: "onward", Index: 2, DrySafe: true,
		Object: spec.Object{File: object, Program: "idle"}}}}
	s.NICs[0].XDP = append(spec.Stands("idle"), s.NICs[0].XDP...)
	return s
}

// newSettling is a node with one VIP all of whose backends were just replaced, the old ones draining: every slot is marked.
func newSettling(t *testing.T, bpffs, name string) *node {
	n := newNode(t, bpffs, name)
	before := parseSpec(t, settlingSpec)
	n.apply(t, before)
	after := parseSpec(t, settlingSpec)
	for i, b := range before.VIPs[0].Backends {
		after.VIPs[0].Backends[i].State = spec.Drain
		a := b.Address.As4()
		b.Address = netip.AddrFrom4([4]byte{a[0], a[1], a[2] + 1, a[3]})
		after.VIPs[0].Backends = append(after.VIPs[0].Backends, b)
	}
	n.apply(t, after)
	n.reach()
	for _, s := range n.Settlings() {
		if marked := n.Marked(s); marked != s.Slots {
			t.Fatalf("%d of %d slots are marked: the rings have a backend in common", marked, s.Slots)
		}
	}
	return n
}

// frame4 and frame6 are packets for the specs' VIPs, of 100 bytes or a little more.
func frame4(l packet.Layer) []byte {
	return packet.Build(packet.Eth{}, packet.IPv4{}, l, packet.Fill(48))
}

func frame6(l packet.Layer) []byte {
	return packet.Build(packet.Eth{}, packet.IPv6{}, l, packet.Fill(48))
}

// packetPaths are what is measured: first what the others are compared with, then the rows of the table in its order.
func packetPaths(t *testing.T, bpffs string) (unit *path, base, rows []*path) {
	quiet, hits, floods := newQuiet(t, bpffs, "quiet"), newSettling(t, bpffs, "hits"), newSettling(t, bpffs, "floods")
	ack, syn, other := frame4(packet.TCP{Flags: "A"}), frame4(packet.TCP{Flags: "S"}), frame4(packet.TCP{Flags: "A", Dst: 8080})
	one := flows{frame: ack, first: 20 << 24, count: 1}
	marked := flows{frame: ack, first: 10 << 24, count: 65536}
	hits.learn(t, marked)
	empty := &path{name: "wrapper alone", node: &node{}, flows: one}
	unit = &path{name: "L", node: &node{}, flows: one, target: least(t), base: empty}
	rows = []*path{
		{name: "packet for no VIP (PASS), v4", budget: 1.5, flows: one.with(other, 1), reason: "no_vip"},
		{name: "packet for no VIP (PASS), v6", budget: 1.5, flows: one.with(frame6(packet.TCP{Flags: "A", Dst: 8080}), 1), reason: "no_vip"},
		{name: "TCP v4 established, 1 flow", budget: 3.0, flows: one},
		{name: "TCP v6 established, 1 flow, v6 outside", budget: 3.0, flows: one.with(frame6(packet.TCP{Flags: "A"}), 1)},
		{name: "TCP v4 established, 65,536 flows, quiet", budget: 3.8, flows: one.with(ack, 65536)},
		{name: "TCP v6 established, 65,536 flows, quiet", budget: 4.0, flows: one.with(frame6(packet.TCP{Flags: "A"}), 65536)},
		{name: "TCP v4 established, 1,000,000 flows, quiet", budget: 4.0, flows: one.with(ack, 1<<20)},
		{name: "TCP v4 SYN, new flow each, quiet", budget: 3.8, flows: one.with(syn, eachNew)},
		{name: "UDP v4, new flow each, quiet", budget: 3.8, flows: one.with(frame4(packet.UDP{}), eachNew)},
		{name: "unknown ACK each, quiet", budget: 3.8, flows: one.with(ack, eachNew)},
		{name: "settling, marked slot, hit, 65,536 flows", budget: 8.5, node: hits, flows: marked, settled: datapath.Known},
		{name: "settling, marked slot, hit, 1 flow", node: hits, flows: marked.with(ack, 1), settled: datapath.Known},
		{name: "settling, new SYN each", budget: 8.5, node: floods, flows: one.with(syn, eachNew), settled: datapath.New},
		{name: "settling, unknown ACK each", budget: 8.5, node: floods, flows: flows{ack, 120 << 24, eachNew}, settled: datapath.Before},
	}
	rows = append(rows, choicePaths(t, bpffs, one)...)
	for _, p := range rows {
		p.base = empty
		if p.node == nil {
			p.node = quiet
		}
	}
	longer := newQuiet(t, bpffs, "longer")
	longer.insertNothing(t)
	short := &path{name: "a chain", node: quiet, flows: one, calls: threeTails}
	rows = append(rows, &path{name: "a stage that does nothing", budget: 0.3, node: longer, flows: one, calls: threeTails, base: short})
	rows = append(rows, firewallPaths(t, bpffs, empty, short)...)
	rows = append(rows, stagePaths(t, bpffs, short)...)
	guest := newNode(t, bpffs, "guest")
	guest.apply(t, externalSpec(t))
	guest.reach()
	few := &path{name: "a chain, fewer calls a run", node: quiet, flows: one, calls: fiveTails}
	rows = append(rows, &path{name: "an external stage that does nothing", node: guest, flows: one, calls: fiveTails, base: few})
	limited, shortSYN := rateLimitPaths(t, bpffs, empty, short)
	counted, shorts := connLimitPaths(t, bpffs, short, shortSYN)
	agents, around := agentPaths(t, bpffs)
	shorts = append(shorts, around)
	rows = slices.Concat(rows, limited, counted, wholePaths(t, bpffs, empty), agents)
	return unit, slices.Concat([]*path{empty, short, few, shortSYN}, shorts, lonely(empty, rows)), rows
}

// lonely has each row's wrapper compared with one that makes as many calls a run, and returns those that are new.
func lonely(empty *path, rows []*path) (more []*path) {
	of := map[int]*path{cmp.Or(empty.calls, twoTails): empty}
	for _, p := range rows {
		if p.base != empty {
			continue
		}
		calls := cmp.Or(p.calls, twoTails)
		if of[calls] == nil {
			of[calls] = &path{name: "wrapper alone, fewer calls a run", node: empty.node, flows: empty.flows, calls: calls}
			more = append(more, of[calls])
		}
		p.base = of[calls]
	}
	return more
}

// with is the same flows with other packets, and so many of them.
func (f flows) with(frame []byte, count uint64) flows { return flows{frame, f.first, count} }

// learn makes the connection table of a settling node know flows, by a SYN and the packet after it.
func (n *node) learn(t *testing.T, f flows) {
	t.Helper()
	root := n.root(t)
	syns := newWrapper(t, root, flows{frame4(packet.TCP{Flags: "S"}), f.first, f.count}, twoTails)
	for range int(f.count) / insertBudget {
		if err := n.refill(); err != nil {
			t.Fatal(err)
		}
		if _, err := syns.run(insertBudget / twoTails); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := newWrapper(t, root, f, twoTails).run(int(f.count) / twoTails); err != nil {
		t.Fatal(err)
	}
}
