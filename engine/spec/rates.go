package spec

import (
	"bytes"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// MaxLimits is how many limits one stage may have, MaxSourceScopes how many ways of telling sources apart, and
// MaxSourceRate the highest rate of a source.
const (
	MaxLimits       = 64
	MaxSourceScopes = 4
	MaxSourceRate   = 65528
)

// Rates are the settings of a ratelimit stage: how many new connections a second it lets pass.
type Rates struct {
	Limits []Rate
	Action LimitAction
	Count  LimitCount
}

// Rate is one limit. A connection must be within every limit that it falls under.
type Rate struct {
	Rate    uint32 // new connections in any second
	Per     Scope
	VIP     string // the VIP that it is for; empty = each, for scopes that name one
	Prefix4 uint8  // bits of the source address that tell sources apart, for scopes that name one
	Prefix6 uint8
	Tenant  string // the tenant that it is for; empty = each, of PerTenant
}

// Scope is what shares one limit.
type Scope uint8

// Scopes: all packets of a NIC's chain, those for one VIP, those of one source prefix, those of one source prefix for one
// VIP, those for all VIPs of one tenant.
const (
	PerNIC Scope = iota
	PerVIP
	PerSource
	PerSourceVIP
	PerTenant
)

// LimitAction is what becomes of a connection above a limit.
type LimitAction uint8

// LimitDrop is silent; LimitReset answers a TCP SYN with a reset.
const (
	LimitDrop LimitAction = iota
	LimitReset
)

// LimitCount is what a rate counts.
type LimitCount uint8

// Accepted counts what was let pass: the rest waits its turn. Offered counts what came: above the rate, nothing passes
// until less comes.
const (
	Accepted LimitCount = iota
	Offered
)

// Kind implements Settings.
func (*Rates) Kind() Stage { return RateLimit }

// ofSource tells whether a scope tells sources apart.
func (s Scope) ofSource() bool { return s == PerSource || s == PerSourceVIP }

// ofVIP tells whether a scope tells VIPs apart.
func (s Scope) ofVIP() bool { return s == PerVIP || s == PerSourceVIP }

const maxRate = 10_000_000

func (x *Rates) fields(r *reader) []field {
	return []field{
		{"rate", "", func(n *yaml.Node, a *at) { // a single limit of the whole NIC, written short
			l := Rate{Per: PerNIC}
			number(r, &l.Rate, 1, maxRate)(n, a)
			x.Limits = append(x.Limits, l)
		}},
		{"limits", "", func(n *yaml.Node, a *at) { list(r, &x.Limits, MaxLimits, r.rate)(n, a) }},
		{"action", "", choice(r, &x.Action, limitActions)},
		{"count", "", choice(r, &x.Count, limitCounts)},
	}
}

func (r *reader) rate(n *yaml.Node, a *at) Rate {
	var l Rate
	r.limit(n, a, field{"rate", "how many new connections a second, by each NIC", number(r, &l.Rate, 1, maxRate)}, &l.Per, &l.VIP, &l.Tenant, &l.Prefix4, &l.Prefix6)
	return l
}

// limit reads how much a limit lets pass, and of what: the fields of every kind of limit.
func (r *reader) limit(n *yaml.Node, a *at, much field, per *Scope, vip, tenant *string, prefix4, prefix6 *uint8) {
	r.fields(n, a, much,
		field{"per", "", choice(r, per, scopes)},
		field{"vip", "", scalar(r, vip, name)},
		field{"tenant", "", scalar(r, tenant, name)},
		field{"prefix", "", scalar(r, prefix4, bits(32))},
		field{"prefix6", "", scalar(r, prefix6, bits(128))},
	)
	if per.ofSource() && *prefix4 == 0 {
		*prefix4 = 32
	}
	if per.ofSource() && *prefix6 == 0 {
		*prefix6 = 64
	}
}

// bits reads the length of a prefix.
func bits(most uint64) func(string) (uint8, string) {
	return func(s string) (uint8, string) {
		n, why := wholeNumber(s, 1, most)
		return uint8(n), why
	}
}

func (x *Rates) check(s *Spec, here *at, f *faults) {
	if len(x.Limits) == 0 {
		f.wrong(here, "no limit: write one, as rate: 1000")
	}
	for i, l := range x.Limits {
		l.check(s, here.field("limits").item(i), f)
		if slices.ContainsFunc(x.Limits[:i], func(o Rate) bool { o.Rate = l.Rate; return o == l }) {
			f.wrong(here.field("limits").item(i), "the same scope is limited already: the smaller rate is enough")
		}
	}
	if n := x.sourceScopes(); n > MaxSourceScopes {
		f.wrong(here.field("limits"), "sources are told apart in %d ways, at most in %d: use the same prefix and prefix6 for more of "+
			"them", n, MaxSourceScopes)
	}
	if !has(limitActions, x.Action) {
		f.wrong(here.field("action"), "%s is not known", x.Action)
	}
	if !has(limitCounts, x.Count) {
		f.wrong(here.field("count"), "%s is not known", x.Count)
	}
}

// sourceScopes is how many logs a source has.
func (x *Rates) sourceScopes() int {
	scopes := map[Rate]bool{}
	for _, l := range x.Limits {
		if l.Per.ofSource() {
			scopes[Rate{Per: l.Per, Prefix4: l.Prefix4, Prefix6: l.Prefix6}] = true
		}
	}
	return len(scopes)
}

// cannotStand is why these settings cannot be had at a hook, or empty.
func (x *Rates) cannotStand(h Hook) string {
	if x.Action == LimitReset && h != XDP {
		return fmt.Sprintf("action reset answers a packet where it came in, which only xdp can: write action: drop, or move it out of %s", h)
	}
	return ""
}

func (l Rate) check(s *Spec, here *at, f *faults) {
	switch {
	case !has(scopes, l.Per):
		f.wrong(here.field("per"), "%s is not known", l.Per)
	case l.Rate < 1 || l.Rate > maxRate:
		f.wrong(here.field("rate"), "%d is not within 1 to %d", l.Rate, maxRate)
	case l.Per.ofSource() && l.Rate > MaxSourceRate:
		f.wrong(here.field("rate"), "%d is not within 1 to %d, as for a source", l.Rate, MaxSourceRate)
	case l.VIP != "" && !l.Per.ofVIP():
		f.wrong(here.field("vip"), "a limit per %s is for all VIPs together: remove it, or write per: vip", l.Per)
	case l.VIP != "" && s.VIP(l.VIP) == nil:
		f.wrong(here.field("vip"), "vip %s", unknown(l.VIP, s.vipNames()))
	case l.Tenant != "" && l.Per != PerTenant:
		f.wrong(here.field("tenant"), "a limit per %s is of no tenant: remove it, or write per: tenant", l.Per)
	case l.Tenant != "" && s.Tenant(l.Tenant) == nil:
		f.wrong(here.field("tenant"), "tenant %s", unknown(l.Tenant, s.tenantNames()))
	case !l.Per.ofSource() && (l.Prefix4 != 0 || l.Prefix6 != 0):
		f.wrong(here.field("prefix"), "a limit per %s does not tell sources apart: remove it, or write per: source", l.Per)
	case l.Per.ofSource() && (l.Prefix4 < 1 || l.Prefix4 > 32 || l.Prefix6 < 1 || l.Prefix6 > 128):
		f.wrong(here.field("prefix"), "/%d and /%d are not within /1 to /32 and /1 to /128", l.Prefix4, l.Prefix6)
	}
}

func (x *Rates) write(b *bytes.Buffer) {
	b.WriteString("limits:\n")
	for _, l := range x.Limits {
		fmt.Fprintf(b, "  - {rate: %d, per: %s", l.Rate, l.Per)
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
	fmt.Fprintf(b, "action: %s\ncount: %s\n", x.Action, x.Count)
}

func (x *Rates) clone() Settings {
	c := *x
	c.Limits = slices.Clone(x.Limits)
	return &c
}

func (x *Rates) equal(o Settings) bool {
	y, ok := o.(*Rates)
	return ok && x.Action == y.Action && x.Count == y.Count && slices.Equal(x.Limits, y.Limits)
}
