package datapath

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hairpin/engine/spec"
)

const rulesSpec = `
version: 1
stages:
  firewall:
    rules:
      - {name: all-tcp,    match: tcp, action: count}
      - {name: office,     match: "src host 192.0.2.7 or 2001:db8:bad::7", action: pass}
      - {name: no-telnet,  match: "tcp port 23", action: drop}
      - {name: web-syns,   match: "vip web and flags S", action: count}
      - {name: too-late,   match: "src host 192.0.2.7", action: drop}
    drop: {sources: [192.0.2.0/24, "2001:db8:bad::/48"]}
  second: {kind: firewall, rules: [{name: all-tcp, match: tcp, action: count}], drop: {sources: [198.51.100.99]}}
nics:
  eth0: {xdp: [firewall, second, balancer], tcx_egress: [second]}
  eth1: {tcx_ingress: [{stage: firewall, shadow: true}]}
vips:
  - {name: web, addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
`

// counts are the rules that a packet is counted for, and the reason it leaves with.
func (n *node) counts(t *testing.T, chain int, in []byte) (rules []string, reason string) {
	t.Helper()
	before := n.ledger(t)
	n.run(t, chain, in, 0)
	for _, line := range strings.Split(n.ledger(t).since(before), ", ") {
		name, count, _ := cutLast(line)
		switch rule, is := strings.CutPrefix(name, "rule "); {
		case is && !strings.HasPrefix(count, "1/"):
			t.Errorf("%s is counted %s", name, count)
		case is:
			rules = append(rules, rule)
		case strings.HasPrefix(name, "chain "):
			reason = name[strings.LastIndex(name, " ")+1:]
		}
	}
	slices.Sort(rules)
	return rules, reason
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndex(s, " ")
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func TestRules(t *testing.T) {
	t.Parallel()
	n := newNode(t, rulesSpec)
	for _, row := range []struct {
		sentence string
		nic      string
		hook     Hook
		in       []byte
		rules    string
		reason   string
	}{
		{"nothing matches udp", "eth0", XDP, frame(ip4{}, udp{}), "", "no_vip"},
		{"a rule that counts goes on", "eth0", XDP, frame(ip4{}, tcp{Flags: "A"}), "firewall all-tcp, second all-tcp", "forwarded"},
		{"several count", "eth0", XDP, frame(ip6{}, syn), "firewall all-tcp, firewall web-syns, second all-tcp", "forwarded"},
		{"one drops", "eth0", XDP, frame(ip4{}, tcp{Dst: 23}), "firewall all-tcp, firewall no-telnet", "firewall_rule"},
		{"the first that decides does, and lists are not asked", "eth0", XDP, frame(from4("192.0.2.7"), tcp{Dst: 23}), "firewall all-tcp, firewall office, second all-tcp", "no_vip"},
		{"so over v6", "eth0", XDP, frame(from6("2001:db8:bad::7"), syn), "firewall all-tcp, firewall office, second all-tcp", "forwarded"},
		{"others on the list are dropped", "eth0", XDP, frame(from4("192.0.2.8"), syn), "firewall all-tcp, firewall web-syns", "firewall_source"},
		{"a list of a second firewall", "eth0", XDP, frame(from4("198.51.100.99"), udp{}), "", "firewall_source"},
		{"at egress", "eth0", TCXEgress, frame(ip4{}, syn), "second all-tcp", "chain_end"},
		{"at ingress, in shadow", "eth1", TCXIngress, frame(ip4{}, tcp{Dst: 23}), "firewall all-tcp, firewall no-telnet", "chain_end"},
		{"a list in shadow", "eth1", TCXIngress, frame(from4("192.0.2.8"), udp{}), "", "chain_end"},
	} {
		rules, reason := n.counts(t, n.chain(t, row.nic, row.hook), row.in)
		if got := strings.Join(rules, ", "); got != row.rules || reason != row.reason {
			t.Errorf("%s: counted %q, left as %s; want %q, %s", row.sentence, got, reason, row.rules, row.reason)
		}
	}
	chain := n.chain(t, "eth0", XDP)
	if r, err := n.Dry(int(n.Control().Active), chain, frame(ip4{}, tcp{Dst: 23})); err != nil || reasonName(int(r.Note.Reason)) != "firewall_rule" {
		t.Errorf("a dry packet leaves as %s, %v", reasonName(int(r.Note.Reason)), err)
	}
}

// passed tells whether a packet would skip the limits behind a firewall.
func (n *node) passed(t *testing.T, in []byte) bool {
	t.Helper()
	n.run(t, n.chain(t, "eth0", XDP), in, 0)
	var perCPU [][]byte
	if err := n.maps["scratch"].Lookup(uint32(0), &perCPU); err != nil {
		t.Fatal(err)
	}
	objects, err := n.collection(allPrograms[1])
	if err != nil {
		t.Fatal(err)
	}
	at := memberOf(t, objects.spec.Types, "scratch", "passed")
	for _, s := range perCPU {
		if s[at.offset] != 0 {
			return true
		}
	}
	return false
}

// TestPassSkipsLimits: a rule with action pass says so to the stages behind, but not in shadow.
func TestPassSkipsLimits(t *testing.T) {
	t.Parallel()
	text := `{version: 1, stages: {f: {kind: firewall, rules: [{name: a, match: "src host 192.0.2.7", action: pass}]}}, nics: {eth0: {xdp: [f]}}}`
	n := newNode(t, text)
	onCPU(0) // what an earlier packet left on another CPU is there still
	if !n.passed(t, frame(from4("192.0.2.7"), syn)) || n.passed(t, frame(from4("192.0.2.8"), syn)) {
		t.Error("the packet that was passed is not the only one to skip limits")
	}
	n.apply(t, parse(t, strings.Replace(text, "[f]", "[{stage: f, shadow: true}]", 1)), 0)
	if n.passed(t, frame(from4("192.0.2.7"), syn)) {
		t.Error("a firewall in shadow lets a packet skip limits")
	}
}

// TestRulePrograms: sets of rules have programs of their own, which edits of anything else leave alone, a restart adopts, and
// which go with the last generation that has them.
func TestRulePrograms(t *testing.T) {
	t.Parallel()
	n := newNode(t, rulesSpec)
	pins := func() []string {
		all, err := filepath.Glob(n.pin(n.folder, rulesPin+"*"))
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	first := pins()
	if len(first) != 6 { // two sets at xdp, dry and tc
		t.Fatalf("%d programs of rules: %v", len(first), first)
	}
	n.setWeight(t, "web", "10.1.1.11", 7)
	if now := pins(); !slices.Equal(now, first) {
		t.Errorf("a change of a weight made %v", now)
	}
	chain := n.chain(t, "eth0", XDP)
	n.counts(t, chain, frame(ip4{}, syn))
	change := func(edit func(*spec.Policy)) {
		n.edit(t, 0, func(s *spec.Spec) (*spec.Spec, error) {
			s = s.Clone()
			edit(s.Stage("firewall").Settings.(*spec.Policy))
			return s, nil
		})
	}
	count := func(rule string) uint64 { return n.RuleCounts()[RuleName{"firewall", rule}].Packets }
	change(func(p *spec.Policy) {
		p.Rules = append(p.Rules[1:], spec.Rule{Name: "new", Match: "udp", Action: spec.RuleDrop})
	})
	if count("web-syns") != 1 || count("new") != 0 {
		t.Errorf("web-syns has counted %d, the new rule %d", count("web-syns"), count("new"))
	}
	if rules, reason := n.counts(t, chain, frame(ip4{}, udp{})); !slices.Equal(rules, []string{"firewall new"}) || reason != "firewall_rule" {
		t.Errorf("the new rule: %v, %s", rules, reason)
	}
	again, err := Open(n.dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.LoadPrograms(); err != nil {
		t.Fatal(err)
	}
	before := pins()
	again.Retire()
	if now := pins(); !slices.Equal(now, before) || len(now) != 9 {
		t.Errorf("after a restart the programs are %v, before %v", now, before)
	}
	n.apply(t, parse(t, "{version: 1, nics: {eth0: {}}}"), 0)
	for range 2 * Generations { // until all that had rules are left for long enough
		n.apply(t, parse(t, "{version: 1, nics: {eth0: {}}}"), 0)
	}
	n.Retire()
	if now := pins(); len(now) != 0 {
		t.Errorf("nobody has rules any more, and %v are pinned", now)
	}
}

// TestBadRules: a rule that cannot be is refused by name and column, and what runs stays.
func TestBadRules(t *testing.T) {
	t.Parallel()
	n := newNode(t, rulesSpec)
	before, err := os.ReadDir(n.pin(n.folder, ""))
	if err != nil {
		t.Fatal(err)
	}
	for match, want := range map[string]string{
		"tcp prot 23":           "stages.firewall.rules[0].match: rule all-tcp: column 5: ",
		"vip nosuch":            "stages.firewall.rules: compile rule 1: ",
		strings.Repeat("(", 99): "stages.firewall.rules[0].match: rule all-tcp: column ",
	} {
		s := n.spec.Clone()
		s.Stage("firewall").Settings.(*spec.Policy).Rules[0].Match = match
		if err := n.CheckRules(s); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s…", match, err, want)
		}
	}
	if err := n.CheckRules(n.spec); err != nil {
		t.Error(err)
	}
	if after, _ := os.ReadDir(n.pin(n.folder, "")); len(after) != len(before) {
		t.Errorf("%d programs before, %d after", len(before), len(after))
	}
}
