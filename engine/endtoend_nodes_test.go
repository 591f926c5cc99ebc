package engine_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

// upNodes is a lab with three load balancers that announce the VIPs to a router of the kind that HAIRPIN_ROUTER names.
func upNodes(t *testing.T, checked bool) *network {
	t.Helper()
	n := newNetwork(t, lab.Config{Backends: 4, Nodes: 3, Router: lab.Kind(cmp.Or(os.Getenv("HAIRPIN_ROUTER"), string(lab.Builtin)))})
	var edits []func(*spec.Spec) error
	if checked {
		edits = append(edits, n.CheckBackends)
	}
	if err := errors.Join(n.WriteSpecs(edits...), n.StartEngine(n.ctx, n.Engines()...)); err != nil {
		t.Fatal(err)
	}
	n.hops(t, n.Balancers()...)
	return n
}

// hops waits until the router leads to exactly these load balancers, for both families, and returns how long that took.
func (n *network) hops(t *testing.T, want ...string) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		four, err := n.NextHops(lab.VIP4)
		six, worse := n.NextHops(lab.VIP6)
		if err := errors.Join(err, worse); err != nil {
			t.Fatal(err)
		}
		if slices.Equal(four, want) && slices.Equal(six, want) {
			return time.Since(began)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-n.ctx.Done():
			t.Fatalf("the router leads to %s and %s, not to %s", four, six, want)
		}
	}
}

// spread is where the router sends 64 flows that differ in a port.
func (n *network) spread(t *testing.T) []string {
	t.Helper()
	var asked bytes.Buffer
	for port := range 64 {
		fmt.Fprintf(&asked, "route get %s from 198.51.100.11 iif client ipproto tcp sport %d dport 80\n", lab.VIP4, 20000+port)
	}
	c := n.Command(lab.Router, "ip", "-o", "-batch", "-")
	c.Stdin = &asked
	out, err := c.Output()
	if err != nil {
		t.Fatalf("ip route get: %v: %s", complaint(err), out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i, line := range lines {
		_, line, _ = strings.Cut(line, " dev ")
		lines[i], _, _ = strings.Cut(line, " ")
	}
	return lines
}

// happens lets a scenario happen, and returns when that is over.
func (n *network) happens(t *testing.T, name string) {
	t.Helper()
	s, known := lab.FindScenario(name)
	if !known {
		t.Fatalf("there is no scenario %s", name)
	}
	if err := n.Play(n.ctx, s, 0); err != nil {
		t.Fatal(err)
	}
}

func (n *network) verb(t *testing.T, node string, args ...string) {
	t.Helper()
	if out, err := n.Command(node, append([]string{"hairpin"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("hairpin %s on %s: %v: %s", args[0], node, err, out)
	}
}

// TestNodes: of three load balancers behind a router one is drained and comes back, one is handed over, and flows are spread otherwise:
// nobody notices. One loses its power: connections go on by the others.
func TestNodes(t *testing.T) {
	t.Parallel()
	long := os.Getenv("HAIRPIN_SOAK") != ""
	n := upNodes(t, long)
	c := lab.LoadConfig{For: 30 * time.Minute, New: 50, Kept: 60, Pace: 300 * time.Millisecond, Datagrams: 50}
	if long {
		c.New, c.Kept, c.Pace, c.Datagrams = n.lossless(t, 16000)/2, 1000, time.Second, 500
	}
	all := n.Balancers()
	step := func(what string, change func(), allowed ...string) {
		t.Helper()
		n.during(t, c, what, change, allowed...)
	}

	step("control", func() {})
	step("drained", func() {
		n.happens(t, "node-drained")
		took := n.hops(t, all[1:]...)
		node := n.dial(t)
		if d := node.State().Drained; d == nil || d.Who != "alex" || d.Why != "new kernel" {
			t.Errorf("%s does not say who drained it: %+v", lab.LB, d)
		}
		t.Logf("drained: the router leads elsewhere after %v", took)
		if long {
			n.verb(t, lab.LB, "drain", "node", "--wait", "2m")
		}
	})
	step("brought back", func() {
		n.verb(t, lab.LB, "undrain", "node")
		t.Logf("brought back: the router leads here again after %v", n.hops(t, all...))
	})
	step("upgraded", func() {
		n.verb(t, lab.LB, "handoff")
		n.hops(t, all...)
	})
	step("spread otherwise", func() {
		before := n.spread(t)
		n.happens(t, "ecmp-reshuffle")
		now, moved := n.spread(t), 0
		for i := range now {
			if now[i] != before[i] {
				moved++
			}
		}
		if t.Logf("spread otherwise: %d of %d flows come to another node", moved, len(now)); moved == 0 {
			t.Errorf("no flow moved: %s", now)
		}
	})
	step("killed", func() {
		began := time.Now()
		n.happens(t, "node-killed")
		n.hops(t, all[0], all[2])
		t.Logf("killed: the router leads elsewhere after %v", time.Since(began))
	}, "datagrams")
	step("powered on", func() {
		if err := n.PowerOn(n.ctx, all[1]); err != nil {
			t.Fatal(err)
		}
		t.Logf("powered on: the router leads here again %v after its engine answers", n.hops(t, all...))
	})
	n.withdrawn(t, all)
}

// mostYoung is how many connections may be lost that are younger than a change and that the router moves to a node that never saw them
// begin: those of one slot in five hundred, and of half a second.
const mostYoung = 10

// during has something happen under a load, and allows no loss but what is named.
func (n *network) during(t *testing.T, c lab.LoadConfig, what string, change func(), allowed ...string) {
	t.Helper()
	l := n.start(t, c)
	n.flow(t, l)
	change()
	n.flow(t, l)
	r := l.end(t)
	if slices.Contains(allowed, "datagrams") && r.Echo.Failed > 0 {
		t.Logf("%s: %d datagrams of %d were lost", what, r.Echo.Failed, r.Echo.Asked)
		r.Echo.Asked, r.Echo.Failed = r.Echo.Asked-r.Echo.Failed, 0
	}
	if slices.Contains(allowed, "young") && r.New.Failed > 0 && r.New.Failed <= mostYoung {
		t.Logf("%s: %d connections of %d were lost: %q", what, r.New.Failed, r.New.Asked, r.New.Errors)
		r.New.Asked, r.New.Failed = r.New.Asked-r.New.Failed, 0
	}
	if perfect(t, what, r); c.New > 0 && r.New.Answered == 0 || c.Kept > 0 && r.Kept.Answered == 0 || c.Datagrams > 0 && r.Echo.Answered == 0 {
		t.Errorf("%s: nothing was asked", what)
	}
}

// flow lets a load go on for a while.
func (n *network) flow(t *testing.T, l *load) {
	t.Helper()
	d := 500 * time.Millisecond
	if os.Getenv("HAIRPIN_SOAK") != "" {
		d = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(n.ctx, d)
	defer cancel()
	select {
	case <-ctx.Done():
	case <-l.over:
		l.end(t)
		t.Fatal("the load is over")
	}
}

// withdrawn takes a node's last backends away and gives them back, and says how long the router took to follow.
func (n *network) withdrawn(t *testing.T, all []string) {
	t.Helper()
	node := n.dial(t)
	s := node.State().Spec.Clone()
	none := s.Clone()
	for i := range none.VIPs {
		for j := range none.VIPs[i].Backends {
			none.VIPs[i].Backends[j].State = spec.Maintenance
		}
	}
	for round := range 2 {
		arm(t, n.ctx, node)
		if _, err := node.Apply(n.ctx, engine.ApplyRequest{Spec: none, Who: "test", Force: true}); err != nil {
			t.Fatal(err)
		}
		gone := n.hops(t, all[1:]...)
		apply(t, n.ctx, node, s)
		t.Logf("round %d: withdrawn %v after the last backend went, announced %v after they came back", round, gone, n.hops(t, all...))
	}
}
