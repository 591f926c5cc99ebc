package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine"
	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

// withLimit is s with other settings of one of its stages.
func withLimit(t *testing.T, s *spec.Spec, stage, settings string) *spec.Spec {
	t.Helper()
	more, err := spec.Parse("limit", fmt.Appendf(nil, "{version: 1, stages: {%s: %s}}", stage, settings))
	if err != nil {
		t.Fatal(err)
	}
	s = s.Clone()
	s.Stage(stage).Settings = more.Stage(stage).Settings
	return s
}

// dropped is how many packets for the VIP web a stage of lb refused for a reason, and the limit's own counts.
func dropped(s *engine.State, stage, reason string) (ledger, over, passed uint64) {
	for _, d := range s.Drops {
		if d.Stage == stage && d.Reason == reason && d.VIP == "web" && d.NIC == lab.NIC && !d.Shadow {
			ledger += d.Packets
		}
	}
	for _, l := range s.Limits {
		if l.Stage == stage && !l.Source.IsValid() {
			over, passed = over+l.Over.Packets, passed+l.Passed.Packets
		}
	}
	return ledger, over, passed
}

// TestLimitsRefuse: clients that a limit refuses are reset or not answered, as the spec says, and each refusal stands in the
// ledger.
func TestLimitsRefuse(t *testing.T) {
	n := up(t, 2, 2)
	node := n.dial(t)
	before, counted := n.accounts(t)
	base := node.State().Spec
	for _, row := range []struct{ stage, settings, reason string }{
		{"ratelimit", "{limits: [{rate: 3, per: source}]}", "source_rate_limited"},
		{"ratelimit", "{limits: [{rate: 3, per: source}], action: reset}", "source_rate_limited"},
		{"ratelimit", "{limits: [{rate: 3, per: vip}], action: reset}", "rate_limited"},
		{"connlimit", "{limits: [{max: 3, per: source}]}", "source_conn_limited"},
		{"connlimit", "{limits: [{max: 3, per: vip}]}", "conn_limited"},
		{"connlimit", "{limits: [{max: 3, per: source}], action: reset}", "source_conn_limited"},
		{"connlimit", "{limits: [{max: 3, per: vip}], action: reset}", "conn_limited"},
	} {
		s := withLimit(t, base, row.stage, row.settings)
		apply(t, n.ctx, node, s)
		n.atRest(t, row.stage)
		was, _, _ := dropped(n.observe(t, lab.LB), row.stage, row.reason)
		began := time.Now()
		patience := 2500 * time.Millisecond // what is lost is sent again after a second
		if resets(s.Stage(row.stage).Settings) {
			patience = 30 * time.Second
		}
		ok, reset, silent := n.dialAtOnce(t, 12, patience)
		took := time.Since(began)
		is, _, _ := dropped(n.observe(t, lab.LB), row.stage, row.reason)
		most := 3
		if row.stage == "ratelimit" {
			most += 3 * int(took/time.Second)
		}
		if ok == 0 || reset > 0 && ok < 3 || ok > most || ok+reset+silent != 12 {
			t.Errorf("%s %s: %d connected in %v, at most %d may; %d reset, %d silent", row.stage, row.settings, ok, took, most, reset, silent)
		}
		if settings := s.Stage(row.stage).Settings; resets(settings) && silent > 0 || !resets(settings) && reset > 0 {
			t.Errorf("%s %s: %d were reset, %d not answered", row.stage, row.settings, reset, silent)
		}
		if refused := uint64(reset + silent); is-was < refused || reset > 0 && is-was != refused {
			t.Errorf("%s %s: %d refused, the ledger has %d", row.stage, row.settings, refused, is-was)
		}
	}
	if nowReceived, nowCounted := n.accounts(t); nowReceived-before != nowCounted-counted {
		t.Errorf("eth0 received %d packets, %d left for a reason", nowReceived-before, nowCounted-counted)
	}
}

func resets(s spec.Settings) bool {
	if r, ok := s.(*spec.Rates); ok {
		return r.Action == spec.LimitReset
	}
	return s.(*spec.Connections).Action == spec.LimitReset
}

// atRest waits until a stage counts no connection any more.
func (n *network) atRest(t *testing.T, stage string) {
	t.Helper()
	for busy := true; busy; {
		busy = false
		for _, l := range n.observe(t, lab.LB).Limits {
			busy = busy || l.Stage == stage && l.Now > 0
		}
		if n.ctx.Err() != nil {
			t.Fatalf("%s never rests", stage)
		}
	}
}

// dialAtOnce opens connections from one address and ends them with a reset.
func (n *network) dialAtOnce(t *testing.T, count int, patience time.Duration) (ok, reset, silent int) {
	t.Helper()
	type answer struct {
		conn net.Conn
		err  error
	}
	answers := make(chan answer, count)
	for range count {
		go func() {
			ctx, cancel := context.WithTimeout(n.ctx, patience)
			defer cancel()
			c, err := n.DialContext(ctx, lab.Client, "tcp4", netip.AddrPortFrom(lab.VIP4, lab.HTTPPort).String())
			answers <- answer{c, err}
		}()
	}
	var open []net.Conn
	for range count {
		var timeout net.Error
		switch a := <-answers; {
		case a.err == nil:
			ok, open = ok+1, append(open, a.conn)
		case errors.Is(a.err, unix.ECONNREFUSED):
			reset++
		case errors.Is(a.err, context.DeadlineExceeded), errors.As(a.err, &timeout) && timeout.Timeout():
			silent++
		default:
			t.Error(a.err)
		}
	}
	for _, c := range open {
		if tcp, is := c.(*net.TCPConn); is {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
	return ok, reset, silent
}

// attacker is one address of the floods'.
var attacker = netip.MustParseAddr("198.18.0.9")

// TestLimitsUnderFlood: floods meet limits that refuse them, and the clients that stay below theirs lose nothing; what was
// refused is accounted for, and what passed is within the limit. The first VIP is quiet, then it settles.
func TestLimitsUnderFlood(t *testing.T) {
	beside(t)
	n := up(t, 3, 3)
	node := n.dial(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	before, counted := n.accounts(t)
	kept := n.start(t, lasting)
	base := node.State().Spec
	for i, row := range []struct {
		stage, settings, reason string
		flood                   flood
		rate                    uint64 // that nothing more passes than; 0 = none
		spares                  bool   // clients
	}{
		{"ratelimit", "{limits: [{rate: 300, per: vip}]}", "rate_limited", flood{flags: "S", count: 6000}, 300, false},
		{"ratelimit", "{limits: [{rate: 300, per: vip}], action: reset}", "rate_limited", flood{flags: "S", count: 6000}, 300, false},
		{"ratelimit", "{limits: [{rate: 100, per: source}]}", "source_rate_limited", flood{"S", 6000, attacker}, 100, true},
		{"ratelimit", "{limits: [{rate: 100, per: source}], action: reset}", "source_rate_limited", flood{"S", 6000, attacker}, 100, true},
		{"connlimit", "{limits: [{max: 500, per: source}]}", "source_conn_limited", flood{"S", 6000, attacker}, 0, true},
		{"connlimit", "{limits: [{max: 500, per: source}], action: reset}", "source_conn_limited", flood{"S", 6000, attacker}, 0, true},
		{"connlimit", "{limits: [{max: 500, per: source}]}", "source_conn_limited", flood{"A", 6000, attacker}, 0, true},
	} {
		if i == 1 {
			base = edited(t, base, func(s *spec.Spec, vip string) (*spec.Spec, error) {
				return spec.SetState(s, vip, n.address(1), spec.Drain)
			})
		}
		apply(t, n.ctx, node, withLimit(t, base, row.stage, row.settings))
		if i > 0 && node.State().VIPs[0].Settling == nil {
			t.Fatal("the VIP does not settle")
		}
		var requests *load
		if row.spares {
			requests = n.start(t, lab.LoadConfig{For: time.Minute, New: 60}) // half of them from one /64
		}
		s := n.observe(t, lab.LB)
		wasLedger, wasOver, wasPassed := dropped(s, row.stage, row.reason)
		began := time.Now()
		if err := row.flood.send(n.ctx, n, seed+uint64(i)); err != nil {
			t.Fatal(err)
		}
		onlyTheAttacker(t, n.observe(t, lab.LB), row.stage, row.flood) // seconds later handshakes that nobody ended are forgotten
		asked := uint64(0)
		if requests != nil {
			r := requests.end(t)
			perfect(t, row.settings, r)
			asked = r.New.Asked + r.New.Resent
		}
		ledger, over, passed := n.floodIsOver(t, row.stage, row.reason)
		seconds := uint64(time.Since(began)/time.Second) + 1
		ledger, over, passed = ledger-wasLedger, over-wasOver, passed-wasPassed
		t.Logf("%s %s, %d of %q: %d refused, %d passed within %d s", row.stage, row.settings, row.flood.count, row.flood.flags, ledger, passed, seconds)
		if attacks := row.flood.flags == "S"; attacks != (ledger > uint64(row.flood.count)/2) || !attacks && ledger > 0 {
			t.Errorf("%s %s: the ledger has %d", row.stage, row.settings, ledger)
		}
		if row.stage == "ratelimit" && (over != ledger || passed > row.rate*seconds+row.rate+asked) {
			t.Errorf("%s %s: the limit refused %d, the ledger has %d; %d passed in %d s", row.stage, row.settings, over, ledger, passed, seconds)
		}
	}
	perfect(t, "connections that stay", kept.end(t))
	if nowReceived, nowCounted := n.accounts(t); nowReceived-before != nowCounted-counted {
		t.Errorf("eth0 received %d packets, %d left for a reason", nowReceived-before, nowCounted-counted)
	}
}

// floodIsOver waits until a stage refuses nothing more.
func (n *network) floodIsOver(t *testing.T, stage, reason string) (ledger, over, passed uint64) {
	t.Helper()
	for last := ^uint64(0); last != ledger; {
		last = ledger
		time.Sleep(100 * time.Millisecond) // the router forwards what it has within a few
		if ledger, over, passed = dropped(n.observe(t, lab.LB), stage, reason); n.ctx.Err() != nil {
			t.Fatal("the flood never ends")
		}
	}
	return ledger, over, passed
}

// onlyTheAttacker checks that of all sources only one was refused, or has as many connections as it may.
func onlyTheAttacker(t *testing.T, s *engine.State, stage string, f flood) {
	t.Helper()
	found := false
	for _, l := range s.Limits {
		full := l.Kind == "ratelimit" && l.Over.Packets > 0 || l.Kind == "connlimit" && l.Now >= float64(l.Max)
		if l.Stage != stage || !l.Source.IsValid() || !full {
			continue
		}
		found = true
		if l.Source.Addr() != f.from || l.Now > float64(l.Max) {
			t.Errorf("%s has %v of %d, %d refused", l.Source, l.Now, l.Max, l.Over.Packets)
		}
	}
	if f.from.IsValid() && f.flags == "S" && !found {
		t.Errorf("no limit of %s names %s", stage, f.from)
	}
}
