package action

import (
	"strings"
	"testing"
)

func TestTableIsWhole(t *testing.T) {
	seen := map[ID]bool{}
	for _, a := range All() {
		if seen[a.ID] {
			t.Errorf("%s is listed twice", a.ID)
		}
		seen[a.ID] = true
		if noun, verb, ok := strings.Cut(string(a.ID), "."); !ok || noun == "" || verb == "" {
			t.Errorf("%s is not noun.verb", a.ID)
		}
		if a.Title == "" || a.Help == "" || strings.HasSuffix(a.Help, ".") {
			t.Errorf("%s: title %q, help %q", a.ID, a.Title, a.Help)
		}
		if len(a.Title) > 12 {
			t.Errorf("%s: the title %q is too long for a footer", a.ID, a.Title)
		}
		if !known(a.Scope) {
			t.Errorf("%s: no keymap may bind scope %q", a.ID, a.Scope)
		}
	}
}

func known(s Scope) bool {
	for _, k := range Scopes {
		if k == s {
			return true
		}
	}
	return false
}

func TestWhatTouchesTheNodeArms(t *testing.T) {
	for _, a := range All() {
		touches := a.Scope == Backends || a.Scope == Chain || a.Scope == Limits || a.Scope == Handoff || a.ID == TakeBack || a.ID == Apply || a.ID == Detach ||
			a.ID == Believe || strings.HasPrefix(string(a.ID), "fleet.")
		if a.Arms != touches {
			t.Errorf("%s: Arms is %v", a.ID, a.Arms)
		}
	}
}

func TestInPutsTheScopeFirst(t *testing.T) {
	list := In(Backends)
	if list[0].Scope != Backends || list[len(list)-1].Scope != Global {
		t.Fatalf("order: %s … %s", list[0].ID, list[len(list)-1].ID)
	}
	for _, a := range In(Dialog) {
		t.Errorf("%s can be meant in a dialog", a.ID)
	}
}

func TestParse(t *testing.T) {
	for _, row := range []struct {
		text string
		id   ID
		arg  string
	}{
		{"backend.weight 50", Weight, "50"},
		{"  weight   50 ", Weight, "50"},
		{"page down", PageDown, ""},
		{"down", Down, ""},
		{"add 10.1.1.15 40", Add, "10.1.1.15 40"},
		{"arm", Arm, ""},
		{"arm disk is full", Arm, "disk is full"},
		{"armed", "", ""},
		{"vips Web", GoVIPs, "Web"},
		{"", "", ""},
		{"no such thing", "", ""},
	} {
		a, arg, ok := Parse(row.text, All())
		if a.ID != row.id || arg != row.arg || ok != (row.id != "") {
			t.Errorf("%q: %q with %q, %v", row.text, a.ID, arg, ok)
		}
	}
}
