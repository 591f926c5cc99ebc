package engine

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"hairpin/engine/agents"
)

// agentsSpec limits by what agents say that share a key.
func agentsSpec(key string) string {
	return `
version: 1
stages: {connlimit: {source: agents, listen: "10.1.0.2:6090", key: ` + key + `, hold: 5s, limits: [{max: 900}, {max: 50, per: vip}]}}
nics: {eth0: {xdp: [connlimit, balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 4099, backends: [{address: 10.1.0.2}, {address: 10.1.0.12}]}
  - {name: all, addresses: [10.99.0.2], port: 0, protocol: tcp, ring: 4099, backends: [{address: 10.1.0.2}]}
`
}

// keyFile has a secret in it.
func keyFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "agents.key")
	if err := os.WriteFile(name, []byte(strings.Repeat("k", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// mouth is an agent of a test: it says what the test wants.
type mouth struct {
	t      *testing.T
	sender *agents.Sender
	report agents.Report
}

func newMouth(t *testing.T, node, keyFile string) *mouth {
	t.Helper()
	key, err := agents.ReadKey(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	m := &mouth{t, agents.NewSender(key, []netip.AddrPort{netip.MustParseAddrPort("10.1.0.2:6090")}),
		agents.Report{Node: node, Session: uint64(time.Now().UnixNano()), Every: 200 * time.Millisecond}}
	t.Cleanup(m.sender.Close)
	return m
}

// says tells that many connections of each service.
func (m *mouth) says(counts map[string]uint32) {
	m.t.Helper()
	m.report.Seq++
	m.report.Time, m.report.Counts = time.Now(), nil
	for service, open := range counts {
		at := netip.MustParseAddrPort(service)
		m.report.Counts = append(m.report.Counts, agents.Count{Service: agents.Service{Address: at.Addr(), Port: at.Port()}, Open: open})
	}
	if err := m.sender.Send(m.report, m.report.Time); err != nil {
		m.t.Fatal(err)
	}
}

// now is what a VIP's limit counts.
func (s *State) now(vip string) float64 {
	for _, l := range s.Limits {
		if l.VIP == vip {
			return l.Now
		}
	}
	return -1
}

func (s *State) problem(key string) (p Problem) {
	for _, p := range s.Problems {
		if p.Key == key {
			return p
		}
	}
	return p
}

// TestAgentsAreHeard: limits count what agents say and go on with it for a time when one is silent, also in the next engine;
// who was never heard, is silent, or has another key is named.
func TestAgentsAreHeard(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	if err := netlink.LinkSetUp(nic(t, "lo")); err != nil {
		t.Fatal(err)
	}
	key := keyFile(t)
	o := open(t, p).(*owner)
	mustApply(t, o, parse(t, agentsSpec(key)), 0)
	one, two := newMouth(t, "one", key), newMouth(t, "two", key)
	hear := func(what string, is func(*State) bool) *State {
		t.Helper()
		return until(t, o, what, func(s *State) bool {
			one.says(map[string]uint32{"10.99.0.1:80": 20, "10.99.0.1:81": 4, "10.99.0.2:7": 1, "10.99.0.2:8": 2})
			return is(s)
		})
	}
	two.says(map[string]uint32{"10.99.0.1:80": 10})
	s := hear("the counts of both", func(s *State) bool { return s.now("web") == 30 && s.now("all") == 3 && s.now("") == 33 })
	if a := s.Agents[0]; len(s.Agents) != 3 || a.Node != "one" || a.Open != 23 || a.Other != 4 || a.State != "fresh" || a.Backends[0].String() != "10.1.0.2" {
		t.Errorf("agents %+v", s.Agents)
	}
	s = hear("a backend without an agent", func(s *State) bool { return s.problem("agents unheard").Severity == "crit" })
	if what := s.problem("agents unheard").What; !strings.HasSuffix(what, "10.1.0.12") {
		t.Error(what)
	}
	s = hear("a silent agent", func(s *State) bool { return s.problem("agent two").Severity == "crit" && s.now("web") == 20 })
	if !strings.HasPrefix(s.Limits[0].Counts, "agents 1 of 3") || s.Limits[0].Late <= 0 {
		t.Errorf("counts %s, late %s", s.Limits[0].Counts, s.Limits[0].Late)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if seen, err := Observe(p); err != nil || seen.now("web") != 20 || seen.problem("agents").Severity != "crit" {
		t.Errorf("without an engine: %v, web %v, %+v", err, seen.now("web"), seen.Problems)
	}
	o = running(t, p)
	two.says(map[string]uint32{"10.99.0.1:80": 1})
	if s := until(t, o, "one agent", func(s *State) bool { return len(s.Agents) > 1 }); s.now("web") != 20 {
		t.Errorf("the next engine counts %v before it heard all", s.now("web"))
	}
	forger := newMouth(t, "one", func() string {
		other := keyFile(t)
		write(t, other, strings.Repeat("x", 32))
		if err := os.Chmod(other, 0o600); err != nil {
			t.Fatal(err)
		}
		return other
	}())
	s = hear("a forger", func(s *State) bool {
		forger.says(map[string]uint32{"10.99.0.1:80": 999})
		return s.problem("agents refused").Severity == "warn"
	})
	if s.now("web") > 50 {
		t.Errorf("a forger made it %v", s.now("web"))
	}
	two.report.Uncounted = 3
	hear("what an agent could not count", func(s *State) bool {
		two.says(nil)
		return strings.Contains(s.problem("agent lacks two").What, "could not count 3 connections")
	})
	twin := newMouth(t, "one", key)
	twin.report.Session = 1
	hear("two agents of one name", func(s *State) bool {
		twin.says(nil)
		return strings.Contains(s.problem("agents refused").What, "one name")
	})
	hear("the count of both again", func(s *State) bool { two.says(map[string]uint32{"10.99.0.1:80": 5}); return s.now("web") == 25 })
	mustApply(t, o, parse(t, lbSpec), 0)
	mustApply(t, o, parse(t, agentsSpec(key)), 0)
	if s := o.State(); s.now("web") != 0 {
		t.Errorf("after a spec without agents, %v of web are counted", s.now("web"))
	}
}

// TestAgentsAreChecked: what cannot be heard or signed is refused before anything changes; a key is read again.
func TestAgentsAreChecked(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), 0)
	key := keyFile(t)
	readable := keyFile(t)
	if err := os.Chmod(readable, 0o644); err != nil {
		t.Fatal(err)
	}
	backend := `
version: 1
nics: {eth0: {xdp: [decap]}}
agent: {vips: [10.99.0.1], report: {to: [10.1.0.11:6090], every: 100ms, key: `
	for text, want := range map[string]string{
		agentsSpec("/nowhere"): "make it by", agentsSpec(readable): "run: chmod 600",
		strings.Replace(agentsSpec(key), "10.1.0.2:6090", "10.9.9.9:6090", 1): "listen for agents on 10.9.9.9:6090",
		backend + readable + "}}": "agent.report.key: ",
	} {
		_, err := o.Apply(t.Context(), ApplyRequest{Spec: parse(t, text)})
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if o.State().Generation.Active != 1 {
		t.Errorf("generation %d runs", o.State().Generation.Active)
	}
	mustApply(t, o, parse(t, backend+key+"}}"), 0)
	s := until(t, o, "reports", func(s *State) bool { return len(s.Reports) == 1 && s.Reports[0].Sent > 2 })
	if s.Reports[0].Why != "" || s.Reports[0].Last.IsZero() {
		t.Errorf("reports %+v", s.Reports)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	until(t, o, "a key that is gone", func(s *State) bool { return s.problem("reporting").Severity == "warn" })
	write(t, key, strings.Repeat("n", 40))
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, o, "another key", func(s *State) bool { return s.problem("reporting").Severity == "" && s.Reports[0].Sent < 50 })
	mustApply(t, o, parse(t, lbSpec), 0)
	if s := o.State(); len(s.Reports) != 0 {
		t.Errorf("a spec without an agent reports %+v", s.Reports)
	}
}
