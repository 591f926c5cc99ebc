package engine_test

import (
	"errors"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"hairpin/engine/datapath"
	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

// passing is a lab whose agents pass on what is another's connection, on which a change settles.
func passing(t *testing.T) (*network, *spec.Spec) {
	t.Helper()
	n := upAs(t, 4, 3, func(l *lab.Lab, s *spec.Spec) error {
		if s.Agent == nil {
			s.VIPs[0].Handover = true
			return nil
		}
		s.Agent.Orphans, s.Agent.Handover = spec.OrphansCounted, []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
		return nil
	})
	for i := 1; i <= 4; i++ {
		if err := n.TakesXDP(lab.Backend(i)); err != nil {
			t.Fatal(err)
		}
	}
	node := n.dial(t)
	s := edited(t, node.State().Spec, func(s *spec.Spec, vip string) (*spec.Spec, error) {
		return spec.AddBackend(s, vip, spec.Backend{Address: n.address(4), Weight: 300})
	})
	apply(t, n.ctx, node, s)
	return n, s
}

// moved has the connections of a load come to a node that has seen none of them: it forgets all that it knows.
func (n *network) moved(t *testing.T, connections int) {
	t.Helper()
	n.await(t, "all connections are there", func() bool {
		open := 0
		for i := 1; i <= 4; i++ {
			open += n.connections(t, lab.Backend(i))
		}
		return open >= connections
	})
	p := n.Paths(lab.LB)
	m, err := ebpf.LoadPinnedMap(filepath.Join(datapath.Dir(p.BPFFS, p.Node), "maps", "connections"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	none := make([]byte, m.ValueSize())
	for i := range m.MaxEntries() {
		err = errors.Join(err, m.Put(i, none))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// left is how many packets all backends let go with a reason.
func (n *network) left(t *testing.T, why string) (sum uint64) {
	t.Helper()
	for i := 1; i <= 4; i++ {
		for _, r := range n.observe(t, lab.Backend(i)).Reasons {
			if r.Name == why {
				sum += r.Packets
			}
		}
	}
	return sum
}

func (n *network) await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for !is() {
		time.Sleep(20 * time.Millisecond)
		if n.ctx.Err() != nil {
			t.Fatalf("it never comes to it that %s", what)
		}
	}
}

// TestAgentsPassOn: connections that are younger than a change, and come from another node to one on which it settles, stay
// where agents pass them on; without, some are reset.
func TestAgentsPassOn(t *testing.T) {
	beside(t)
	n, s := passing(t)
	young := lab.LoadConfig{For: 2 * time.Minute, Kept: 64, Pace: 50 * time.Millisecond}
	helped := n.start(t, young)
	n.moved(t, young.Kept)
	n.await(t, "agents pass on what they get", func() bool { return n.left(t, "handed_over") > 500 })
	perfect(t, "with the agents' help", helped.end(t))
	for i := 1; i <= 4; i++ {
		n.rests(t, lab.Backend(i))
	}
	if odd := n.left(t, "no_socket") + n.left(t, "not_handed_over"); odd != 0 {
		t.Errorf("%d packets found no socket, and went nowhere else", odd)
	}

	alone := s.Clone()
	alone.VIP("web").Handover = false
	apply(t, n.ctx, n.dial(t), alone)
	unhelped := n.start(t, young)
	n.moved(t, young.Kept)
	n.await(t, "a packet finds no socket", func() bool { return n.left(t, "no_socket") > 0 })
	if r := unhelped.end(t); r.Reset == 0 {
		t.Errorf("without the agents' help no connection was reset: %+v", r)
	}
}
