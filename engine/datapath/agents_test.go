package datapath

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"hairpin/engine/spec"
)

// agentSpec is a host that tells load balancers of its connections and limits none itself.
const agentSpec = `
version: 1
nics: {lo: {tcx_ingress: [decap]}}
agent: {vips: [10.99.0.1, "fd00:99::1"], report: {to: [10.1.0.10:6090], key: /key}}
`

// servicesTrue are the connections to the agent's addresses by port and family, as the kernel lists them.
func servicesTrue(t *testing.T) map[string]int {
	t.Helper()
	now := map[string]int{}
	for _, s := range openSockets(t) {
		local, _ := netip.AddrFromSlice(s.ID.Source)
		now[fmt.Sprint(local.Unmap(), " ", s.ID.SourcePort)]++
	}
	return now
}

// services are those of the host that have a connection, and how many were opened to any, ever.
func (h *host) services() (open map[string]int, opened int) {
	open = map[string]int{}
	for _, s := range h.Services() {
		if s.Open > 0 {
			open[fmt.Sprint(s.Address, " ", s.Port)] = int(s.Open)
		}
		opened += int(s.Opened)
	}
	return open, opened
}

// TestServicesAreCounted: what an agent tells of each address and port is what the kernel lists, and it says that it was
// opened of those only that it saw coming.
func TestServicesAreCounted(t *testing.T) {
	h := newHost(t, agentSpec)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	d := rand.New(rand.NewPCG(seed, 0))
	agree := func(when string) {
		t.Helper()
		var got, want map[string]int
		for limit := time.Now().Add(30 * time.Second); ; {
			if want = servicesTrue(t); len(want) > 0 || when == "with none left" {
				if got, _ = h.services(); maps.Equal(got, want) {
					return
				}
			}
			if time.Now().After(limit) {
				t.Fatalf("%s: counted %v, there are %v", when, got, want)
			}
			time.Sleep(10 * time.Millisecond) // sockets close when the other end's packets have come
		}
	}
	const many = 200
	open := h.churn(t, d, many, nil)
	agree("while counting")
	if _, opened := h.services(); opened != many {
		t.Errorf("%d were opened, it says %d", many, opened)
	}
	if err := h.endCensus(); err != nil {
		t.Fatal(err)
	}
	open = h.churn(t, d, many, open)
	if err := h.CountSockets(); err != nil {
		t.Fatal(err)
	}
	agree("after a time without a census")
	const late = 10 // the last look of a census at what happens is not the end of the call that ends it
	if _, opened := h.services(); opened > many+late {
		t.Errorf("%d were seen coming, it says that %d were opened", many, opened)
	}
	for _, c := range open {
		end(c, d.IntN(4))
	}
	agree("with none left")
	if h.maps["flows"] != nil {
		t.Error("an agent that limits nothing has tables of flows")
	}
}

// reportedSpec limits by what agents report.
const reportedSpec = `
version: 1
stages:
  connlimit: {source: agents, listen: "10.1.0.10:6090", key: /key, limits: [{max: 1000}, {max: %d, per: vip, vip: web}]}
nics: {eth0: {xdp: [connlimit, balancer], tcx_ingress: [connlimit]}}
vips:
  - {name: web, addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
  - {name: api, addresses: [10.99.0.1, "fd00:99::1"], port: 81, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
`

func TestReportedRows(t *testing.T) {
	t.Parallel()
	n := newNode(t, fmt.Sprintf(reportedSpec, 100))
	eth0, tc := n.chain(t, "eth0", XDP), n.chain(t, "eth0", TCXIngress)
	api := tcp{Dst: 81, Flags: "S"}
	for _, r := range []struct {
		web, api uint32
		chain    int
		row
	}{
		{99, 0, eth0, row{"one place left", frame(ip4{}, syn), sent("web", gue)}},
		{100, 0, eth0, row{"none left", frame(ip4{}, syn), dropped("conn_limited", "web")}},
		{100, 0, eth0, row{"none left, over v6", frame(ip6{}, syn), dropped("conn_limited", "web")}},
		{100, 0, eth0, row{"none left, an ack", frame(ip4{}, tcp{Flags: "A"}), sent("web", gue)}},
		{100, 0, eth0, row{"none left, another vip", frame(ip4{}, api), sent("api", gue)}},
		{50, 950, eth0, row{"none left on the nic", frame(ip4{}, api), dropped("conn_limited", "api")}},
		{50, 950, eth0, row{"none left on the nic, for no vip", frame(ip4{Dst: addr("192.0.2.1")}, syn), passed("no_vip")}},
		{50, 950, tc, row{"none left, behind the driver", frame(ip4{}, syn), dropped("conn_limited", "web")}},
	} {
		t.Run(r.sentence, func(t *testing.T) {
			n.forgetSeats()
			n.seats.all[0].Open, n.seats.all[n.vip(t, "web").Num].Open = 5000, 5000 // this host's own sockets are others
			n.CountReported(map[uint16]Reported{n.vip(t, "web").Num: {Open: r.web}, n.vip(t, "api").Num: {Open: r.api}})
			n.check(t, r.chain, r.row, 0)
		})
	}
}

// TestReportedShown: what is shown is what was reported, and besides it what was let pass and is in no report.
func TestReportedShown(t *testing.T) {
	t.Parallel()
	n := newNode(t, fmt.Sprintf(reportedSpec, 100))
	chain, web := n.chain(t, "eth0", XDP), n.vip(t, "web").Num
	for range 7 {
		n.run(t, chain, frame(ip4{}, syn), 0)
	}
	for _, r := range []struct {
		say           Reported
		open, pending uint32
	}{{Reported{}, 0, 7}, {Reported{20, 3}, 20, 4}, {Reported{20, 0}, 20, 4}, {Reported{3, 9}, 3, 0}} {
		n.CountReported(map[uint16]Reported{web: r.say})
		for _, l := range n.ConnLimits() {
			if l.Chain != chain || l.Scope == spec.PerVIP && l.VIP != web {
				continue
			}
			if l.Open != r.open || l.Pending != r.pending || l.Counts != "agents" {
				t.Errorf("after %+v, %v has %d open and %d pending by %s, want %d and %d", r.say, l.Scope, l.Open, l.Pending, l.Counts, r.open, r.pending)
			}
		}
	}
}

// TestGiveBack: handshakes of the tick before go first, the newest last, and what came to nothing before is not among them.
func TestGiveBack(t *testing.T) {
	t.Parallel()
	word := func(tick uint64, older, old, now uint64) uint64 { return tick<<48 | older<<32 | old<<16 | now }
	for _, r := range []struct {
		before uint64
		n      uint32
		tick   uint64
		after  uint64
	}{
		{word(5, 1, 2, 3), 0, 5, word(5, 1, 2, 3)},
		{word(5, 1, 2, 3), 1, 5, word(5, 1, 1, 3)},
		{word(5, 1, 2, 3), 3, 5, word(5, 0, 0, 3)},
		{word(5, 1, 2, 3), 5, 5, word(5, 0, 0, 1)},
		{word(5, 1, 2, 3), 9, 5, word(5, 0, 0, 0)},
		{word(5, 1, 2, 3), 1, 6, word(6, 2, 2, 0)},
		{word(5, 1, 2, 3), 1, 7, word(7, 2, 0, 0)},
		{word(5, 1, 2, 3), 1, 50, word(50, 0, 0, 0)},
		{word(0xffff, 1, 2, 3), 1, 0x10000, word(0, 2, 2, 0)},
		{word(5, 1, 2, 3), 1, 4, word(5, 1, 1, 3)}, // a CPU was ahead
	} {
		x := seats{Pending: r.before}
		x.giveBack(r.n, r.tick)
		if x.Pending != r.after {
			t.Errorf("%d of %x at tick %d: %x is left, want %x", r.n, r.before, r.tick, x.Pending, r.after)
		}
	}
}

// TestReportedNeverMore: SYNs on every CPU, handshakes that end some time later, connections that close, and reports of all that
// at any time: there are never more connections than may be, and at the end as many as there may be.
func TestReportedNeverMore(t *testing.T) {
	t.Parallel()
	const most = 40
	n := newNode(t, fmt.Sprintf(reportedSpec, most))
	chain, web := n.chain(t, "eth0", XDP), n.vip(t, "web").Num
	in := frame(ip4{}, syn)
	var all sync.WaitGroup
	var alive atomic.Int32 // connections and handshakes that were let pass, and have not ended
	handshakes := make(chan struct{}, most)
	done := make(chan struct{})
	for range 2 {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				verdict, err := n.roots[chain].Run(&ebpf.RunOptions{Data: in, DataOut: make([]byte, 256), Repeat: 1})
				if err != nil {
					t.Error(err)
					return
				}
				if verdict == xdpTX {
					if now := alive.Add(1); now > most {
						t.Errorf("%d connections, %d may be", now, most)
					}
					handshakes <- struct{}{}
				}
			}
		})
	}
	d := rand.New(rand.NewPCG(1, 1))
	var open, opened, passed uint32
	report := func() {
		n.CountReported(map[uint16]Reported{web: {open, opened}})
		opened = 0
	}
	for began := time.Now(); passed < 1000 && time.Since(began) < 30*time.Second; {
		switch d.IntN(4) {
		case 0:
			report()
		case 1:
			if k := d.Int32N(int32(open) + 1); k > 0 {
				open -= uint32(k)
				alive.Add(-k)
			}
		default:
			select {
			case <-handshakes:
				open, opened, passed = open+1, opened+1, passed+1
			default:
				report() // all places are taken until it is heard that some are not
			}
		}
	}
	close(done)
	all.Wait()
	for len(handshakes) > 0 {
		<-handshakes
		open, opened = open+1, opened+1
	}
	report()
	if passed < 100 || int32(open) != alive.Load() {
		t.Fatalf("%d passed; %d are open, %d have not ended", passed, open, alive.Load())
	}
	for range most + 5 {
		if verdict, _ := n.run(t, chain, in, 0); verdict == xdpTX {
			open++
		}
	}
	if open != most {
		t.Errorf("%d connections at the end, %d may be", open, most)
	}
}

// TestReportedForgets: a VIP that gets the number of another does not begin with its connections.
func TestReportedForgets(t *testing.T) {
	t.Parallel()
	n := newNode(t, fmt.Sprintf(reportedSpec, 100))
	web := n.vip(t, "web").Num
	n.run(t, n.chain(t, "eth0", XDP), frame(ip4{}, syn), 0)
	n.CountReported(map[uint16]Reported{web: {Open: 90}})
	x := &n.seats.all[AgentSeats+int(web)]
	if n.ReportedOpen(web) != 90 || pendingNow(x.Pending) != 1 {
		t.Fatalf("%d are open and %d begin, 90 and 1 were reported", n.ReportedOpen(web), pendingNow(x.Pending))
	}
	n.zeroVIP(web)
	if n.ReportedOpen(web) != 0 || x.Pending != 0 {
		t.Errorf("it begins with %d connections of another", n.ReportedOpen(web))
	}
}
