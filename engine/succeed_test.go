package engine

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"hairpin/engine/datapath"
)

// TestOffer: a successor takes what it understands, and says what it does not.
func TestOffer(t *testing.T) {
	options := Options{Version: "v2", Paths: Paths{Node: "lb1"}}
	good := handoffOffer{Protocol: handoffProtocol, ABI: datapath.ABI, Node: "lb1", Handoff: Handoff{From: Party{7, "v1"}}}
	if err := good.acceptable(options); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*handoffOffer){
		"v1 hands over by protocol 9":   func(o *handoffOffer) { o.Protocol = 9 },
		"v1 has its maps in layout 999": func(o *handoffOffer) { o.ABI = 999 },
		"the node is lb2":               func(o *handoffOffer) { o.Node = "lb2" },
	} {
		o := good
		change(&o)
		if err := o.acceptable(options); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestHandoffRefused: there is none while a change waits, to what is no program, and none beside another.
func TestHandoffRefused(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	n, cmd := owns(t, partner{Paths: p, Version: "v1"})
	s := parse(t, lbSpec)
	mustApply(t, n, s, 0)
	mustApply(t, n, setWeight(t, s, "10.1.0.12", 50), time.Minute)
	refused := func(what string, r HandoffRequest, want error) {
		t.Helper()
		if err := n.Handoff(t.Context(), r); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	refused("while a change waits", HandoffRequest{}, ErrRefused)
	if err := n.Confirm(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	refused("a watch of a day", HandoffRequest{Watch: 24 * time.Hour}, ErrInvalid)
	refused("to a socket that is none", HandoffRequest{Socket: filepath.Join(p.Run, "none")}, ErrInvalid)
	h := handOver(t, n, HandoffRequest{Binary: as(partner{Version: "v2", Node: "elsewhere"}), Watch: shortWatch})
	if h.Outcome != HandoffFailed || !strings.Contains(h.Fault, "the node is test, and this program was started for elsewhere") {
		t.Errorf("%+v", h)
	}
	if err := n.Handoff(t.Context(), HandoffRequest{Watch: 10 * time.Second}); err != nil {
		t.Fatal(err)
	}
	refused("beside another", HandoffRequest{}, ErrRefused)
	until(t, n, "the watch", func(s *State) bool { return s.PID != cmd.Process.Pid && s.PID != 0 && s.Armed != nil })
	refused("while it is watched", HandoffRequest{}, ErrRefused)
	if _, err := n.Apply(t.Context(), ApplyRequest{Spec: s, Who: "test"}); !errors.Is(err, ErrRefused) {
		t.Errorf("a change while it is watched: %v", err)
	}
	if now := n.State(); !now.Generation.Deadline.IsZero() || now.Handoff.Deadline.IsZero() {
		t.Errorf("somebody is asked to confirm: %+v", now.Generation)
	}
}

// TestWatchGoesBack: a successor by whose programs packets are not forwarded does not stay.
func TestWatchGoesBack(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	n, cmd := owns(t, partner{Paths: p, Version: "v1"})
	mustApply(t, n, parse(t, lbSpec), 0)
	first := until(t, n, "what is normal", func(s *State) bool {
		w.send(t, "eth0", "10.99.0.1", 300)
		return len(s.NICs) == 1 && s.NICs[0].Forward.PPS > 100
	})
	if err := n.Handoff(t.Context(), HandoffRequest{Watch: time.Minute}); err != nil {
		t.Fatal(err)
	}
	live := until(t, n, "the successor", func(s *State) bool { return s.PID != cmd.Process.Pid && s.PID != 0 })
	dir := datapath.Dir(p.BPFFS, p.Node)
	rows, err := ebpf.LoadPinnedMap(filepath.Join(dir, "maps", "rows_xdp"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if err := rows.Delete(uint32(live.Generation.Active * datapath.Chains * datapath.Positions)); err != nil {
		t.Fatal(err)
	}
	w.send(t, "eth0", "10.99.0.1", 2*enoughPackets)
	s := until(t, n, "the way back", func(s *State) bool { return s.PID == cmd.Process.Pid && s.Handoff.Over() })
	if s.Handoff.Outcome != HandoffWentBack || !strings.Contains(s.Handoff.Fault, "forwarded") || !s.Handoff.Figures[1].Exceeded {
		t.Errorf("%+v", s.Handoff)
	}
	if s.Generation.Active != first.Generation.Active || s.Generation.Confirmed != first.Generation.Active || s.Epoch != first.Epoch+2 {
		t.Errorf("%+v in epoch %d after %+v in %d", s.Generation, s.Epoch, first.Generation, first.Epoch)
	}
	forwards(t, p, w)
}

// TestClientsGoBack: a successor under whose watch clients reset their connections, or repeat their SYNs, does not stay.
func TestClientsGoBack(t *testing.T) {
	for _, row := range []struct {
		figure, fault string
		suffer        func(*testing.T, *wire)
	}{
		{"resets", "of clients are resets", func(t *testing.T, w *wire) { w.sendTCP(t, "eth0", "10.99.0.1", 50, "R") }},
		{"SYN repeats", "of clients are repeated", func(t *testing.T, w *wire) {
			w.sent -= 50
			w.send(t, "eth0", "10.99.0.1", 50)
		}},
	} {
		t.Run(row.figure, func(t *testing.T) {
			t.Parallel()
			p := privateNode(t)
			w := newWire(t, "eth0")
			n, cmd := owns(t, partner{Paths: p, Version: "v1"})
			mustApply(t, n, parse(t, lbSpec), 0)
			if err := n.Handoff(t.Context(), HandoffRequest{Watch: time.Minute}); err != nil {
				t.Fatal(err)
			}
			until(t, n, "the successor", func(s *State) bool {
				w.send(t, "eth0", "10.99.0.1", 50)
				return s.PID != cmd.Process.Pid && s.PID != 0
			})
			s := until(t, n, "the way back", func(s *State) bool {
				row.suffer(t, w)
				return s.PID == cmd.Process.Pid && s.Handoff.Over()
			})
			exceeded := slices.ContainsFunc(s.Handoff.Figures, func(f HandoffFigure) bool { return f.Name == row.figure && f.Exceeded })
			if s.Handoff.Outcome != HandoffWentBack || !strings.Contains(s.Handoff.Fault, row.fault) || !exceeded {
				t.Errorf("%+v", s.Handoff)
			}
			forwards(t, p, w)
		})
	}
}

// TestGoBack: while a successor is watched, whoever is armed can have the predecessor back, and at no other time.
func TestGoBack(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	n, cmd := owns(t, partner{Paths: p, Version: "v1"})
	mustApply(t, n, parse(t, lbSpec), 0)
	back := HandoffRequest{Back: true, Why: "INC-7"}
	if err := n.Handoff(t.Context(), back); !errors.Is(err, ErrRefused) {
		t.Errorf("while nobody is watched: %v", err)
	}
	if err := n.Handoff(t.Context(), HandoffRequest{Watch: time.Minute}); err != nil {
		t.Fatal(err)
	}
	until(t, n, "the successor, armed", func(s *State) bool { return s.PID != cmd.Process.Pid && s.PID != 0 && s.Armed != nil })
	if err := n.Handoff(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	s := until(t, n, "the way back", func(s *State) bool { return s.PID == cmd.Process.Pid && s.Handoff.Over() })
	if s.Handoff.Outcome != HandoffWentBack || !strings.Contains(s.Handoff.Fault, "asked for it: INC-7") {
		t.Errorf("%+v", s.Handoff)
	}
	forwards(t, p, w)
}
