package stacks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine"
	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

// routed is a lab with two load balancers whose sessions with the router have a password, and whose routes go at once with an engine
// where BFD can say so.
type routed struct {
	*network
	ctx context.Context
}

const secret = "OpenSesame"

func upRouted(t *testing.T, kind lab.Kind, peering lab.Peering) *routed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	l, err := lab.Up(ctx, lab.Config{Name: fmt.Sprintf("%s-%s", name(), kind), Backends: 1, Nodes: 2, Router: kind, Peering: peering, Binary: os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := errors.Join(l.WriteSpecs(), l.StartEngine(ctx, append(l.Balancers(), lab.Backend(1))...)); err != nil {
		t.Fatal(err)
	}
	return &routed{&network{l, dial(t, l, lab.LB)}, ctx}
}

func dial(t *testing.T, l *lab.Lab, node string) engine.Node {
	t.Helper()
	n, err := engine.Dial(t.Context(), engine.Paths{Run: filepath.Dir(l.EngineSocket(node))})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// leads waits until the router leads to exactly these nodes, for both families, and says how long that took.
func (r *routed) leads(t *testing.T, what string, want ...string) {
	t.Helper()
	began := time.Now()
	for {
		four, err := r.NextHops(lab.VIP4)
		six, worse := r.NextHops(lab.VIP6)
		if err := errors.Join(err, worse); err != nil {
			t.Fatal(err)
		}
		if slices.Equal(four, want) && slices.Equal(six, want) {
			t.Logf("%s: the router leads to %s after %v", what, want, time.Since(began).Round(time.Millisecond))
			return
		}
		select {
		case <-r.ctx.Done():
			t.Fatalf("%s: the router leads to %s and %s, not to %s", what, four, six, want)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// installed are the routers that this machine has, of which one is always there.
func installed(t *testing.T) (kinds []lab.Kind) {
	t.Helper()
	for kind, program := range map[lab.Kind]string{lab.Builtin: "true", lab.Bird: "/usr/sbin/bird", lab.FRR: "/usr/lib/frr/bgpd"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Logf("%s is not installed, and not tried", kind)
			continue
		}
		kinds = append(kinds, kind)
	}
	return kinds
}

// TestRouters: routers agree to passwords over both families and drop a node whose engine hangs, whose VIPs have no backend, or that has no
// power, and take it back. A password that was changed or is wrong is said, and the right one is taken over.
func TestRouters(t *testing.T) {
	t.Parallel()
	for _, kind := range installed(t) {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			peering := lab.Peering{Secret: secret, BFD: lab.DropBFD}
			if kind == lab.Builtin {
				peering.BFD = lab.NoBFD
			}
			r := upRouted(t, kind, peering)
			r.leads(t, "at first", lab.LB, lab.Balancer(2))
			r.until(t, "both sessions", func(s *engine.State) bool { return r.all(s, established) })
			if kind != lab.Builtin {
				r.hangs(t)
			}
			r.emptied(t)
			r.passwords(t)
			r.powerless(t)
		})
	}
}

// rounds is how often things happen to a node that happen again.
func rounds() int {
	if os.Getenv("HAIRPIN_SOAK") != "" {
		return 5
	}
	return 1
}

func established(x engine.BGPSession) bool { return x.State == "established" }

// all tells whether both sessions of lb are so.
func (r *routed) all(s *engine.State, is func(engine.BGPSession) bool) bool {
	return s.BGP != nil && len(s.BGP.Sessions) == 2 && is(s.BGP.Sessions[0]) && is(s.BGP.Sessions[1])
}

// hangs stops an engine where it is: nothing but BFD notices that within a minute.
func (r *routed) hangs(t *testing.T) {
	t.Helper()
	other := &network{r.Lab, dial(t, r.Lab, lab.Balancer(2))}
	for range rounds() {
		other.until(t, "BFD", func(s *engine.State) bool {
			return r.all(s, func(x engine.BGPSession) bool { return established(x) && x.BFD == "up" })
		})
		began := time.Now()
		pid := r.EnginePID(lab.Balancer(2))
		if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		r.leads(t, "an engine hangs", lab.LB)
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it was the hold time that noticed, after %v", took)
		}
		if err := unix.Kill(pid, unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		r.leads(t, "it goes on", lab.LB, lab.Balancer(2))
	}
}

// emptied takes the last backend away and gives it back.
func (r *routed) emptied(t *testing.T) {
	t.Helper()
	full := r.node.State().Spec
	none := full.Clone()
	for i := range none.VIPs {
		none.VIPs[i].Backends[0].State = spec.Maintenance
	}
	for round := range 1 + rounds() {
		r.apply(t, none)
		r.leads(t, fmt.Sprintf("round %d, no backend", round), lab.Balancer(2))
		r.apply(t, full)
		r.leads(t, fmt.Sprintf("round %d, a backend again", round), lab.LB, lab.Balancer(2))
	}
}

// apply makes s the running spec of lb.
func (n *network) apply(t *testing.T, s *spec.Spec) {
	t.Helper()
	if err := n.node.Arm(t.Context(), engine.ArmRequest{Who: "test", Why: "test"}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.node.Apply(t.Context(), engine.ApplyRequest{Spec: s, Who: "test", Force: true}); err != nil {
		t.Fatal(err)
	}
}

// passwords changes the one of lb, and has a session begin by it.
func (r *routed) passwords(t *testing.T) {
	t.Helper()
	r.write(t, "another")
	r.until(t, "the changed password", func(s *engine.State) bool {
		return r.all(s, func(x engine.BGPSession) bool { return x.OldSecret && established(x) }) && r.problem(s, "the password of ")
	})
	r.leads(t, "the password was changed", lab.LB, lab.Balancer(2))
	if err := errors.Join(r.KillEngine(r.ctx, lab.LB), r.StartEngine(r.ctx, lab.LB)); err != nil {
		t.Fatal(err)
	}
	r.node = dial(t, r.Lab, lab.LB)
	r.until(t, "the wrong password", func(s *engine.State) bool {
		return r.all(s, func(x engine.BGPSession) bool {
			return !established(x) && strings.Contains(x.Why, "its password for this node is not that in "+r.SecretFile(lab.LB))
		})
	})
	r.write(t, secret)
	r.until(t, "the right password", func(s *engine.State) bool { return r.all(s, established) })
	r.leads(t, "the right password", lab.LB, lab.Balancer(2))
}

func (r *routed) problem(s *engine.State, what string) bool {
	return slices.ContainsFunc(s.Problems, func(p engine.Problem) bool { return strings.HasPrefix(p.What, what) })
}

func (r *routed) write(t *testing.T, secret string) {
	t.Helper()
	if err := os.WriteFile(r.SecretFile(lab.LB), []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// powerless takes a node's power and gives it back.
func (r *routed) powerless(t *testing.T) {
	t.Helper()
	if err := r.PowerOff(r.ctx, lab.Balancer(2)); err != nil {
		t.Fatal(err)
	}
	r.leads(t, "a node has no power", lab.LB)
	if err := r.PowerOn(r.ctx, lab.Balancer(2)); err != nil {
		t.Fatal(err)
	}
	r.leads(t, "it has power again", lab.LB, lab.Balancer(2))
}
