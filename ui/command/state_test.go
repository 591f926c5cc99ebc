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
			Stages: []engine.Stage{{Name: "balancer", In: counter(900, 90), Drop: counter(0, 0)}},
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
	return s
}
