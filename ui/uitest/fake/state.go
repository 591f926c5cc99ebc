// Package fake is an engine for tests of the console: snapshots of a busy node, of an incident and of an empty node,
// and a node that answers, refuses or hangs as it is told.
package fake

import (
	"math"
	"net/netip"
	"time"

	"hairpin/engine"
	"hairpin/engine/spec"
)

// Epoch is the time of every snapshot made here: 03:07:41 on a day of August, UTC.
func Epoch() time.Time { return time.Date(2026, 8, 22, 3, 7, 41, 0, time.UTC) }

// Busy is a balancer on a good day: two NICs, three VIPs, one of them settling after a change.
func Busy() *engine.State {
	now := Epoch()
	s := &engine.State{
		Time: now, Node: "lb-fra-07", Version: "0.1.0", PID: 2211, Role: engine.Owner, Since: now.Add(-50 * time.Hour), Epoch: 7,
		Generation: engine.Generation{Active: 41, Confirmed: 41}, Spec: Spec(), Revision: "r41-7c1f",
		NICs: []engine.NIC{
			nic(Spec().NICs[0], 4.12e6, 310),
			nic(Spec().NICs[1], 3.97e6, 12),
		},
		Drops: drops(), Limits: limits(),
		Reasons: []engine.Reason{
			reason("not_for_us", "pass", 1210, wave(1200, 60)), reason("ttl_exceeded", "drop", 12, wave(12, 60)),
			reason("malformed", "drop", 3, wave(3, 60)), reason("fragment", "drop", 0, wave(0, 60)),
		},
		Events: events(now),
	}
	s.UsualOver = 23*time.Hour + 50*time.Minute
	for i, usual := range [...]float64{4.02e6, 4.05e6} {
		s.NICs[i].Usual = usual
	}
	for i, usual := range [...]float64{1190, 13, 3, 0} {
		s.Reasons[i].Usual, s.Reasons[i].Often = usual, min(1, usual)
	}
	for i, v := range s.Spec.VIPs {
		pps := [...]float64{3.1e6, 2.02e6, 1.44e6}[i]
		s.VIPs = append(s.VIPs, vip(v, pps))
	}
	s.VIPs[1].Settling = &engine.Settling{
		Since: now.Add(-3*time.Minute - 12*time.Second), Marked: 0.124, Stray: 31, LastSeen: now.Add(-2 * time.Second),
		Ends: now.Add(14*time.Minute + 58*time.Second),
	}
	return s
}

// Incident is the same node with a VIP that lost backends and drops, and a NIC that lost its chain.
func Incident() *engine.State {
	s := Busy()
	now := s.Time
	start := now.Add(-5*time.Minute - 12*time.Second)
	s.NICs[1].State, s.NICs[1].Why = "detached", "somebody else removed the link"
	lost := &s.NICs[1]
	lost.In, lost.Forward, lost.Drop, lost.History = engine.Counter{}, engine.Counter{}, engine.Counter{}, make([]float64, 60)
	lost.Stages = nil
	s.NICs[0].Drop = count(512e3)
	s.NICs[0].Stages[2].Drop = count(512e3)
	s.NICs[0].Received = count(4.121e6)
	s.NICs[0].Lost = []engine.Lost{{Name: "rx_missed_errors", Source: "netlink", Where: "before", What: "the NIC's receive ring was full", Counter: count(1e3)}}
	s.Drops = append([]engine.Drop{{NIC: "eth0", Hook: "xdp", Position: 3, Stage: "balancer", VIP: "web", Reason: "no_backend", Counter: count(512e3)}}, s.Drops...)
	s.Limits[0].Now, s.Limits[0].Over = 40_000, count(2100)
	drop := reason("no_backend", "drop", 512e3, append(wave(0, 22), wave(512e3, 38)...))
	s.Reasons = append([]engine.Reason{drop}, s.Reasons...)
	web := &s.VIPs[0]
	for _, i := range [...]int{1, 3} {
		s.Spec.VIPs[0].Backends[i].State = spec.Down
	}
	*web = vip(s.Spec.VIPs[0], 3.1e6)
	web.Drop = count(512e3)
	s.Problems = []engine.Problem{
		{Key: "nic eth1 xdp", Severity: "warn", Since: now.Add(-9*time.Minute - 31*time.Second), What: "eth1 is detached: somebody else removed the link", Cure: "hairpin apply attaches it again"},
		{Key: "down web", Severity: "crit", Since: start, What: "web: 2 of 4 backends are down", Cure: "3 shows which"},
	}
	s.Events = append(s.Events,
		engine.Event{Seq: 8812, Time: now.Add(-9*time.Minute - 31*time.Second), Severity: "warn", Who: "kernel", What: "eth1 lost its chain: the link was removed"},
		engine.Event{Seq: 8815, Time: start, Severity: "crit", Who: "ops-3", What: "web 10.1.1.12 and 10.1.1.14 set to down",
			Detail: []string{"reason  INC-4412 racks 12 and 14 lost power", "before  generation 40", "after   generation 41, confirmed 03:02:41"}},
	)
	s.EventsLost = 17
	return s
}

// Empty is a node on which nothing was ever applied.
func Empty() *engine.State {
	now := Epoch()
	return &engine.State{
		Time: now, Node: "lb-fra-08", Version: "0.1.0", PID: 31, Role: engine.Owner, Since: now.Add(-time.Minute),
		Generation: engine.Generation{Active: -1, Confirmed: -1},
	}
}

// Spec is what Busy runs.
func Spec() *spec.Spec {
	return &spec.Spec{
		Version: spec.Version,
		Stages: []spec.Named{
			{Name: "syns", Kind: spec.RateLimit, Settings: &spec.Rates{Limits: []spec.Rate{
				{Rate: 40_000, Per: spec.PerVIP}, {Rate: 500, Per: spec.PerSource, Prefix4: 32, Prefix6: 64}}}},
			{Name: "burst", Kind: spec.RateLimit, Settings: &spec.Rates{Limits: []spec.Rate{{Rate: 90_000}}}},
		},
		NICs: []spec.NIC{
			{Name: "eth0", XDP: []spec.Position{{Name: "syns"}, {Name: "burst", Shadow: true}, {Name: "balancer"}}},
			{Name: "eth1", XDP: []spec.Position{{Name: "syns"}, {Name: "burst", Disabled: true}, {Name: "balancer"}}},
		},
		VIPs: []spec.VIP{
			{Name: "web", Addresses: addrs("10.99.0.1", "fd00:99::1"), Port: 80, Protocol: spec.TCP, EncapPort: 6080,
				Ring: 65537, Settle: spec.DefaultSettle, Backends: servers("10.1.1.11", "10.1.1.12", "10.1.1.13", "10.1.1.14")},
			{Name: "api", Addresses: addrs("10.99.0.2"), Port: 443, Protocol: spec.TCP, EncapPort: 6080,
				Ring: 65537, Settle: spec.DefaultSettle, Backends: servers("10.1.2.11", "10.1.2.12", "10.1.2.13")},
			{Name: "echo", Addresses: addrs("10.99.0.1"), Port: 7, Protocol: spec.UDP, EncapPort: 6080,
				Ring: 4099, Settle: spec.DefaultSettle, Backends: servers("10.1.1.11", "10.1.1.12")},
		},
	}
}

func addrs(list ...string) []netip.Addr {
	out := make([]netip.Addr, len(list))
	for i, s := range list {
		out[i] = netip.MustParseAddr(s)
	}
	return out
}

func servers(list ...string) []spec.Backend {
	out := make([]spec.Backend, len(list))
	for i, a := range addrs(list...) {
		out[i] = spec.Backend{Address: a, Weight: spec.DefaultWeight}
	}
	return out
}

func events(now time.Time) []engine.Event {
	return []engine.Event{
		{Seq: 8801, Time: now.Add(-50 * time.Hour), Severity: "info", Who: "engine", What: "took over generation 39: 2 links, 1.2 G packets"},
		{Seq: 8807, Time: now.Add(-115 * time.Minute), Severity: "audit", Who: "ops-bot", What: "applied generation 40: api 10.1.2.13 add, weight 100",
			Detail: []string{"reason  scale out", "result  live in 31 ms, confirmed 01:12:40"}},
		{Seq: 8810, Time: now.Add(-4 * time.Minute), Severity: "audit", Who: "ops-3", What: "applied generation 41: api 10.1.2.12 weight 80",
			Detail: []string{"reason  INC-4410 slow disk", "result  live in 29 ms, confirmed 03:04:02"}},
	}
}

func count(pps float64) engine.Counter {
	return engine.Counter{Packets: uint64(pps * 3600), Bytes: uint64(pps * 3600 * 512), PPS: pps, BPS: pps * 512}
}

// wave is a history that swings a little around a rate.
func wave(around float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.Round(around * (1 + 0.08*math.Sin(float64(i)/5)))
	}
	return out
}

func reason(name, verdict string, pps float64, history []float64) engine.Reason {
	return engine.Reason{Name: name, Verdict: verdict, Stage: "balancer", Counter: count(pps), History: history}
}

// nic is a NIC whose last stage drops.
func nic(s spec.NIC, in, drop float64) engine.NIC {
	n := engine.NIC{
		Name: s.Name, Hook: "xdp", Mode: "native", State: "attached", Index: 2,
		In: count(in), Forward: count(in - drop), Drop: count(drop), History: wave(in, 60), Received: count(in), ParseNS: 9,
	}
	n.Stages = stages(s, in)
	n.Stages[len(n.Stages)-1].Drop = count(drop)
	return n
}

func stages(s spec.NIC, in float64) []engine.Stage {
	var list []engine.Stage
	at := 0
	for _, p := range s.XDP {
		g := engine.Stage{Name: p.Name, Kind: string(Spec().KindOf(p.Name)), Disabled: p.Disabled, Shadow: p.Shadow}
		if !p.Disabled {
			at++
			g.Position, g.In, g.NS = at, count(in), float64(12*at)
		}
		if p.Shadow {
			g.Would = count(45)
		}
		list = append(list, g)
	}
	return list
}

func drops() []engine.Drop {
	return []engine.Drop{
		{NIC: "eth0", Hook: "xdp", Position: 3, Stage: "balancer", VIP: "web", Reason: "ttl_exceeded", Counter: count(12)},
		{NIC: "eth0", Hook: "xdp", Position: 2, Stage: "burst", VIP: "web", Reason: "fragment", Shadow: true, Counter: count(45)},
		{NIC: "eth0", Hook: "xdp", Position: 1, Stage: "syns", VIP: "web", Reason: "fragment", Counter: count(0)},
	}
}

func limits() []engine.Limit {
	at := engine.Limit{NIC: "eth0", Hook: "xdp", Position: 1, Stage: "syns", Kind: "ratelimit", Counts: "accepted"}
	past := &engine.Past{Over: 10 * time.Minute, Passed: 21_700_000, Refused: []float64{21_700_000, 15_700_000, 9_700_000, 3_700_000, 0}}
	var list []engine.Limit
	for i, name := range []string{"web", "api"} {
		l := at
		l.Scope, l.VIP, l.Max, l.Now, l.Past = "vip", name, 40_000, [...]float64{36_100, 9_400}[i], past
		l.Passed = count(l.Now)
		list = append(list, l)
	}
	all, one := at, at
	all.Scope, all.Max, all.Now, all.Over = "source", 500, 500, count(310)
	one.Scope, one.Source, one.Max, one.Now, one.Over = "source", netip.MustParsePrefix("192.0.2.77/32"), 500, 500, count(298)
	shadow := at
	shadow.Position, shadow.Stage, shadow.Shadow, shadow.Scope, shadow.Max, shadow.Now, shadow.Over = 2, "burst", true, "nic", 90_000, 90_000, count(45)
	shadow.Past = past
	return append(list, all, one, shadow)
}

func vip(v spec.VIP, pps float64) engine.VIP {
	out := engine.VIP{
		Name: v.Name, Addresses: v.Addresses, Port: v.Port, Protocol: v.Protocol.String(), Encap: v.Encap.String(),
		Counter: count(pps), History: wave(pps, 60), Ring: int(v.Ring),
		Choice: engine.Choice{Hash: v.Hash.String(), Flow: v.Flow.String(), QUIC: v.QUIC.String(), IDIn: v.IDIn.String(), Local: v.Local, Migrate: v.Migrate, Handover: v.Handover},
	}
	part := shares(v)
	out.Empty = len(part) == 0
	for i, b := range v.Backends {
		share := part[b.Address]
		out.Backends = append(out.Backends, engine.Backend{
			Address: b.Address, Weight: b.Weight, State: b.State.String(), Share: share, Counter: count(pps * share),
			History: wave(pps*share, 60), NextHop: "02:42:ac:11:00:0" + string(rune('1'+i)),
		})
	}
	return out
}
