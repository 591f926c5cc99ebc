package spec

import (
	"path"
	"strings"
)

func (x *Steering) check(s *Spec, here *at, f *faults) {
	rules, entries := here.field("rules"), 0
	if len(x.Rules) == 0 {
		f.wrong(rules, "none: write which flows leave by which way, as {name: lab, to: [192.0.2.0/24], nic: eth1}")
	}
	if x.Hot != 0 && (x.Hot < MinHot || x.Hot > MaxHot) {
		f.wrong(here.field("hot"), "%d is not 0, nor within %d to %d", x.Hot, MinHot, MaxHot)
	}
	names := map[string]bool{}
	for i, u := range x.Rules {
		at := rules.item(i)
		checkNew(names, u.Name, at, f)
		x.checkRule(s, u, at, f)
		entries += len(u.Entries())
	}
	if entries > MaxSteerRules {
		f.wrong(rules, "%d are too many, each pair of from and to counted: at most %d", entries, MaxSteerRules)
	}
	if len(x.Groups) > MaxPathGroups {
		f.wrong(here.field("groups"), "%d are too many: at most %d", len(x.Groups), MaxPathGroups)
	}
	names = map[string]bool{}
	for i, g := range x.Groups {
		at := here.field("groups").item(i)
		checkNew(names, g.Name, at, f)
		g.check(at, f)
	}
}

// checkNew: a name that is fit, and no other's.
func checkNew(names map[string]bool, name string, here *at, f *faults) {
	if why := badName(name); why != "" {
		f.wrong(here.field("name"), "%s", why)
	}
	if names[name] {
		f.wrong(here.field("name"), "%s is the name of another one above", quote(name))
	}
	names[name] = true
}

func (x *Steering) checkRule(s *Spec, u SteerRule, here *at, f *faults) {
	checkPrefixes(u.From, here.field("from"), f)
	checkPrefixes(u.To, here.field("to"), f)
	if len(u.Entries()) == 0 {
		f.wrong(here.field("to"), "no packet is from one family and to the other: write prefixes of one")
	}
	if u.VIP != "" && s.VIP(u.VIP) == nil {
		f.wrong(here.field("vip"), "vip %s", unknown(u.VIP, s.vipNames()))
	}
	for i, d := range u.DSCP {
		if d > 63 {
			f.wrong(here.field("dscp").item(i), "%d is not within 0 to 63", d)
		}
	}
	switch m := u.Mark; {
	case m.Value&^m.Mask != 0:
		f.wrong(here.field("mark"), "%#x has bits that its mask %#x leaves out, so no packet has it", m.Value, m.Mask)
	case m.Mask&ourMarksMask == ourMarksMask && m.Value&ourMarksMask == ourMarks:
		f.wrong(here.field("mark"), "%#x to %#x are marks of the engine's own packets, which are not steered", ourMarks, ourMarks|^uint32(ourMarksMask))
	}
	if c := u.Cgroup; c != "" && (!path.IsAbs(c) || path.Clean(c) != c || c == "/") {
		f.wrong(here.field("cgroup"), "%s is not the path of a cgroup below the root: write it as /system.slice/backup.service", quote(c))
	}
	if !has(otherwises, u.Otherwise) {
		f.wrong(here.field("otherwise"), "%s is not known", u.Otherwise)
	}
	if u.Paths == "" {
		u.Way.check(here, "paths, nic or table", f)
		return
	}
	if u.Way != (Way{}) {
		f.wrong(here.field("paths"), "%s says by which ways: remove nic, via and table", quote(u.Paths))
	}
	if x.Group(u.Paths) == nil {
		names := make([]string, len(x.Groups))
		for i, g := range x.Groups {
			names[i] = g.Name
		}
		f.wrong(here.field("paths"), "group %s", unknown(u.Paths, names))
	}
}

// check: there is one way. Words are what it can be.
func (w Way) check(here *at, words string, f *faults) {
	switch {
	case w.NIC == "" && w.Table == 0 && w.Via.IsValid():
		f.wrong(here.field("via"), "%s is reached by a NIC: write nic as well", w.Via)
	case w.NIC == "" && w.Table == 0:
		f.wrong(here, "says no way: write %s", words)
	case w.NIC != "" && w.Table != 0:
		f.wrong(here.field("table"), "a table says which NIC: remove nic, or table")
	case w.Table != 0 && w.Via.IsValid():
		f.wrong(here.field("via"), "a table says which hop: remove via, or table")
	case w.NIC != "":
		if why := badNICName(w.NIC); why != "" {
			f.wrong(here.field("nic"), "%s", why)
		}
	}
	if w.Via.IsValid() {
		if why := badAddress(w.Via); why != "" {
			f.wrong(here.field("via"), "%s", why)
		}
	}
}

func (g PathGroup) check(here *at, f *faults) {
	paths := here.field("paths")
	if n := len(g.Paths); n < 1 || n > MaxPaths {
		f.wrong(paths, "%d paths: write 1 to %d", n, MaxPaths)
	}
	names, ways := map[string]bool{}, map[Way]bool{}
	for i, p := range g.Paths {
		at := paths.item(i)
		checkNew(names, p.Name, at, f)
		p.Way.check(at, "nic or table", f)
		if ways[p.Way] {
			f.wrong(at, "%s is the way of another path above", p.Way)
		}
		ways[p.Way] = true
		if p.Weight < 1 || p.Weight > MaxPathWeight {
			f.wrong(at.field("weight"), "%d is not within 1 to %d", p.Weight, MaxPathWeight)
		}
	}
	if g.Probe != (Probing{}) {
		g.Probe.check(here.field("probe"), f)
	}
}

func (p Probing) check(here *at, f *faults) {
	if why := badAddress(p.To); why != "" {
		f.wrong(here.field("to"), "%s", why)
	}
	within(f, here.field("interval"), p.Interval, MinInterval, MaxProbeInterval)
	if p.Timeout < MinTimeout || p.Timeout > p.Interval {
		f.wrong(here.field("timeout"), "%s is not within %s to the interval of %s", duration(p.Timeout), duration(MinTimeout), duration(p.Interval))
	}
	for _, n := range []struct {
		field string
		is    uint32
	}{{"fall", p.Fall}, {"rise", p.Rise}} {
		if n.is < 1 || n.is > MaxInARow {
			f.wrong(here.field(n.field), "%d is not within 1 to %d", n.is, MaxInARow)
		}
	}
}

// asksAll tells whether a rule is true of every packet.
func (u SteerRule) asksAll() bool {
	return len(u.From)+len(u.To)+len(u.DSCP) == 0 && u.VIP == "" && u.Mark.Mask == 0 && u.Cgroup == ""
}

func (x *Steering) warn(here *at, warn func(a *at, format string, args ...any)) {
	used := map[string]bool{}
	for i, u := range x.Rules {
		used[u.Paths] = true
		if u.asksAll() && i < len(x.Rules)-1 {
			warn(here.field("rules").item(i), "%s is true of every packet, so no rule behind it is asked", u.Name)
		}
	}
	var idle []string
	for _, g := range x.Groups {
		if !used[g.Name] {
			idle = append(idle, g.Name)
		}
	}
	if len(idle) > 0 {
		warn(here.field("groups"), "no rule names %s", strings.Join(idle, ", "))
	}
}
