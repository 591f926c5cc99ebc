package health

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"hairpin/engine/spec"
)

// await waits until the fact of a backend is as asked.
func await(t *testing.T, p *Prober, key Key, what string, is func(Fact) bool) Fact {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		if f := p.Facts()[key]; is(f) {
			return f
		}
		select {
		case <-p.Changed():
		case <-time.After(5 * time.Millisecond): // what is no change of state is not signalled
		case <-limit:
			t.Fatalf("%s: never; %+v", what, p.Facts()[key])
		}
	}
}

// TestFacts: what is known of a backend goes on, from one prober to the next and from one list to the next, until checks say
// otherwise; and checks that cannot be sent say nothing.
func TestFacts(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort(l.Addr().String())
	check := spec.Check{Kind: spec.CheckTCP, To: spec.ToBackend, Port: at.Port(), Interval: 100 * time.Millisecond, Timeout: 100 * time.Millisecond, Rise: 2, Fall: 2}
	target := Target{Key: Key{"web", at.Addr()}, Checks: []spec.Check{check}, Health: spec.Health{Damping: time.Hour}}
	p := New(Options{Enter: here})
	p.Follow([]Target{target})
	await(t, p, target.Key, "up", func(f Fact) bool { return f.State == Up && f.Back.IsZero() })
	l.Close()
	down := await(t, p, target.Key, "down", func(f Fact) bool { return f.State == Down })
	if down.Why != "tcp: connection refused" {
		t.Errorf("down: %s", down.Why)
	}
	p.Close()

	p = New(Options{Enter: here, Facts: []Fact{down}})
	defer p.Close()
	lost := target
	lost.Checks[0].To, lost.Unsent = spec.ToVIP, "no route"
	p.Follow([]Target{lost})
	unsent := await(t, p, target.Key, "unsent", func(f Fact) bool { return f.Unsent == "no route" && p.Load().Checks > 3 })
	if unsent.State != Down || !unsent.Since.Equal(down.Since) || unsent.Checks[0].Flaps != 1 {
		t.Errorf("while checks cannot be sent: %+v", unsent)
	}
	if l, err = net.Listen("tcp", at.String()); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	target.Checks = []spec.Check{check}
	p.Follow([]Target{target})
	await(t, p, target.Key, "up again", func(f Fact) bool { return f.State == Up && f.Back.After(down.Since) && f.Unsent == "" })
	p.Follow(nil)
	if all := p.Facts(); len(all) != 0 {
		t.Errorf("nobody is followed, and known are %+v", all)
	}
}
