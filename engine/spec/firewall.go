package spec

import (
	"bytes"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"hairpin/engine/filter"
)

// Limits of one firewall. Longer lists of prefixes come from files, and more rules stand in a firewall of their own.
const (
	MaxRules       = 64
	MaxInline      = 10_000 // prefixes of one list that stand in the spec itself
	MaxPrefixFiles = 16     // of one list
)

// Policy is the settings of a firewall stage. Rules are asked first, in order: the first that drops or passes decides.
// A packet for which none did is dropped when its source or destination is listed.
type Policy struct {
	Rules []Rule
	Drop  DropLists
}

// Rule is what becomes of the packets that a filter matches.
type Rule struct {
	Name   string
	Match  string // in the language of engine/filter
	Action RuleAction
}

// DropLists are prefixes, written here or in files with one a line, and none of whose packets is let pass.
type DropLists struct {
	Sources          []netip.Prefix
	Destinations     []netip.Prefix
	SourceFiles      []string
	DestinationFiles []string
}

// RuleAction is what a rule does.
type RuleAction uint8

// RulePass lets a packet skip the lists of its firewall and the limits behind it; RuleCount only counts, and the next rule
// is asked.
const (
	RuleDrop RuleAction = iota
	RulePass
	RuleCount
)

// Kind implements Settings.
func (*Policy) Kind() Stage { return Firewall }

func (x *Policy) fields(r *reader) []field {
	return []field{
		{"rules", "", list(r, &x.Rules, MaxRules, r.rule)},
		{"drop", "", func(n *yaml.Node, a *at) {
			r.fields(n, a,
				field{"sources", "", inline(r, &x.Drop.Sources, "source_files")},
				field{"destinations", "", inline(r, &x.Drop.Destinations, "destination_files")},
				field{"source_files", "", list(r, &x.Drop.SourceFiles, MaxPrefixFiles, r.word)},
				field{"destination_files", "", list(r, &x.Drop.DestinationFiles, MaxPrefixFiles, r.word)},
			)
		}},
	}
}

func (r *reader) rule(n *yaml.Node, a *at) Rule {
	var u Rule
	r.fields(n, a,
		field{"name", "a short name for this rule", scalar(r, &u.Name, name)},
		field{"match", "which packets, as tcp port 23", scalar(r, &u.Match, name)},
		field{"action", "drop, pass or count", choice(r, &u.Action, ruleActions)},
	)
	return u
}

// word reads an item of a list of words.
func (r *reader) word(n *yaml.Node, a *at) string {
	s, _ := r.text(n, a)
	return s
}

// inline reads a list of prefixes, as many as a document should have.
func inline(r *reader, dst *[]netip.Prefix, files string) read {
	return func(n *yaml.Node, a *at) {
		if c := follow(n); c.Kind == yaml.SequenceNode && len(c.Content) > MaxInline {
			r.misread(a, 0, "%d are too many: at most %d in the spec itself; put them into a file, one a line, and name it under %s",
				len(c.Content), MaxInline, files)
			return
		}
		list(r, dst, MaxInline, func(n *yaml.Node, a *at) (p netip.Prefix) {
			scalar(r, &p, parsePrefix)(n, a)
			return p
		})(n, a)
	}
}

func (x *Policy) check(s *Spec, here *at, f *faults) {
	names := map[string]bool{}
	for i, u := range x.Rules {
		at := here.field("rules").item(i)
		if why := badName(u.Name); why != "" {
			f.wrong(at.field("name"), "%s", why)
		}
		if names[u.Name] {
			f.wrong(at.field("name"), "%s is the name of a rule above: each is counted under a name of its own", quote(u.Name))
		}
		names[u.Name] = true
		checkMatch(s, u.Match, at.field("match"), f)
		if !has(ruleActions, u.Action) {
			f.wrong(at.field("action"), "%s is not known", u.Action)
		}
	}
	if len(x.Rules) > MaxRules {
		f.wrong(here.field("rules"), "%d are too many: at most %d", len(x.Rules), MaxRules)
	}
	drop := here.field("drop")
	checkPrefixes(x.Drop.Sources, drop.field("sources"), f)
	checkPrefixes(x.Drop.Destinations, drop.field("destinations"), f)
	checkFiles(x.Drop.SourceFiles, drop.field("source_files"), f)
	checkFiles(x.Drop.DestinationFiles, drop.field("destination_files"), f)
}

func checkMatch(s *Spec, match string, here *at, f *faults) {
	if match == "" {
		f.wrong(here, "empty: write which packets, as tcp port 23")
		return
	}
	e, err := filter.Parse(match, filter.Packet|filter.VIP)
	if err != nil {
		f.wrong(here, "%v", err)
		return
	}
	for _, name := range e.Names(filter.VIP) {
		if s.VIP(name) == nil {
			f.wrong(here, "vip %s", unknown(name, s.vipNames()))
		}
	}
}

func checkPrefixes(list []netip.Prefix, here *at, f *faults) {
	if len(list) > MaxInline {
		f.wrong(here, "%d are too many: at most %d", len(list), MaxInline)
	}
	for i, p := range list {
		if why := badPrefix(p); why != "" {
			f.wrong(here.item(i), "%s", why)
		}
	}
}

func checkFiles(list []string, here *at, f *faults) {
	if len(list) > MaxPrefixFiles {
		f.wrong(here, "%d are too many: at most %d", len(list), MaxPrefixFiles)
	}
	for i, name := range list {
		switch {
		case !filepath.IsAbs(name) || filepath.Clean(name) != name:
			f.wrong(here.item(i), "%s is not the whole name of a file: write it as /etc/hairpin/blocked.txt", quote(name))
		case slices.Contains(list[:i], name):
			f.wrong(here.item(i), "%s stands in this list already", name)
		}
	}
}

func (x *Policy) warn(here *at, warn func(a *at, format string, args ...any)) {
	d := x.Drop
	if len(x.Rules)+len(d.Sources)+len(d.Destinations)+len(d.Files()) == 0 {
		warn(here, "neither rules nor lists, so it lets everything pass")
	}
	for _, list := range []struct {
		name string
		of   []netip.Prefix
	}{{"sources", d.Sources}, {"destinations", d.Destinations}} {
		for i, p := range list.of {
			if p.Addr().Is4() && p.Bits() < 8 || p.Addr().Is6() && p.Bits() < 16 {
				warn(here.field("drop").field(list.name).item(i), "%s is a large part of all addresses: let those pass that must by a rule with action pass", p)
			}
		}
	}
}

func (x *Policy) write(b *bytes.Buffer) {
	if len(x.Rules) > 0 {
		b.WriteString("rules:\n")
	}
	for _, u := range x.Rules {
		fmt.Fprintf(b, "  - {name: %s, match: %s, action: %s}\n", plain(u.Name), strconv.Quote(u.Match), u.Action)
	}
	b.WriteString("drop:\n")
	writePrefixes(b, "sources", x.Drop.Sources)
	writePrefixes(b, "destinations", x.Drop.Destinations)
	writeWords(b, "source_files", x.Drop.SourceFiles)
	writeWords(b, "destination_files", x.Drop.DestinationFiles)
}

func writePrefixes(b *bytes.Buffer, name string, list []netip.Prefix) {
	if len(list) == 0 {
		return
	}
	b.WriteString("  " + name + ":\n")
	for _, p := range list {
		line := append(b.AvailableBuffer(), `    - "`...)
		b.Write(append(p.AppendTo(line), "\"\n"...))
	}
}

func writeWords(b *bytes.Buffer, name string, list []string) {
	if len(list) == 0 {
		return
	}
	b.WriteString("  " + name + ":\n")
	for _, s := range list {
		b.WriteString("    - " + strconv.Quote(s) + "\n")
	}
}

func (x *Policy) clone() Settings {
	c := *x
	c.Rules = slices.Clone(x.Rules)
	c.Drop = DropLists{slices.Clone(x.Drop.Sources), slices.Clone(x.Drop.Destinations), slices.Clone(x.Drop.SourceFiles),
		slices.Clone(x.Drop.DestinationFiles)}
	return &c
}

func (x *Policy) equal(o Settings) bool {
	y, ok := o.(*Policy)
	return ok && slices.Equal(x.Rules, y.Rules) && x.Drop.Equal(y.Drop)
}

// Equal tells whether two lists say the same in the same order.
func (d DropLists) Equal(o DropLists) bool {
	return slices.Equal(d.Sources, o.Sources) && slices.Equal(d.Destinations, o.Destinations) &&
		slices.Equal(d.SourceFiles, o.SourceFiles) && slices.Equal(d.DestinationFiles, o.DestinationFiles)
}

// Files are the names of the files of both lists, each once.
func (d DropLists) Files() []string {
	all := slices.Concat(d.SourceFiles, d.DestinationFiles)
	slices.Sort(all)
	return slices.Compact(all)
}
