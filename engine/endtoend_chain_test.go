package engine_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

// chainStages are what random edits put into the chain of lb. None of them drops anything of a load; marker would drop all of
// it, and stands there in shadow from the first edit to the last: it counts each packet that meets it.
const chainStages = `
version: 1
stages:
  marker: {kind: firewall, drop: {destinations: [0.0.0.0/0, "::/0"]}}
  wall:   {kind: firewall, drop: {sources: [192.0.2.0/24, "2001:db8:bad::/48"]}}
  limit:  {kind: ratelimit, limits: [{rate: 100000, per: nic}, {rate: 60000, per: source}], count: offered}
  open:   {kind: connlimit, source: sockets, limits: [{max: 100000}, {max: 50000, per: source_vip}]}
  rules:  {kind: firewall, rules: [{name: odd, match: tcp port 81, action: drop}, {name: all, match: tcp, action: count}]}
`

// withStages is s with the stages of text, and marker in front of the balancer.
func withStages(t *testing.T, s *spec.Spec, text string) *spec.Spec {
	t.Helper()
	more, err := spec.Parse("stages", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s = s.Clone()
	for _, n := range more.Stages {
		if s.Stage(n.Name) == nil {
			s.Stages = append(s.Stages, n)
		}
	}
	if s, err = spec.Insert(s, lab.NIC, spec.XDP, 0, spec.Position{Name: "marker", Shadow: true}); err != nil {
		t.Fatal(err)
	}
	return s
}

// chainDice edit chains at random.
type chainDice struct{ *rand.Rand }

// edit is s after one edit of the chain of lb that makes another valid one of it.
func (d chainDice) edit(t *testing.T, s *spec.Spec) *spec.Spec {
	t.Helper()
	for {
		chain := s.NIC(lab.NIC).XDP
		name := s.Stages[d.IntN(len(s.Stages))].Name
		i := slices.IndexFunc(chain, func(p spec.Position) bool { return p.Name == name })
		at := d.IntN(len(chain) + 1)
		var next *spec.Spec
		var err error
		switch op := d.IntN(5); {
		case i < 0:
			next, err = spec.Insert(s, lab.NIC, spec.XDP, at, spec.Position{Name: name, Shadow: d.IntN(3) == 0})
		case op <= 1 || name == "marker":
			next, err = spec.Move(s, lab.NIC, spec.XDP, name, at)
		case op == 2:
			next, err = spec.Remove(s, lab.NIC, spec.XDP, name)
		case op == 3 && chain[i].Disabled:
			next, err = spec.Enable(s, lab.NIC, spec.XDP, name)
		case op == 3:
			next, err = spec.Disable(s, lab.NIC, spec.XDP, name)
		default:
			next, err = spec.SetShadow(s, lab.NIC, spec.XDP, name, !chain[i].Shadow)
		}
		if err == nil && !next.Equal(s) {
			return next
		}
	}
}

// met is how many packets for VIPs came in, and how many of them met the marker, at rest.
func (n *network) met(t *testing.T) (in, marker uint64) {
	t.Helper()
	n.accounts(t) // at rest
	s := n.observe(t, lab.LB)
	for _, v := range s.VIPs {
		in += v.Packets + v.Drop.Packets
	}
	for _, d := range s.Drops {
		if d.Stage == "marker" && d.VIP != "" {
			if !d.Shadow {
				t.Errorf("marker dropped %d packets", d.Packets)
			}
			marker += d.Packets
		}
	}
	return in, marker
}

// TestChainEdits: random edits of the chain under half of what the node forwards without any lose nothing, and every packet
// meets the stage that stands in all of them.
func TestChainEdits(t *testing.T) {
	beside(t)
	edits, rate := 40, 1000
	if os.Getenv("HAIRPIN_SOAK") != "" {
		edits, rate = 400, 4000
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := chainDice{rand.New(rand.NewPCG(seed, 0))}
	n := up(t, 3, 3)
	node := n.dial(t)
	s := withStages(t, node.State().Spec, chainStages)
	apply(t, n.ctx, node, s)
	perfect(t, "control", n.start(t, lab.LoadConfig{For: time.Minute, New: 2 * rate, Count: 4 * rate}).end(t), 1, 2, 3)
	if t.Failed() {
		t.Fatal("this machine loses requests without any change")
	}
	in, marker := n.met(t)
	if in == 0 || in != marker {
		t.Errorf("%d packets for VIPs before any edit, marker met %d", in, marker)
	}
	kept := n.start(t, lab.LoadConfig{For: 2 * time.Minute, Kept: 64, Pace: 50 * time.Millisecond, Datagrams: 200})
	half := lab.LoadConfig{For: time.Minute, New: rate, Count: 3 * rate}
	requests := n.start(t, half)
	var took []time.Duration
	for i := 0; i < edits || !requests.isOver(); i++ {
		if requests.isOver() {
			perfect(t, "requests", requests.end(t), 1, 2, 3)
			requests = n.start(t, half)
		}
		s = dice.edit(t, s)
		took = append(took, n.change(t, node, s).Took)
	}
	perfect(t, "requests", requests.end(t), 1, 2, 3)
	perfect(t, "connections that stay", kept.end(t))
	slices.Sort(took)
	nowIn, nowMarker := n.met(t)
	t.Logf("%d edits, half of them within %v, the slowest in %v; %d packets for VIPs", len(took), took[len(took)/2], took[len(took)-1], nowIn-in)
	if nowIn != nowMarker || nowIn-in < uint64(10*rate) {
		t.Errorf("%d packets for VIPs, marker met %d", nowIn, nowMarker)
	}
}

// change applies s, again where the engine says that the running spec has changed meanwhile.
func (n *network) change(t *testing.T, node engine.Node, s *spec.Spec) *engine.Applied {
	t.Helper()
	arm(t, n.ctx, node)
	for {
		a, err := node.Apply(n.ctx, engine.ApplyRequest{Spec: s, Who: "test"})
		if err == nil {
			return a
		}
		if !errors.Is(err, engine.ErrStale) || n.ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}
