package datapath

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// flowSpec counts flows against limits that nothing reaches, and lets a stage behind drop some.
const flowSpec = `
version: 1
stages:
  connlimit: {idle: 2m, limits: [{max: %d}, {max: %d, per: vip}, {max: %d, per: source}, {max: 100000, per: source_vip, prefix: 24, prefix6: 48}]}
nics: {eth0: {xdp: [connlimit, balancer], tcx_ingress: [connlimit]}, eth1: {xdp: [{stage: connlimit, shadow: true}, balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
  - {name: lost, addresses: [10.99.0.1, "fd00:99::1"], port: 81, protocol: tcp, ring: 251, backends: [{address: 10.1.8.11}]}
`

// setClock makes it that tick for every stage that counts flows.
func (n *node) setClock(tick uint32) {
	for e := range n.usedSettings(connlimitID) {
		n.connlimits.all[e].Clock = tick
	}
}

// openFlows is what the limits of a chain count: of the NIC, of a VIP, and of each source.
func (n *node) openFlows(t testing.TB, chain int) (nic, web uint32, sources map[string]uint32) {
	t.Helper()
	sources = map[string]uint32{}
	for _, l := range n.ConnLimits() {
		switch {
		case l.Chain != chain:
		case l.Scope == spec.PerNIC:
			nic = l.Open
		case l.Scope == spec.PerVIP && l.VIP == n.vip(t, "web").Num:
			web = l.Open
		}
	}
	count := flowSource{n.Kernel, n.connlimits.all[n.rows.all[int(n.Control().Active)*Chains+chain].Settings[1]].Clock}
	for _, lens := range n.census.all[0].Lens {
		for _, s := range count.sources(lens.ID) {
			sources[fmt.Sprint(s.Source, s.VIP)] = s.Open
		}
	}
	return nic, web, sources
}

// modelFlow is one flow as the model sees it: while it is known, packets move its end.
type modelFlow struct {
	ends  uint32 // tick
	state int    // 1 begins, 2 open, 3 ends
	src   netip.Addr
}

// flowModel says how many flows there are, from the rules alone.
type flowModel struct {
	now     uint32
	known   map[int]*modelFlow
	counted []*modelFlow
}

func (m *flowModel) packet(id int, src netip.Addr, flags string) {
	f := m.known[id]
	if f != nil && f.ends < m.now {
		f = nil // it counts a little longer, and is not known any more
	}
	if flags == "S" {
		if f == nil {
			f = &modelFlow{src: src}
			m.known[id], m.counted = f, append(m.counted, f)
		}
		if f.state != 2 {
			f.state, f.ends = 1, m.now+10
		}
		return
	}
	switch {
	case f == nil:
	case flags == "R" || flags == "RA":
		f.ends = 0
		delete(m.known, id)
	case f.state == 3:
	case flags == "FA":
		f.state, f.ends = 3, m.now+56
	default:
		f.state, f.ends = 2, (m.now+112)|31 // 2 minutes, to the end of a bucket
	}
}

func (m *flowModel) open() (all uint32, sources map[string]uint32) {
	sources = map[string]uint32{}
	for _, f := range m.counted {
		if f.ends+dropAfter > m.now {
			all++
			bits := 64
			if f.src.Is4() {
				bits = 32
			}
			p, _ := f.src.Prefix(bits)
			sources[fmt.Sprint(p, 0)]++
		}
	}
	return all, sources
}

// TestFlowsAreCounted compares what is counted with a model, over random packets of many flows and random times.
func TestFlowsAreCounted(t *testing.T) {
	t.Parallel()
	n := newNode(t, fmt.Sprintf(flowSpec, 100000, 100000, 100000))
	chain := n.chain(t, "eth0", XDP)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	d := rand.New(rand.NewPCG(seed, 0))
	m := flowModel{now: 1 << 20, known: map[int]*modelFlow{}}
	for step := range soak(6000) {
		id := d.IntN(300)
		flags := []string{"S", "S", "A", "PA", "A", "FA", "R", "RA", "SA"}[d.IntN(9)]
		if d.IntN(2) == 0 {
			flags = "A"
		}
		src := netip.AddrFrom4([4]byte{203, 0, 113, byte(id % 7)})
		var ip packet.Layer = ip4{Src: src}
		if id%3 == 0 {
			src = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 7: byte(id % 5), 15: byte(id)})
			ip = ip6{Src: src}
		}
		n.setClock(m.now)
		if verdict, _ := n.run(t, chain, frame(ip, tcp{Src: packet.Is(uint16(1024 + id)), Flags: flags}), 0); verdict != xdpTX {
			t.Fatalf("a packet within every limit: verdict %d", verdict)
		}
		m.packet(id, src, flags)
		switch r := d.IntN(100); {
		case r < 10:
			m.now += uint32(d.IntN(4))
		case r < 12:
			m.now += uint32(d.IntN(80))
		case r == 99 && step%40 == 0:
			m.now += uint32(d.IntN(5000))
		}
		if step%16 != 0 {
			continue
		}
		n.setClock(m.now)
		want, sources := m.open()
		nic, web, got := n.openFlows(t, chain)
		for name, n := range sources {
			if got[name] != n {
				t.Fatalf("step %d: %d flows of %s, the model has %d", step, got[name], name, n)
			}
		}
		if nic != want || web != want {
			t.Fatalf("step %d, tick %d: %d flows of the nic and %d of the vip, the model has %d", step, m.now, nic, web, want)
		}
	}
	m.now += 5000
	n.setClock(m.now)
	if nic, web, sources := n.openFlows(t, chain); nic+web != 0 || len(sources) != 0 {
		t.Errorf("at rest %d, %d, %v are left", nic, web, sources)
	}
}

// TestFlowsOnAllCPUs: SYNs of new flows on every CPU at a time begin as many as may be, never one more, and those that a
// later stage drops begin none.
func TestFlowsOnAllCPUs(t *testing.T) {
	t.Parallel()
	n := newNode(t, fmt.Sprintf(flowSpec, 100, 90, 80))
	chain := n.chain(t, "eth0", XDP)
	send := func(worker, i int, port uint16) bool {
		in := frame(ip4{Src: netip.AddrFrom4([4]byte{203, 0, byte(worker), byte(i % 3)})}, tcp{Src: packet.Is(uint16(1024 + i)), Dst: packet.Is(port), Flags: "S"})
		verdict, err := n.roots[chain].Run(&ebpf.RunOptions{Data: in, DataOut: make([]byte, 200), Repeat: 1})
		if err != nil {
			t.Error(err)
		}
		return verdict == xdpTX
	}
	now := uint32(1 << 20)
	for round := range soak(20) {
		now += []uint32{13, 40, 70, 300, 5000}[round%5] // what began before has ended, and falls out while both CPUs come
		n.setClock(now)
		passed := [2]int{}
		var all sync.WaitGroup
		for worker := range passed {
			all.Add(1)
			go func() {
				defer all.Done()
				for i := range 150 {
					if send(worker, i, 80) {
						passed[worker]++
					}
					send(worker, i, 81) // its next hop is unknown
				}
			}()
		}
		all.Wait()
		n.onEveryCPU(t, chain, frame(ip4{}, tcp{Flags: "A"}))
		// A place that another CPU is about to give back may be missed, once.
		nic, web, _ := n.openFlows(t, chain)
		if got := uint32(passed[0] + passed[1]); got > 90 || got < 85 || got != web || got != nic {
			t.Fatalf("round %d: %d SYNs passed, %d flows of the vip and %d of the nic are counted, 90 may be", round, got, web, nic)
		}
	}
}

// onEveryCPU has each CPU see a packet: what its last one leaves behind is given back by the next.
func (n *node) onEveryCPU(t *testing.T, chain int, in []byte) {
	t.Helper()
	for cpu := range n.counters.all {
		var all sync.WaitGroup
		all.Add(1)
		go func() {
			defer all.Done()
			onCPU(cpu)
			if _, err := n.roots[chain].Run(&ebpf.RunOptions{Data: in, DataOut: make([]byte, 200), Repeat: 1}); err != nil {
				t.Error(err)
			}
		}()
		all.Wait()
	}
}

// TestFlowLimits: at a limit, what is known goes on, what is sent again passes, and a place that comes free is taken.
func TestFlowLimits(t *testing.T) {
	t.Parallel()
	n := newNode(t, fmt.Sprintf(flowSpec, 6, 4, 2))
	eth0, tc, shadow := n.chain(t, "eth0", XDP), n.chain(t, "eth0", TCXIngress), n.chain(t, "eth1", XDP)
	now := uint32(1 << 20)
	n.setClock(now)
	for i, r := range []struct {
		sentence string
		chain    int
		src      string
		port     uint16
		flags    string
		wait     uint32
		want     uint32 // verdict
	}{
		{"a first connection", eth0, "203.0.113.1", 1, "S", 0, xdpTX},
		{"its syn again", eth0, "203.0.113.1", 1, "S", 0, xdpTX},
		{"a second", eth0, "203.0.113.1", 2, "S", 0, xdpTX},
		{"a third of the source", eth0, "203.0.113.1", 3, "S", 0, xdpDrop},
		{"the first goes on", eth0, "203.0.113.1", 1, "A", 0, xdpTX},
		{"an unknown ack", eth0, "203.0.113.1", 9, "A", 0, xdpTX},
		{"the second, sent again at the limit", eth0, "203.0.113.1", 2, "S", 5, xdpTX},
		{"of another source", eth0, "203.0.113.2", 1, "S", 0, xdpTX},
		{"of another source, a second", eth0, "203.0.113.2", 2, "S", 0, xdpTX},
		{"a fifth of the vip", eth0, "203.0.113.3", 1, "S", 0, xdpDrop},
		{"a fifth of the vip behind the driver", tc, "203.0.113.3", 1, "S", 0, tcShot},
		{"a reset", eth0, "203.0.113.2", 1, "R", 0, xdpTX},
		{"in its place", eth0, "203.0.113.3", 1, "S", 0, xdpTX},
		{"the second was never confirmed", eth0, "203.0.113.1", 4, "S", 14, xdpTX},
		{"a fin", eth0, "203.0.113.1", 1, "FA", 0, xdpTX},
		{"it counts for a minute", eth0, "203.0.113.1", 5, "S", 8, xdpDrop},
		{"and no longer", eth0, "203.0.113.1", 5, "S", 60, xdpTX},
		{"in shadow mode, over the limit of the source", shadow, "203.0.113.1", 6, "S", 0, xdpRedirect},
		{"in shadow mode, over it again", shadow, "203.0.113.1", 7, "S", 0, xdpRedirect},
		{"in shadow mode, over it still", shadow, "203.0.113.1", 8, "S", 0, xdpRedirect},
	} {
		now += r.wait
		n.setClock(now)
		in := frame(ip4{Src: addr(r.src)}, tcp{Src: packet.Is(r.port), Flags: r.flags})
		if r.chain == shadow {
			in = frame(ip4{Src: addr(r.src)}, tcp{Src: packet.Is(r.port), Dst: 80, Flags: r.flags})
		}
		verdict, _ := n.run(t, r.chain, in, 0)
		if verdict != r.want {
			t.Errorf("%d, %s: verdict %d, want %d", i, r.sentence, int32(verdict), int32(r.want))
		}
	}
}

// TestFlowUnplaced: a flow whose source finds its set full of others passes, counts for its VIP, and is noted once.
func TestFlowUnplaced(t *testing.T) {
	t.Parallel()
	n := newNode(t, fmt.Sprintf(flowSpec, 100000, 100000, 100000))
	chain := n.chain(t, "eth0", XDP)
	n.setClock(1 << 20)
	send := func(flags string) {
		if verdict, _ := n.run(t, chain, frame(ip4{}, tcp{Flags: flags}), 0); verdict != xdpTX {
			t.Errorf("%q: verdict %d", flags, verdict)
		}
	}
	send("S")
	send("R")
	if lost := n.FlowsUnplaced(); lost != 0 {
		t.Fatalf("%d are not counted for their source, while there is room", lost)
	}
	for i := range n.tallySets.all {
		for way := range SetWays {
			n.tallySets.all[i][way] = 1
			n.tallies.all[TallySources+i*SetWays+way] = tally{Sum: 1, Tick: 1<<20 - dropAfter}
		}
	}
	send("S")
	send("A")
	if _, web, _ := n.openFlows(t, chain); web != 1 || n.FlowsUnplaced() != 1 {
		t.Errorf("%d flows of the VIP, %d not counted for their source; one came", web, n.FlowsUnplaced())
	}
}

// TestFlowFlood: a flood of ACKs writes nothing, and one of SYNs pushes out no flow.
func TestFlowFlood(t *testing.T) {
	t.Parallel()
	n := newNode(t, `
version: 1
stages: {connlimit: {max: 1000000}}
nics: {eth0: {xdp: [connlimit, balancer]}}
vips: [{name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}]
`)
	chain := n.chain(t, "eth0", XDP)
	n.setClock(1 << 20)
	n.flooder(t, tcp{Flags: "A"}).send(t, soak(20_000))
	if nic, _, _ := n.openFlows(t, chain); nic != 0 {
		t.Errorf("ACKs began %d flows", nic)
	}
	const real = 200
	client := func(i int, flags string) []byte {
		return frame(ip4{Src: addr("203.0.113.7")}, tcp{Src: packet.Is(uint16(2000 + i)), Flags: flags})
	}
	for i := range real {
		n.run(t, chain, client(i, "S"), 0)
		n.run(t, chain, client(i, "A"), 0)
	}
	sent := soak(150_000)
	passed := n.flooder(t, syn).send(t, sent)
	nic, _, _ := n.openFlows(t, chain)
	if int(nic) != real+passed || uint64(sent-passed) != n.FlowsUnheld() {
		t.Errorf("%d flows are counted, %d and %d of %d SYNs passed, %d had no room", nic, real, passed, sent, n.FlowsUnheld())
	}
	n.setClock(1<<20 + 20) // the flood has come to nothing
	if nic, _, _ := n.openFlows(t, chain); nic != real {
		t.Errorf("%d flows are counted after the flood, there are %d", nic, real)
	}
	for i := range real {
		n.run(t, chain, client(i, "R"), 0)
	}
	if nic, _, _ := n.openFlows(t, chain); nic != 0 {
		t.Errorf("%d flows are counted at rest", nic)
	}
}
