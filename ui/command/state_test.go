package command

import (
	"net/netip"
	"time"

	"hairpin/engine"
	"hairpin/engine/spec"
)

const webYAML = `version: 1
nics:
  eth0: {xdp: [balancer]}
vips:
  - name: web
    addresses: [10.99.0.1, "fd00:99::1"]
    port: 80
    protocol: tcp
    backends:
      - {address: 10.1.1.11}
      - {address: 10.1.1.12, state: drain}
`

func counter(packets uint64, pps float64) engine.Counter {
	return engine.Counter{Packets: packets, Bytes: packets * 100, PPS: pps, BPS: pps * 100}
}

// balanced is a node with one VIP, one backend that takes flows and one that is drained.
func balanced() *engine.State {
	s, err := spec.Parse("web.yaml", []byte(webYAML))
	if err != nil {
		panic(err)
	}
	return &engine.State{
		Time: noon, Node: "lb1", Version: "v1.0.0", PID: 4711, Role: engine.Observer, Since: noon.Add(-90 * time.Minute), Epoch: 3,
		Generation: engine.Generation{Active: 7, Confirmed: 7},
		Spec:       s, Revision: spec.Revision(s),
		NICs: []engine.NIC{{
			Name: "eth0", Hook: "xdp", Mode: "native", State: "attached", Index: 2,
			Stages: []engine.Stage{{Name: "balancer", Kind: "balancer", Position: 1, In: counter(900, 90), Drop: counter(0, 0)}},
			In:     counter(1000, 100), Forward: counter(900, 90), Pass: counter(90, 9), Drop: counter(10, 1),
		}},
		Reasons: []engine.Reason{
			{Name: "forwarded", Verdict: "forward", Stage: "balancer", Counter: counter(900, 90)},
			{Name: "no_vip", Verdict: "pass", Stage: "parse", Counter: counter(90, 9)},
			{Name: "malformed", Verdict: "drop", Stage: "parse", Counter: counter(10, 1)},
		},
		VIPs: []engine.VIP{{
			Name: "web", Addresses: s.VIPs[0].Addresses, Port: 80, Protocol: "tcp", Encap: "gue", Ring: 65537, Counter: counter(900, 90),
			Backends: []engine.Backend{
				{Address: netip.MustParseAddr("10.1.1.11"), Weight: 100, State: "up", Share: 1, Counter: counter(600, 60), NextHop: "02:00:00:00:00:01"},
				{Address: netip.MustParseAddr("10.1.1.12"), Weight: 100, State: "drain", Counter: counter(300, 30), NextHop: "02:00:00:00:00:01"},
			},
		}},
	}
}

// settling is that node after a change that nobody has confirmed yet, with everything that a screen may have to say.
func settling() *engine.State {
	s := balanced()
	s.Generation = engine.Generation{Active: 8, Confirmed: 7, Deadline: noon.Add(20 * time.Second), Fallbacks: 1}
	s.VIPs[0].Settling = &engine.Settling{Since: noon.Add(-time.Minute), Marked: 0.25, Stray: 30, LastSeen: noon, Ends: noon.Add(15 * time.Minute)}
	s.VIPs[0].Backends[1].Gone = true
	s.VIPs[0].Empty = true
	s.NICs = append(s.NICs, engine.NIC{Name: "eth1", Hook: "xdp", State: "missing", Why: "no such NIC; the chain comes back with it"})
	s.Problems = []engine.Problem{{Severity: "crit", Since: noon.Add(-5 * time.Minute), What: "eth1 is missing", Cure: "check the cable or take it out of the spec"}}
	s.EventsLost = 3
	s.Armed = &engine.Armed{Party: 3, Who: "ops-3", From: "198.51.100.60", Why: "INC-4412", Since: noon.Add(-4 * time.Minute), Until: noon.Add(6 * time.Minute)}
	return s
}

const limitedYAML = `version: 1
stages:
  syns:
    kind: ratelimit
    limits:
      - {rate: 400, per: vip}
      - {rate: 20, per: source, prefix: 24}
  burst: {kind: ratelimit, rate: 9000}
nics:
  eth0: {xdp: [syns, {stage: burst, shadow: true}, balancer]}
  eth1: {xdp: [syns, {stage: burst, disabled: true}, balancer]}
vips:
  - name: web
    addresses: [10.99.0.1]
    port: 80
    protocol: tcp
    backends:
      - {address: 10.1.1.11}
`

// limited is a node with limits, of which one is used up, a stage in shadow, and a NIC that lost packets.
func limited() *engine.State {
	s := balanced()
	parsed, err := spec.Parse("limited.yaml", []byte(limitedYAML))
	if err != nil {
		panic(err)
	}
	s.Spec, s.Revision = parsed, spec.Revision(parsed)
	s.NICs = []engine.NIC{{
		Name: "eth0", Hook: "xdp", Mode: "native", State: "attached", Index: 2, ParseNS: 9.2,
		Stages: []engine.Stage{
			{Name: "syns", Kind: "ratelimit", Position: 1, In: counter(1000, 100), Drop: counter(40, 12), NS: 21.4},
			{Name: "burst", Kind: "ratelimit", Position: 2, Shadow: true, In: counter(960, 88), Would: counter(7, 3), NS: 3.8},
			{Name: "balancer", Kind: "balancer", Position: 3, In: counter(960, 88), Drop: counter(10, 1), NS: 11.2},
		},
		In: counter(1000, 100), Forward: counter(900, 84), Pass: counter(50, 3), Drop: counter(50, 13),
		Received: counter(1011, 102), Lost: []engine.Lost{
			{Name: "rx_missed_errors", Source: "netlink", Where: "before", What: "the NIC's receive ring was full", Counter: counter(11, 2)},
			{Name: "rx_queue_*_xdp_tx_errors", Source: "ethtool veth", Where: "after", What: "sent by XDP_TX and refused", Counter: counter(4, 0)},
		},
	}, {
		Name: "eth1", Hook: "xdp", Mode: "native", State: "attached", Index: 3, Unread: "read driver of eth1: permission denied",
		Stages: []engine.Stage{
			{Name: "syns", Kind: "ratelimit", Position: 1},
			{Name: "burst", Kind: "ratelimit", Disabled: true},
			{Name: "balancer", Kind: "balancer", Position: 2},
		},
	}}
	s.Drops = []engine.Drop{
		{NIC: "eth0", Hook: "xdp", Position: 1, Stage: "syns", VIP: "web", Reason: "no_backend", Counter: counter(40, 12)},
		{NIC: "eth0", Hook: "xdp", Position: 2, Stage: "burst", VIP: "web", Reason: "no_backend", Shadow: true, Counter: counter(7, 3)},
		{NIC: "eth0", Hook: "xdp", Position: 3, Stage: "balancer", Reason: "ttl_exceeded", Counter: counter(10, 1)},
	}
	s.Rules = []engine.Rule{{Stage: "edge", Name: "scanners", Match: "src net 192.0.2.0/24", Action: "drop", Counter: counter(9, 2)}}
	s.Lists = []engine.List{{Stage: "edge", Of: "sources", Prefixes: 12}, {Stage: "edge", Of: "sources", File: "/etc/hairpin/bad.txt", Prefixes: 100_000,
		Loaded: noon, Why: "line 7: \"x\" is no prefix"}}
	s.Metrics = []engine.Metric{{Stage: "mark", Map: "seen", Name: "packets", Kind: "scalar", Value: 17}, {Probe: "tcp", Map: "m", Name: "n", Kind: "average", Why: "no such map"}}
	s.DropsLost, s.Watched = 2, true
	at := engine.Limit{NIC: "eth0", Hook: "xdp", Position: 1, Stage: "syns", Kind: "ratelimit", Counts: "accepted"}
	vip, source, one := at, at, at
	vip.Scope, vip.VIP, vip.Max, vip.Now, vip.Passed, vip.Over = "vip", "web", 400, 391, counter(9000, 391), counter(0, 0)
	source.Scope, source.Max, source.Now, source.Over = "source", 20, 20, counter(40, 12)
	one.Scope, one.Source, one.Max, one.Now, one.Over = "source", netip.MustParsePrefix("192.0.2.0/24"), 20, 20, counter(38, 11)
	s.Limits = []engine.Limit{vip, source, one}
	return s
}

// forked is balanced with flows that take other ways.
func forked() *engine.State {
	s := balanced()
	s.Paths = []engine.SteeredPath{
		{Stage: "ways", Name: "lab", Way: "table 100", Share: 1, State: "up", Counter: counter(10, 1)},
		{Stage: "ways", Group: "uplinks", Name: "north", Way: "eth1 via 10.9.1.1", Weight: 100, Share: 1, State: "up", Counter: counter(600, 60),
			Measured: &engine.Measured{RTT: 12300 * time.Microsecond, Loss: 0.03125, Probes: 400, Worth: 10000}},
		{Stage: "ways", Group: "uplinks", Name: "south", Way: "eth2", Weight: 50, State: "dead", Why: "no answer within 1s", Counter: counter(300, 0),
			Measured: &engine.Measured{Loss: 1, Probes: 400}},
	}
	return s
}

// eventful is balanced with routes and events.
func eventful() *engine.State {
	s := balanced()
	s.EventsLost = 2
	s.Handoff = &engine.Handoff{Who: "ops", Why: "INC-9", From: engine.Party{PID: 4700, Version: "v0.9.0"}, To: engine.Party{PID: 4711, Version: "v1.0.0"},
		Began: noon.Add(-2 * time.Hour), Ended: noon.Add(-2 * time.Hour), Outcome: engine.HandoffConfirmed, Steps: engine.HandoffSteps(),
		Figures: []engine.HandoffFigure{{Name: "dropped", Before: 0.0012, Now: 0.0011, Limit: 0.0114}}}
	s.Events = []engine.Event{
		{Seq: 11, Time: noon.Add(-time.Minute), Severity: "audit", Who: "ops", What: "applied generation 7", Change: 4},
		{Seq: 12, Time: noon, Severity: "warn", Who: "kernel", What: "vip web: dropping with reason no_backend", Detail: []string{"for example a packet"}},
	}
	s.Routes = []engine.Route{
		{Backend: netip.MustParseAddr("10.1.1.11"), VIPs: []string{"web"}, NIC: "eth0", Source: netip.MustParseAddr("10.1.1.2"), MAC: "02:00:00:00:00:01", MTU: 1600, State: "reachable"},
		{Backend: netip.MustParseAddr("10.1.1.12"), VIPs: []string{"web"}, NIC: "eth0", Gateway: netip.MustParseAddr("10.1.1.1"), State: "failed",
			Why: "failed: nobody answers", Changed: noon.Add(-90 * time.Second)},
	}
	return s
}
