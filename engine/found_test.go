package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hairpin/engine/health"
	"hairpin/engine/spec"
)

// TestFound: backends come and go as a file says, with what somebody has edited of them; never all of them, unless somebody
// says so; and an engine that finds no file goes on with those that the one before had found.
func TestFound(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	file := filepath.Join(t.TempDir(), "backends")
	document := `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.0.10}], from: {file: ` + file + `, interval: 1s, drain: 1h}}
`
	write(t, file, "10.1.0.11\n10.1.0.12 weight 7\n")
	n := open(t, p)
	mustApply(t, n, parse(t, document), 0)
	backends := func(want string) func(*State) bool {
		return func(s *State) bool {
			var all []string
			for _, b := range s.VIPs[0].Backends {
				if b.Found && b.FoundSince.IsZero() {
					return false
				}
				text := strings.TrimPrefix(b.Address.String(), "10.1.0.") + " " + b.State
				if !b.Gone {
					all = append(all, text)
				}
			}
			return strings.Join(all, ", ") == want
		}
	}
	s := until(t, n, "two backends", backends("10 up, 11 up, 12 up"))
	if b := s.VIPs[0].Backends; b[0].Found || !b[1].Found || b[2].Weight != 7 || s.VIPs[0].Found.Source != "file "+file {
		t.Errorf("found %+v by %+v", b, s.VIPs[0].Found)
	}
	mustApply(t, n, setState(t, s.Spec, "10.1.0.11", spec.Drain), 0)
	write(t, file, "10.1.0.11\n10.1.0.13\n")
	s = until(t, n, "another backend beside the edited one, and one that drains", backends("10 up, 11 drain, 12 drain, 13 up"))
	if b := s.VIPs[0].Backends[2]; b.Dropped == nil || b.Edited || !strings.HasPrefix(b.Why, "dropped by file "+file+" ") || s.VIPs[0].Found.Backends != 2 {
		t.Errorf("dropped: %+v, %+v", b, s.VIPs[0].Found)
	}
	mustApply(t, n, parse(t, strings.Replace(document, "1h", "0s", 1)), 0) // which never had them
	until(t, n, "all but the dropped one", backends("10 up, 11 drain, 13 up"))

	write(t, file, "")
	until(t, n, "doubt", func(s *State) bool {
		return strings.Contains(problem(s, "found held web"), "2 stay until somebody says")
	})
	if err := n.AcceptFound(t.Context(), AcceptRequest{VIP: "lost", Who: "test"}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a VIP that is not there: %v", err)
	}
	write(t, file, "nonsense")
	until(t, n, "a failure", func(s *State) bool { return strings.Contains(problem(s, "found fails web"), "line 1") })
	if err := n.AcceptFound(t.Context(), AcceptRequest{VIP: "web", Who: "test"}); !errors.Is(err, ErrRefused) {
		t.Errorf("a source that does not answer: %v", err)
	}
	since := n.State().VIPs[0].Backends[1].FoundSince
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := Observe(p); err != nil || !backends("10 up, 11 drain, 13 up")(s) {
		t.Errorf("without an engine: %+v, %v", s, err)
	}

	n = open(t, p)
	if s := n.State(); !backends("10 up, 11 drain, 13 up")(s) || !s.VIPs[0].Backends[1].FoundSince.Equal(since) {
		t.Errorf("the next engine begins with %+v", s.VIPs[0].Backends)
	}
	write(t, file, "# nobody\n")
	until(t, n, "doubt", func(s *State) bool { return problem(s, "found held web") != "" })
	if err := n.AcceptFound(t.Context(), AcceptRequest{VIP: "web", Who: "test", Why: "shop closes"}); err != nil {
		t.Fatal(err)
	}
	changes, err := n.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range changes {
		all = append(all, fmt.Sprintf("%s %d", c.Who, c.Times()))
	}
	if got := strings.Join(all, ", "); got != "test 1, engine 1, test 1, engine 1, test 1, engine 1, test 1" {
		t.Errorf("the history is of %s: %+v", got, changes)
	}
	if !backends("10 up")(n.State()) || problem(n.State(), "found held web") != "" {
		t.Errorf("accepted, and there are %+v", n.State().VIPs[0].Backends)
	}
	write(t, file, "10.1.0.11\n")
	until(t, n, "who comes back as he was", backends("10 up, 11 drain"))
	write(t, file, "10.1.0.11\n10.1.0.14\n")
	s = until(t, n, "one more", backends("10 up, 11 drain, 14 up"))
	if changes, err = n.History(t.Context()); err != nil || len(changes) != len(all)+1 || changes[len(all)].Times() != 2 {
		t.Errorf("%v, %+v", err, changes)
	}
	told := slices.DeleteFunc(s.Events, func(e Event) bool { return !strings.Contains(e.What, "found backends") || e.Change == 0 })
	if len(told) != 3+1 { // three before anybody accepted
		t.Errorf("the events are %+v", told)
	}
}

// TestDropped: who is not named any more drains for a time, comes back as he was, and goes at once where no flows are to be kept.
func TestDropped(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	from := &spec.From{File: "/x", Weight: 100, Drain: time.Hour}
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	both := []spec.Endpoint{{Address: a}, {Address: b}}
	for _, row := range []struct {
		what  string
		first spec.State // as the source said
		hand  spec.State // as somebody wants it then
		down  bool       // as its checks say
		after string     // its state when it is named no more, and when it is named again
	}{
		{"one that took flows", spec.Up, spec.Up, false, "drain up"},
		{"one that its checks take for down", spec.Up, spec.Up, true, "gone up"},
		{"one that said that it leaves", spec.Drain, spec.Drain, false, "gone up"},
		{"one that was drained by hand", spec.Up, spec.Drain, false, "drain drain"},
		{"one in maintenance", spec.Up, spec.Maintenance, false, "gone maintenance"},
	} {
		o := &owner{finding: finding{known: knownBackends{}}}
		v := spec.VIP{Name: "web", From: from}
		var before *spec.Spec
		now := start
		take := func(list ...spec.Endpoint) string {
			now = now.Add(time.Minute)
			v.Take(slices.Concat(list, o.dropped(&v, list, now)), o.finding.known.edited("web", now))
			next := (&spec.Spec{VIPs: []spec.VIP{v}}).Clone()
			o.finding.known.note(before, next, now)
			before = next
			if x := v.Backend(b); x != nil {
				return x.State.String()
			}
			return "gone"
		}
		take(both[0], spec.Endpoint{Address: b, State: row.first})
		v.Backend(b).State = row.hand
		before = (&spec.Spec{VIPs: []spec.VIP{v}}).Clone()
		if row.down {
			o.checking.live = map[health.Key]health.Fact{{VIP: "web", Backend: b}: {State: health.Down}}
		}
		states := take(both[:1]...)
		for range 58 { // 59 minutes
			if again := take(both[:1]...); again != states {
				t.Errorf("%s: %s, then %s", row.what, states, again)
			}
		}
		came := take(both...)
		if got := states + " " + came; got != row.after {
			t.Errorf("%s: %s", row.what, got)
		}
		if x := v.Backend(b); states != "gone" && (x.Found.Dropped || !o.finding.known["web"][b].Since.Equal(start.Add(time.Minute))) {
			t.Errorf("%s: %+v since %s", row.what, x, o.finding.known["web"][b].Since)
		}
		take(both[:1]...)
		now = now.Add(time.Hour)
		if left := take(both[:1]...); left != "gone" {
			t.Errorf("%s: %s after an hour", row.what, left)
		}
	}
}

// TestKnownBackends: since when a backend is found is kept while it is, and how it was edited for a while after.
func TestKnownBackends(t *testing.T) {
	found := func(addresses ...string) *spec.Spec {
		v := spec.VIP{Name: "web", From: &spec.From{File: "/x", Weight: 100}}
		for _, a := range addresses {
			v.Backends = append(v.Backends, spec.Endpoint{Address: netip.MustParseAddr(a)}.Backend(v.From))
		}
		return &spec.Spec{VIPs: []spec.VIP{v}}
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	k, a, b := knownBackends{}, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	both, one := found("10.0.0.1", "10.0.0.2"), found("10.0.0.1")
	both.VIPs[0].Backends[1].State = spec.Maintenance
	if !k.note(nil, both, start) || k.note(both, both, start.Add(time.Minute)) || !k["web"][a].Since.Equal(start) {
		t.Errorf("at first: %v", k)
	}
	if _, was := k.edited("web", start)(b); was {
		t.Error("one that is there counts as gone")
	}
	gone := start.Add(time.Hour)
	if !k.note(both, one, gone) {
		t.Error("nobody noted who went")
	}
	if old, was := k.edited("web", gone.Add(59*time.Minute))(b); !was || old.State != spec.Maintenance || !old.Found.Is {
		t.Errorf("edited: %+v, %t", old, was)
	}
	if _, was := k.edited("web", gone.Add(keepEdits))(b); was {
		t.Error("an edit is remembered for ever")
	}
	if !k.note(one, one, gone.Add(keepEdits)) || len(k["web"]) != 1 {
		t.Errorf("kept for ever: %v", k)
	}
	if !k.note(one, nil, gone) || !k.note(nil, nil, gone.Add(keepEdits)) || len(k) != 0 {
		t.Errorf("kept of a VIP that is gone: %v", k)
	}
}
