package engine

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"hairpin/engine/arms"
	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// traceOne traces one packet whose answer must come.
func traceOne(t *testing.T, n Verbs, r TraceRequest) Traced {
	t.Helper()
	got, err := n.Trace(t.Context(), r)
	if err != nil || len(got.Packets) != 1 {
		t.Fatalf("trace %q: %+v, %v", r.Packet, got, err)
	}
	return got.Packets[0]
}

// fact is the value of a fact of a step, or of the way if the step has no name.
func fact(o TraceOutcome, step, name string) string {
	facts := o.Way
	for _, s := range o.Steps {
		if s.Name == step {
			facts = s.Facts
		}
	}
	for _, f := range facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// TestTrace: a packet is traced on what runs, on a spec that does not, and on the way back, and nothing comes of it.
func TestTrace(t *testing.T) {
	t.Parallel()
	o := running(t, privateNode(t))
	s := parse(t, lbSpec)
	mustApply(t, o, s, 0)
	const text = "tcp 198.51.100.7:40000 > 10.99.0.1:80 S"
	p := traceOne(t, o, TraceRequest{Packet: text})
	if p.Packet != text+" ttl 64" || p.Now.Verdict != "forward" || p.Now.Reason != "forwarded" || p.Now.NIC != "eth0" || p.Now.VIP != "web" || p.Then != nil {
		t.Fatalf("%+v", p)
	}
	out, err := packet.Parse(p.Now.Out)
	if err != nil || out.Dst.String() != p.Now.Backend || !strings.Contains(p.Now.Leaves, "["+text) {
		t.Errorf("leaves as %s (%s), to %s: %v", out, p.Now.Leaves, p.Now.Backend, err)
	}
	if last := p.Now.Steps[len(p.Now.Steps)-1]; last.Kind != "balancer" || last.Result != "forward" || last.NS <= 0 || p.Now.Stage != last.Name {
		t.Errorf("last step %+v, stage %s", last, p.Now.Stage)
	}
	if !strings.Contains(fact(p.Now, "balancer", "slot"), p.Now.Backend) || fact(p.Now, "", "nic") != "eth0" || !strings.HasPrefix(fact(p.Now, "", "neighbour"), "permanent") {
		t.Errorf("%+v, then %+v", p.Now.Steps, p.Now.Way)
	}
	if p := traceOne(t, o, TraceRequest{Packet: "tcp 10.1.0.11:40000 > 10.1.0.2:22 S"}); p.Now.Reason != "no_vip" || !strings.Contains(fact(p.Now, "", "kernel"), "takes it") {
		t.Errorf("to the node itself: %+v", p)
	} else if got := fact(p.Now, "", "socket"); !strings.Contains(got, "nothing listens at port 22 of 10.1.0.2") {
		t.Errorf("to a port of the node itself where nothing listens: %q", got)
	}

	without, err := spec.RemoveBackend(s, "web", netip.MustParseAddr(p.Now.Backend))
	if err != nil {
		t.Fatal(err)
	}
	differs := traceOne(t, o, TraceRequest{Packet: text, Against: &TraceOn{Spec: without}})
	if differs.Now.Backend != p.Now.Backend || differs.Then.Backend == p.Now.Backend || !strings.Contains(differs.Differs, "to "+differs.Then.Backend) {
		t.Errorf("without its backend: %+v", differs)
	}
	applied := mustApply(t, o, without, time.Hour)
	for on, want := range map[TraceOn]string{{}: differs.Then.Backend, {Confirmed: true}: p.Now.Backend, {Change: 1}: p.Now.Backend} {
		if got := traceOne(t, o, TraceRequest{Packet: text, On: on}); got.Now.Backend != want {
			t.Errorf("on %+v it goes to %s, want %s", on, got.Now.Backend, want)
		}
	}
	if st := o.State(); st.Generation.Active != applied.Generation || len(st.Drops) > 0 {
		t.Errorf("traces changed %+v, %+v", st.Generation, st.Drops)
	}
	for _, r := range st(o).Reasons {
		if r.Packets > 0 && (r.Name == "forwarded" || r.Stage == "balancer" && r.Verdict == "drop") {
			t.Errorf("traces counted %d packets as %s", r.Packets, r.Name)
		}
	}
}

func st(o *owner) *State { return o.State() }

// TestTraceRefused: what cannot be traced is said with what to do, and another spec is not tried for those who only look.
func TestTraceRefused(t *testing.T) {
	t.Parallel()
	o := running(t, privateNode(t))
	if _, err := o.Trace(t.Context(), TraceRequest{Packet: TraceExample}); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "nothing is known to run") {
		t.Errorf("on a node without a spec: %v", err)
	}
	s := parse(t, lbSpec)
	if p := traceOne(t, o, TraceRequest{Packet: TraceExample, On: TraceOn{Spec: s}, NIC: "eth0"}); p.Now.Reason != "forwarded" {
		t.Errorf("on a node without a spec, by one: %+v", p)
	}
	mustApply(t, o, s, 0)
	for want, r := range map[string]TraceRequest{
		"names one packet, or has frames": {},
		"1001 packets, at most 1000":      {Frames: make([][]byte, 1001)},
		`"tpc": one of tcp`:               {Packet: "tpc 1.2.3.4:5 > 10.99.0.1:80"},
		"this node has no such NIC":       {Packet: TraceExample, On: TraceOn{Spec: parse(t, strings.Replace(lbSpec, "eth0", "eth9", 1))}},
		"name one":                        {Packet: TraceExample, On: TraceOn{Change: 1, Confirmed: true}},
		"history: ":                       {Packet: TraceExample, On: TraceOn{Change: 77}},
	} {
		if _, err := o.Trace(t.Context(), r); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", r, err, want)
		}
	}
	if p := traceOne(t, o, TraceRequest{Packet: TraceExample, NIC: "eth9"}); !strings.Contains(p.Now.Err, "no chain at eth9") || !strings.Contains(p.Now.Err, "eth0 xdp") {
		t.Errorf("%+v", p.Now)
	}
	if p := traceOne(t, o, TraceRequest{Frames: [][]byte{packet.Build(packet.Eth{}, packet.IPv4{}, packet.UDP{}, packet.Fill(4000))}}); !strings.Contains(p.Now.Err, "up to 3400") {
		t.Errorf("%+v", p.Now)
	}
	looker := o.as(arms.Party{ID: 7, Barred: "only root may"})
	if p := traceOne(t, looker, TraceRequest{Packet: TraceExample}); p.Now.Reason != "forwarded" {
		t.Errorf("one who may only look: %+v", p)
	}
	for _, on := range []TraceOn{{Spec: s}, {Change: 1}} {
		if _, err := looker.Trace(t.Context(), TraceRequest{Packet: TraceExample, Against: &on}); !errors.Is(err, ErrRefused) {
			t.Errorf("one who may only look traces %+v: %v", on, err)
		}
	}
}

// TestTraceSessions: whoever works by SSH sees what becomes of his own session.
func TestTraceSessions(t *testing.T) {
	t.Parallel()
	o := running(t, privateNode(t))
	mustApply(t, o, parse(t, lbSpec), 0)
	if _, err := o.Trace(t.Context(), TraceRequest{Packet: "ssh"}); err == nil && os.Getenv("SSH_CONNECTION") == "" {
		t.Error("a session is found where nobody works")
	}
	at := shell(t, o, "10.1.0.2")
	got, err := o.Trace(t.Context(), TraceRequest{Packet: "ssh"})
	if err != nil {
		t.Fatal(err)
	}
	own := slices.IndexFunc(got.Packets, func(p Traced) bool { return strings.Contains(p.Packet, " > "+at.String()+" A ") })
	again := slices.IndexFunc(got.Packets, func(p Traced) bool { return strings.Contains(p.Packet, " > "+at.String()+" S ") })
	if own < 0 || again < 0 || got.Packets[own].Now.Verdict != "pass" || got.Packets[again].Now.Verdict != "pass" {
		t.Errorf("%+v", got.Packets)
	}
}

// TestTraceShare: a crowd that traces without end takes its turns, and leaves the loop to others.
func TestTraceShare(t *testing.T) {
	t.Parallel()
	p := newPace()
	const took = 5 * time.Millisecond
	began := time.Now()
	for range 4 {
		if err := p.do(t.Context(), func() error { time.Sleep(took); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if least := 4*took + 3*restShare*took; time.Since(began) < least {
		t.Errorf("four requests of %s went through in %s, less than %s", took, time.Since(began), least)
	}
}
