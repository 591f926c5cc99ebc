package spec

import (
	"bytes"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Report is to whom an agent says how many connections are open to its VIPs, how often, and by which secret.
type Report struct {
	To    []netip.AddrPort // load balancers that limit connections with source: agents
	Every time.Duration
	Key   string // absolute path of the file with the secret that they share
}

// How often an agent may report. A load balancer counts what it let pass for 8.6 s by itself, so that some reports in a row
// may be lost.
const (
	MinReport     = 100 * time.Millisecond
	DefaultReport = time.Second
	MaxReport     = 2 * time.Second
)

// maxReportTo is how many load balancers an agent may report to.
const maxReportTo = 64

// How long the count of an agent that has fallen silent is kept.
const (
	MinHold     = 5 * time.Second
	DefaultHold = 30 * time.Second
	MaxHold     = 10 * time.Minute
)

// makeKey is how the file of a secret is made.
const makeKey = "(umask 077; head -c 32 /dev/urandom | base64 > FILE), the same on agents and load balancers"

func (r *reader) report(n *yaml.Node, a *at) *Report {
	p := &Report{Every: DefaultReport}
	r.fields(n, a,
		field{"to", "the addresses and ports at which load balancers listen, as [10.1.0.2:6090]", list(r, &p.To, maxReportTo, r.endpoint)},
		field{"every", "", scalar(r, &p.Every, parseDuration)},
		field{"key", "the file with the secret that signs reports, made by " + makeKey, scalar(r, &p.Key, name)},
	)
	return p
}

func (r *reader) endpoint(n *yaml.Node, a *at) (e netip.AddrPort) {
	scalar(r, &e, parseEndpoint)(n, a)
	return e
}

func parseEndpoint(s string) (netip.AddrPort, string) {
	e, err := netip.ParseAddrPort(s)
	if err != nil {
		return e, fmt.Sprintf("%s is not an address with a port: write one as 10.1.0.2:6090 or \"[fd00::2]:6090\"; names are not looked up", quote(s))
	}
	return e, ""
}

// parseHold leaves 0 to what was not written.
func parseHold(s string) (time.Duration, string) {
	d, why := parseDuration(s)
	if why == "" && d < MinHold {
		why = fmt.Sprintf("%s is not within %s to %s", s, duration(MinHold), duration(MaxHold))
	}
	return d, why
}

func (p *Report) check(here *at, f *faults) {
	if len(p.To) == 0 {
		f.wrong(here.field("to"), "empty: write the addresses and ports at which load balancers listen, as [10.1.0.2:6090]")
	}
	if len(p.To) > maxReportTo {
		f.wrong(here.field("to"), "%d are too many: at most %d", len(p.To), maxReportTo)
	}
	for i, e := range p.To {
		switch why := badAddress(e.Addr()); {
		case why != "":
			f.wrong(here.field("to").item(i), "%s", why)
		case e.Port() == 0:
			f.wrong(here.field("to").item(i), "%s: nobody listens on port 0", e)
		case slices.Contains(p.To[:i], e):
			f.wrong(here.field("to").item(i), "%s stands in this list already", e)
		}
	}
	if p.Every < MinReport || p.Every > MaxReport {
		f.wrong(here.field("every"), "%s is not within %s to %s", duration(p.Every), duration(MinReport), duration(MaxReport))
	}
	checkKey(p.Key, here.field("key"), f)
}

// checkKey: a count decides who is refused, so whoever could forge one would decide it.
func checkKey(file string, here *at, f *faults) {
	switch {
	case file == "":
		f.wrong(here, "missing: without a secret anybody could say how many connections there are, and so who is refused; write "+
			"key: /etc/hairpin/agents.key, and make it by "+makeKey)
	case !filepath.IsAbs(file) || filepath.Clean(file) != file:
		f.wrong(here, "%s is not an absolute path without detours: the engine that reads it runs in a folder of its own", quote(file))
	}
}

// write is the report as one value.
func (p *Report) write() string {
	all := make([]string, len(p.To))
	for i, e := range p.To {
		all[i] = `"` + e.String() + `"`
	}
	return fmt.Sprintf("{to: [%s], every: %s, key: %s}", strings.Join(all, ", "), duration(p.Every), plain(p.Key))
}

func (p *Report) clone() *Report {
	if p == nil {
		return nil
	}
	c := *p
	c.To = slices.Clone(p.To)
	return &c
}

// Equal is Spec.Equal for a report.
func (p *Report) Equal(o *Report) bool {
	if p == nil || o == nil {
		return p == o
	}
	return p.Every == o.Every && p.Key == o.Key && slices.Equal(p.To, o.To)
}

// Reported is how a node hears the counts of agents.
type Reported struct {
	Listen netip.AddrPort
	Key    string        // absolute path of the file with the secret
	Hold   time.Duration // that the last count of a silent agent is kept
}

func (r Reported) write(b *bytes.Buffer) {
	if r.Listen.IsValid() {
		fmt.Fprintf(b, "listen: %q\n", r.Listen)
	}
	if r.Key != "" {
		fmt.Fprintf(b, "key: %s\n", plain(r.Key))
	}
	if r.Hold != 0 {
		fmt.Fprintf(b, "hold: %s\n", duration(r.Hold))
	}
}

// Reported is how the connlimit stages that stand in chains of s hear agents, disabled ones too; nil = none does.
func (s *Spec) Reported() *Reported {
	if s == nil {
		return nil
	}
	for _, n := range s.NICs {
		for _, c := range n.Chains() {
			for _, p := range c.Stages {
				if x := s.connections(p); x != nil && x.Source == Agents {
					r := x.Reported
					return &r
				}
			}
		}
	}
	return nil
}

// connections are the settings of the connlimit stage at a position; nil where another stands.
func (s *Spec) connections(p Position) *Connections {
	if n := s.Stage(p.Name); n != nil {
		x, _ := n.Settings.(*Connections)
		return x
	}
	return nil
}

// checkReported looks at what is for agents alone.
func (x *Connections) checkReported(s *Spec, here *at, f *faults) {
	if x.Source != Agents {
		for _, field := range []struct {
			name  string
			given bool
		}{{"listen", x.Listen.IsValid()}, {"key", x.Key != ""}, {"hold", x.Hold != 0}} {
			if field.given {
				f.wrong(here.field(field.name), "is for source: agents, and %s are counted: remove it", x.Source)
			}
		}
		return
	}
	switch {
	case !x.Listen.IsValid():
		f.wrong(here.field("listen"), "missing: write the address and port at which agents reach this node, as 10.1.0.2:6090")
	case x.Listen.Port() == 0:
		f.wrong(here.field("listen"), "%s: agents need to know the port", x.Listen)
	}
	checkKey(x.Key, here.field("key"), f)
	if x.Hold < MinHold || x.Hold > MaxHold {
		f.wrong(here.field("hold"), "%s is not within %s to %s", duration(x.Hold), duration(MinHold), duration(MaxHold))
	}
	for i, l := range x.Limits {
		if l.Per.ofSource() {
			f.wrong(here.field("limits").item(i), "agents say how many connections a VIP has, not of whom: for a limit per %s write a "+
				"stage with source: flows", l.Per)
		}
	}
	if r := s.Reported(); r != nil && *r != x.Reported && s.inChain(x) {
		f.wrong(here, "a node hears agents in one way, and another stage says listen: %s, key: %s, hold: %s: write the same here",
			r.Listen, r.Key, duration(r.Hold))
	}
}

// inChain tells whether a stage of these settings stands in a chain.
func (s *Spec) inChain(x *Connections) bool {
	for _, n := range s.NICs {
		for _, c := range n.Chains() {
			if slices.ContainsFunc(c.Stages, func(p Position) bool { return s.connections(p) == x }) {
				return true
			}
		}
	}
	return false
}
