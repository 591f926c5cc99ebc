package staged

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"hairpin/engine/spec"
)

var (
	b1 = netip.MustParseAddr("10.1.1.11")
	b2 = netip.MustParseAddr("10.1.1.12")
	b3 = netip.MustParseAddr("10.1.1.13")
)

func running() *spec.Spec {
	return &spec.Spec{Version: 1, VIPs: []spec.VIP{{
		Name: "web", Addresses: []netip.Addr{netip.MustParseAddr("10.99.0.1")}, Port: 80, Protocol: spec.TCP, Ring: 251,
		Backends: []spec.Backend{{Address: b1, Weight: 100}, {Address: b2, Weight: 100}},
	}}}
}

func weight(b netip.Addr, w uint32) Edit {
	return Edit{Kind: SetWeight, VIP: "web", Backend: b, Weight: w}
}

func words(l List) string {
	var out []string
	for _, e := range l.Edits() {
		out = append(out, e.String())
	}
	return strings.Join(out, "; ")
}

func TestUndoAndRedo(t *testing.T) {
	var l List
	l = l.With(weight(b1, 90)).With(weight(b1, 80)) // steps of one value
	before := l
	l = l.With(Edit{Kind: SetState, VIP: "web", Backend: b2, State: spec.Drain})
	if got := words(l); got != "web 10.1.1.11 weight 80; web 10.1.1.12 drain" {
		t.Fatal(got)
	}
	l, e, ok := l.Undo()
	if !ok || e.Backend != b2 || words(l) != words(before) {
		t.Errorf("undo: %v, %s", e, words(l))
	}
	l, _, _ = l.Undo()
	if _, _, ok := l.Undo(); ok || l.Len() != 0 {
		t.Errorf("after two undos: %s", words(l))
	}
	l, e, _ = l.Redo()
	if e.Weight != 80 {
		t.Errorf("redo brings %v first", e)
	}
	l, _, _ = l.Redo()
	if _, _, ok := l.Redo(); ok || l.Len() != 2 {
		t.Errorf("after two redos: %s", words(l))
	}
	l, _, _ = l.Undo()
	l = l.With(Edit{Kind: Remove, VIP: "web", Backend: b1})
	if _, _, ok := l.Redo(); ok {
		t.Error("a new edit forgets what was undone")
	}
}

func TestOverNeverTouchesTheRunningSpec(t *testing.T) {
	s := running()
	l := List{}.With(weight(b1, 7)).With(Edit{Kind: Remove, VIP: "web", Backend: b2}).
		With(Edit{Kind: Add, VIP: "web", Backend: b3, Weight: 50})
	next, conflicts := l.Over(s)
	if len(conflicts) > 0 {
		t.Fatal(conflicts)
	}
	if !s.Equal(running()) {
		t.Error("the running spec changed")
	}
	want := []spec.Backend{{Address: b1, Weight: 7}, {Address: b3, Weight: 50}}
	if got := next.VIP("web").Backends; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestOverLeavesOutWhatTheWorldTookAway(t *testing.T) {
	s := running()
	s.VIPs[0].Backends = s.VIPs[0].Backends[:1]
	l := List{}.With(weight(b2, 7)).With(weight(b1, 8))
	next, conflicts := l.Over(s)
	if len(conflicts) != 1 || conflicts[0].Edit.Backend != b2 || conflicts[0].Err == nil {
		t.Errorf("conflicts %v", conflicts)
	}
	if b, _ := Find(next, "web", b1); b.Weight != 8 {
		t.Errorf("the other edit is gone: %v", b)
	}
	if got := words(l.Without(conflicts)); got != "web 10.1.1.11 weight 8" {
		t.Errorf("what stays: %s", got)
	}
	if next, conflicts := (List{}.With(weight(b1, 8))).Over(nil); next != nil || conflicts != nil {
		t.Error("nothing runs, and yet there is a next")
	}
}

func TestBetween(t *testing.T) {
	s := running()
	next, _ := List{}.With(weight(b1, 50)).With(Edit{Kind: SetState, VIP: "web", Backend: b1, State: spec.Drain}).
		With(Edit{Kind: Remove, VIP: "web", Backend: b2}).With(Edit{Kind: Add, VIP: "web", Backend: b3, Weight: 100}).Over(s)
	d := Between(s, next, "web")
	if d.Len() != 3 || d.Changes[b1].String() != "-> drain, 50" || d.Changes[b2].String() != "remove" || d.Added[0].Address != b3 {
		t.Errorf("%+v", d)
	}
	if d := Between(s, s, "web"); d.Len() != 0 {
		t.Errorf("nothing changed: %+v", d)
	}
	if d := Between(nil, nil, "web"); d.Len() != 0 {
		t.Errorf("nothing runs: %+v", d)
	}
}

func TestStepsUndoEachOther(t *testing.T) {
	for w := uint32(0); w < spec.MaxWeight; {
		up := Heavier(w, spec.MaxWeight)
		if up <= w || (up < spec.MaxWeight && Lighter(up) != w) {
			t.Fatalf("%d up to %d, and down to %d", w, up, Lighter(up))
		}
		w = up
	}
	if Heavier(spec.MaxWeight, spec.MaxWeight) != spec.MaxWeight || Lighter(0) != 0 || Lighter(3) != 2 {
		t.Error("the ends do not hold")
	}
}
