package app

import (
	"strings"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/uitest/fake"
)

const tracedText = "tcp 198.51.100.23:40112 > 10.99.0.1:80 S"

// answering makes the node of d say what becomes of packets: dropped by what runs, forwarded by anything else.
func answering(d *driver) {
	steps := func(last string, facts ...engine.TraceFact) []engine.TraceStep {
		return []engine.TraceStep{
			{Hook: "xdp", Name: "parse", Kind: "parse", Result: "next", NS: 41, Facts: []engine.TraceFact{{Name: "vip", Value: "web"}}},
			{Hook: "xdp", Position: 1, Name: "edge", Kind: "firewall", Result: "next", NS: 36},
			{Hook: "xdp", Position: 2, Name: "syns", Kind: "ratelimit", Result: "next", NS: 58, Facts: []engine.TraceFact{
				{Name: "source rate", Value: "198.51.100.23: 19 of 20 new connections in a second: room"},
				{Name: "rate", Value: "391 of 400 new connections in a second: room"}}},
			{Hook: "xdp", Position: 3, Name: "balancer", Kind: "balancer", Result: last, NS: 88, Facts: facts},
		}
	}
	d.node.SetTrace(func(r engine.TraceRequest) *engine.Trace {
		forward := engine.TraceOutcome{NIC: "eth0", Hook: "xdp", Verdict: "forward", Reason: "forwarded", Stage: "balancer", Why: "sent to a backend, encapsulated",
			VIP: "web", Backend: "10.1.1.12", Leaves: "gue 10.1.0.2:50771 > 10.1.1.12:6080 [" + r.Packet + " ttl 63]",
			Steps: steps("forward", engine.TraceFact{Name: "slot", Value: "41077 of 65537 (hash 0x9c3e11d2): 10.1.1.12"}),
			Way:   []engine.TraceFact{{Name: "nic", Value: "eth0"}, {Name: "gateway", Value: "10.1.0.1"}, {Name: "neighbour", Value: "reachable 02:00:00:00:00:fe"}, {Name: "mtu", Value: "1600"}}}
		drop := engine.TraceOutcome{NIC: "eth0", Hook: "xdp", Verdict: "drop", Reason: "no_next_hop", Stage: "balancer", VIP: "web", Backend: "10.1.1.11",
			Why: "the MAC address of the way to the backend is unknown", Cure: "check route and neighbour of the backend",
			Steps: steps("drop", engine.TraceFact{Name: "slot", Value: "41077 of 65537 (hash 0x9c3e11d2): 10.1.1.11"},
				engine.TraceFact{Name: "backend", Value: "id 1, its next hop is not known"})}
		p := engine.Traced{Packet: r.Packet + " ttl 64", Now: drop}
		result := &engine.Trace{Time: d.now.Add(-2 * time.Second), On: "generation 41, running"}
		if r.Against != nil {
			result.Against, p.Then, p.Differs = "another spec, as if applied now", &forward, "drop no_next_hop, then forward to 10.1.1.12"
		}
		result.Packets = append(result.Packets, p)
		if r.Packet == "ssh" {
			result.Packets = append(result.Packets, engine.Traced{Packet: "a new session", Now: forward})
		}
		return result
	})
}

// asked is what the last trace asked for.
func asked(t *testing.T, d *driver) engine.TraceRequest {
	t.Helper()
	all := d.node.Traced()
	if len(all) == 0 {
		t.Fatal("nothing was traced")
	}
	return all[len(all)-1]
}

// TestTraceScreen: a packet is typed, traced, traced again, and earlier ones are there to be gone back to.
func TestTraceScreen(t *testing.T) {
	d := open80(t, fake.Busy())
	answering(d)
	d.press("6")
	d.has("no packet is traced")
	d.press("e")
	d.text("tcp 198.51.100.23:40112 > 10.99.0.1")
	d.press("enter")
	d.has("port; write 10.99.0.1:80")
	d.text(":80 S")
	d.press("enter")
	if r := asked(t, d); r.Packet != tracedText || r.Against != nil || r.NIC != "" {
		t.Errorf("asked for %+v", r)
	}
	d.has("VERDICT  DROP, reason no_next_hop, by balancer on eth0 xdp, vip web")
	d.has("syns", "next", "58", "source rate: 198.51.100.23: 19 of 20")
	d.has("nothing is staged")
	d.press("r")
	if n := len(d.node.Traced()); n != 2 {
		t.Errorf("%d traces", n)
	}
	d.press("S")
	d.has("1 of 2: ssh")
	d.press("j")
	d.has("2 of 2: a new session")
	d.has("FORWARD to 10.1.1.12")
	d.press("[")
	d.has("Trace > " + tracedText)
	d.has("VERDICT  DROP")
	d.press("e")
	d.has("> " + tracedText) // to be changed
	d.press("esc", "q")
	d.has("NIC", "CHAIN")
}

// TestTraceWhatIf: what is staged is traced too, unless this console may change nothing.
func TestTraceWhatIf(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	answering(d)
	atBackend(d)
	d.press("D", "T")
	r := asked(t, d)
	if r.Against == nil || r.Against.Spec == nil || !strings.HasSuffix(r.Packet, "> 10.99.0.1:80 S") {
		t.Fatalf("asked for %+v", r)
	}
	d.has("WHAT IF  by another spec, as if applied now: drop no_next_hop, then forward to")
	d.press("w")
	d.has("VERDICT  FORWARD to 10.1.1.12")
	d.press("w")
	d.has("VERDICT  DROP")

	s := fake.Busy()
	s.Barred = "only root may"
	d.show(s)
	d.press("r")
	if r := asked(t, d); r.Against != nil {
		t.Errorf("one who may change nothing asked for %+v", r)
	}
}

// TestTraceAgainst: a packet is traced by the spec of an earlier change too, also again, until another is named.
func TestTraceAgainst(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	answering(d)
	d.do(action.GoTrace, action.TraceAgainst)
	d.has("no packet is traced; e asks for one")
	d.run(d.m.act(call{ID: action.GoTrace, Arg: tracedText}))
	d.press("b")
	d.text("soon")
	d.press("enter")
	d.has("is no number of a change")
	d.press("ctrl+u")
	d.text("12")
	d.press("enter")
	d.has(":80 S, against change 12")
	d.has("WHAT IF", "drop no_next_hop, then forward to")
	d.press("r")
	if r := asked(t, d); r.Packet != tracedText || r.Against == nil || *r.Against != (engine.TraceOn{Change: 12}) {
		t.Errorf("asked for %+v", r)
	}
	d.run(d.m.act(call{ID: action.TraceAgainst, Arg: "0"}))
	if r := asked(t, d); r.Against != nil {
		t.Errorf("asked for %+v", r)
	}
	s := fake.Busy()
	s.Barred = "only root may"
	d.show(s)
	d.do(action.TraceAgainst)
	d.has("only root may")
}

// TestTraceThis: rows of other screens lead to the packet that they are about.
func TestTraceThis(t *testing.T) {
	s := fake.Incident()
	s.Events[len(s.Events)-1].Packet = "udp 203.0.113.7:5353 > 10.99.0.1:53"
	for _, row := range []struct {
		screen action.ID
		packet string
		nic    string
	}{
		{action.GoVIPs, "tcp 198.51.100.7:49152 > 10.99.0.1:80 S", ""},
		{action.GoChain, "tcp 198.51.100.7:49152 > 10.99.0.1:80 S", "eth0"},
		{action.GoEvents, "udp 203.0.113.7:5353 > 10.99.0.1:53", ""},
	} {
		d := open80(t, s)
		answering(d)
		d.do(row.screen)
		d.press("T")
		if r := asked(t, d); r.Packet != row.packet || r.NIC != row.nic {
			t.Errorf("on %s: asked for %+v", row.screen, r)
		}
		d.has("Trace > " + row.packet)
	}
	for down := range 3 { // a packet that was dropped, one as it left, and one as it came
		d := open80(t, s)
		answering(d)
		d.node.Catch(fake.Caught())
		d.do(action.GoCapture)
		d.run(d.m.act(call{ID: action.CaptureStart, Arg: "vip web"}))
		d.pass(time.Second)
		for range down {
			d.do(action.Down)
		}
		d.press("T")
		if r := asked(t, d); !strings.HasPrefix(r.Packet, "hex 0200000000010200000000fe0800") || r.NIC != "eth0" {
			t.Errorf("at captured packet %d: asked for %+v", down, r)
		}
		d.has("Trace > a captured packet")
	}
	d := open80(t, s)
	d.do(action.GoHandoff)
	d.press("T")
	d.has("says of no packet")
}
