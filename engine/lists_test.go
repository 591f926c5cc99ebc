package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"hairpin/engine/spec"
)

// listed is a spec whose firewall reads a file, and the file.
func listed(t *testing.T) (text, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "blocked.txt")
	return `
version: 1
stages:
  firewall:
    rules: [{name: all, match: ip, action: count}, {name: no-telnet, match: tcp port 23, action: drop}]
    drop: {sources: [203.0.113.0/24], source_files: [` + file + `]}
nics: {eth0: {xdp: [firewall, balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 4099, backends: [{address: 10.1.0.11}, {address: 10.1.0.12}]}
`, file
}

// write puts a text in the place of a file in one step.
func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// leaves sends packets until they leave by a reason, and only by it.
func leaves(t *testing.T, p Paths, w *wire, reason string) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); ; runtime.Gosched() {
		before := exits(t, p)
		w.send(t, "eth0", "10.99.0.1", 1)
		now := exits(t, p)
		for now["firewall_source"]+now["forwarded"] == before["firewall_source"]+before["forwarded"] && time.Now().Before(limit) {
			now = exits(t, p)
		}
		if now[reason] == before[reason]+1 {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("packets do not leave by %s: %v, then %v", reason, before, now)
		}
	}
}

// list is the file's line of a snapshot.
func list(s *State, file string) List {
	for _, l := range s.Lists {
		if l.File == file {
			return l
		}
	}
	return List{}
}

func problem(s *State, key string) string {
	for _, p := range s.Problems {
		if p.Key == key {
			return p.What
		}
	}
	return ""
}

// TestReload: what a file says becomes live by itself, under traffic; a bad one changes nothing and is shown.
func TestReload(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	text, file := listed(t)
	write(t, file, "198.51.100.0/24 # others\n")
	o := running(t, p)
	mustApply(t, o, parse(t, text), 0)
	w := newWire(t, "eth0")
	leaves(t, p, w, "forwarded")
	first := o.State().Generation.Active

	write(t, file, "198.51.100.0/24\n192.0.2.9\n2001:db8::/32\n")
	until(t, o, "a reload", func(s *State) bool { return list(s, file).Prefixes == 3 && s.Generation.Active != first })
	leaves(t, p, w, "firewall_source")
	if s := o.State(); s.Generation.Confirmed != s.Generation.Active || list(s, file).Loaded.IsZero() || len(ownProblems(s)) > 0 {
		t.Errorf("after a reload: %+v, %+v, %v", s.Generation, s.Lists, s.Problems)
	}
	second := o.State().Generation.Active

	write(t, file, "198.51.100.0/24\n\n192.0.2.0/33\n")
	s := until(t, o, "a problem", func(s *State) bool { return problem(s, "list "+file) != "" })
	if what := problem(s, "list "+file); !strings.Contains(what, file+":3: ") || list(s, file).Prefixes != 3 || s.Generation.Active != second {
		t.Errorf("a bad file: %s, %+v, generation %d", what, s.Lists, s.Generation.Active)
	}
	mustApply(t, o, setWeight(t, o.State().Spec, "10.1.0.11", 7), 0)
	leaves(t, p, w, "firewall_source")

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	until(t, o, "a problem of the missing file", func(s *State) bool { return strings.Contains(problem(s, "list "+file), "no such file") })
	leaves(t, p, w, "firewall_source")
	write(t, file, "# nobody\n")
	until(t, o, "an empty list", func(s *State) bool { return problem(s, "list "+file) == "" && list(s, file).Prefixes == 0 })
	leaves(t, p, w, "forwarded")
	rules := o.State().Rules
	if len(rules) != 2 || rules[0].Name != "all" || rules[0].Action != "count" || rules[1].Packets != 0 {
		t.Errorf("rules %+v", rules)
	}
	until(t, o, "a rule's count", func(s *State) bool { return s.Rules[0].Packets >= 4 })
}

// TestReloadWaits: a reload leaves a change alone that waits for confirmation, and comes when that is over.
func TestReloadWaits(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	text, file := listed(t)
	write(t, file, "")
	o := running(t, p)
	s := parse(t, text)
	mustApply(t, o, s, 0)
	pending := mustApply(t, o, setWeight(t, s, "10.1.0.11", 7), time.Hour)
	write(t, file, "192.0.2.9\n")
	until(t, o, "the wait", func(s *State) bool { return problem(s, "lists wait") != "" })
	w := newWire(t, "eth0")
	leaves(t, p, w, "forwarded")
	if g := o.State().Generation; g.Active != pending.Generation || g.Deadline.IsZero() {
		t.Errorf("the change that waits is disturbed: %+v", g)
	}
	if err := o.Confirm(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	until(t, o, "the reload", func(s *State) bool {
		return s.Generation.Active != pending.Generation && problem(s, "lists wait") == ""
	})
	leaves(t, p, w, "firewall_source")
}

// TestBadFirewalls: nothing changes for a spec whose rules or files are bad, and the error says which and where.
func TestBadFirewalls(t *testing.T) {
	p := privateNode(t)
	text, file := listed(t)
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), 0)
	before := o.State().Generation
	refused := func(s *spec.Spec, want string) {
		t.Helper()
		_, err := o.Apply(t.Context(), ApplyRequest{Spec: s, Who: "test"})
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	refused(parse(t, text), "stages.firewall.drop: stat "+file+": no such file")
	write(t, file, "10.0.0.0/8\n\n10.0.0.1/8\n")
	refused(parse(t, text), "stages.firewall.drop: "+file+":3: 10.0.0.1/8 has bits behind its length")
	write(t, file, "10.0.0.0/8\n")
	bad := parse(t, text)
	bad.Stage("firewall").Settings.(*spec.Policy).Rules[1].Match = "tcp prot 23"
	refused(bad, "stages.firewall.rules[1].match: column 5")
	refused(parse(t, strings.Replace(text, file, filepath.Dir(file), 1)), "not a file")
	if now := o.State().Generation; now != before {
		t.Errorf("generation %+v became %+v", before, now)
	}
	mustApply(t, o, parse(t, text), 0)
}

// TestAdoptLists: a new engine goes on with the tables that are there, also when their file is bad by now, and reloads what
// has changed meanwhile.
func TestAdoptLists(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	text, file := listed(t)
	write(t, file, "192.0.2.9\n")
	n := open(t, p)
	mustApply(t, n, parse(t, text), 0)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, file, "nonsense\n")
	n = open(t, p)
	w := newWire(t, "eth0")
	leaves(t, p, w, "firewall_source")
	if what := problem(until(t, n, "a problem", func(s *State) bool { return problem(s, "list "+file) != "" }), "list "+file); !strings.Contains(what, file+":1:") {
		t.Error(what)
	}
	mustApply(t, n, setWeight(t, n.State().Spec, "10.1.0.11", 7), 0)
	leaves(t, p, w, "firewall_source")
	if s, err := Observe(p); err != nil || list(s, file).Prefixes != -1 || len(s.Rules) != 2 || s.Rules[0].Packets == 0 {
		t.Errorf("read from the pins: %+v, %v", s, err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, file, "198.51.100.1\n")
	o := running(t, p)
	until(t, o, "a reload", func(s *State) bool { return problem(s, "list "+file) == "" && list(s, file).Prefixes == 1 })
	leaves(t, p, w, "forwarded")
}

// TestManyPrefixes: 100,000 of them from a file are live at once.
func TestManyPrefixes(t *testing.T) {
	p := privateNode(t)
	text, file := listed(t)
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, "%d.%d.%d.%d\n2001:db8:%x::/48\n", 11+i>>14, i>>6&255, i<<2&255, i&3, i&0xffff)
	}
	write(t, file, b.String()+"192.0.2.8/31\n")
	o := running(t, p)
	began := time.Now()
	mustApply(t, o, parse(t, text), 0)
	t.Logf("applied in %s", time.Since(began))
	leaves(t, p, newWire(t, "eth0"), "firewall_source")
	began = time.Now()
	mustApply(t, o, setWeight(t, o.State().Spec, "10.1.0.11", 7), 0)
	t.Logf("a change of a weight beside them took %s", time.Since(began))
}

// TestBeginWithCopy: a node that starts anew while a file is missing has the list that it had. A start or a change with a
// file that was never read is refused.
func TestBeginWithCopy(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	text, file := listed(t)
	if err := os.WriteFile(p.SpecFile(), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if n, err := Open(t.Context(), Options{Paths: p}); err == nil || !strings.Contains(err.Error(), "stages.firewall.drop: stat "+file) {
		if err == nil {
			n.Close()
		}
		t.Fatalf("start without the file: %v", err)
	}
	write(t, file, "192.0.2.9\n2001:db8::/32\n")
	n := open(t, p)
	if err := n.Detach(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	o := running(t, p)
	w := newWire(t, "eth0")
	leaves(t, p, w, "firewall_source")
	s := until(t, o, "a problem", func(s *State) bool { return strings.Contains(problem(s, "list "+file), "no such file") })
	if list(s, file).Prefixes != 2 {
		t.Errorf("lists %+v", s.Lists)
	}
	other := parse(t, strings.ReplaceAll(text, file, file+".other"))
	if _, err := o.Apply(t.Context(), ApplyRequest{Spec: other, Who: "test"}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a change to another file that is missing: %v", err)
	}
	write(t, file, "198.51.100.1\n")
	until(t, o, "the file", func(s *State) bool { return problem(s, "list "+file) == "" && list(s, file).Prefixes == 1 })
	leaves(t, p, w, "forwarded")
}
