package spec

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// MaxPrefixes is in how many ways the connlimit stages of a spec together may tell sources apart.
const MaxPrefixes = 4

// Connections are the settings of a connlimit stage: how many TCP connections it lets be open at a time.
type Connections struct {
	Limits   []Connection
	Source   CountSource
	Idle     time.Duration // that a silent flow counts
	Action   LimitAction
	Reported // of Agents; else zero
}

// Connection is one limit. A new connection must be within every limit that it falls under.
type Connection struct {
	Max     uint32 // connections at a time
	Per     Scope
	VIP     string // the VIP that it is for; empty = each, for scopes that name one
	Prefix4 uint8  // bits of the source address that tell sources apart, for scopes that name one
	Prefix6 uint8
	Tenant  string // the tenant that it is for; empty = each, of PerTenant
}

// CountSource is where a count of connections comes from.
type CountSource uint8

// Flows counts what the packets of clients say: for a node that sends connections on and sees the clients' half. Sockets
// counts the TCP sockets of this host: for where connections end. Agents counts the sockets of the backends, as their agents
// report them, and what this node let pass since: so a connection that has ended may count until the next report, one whose
// handshake took longer than 8.6 s is missing until then, and so is what other load balancers let pass meanwhile.
const (
	Flows CountSource = iota
	Sockets
	Agents
)

// How long a silent flow counts.
const (
	MinIdle     = 10 * time.Second
	DefaultIdle = 15 * time.Minute
	MaxIdle     = 30 * time.Minute
)

// Kind implements Settings.
func (*Connections) Kind() Stage { return ConnLimit }

const maxConnections = 10_000_000

func (x *Connections) fields(r *reader) []field {
	return []field{
		{"max", "", func(n *yaml.Node, a *at) { // a single limit of the whole NIC, written short
			l := Connection{Per: PerNIC}
			if number(r, &l.Max, 1, maxConnections)(n, a); l.Max == 0 {
				l.Max = 1 // it was misread, and that is said
			}
			x.Limits = append(x.Limits, l)
		}},
		{"limits", "", func(n *yaml.Node, a *at) {
			var all []Connection
			list(r, &all, MaxLimits, r.connection)(n, a)
			x.Limits = append(x.Limits, all...)
		}},
		{"source", "", func(n *yaml.Node, a *at) {
			if choice(r, &x.Source, countSources)(n, a); x.Source == Agents && x.Hold == 0 {
				x.Hold = DefaultHold
			}
		}},
		{"listen", "", scalar(r, &x.Listen, parseEndpoint)},
		{"key", "", scalar(r, &x.Key, name)},
		{"hold", "", scalar(r, &x.Hold, parseHold)},
		{"idle", "", scalar(r, &x.Idle, parseDuration)},
		{"action", "", choice(r, &x.Action, limitActions)},
	}
}

func (r *reader) connection(n *yaml.Node, a *at) Connection {
	var l Connection
	r.limit(n, a, field{"max", "how many connections at a time", number(r, &l.Max, 1, maxConnections)}, &l.Per, &l.VIP, &l.Tenant, &l.Prefix4, &l.Prefix6)
	return l
}

func (x *Connections) check(s *Spec, here *at, f *faults) {
	if len(x.Limits) == 0 {
		f.wrong(here, "no limit: write one, as max: 10000")
	}
	if len(x.Limits) > MaxLimits {
		f.wrong(here.field("limits"), "%d are too many: at most %d", len(x.Limits), MaxLimits)
	}
	for i, l := range x.Limits {
		l.check(s, here.field("limits").item(i), f)
		if slices.ContainsFunc(x.Limits[:i], func(o Connection) bool { o.Max = l.Max; return o == l }) {
			f.wrong(here.field("limits").item(i), "the same scope is limited already: the smaller maximum is enough")
		}
	}
	if len(prefixes(s)) > MaxPrefixes {
		f.wrong(here.field("limits"), "the connlimit stages tell sources apart in %d ways: at most %d pairs of prefix and prefix6, "+
			"each per source or per source_vip", len(prefixes(s)), MaxPrefixes)
	}
	if !has(countSources, x.Source) {
		f.wrong(here.field("source"), "%s is not known", x.Source)
	}
	switch {
	case x.Source != Flows && x.Idle != DefaultIdle:
		f.wrong(here.field("idle"), "sockets count until they are closed, however idle: remove it, or write source: flows")
	case x.Idle < MinIdle || x.Idle > MaxIdle:
		f.wrong(here.field("idle"), "%s is not within %s to %s", duration(x.Idle), duration(MinIdle), duration(MaxIdle))
	}
	x.checkAlone(s, here, f)
	x.checkReported(s, here, f)
	if !has(limitActions, x.Action) {
		f.wrong(here.field("action"), "%s is not known", x.Action)
	}
}

// checkAlone: a flow is counted once in a chain.
func (x *Connections) checkAlone(s *Spec, here *at, f *faults) {
	for _, n := range s.NICs {
		for _, c := range n.Chains() {
			var flows []string
			for _, p := range c.Stages {
				if k := s.Stage(p.Name); k != nil && k.Kind == ConnLimit {
					if o, ok := k.Settings.(*Connections); ok && o.Source == Flows {
						flows = append(flows, p.Name)
					}
				}
			}
			if len(flows) > 1 && s.Stage(flows[1]).Settings == Settings(x) {
				f.wrong(here, "%s %s counts flows by %s already: put the limits of both into one stage", n.Name, c.Hook, flows[0])
			}
		}
	}
}

func (l Connection) check(s *Spec, here *at, f *faults) {
	if l.Max < 1 || l.Max > maxConnections {
		f.wrong(here.field("max"), "%d is not within 1 to %d", l.Max, maxConnections)
		return
	}
	Rate{1, l.Per, l.VIP, l.Prefix4, l.Prefix6, l.Tenant}.check(s, here, f) // scopes are the same
	if v := s.VIP(l.VIP); v != nil && v.Protocol == UDP {
		f.wrong(here.field("vip"), "%s is a VIP of %s, which has no connections to count", l.VIP, v.Protocol)
	}
}

// Balances tells whether packets for VIPs meet a balancer. Where they do not, the host itself serves them.
func (s *Spec) Balances() bool {
	return slices.ContainsFunc(s.NICs, func(n NIC) bool { return s.Has(n, Balancer) })
}

// endsConnections tells whether some chain limits the connections that end on this host, be it disabled.
func (s *Spec) endsConnections() bool {
	for _, n := range s.NICs {
		for _, c := range n.Chains() {
			for _, p := range c.Stages {
				k := s.Stage(p.Name)
				if k == nil {
					continue
				}
				if x, ok := k.Settings.(*Connections); ok && x.Source == Sockets {
					return true
				}
			}
		}
	}
	return false
}

// Prefixes is one way to tell sources apart.
type Prefixes struct {
	Prefix4, Prefix6 uint8
	VIP              bool // and by VIP
}

// Prefixes is how a limit of sources tells them apart; the zero value for other scopes.
func (l Connection) Prefixes() Prefixes {
	return Prefixes{l.Prefix4, l.Prefix6, l.Per == PerSourceVIP}
}

// prefixes are all ways in which the connlimit stages of s tell sources apart.
func prefixes(s *Spec) (all []Prefixes) {
	for _, n := range s.Stages {
		x, ok := n.Settings.(*Connections)
		if !ok {
			continue
		}
		for _, l := range x.Limits {
			if p := l.Prefixes(); l.Per.ofSource() && !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	return all
}

func (x *Connections) write(b *bytes.Buffer) {
	b.WriteString("limits:\n")
	for _, l := range x.Limits {
		fmt.Fprintf(b, "  - {max: %d, per: %s", l.Max, l.Per)
		if l.VIP != "" {
			fmt.Fprintf(b, ", vip: %s", plain(l.VIP))
		}
		if l.Tenant != "" {
			fmt.Fprintf(b, ", tenant: %s", plain(l.Tenant))
		}
		if l.Per.ofSource() || l.Prefix4 != 0 || l.Prefix6 != 0 {
			fmt.Fprintf(b, ", prefix: %d, prefix6: %d", l.Prefix4, l.Prefix6)
		}
		b.WriteString("}\n")
	}
	fmt.Fprintf(b, "source: %s\n", x.Source)
	if x.Source == Flows || x.Idle != DefaultIdle {
		fmt.Fprintf(b, "idle: %s\n", duration(x.Idle))
	}
	x.Reported.write(b)
	fmt.Fprintf(b, "action: %s\n", x.Action)
}

func (x *Connections) clone() Settings {
	c := *x
	c.Limits = slices.Clone(x.Limits)
	return &c
}

func (x *Connections) equal(o Settings) bool {
	y, ok := o.(*Connections)
	return ok && x.Source == y.Source && x.Idle == y.Idle && x.Action == y.Action && x.Reported == y.Reported && slices.Equal(x.Limits, y.Limits)
}

// cannotStand is why these settings cannot be had at a hook, or empty.
func (x *Connections) cannotStand(h Hook) string { return (&Rates{Action: x.Action}).cannotStand(h) }
