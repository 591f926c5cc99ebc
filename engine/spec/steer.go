package spec

import (
	"net/netip"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// Limits of a steer stage.
const (
	MaxSteerRules    = 32 // each pair of prefixes counts
	MaxPathGroups    = 16
	MaxPaths         = 8 // of one group
	MaxPathWeight    = 1000
	DefaultWorth     = 100 // weight of a path
	MinHot           = 100
	MaxHot           = 100_000_000
	MaxDSCPs         = 64
	DefaultPathFall  = 3
	DefaultPathRise  = 5
	MaxProbeInterval = time.Minute
)

// Steering is the settings of a steer stage: which flows leave by another way than the ordinary one.
type Steering struct {
	Rules  []SteerRule // the first that is true decides
	Groups []PathGroup
	Hot    uint32 // packets a second of a forwarded flow from which on XDP forwards it; 0 = never
}

// SteerRule is true of the packets of which all is true that it says.
type SteerRule struct {
	Name   string
	From   []netip.Prefix
	To     []netip.Prefix
	VIP    string // that packets come from or are for
	DSCP   []DSCP
	Mark   PacketMark
	Cgroup string // of version 2, by its path below where that is mounted

	Paths     string // name of the group that chooses; empty = Way is it
	Way       Way
	Otherwise Otherwise
}

// Way is a way out: a NIC, where no hop is given by its own routes, or the routes of a table.
type Way struct {
	NIC   string
	Via   netip.Addr
	Table uint32
}

// PathGroup is paths of which each flow takes one, and keeps it.
type PathGroup struct {
	Name  string
	Paths []SteerPath
	Probe Probing
}

// SteerPath is one of a group.
type SteerPath struct {
	Name   string
	Way    Way
	Weight uint32 // share of the flows, where all paths are as good
}

// Probing is how the paths of a group are measured. Without an address they are not.
type Probing struct {
	To       netip.Addr
	Port     uint16 // to which TCP connections are begun; 0 = ICMP echoes are sent
	Interval time.Duration
	Timeout  time.Duration
	Fall     uint32 // unanswered in a row, with which a path is dead
	Rise     uint32 // answered in a row, with which it is alive again
}

// Kind implements Settings.
func (*Steering) Kind() Stage { return Steer }

func (x *Steering) fields(r *reader) []field {
	return []field{
		{"rules", "at least one", list(r, &x.Rules, MaxSteerRules, r.steerRule)},
		{"groups", "", list(r, &x.Groups, MaxPathGroups, r.pathGroup)},
		{"hot", "", number(r, &x.Hot, 0, MaxHot)},
	}
}

func (r *reader) steerRule(n *yaml.Node, a *at) SteerRule {
	var u SteerRule
	prefixes := func(dst *[]netip.Prefix) read { return list(r, dst, MaxSteerRules, r.prefix) }
	r.fields(n, a, append([]field{
		{"name", "a short name for this rule", scalar(r, &u.Name, name)},
		{"from", "", prefixes(&u.From)},
		{"to", "", prefixes(&u.To)},
		{"vip", "", scalar(r, &u.VIP, name)},
		{"dscp", "", list(r, &u.DSCP, MaxDSCPs, func(n *yaml.Node, a *at) (d DSCP) {
			scalar(r, &d, parseDSCP)(n, a)
			return d
		})},
		{"mark", "", scalar(r, &u.Mark, parseMark)},
		{"cgroup", "", scalar(r, &u.Cgroup, name)},
		{"paths", "", scalar(r, &u.Paths, name)},
		{"otherwise", "", choice(r, &u.Otherwise, otherwises)},
	}, u.Way.fields(r)...)...)
	return u
}

func (w *Way) fields(r *reader) []field {
	return []field{
		{"nic", "", scalar(r, &w.NIC, name)},
		{"via", "", scalar(r, &w.Via, parseAddress)},
		{"table", "", number(r, &w.Table, 1, 1<<32-1)},
	}
}

func (r *reader) pathGroup(n *yaml.Node, a *at) PathGroup {
	var g PathGroup
	r.fields(n, a,
		field{"name", "a short name for this group", scalar(r, &g.Name, name)},
		field{"paths", "at least one", list(r, &g.Paths, MaxPaths, func(n *yaml.Node, a *at) SteerPath {
			p := SteerPath{Weight: DefaultWorth}
			r.fields(n, a, append([]field{{"name", "a short name for this path", scalar(r, &p.Name, name)},
				{"weight", "", number(r, &p.Weight, 1, MaxPathWeight)}}, p.Way.fields(r)...)...)
			return p
		})},
		field{"probe", "", func(n *yaml.Node, a *at) {
			p := &g.Probe
			*p = Probing{Interval: DefaultInterval, Fall: DefaultPathFall, Rise: DefaultPathRise}
			r.fields(n, a,
				field{"to", "an address behind all paths that answers pings, as 192.0.2.1", scalar(r, &p.To, parseAddress)},
				field{"port", "", number(r, &p.Port, 1, 65535)},
				field{"interval", "", scalar(r, &p.Interval, parseDuration)},
				field{"timeout", "", scalar(r, &p.Timeout, parseDuration)},
				field{"fall", "", number(r, &p.Fall, 1, MaxInARow)},
				field{"rise", "", number(r, &p.Rise, 1, MaxInARow)})
			if p.Timeout == 0 {
				p.Timeout = p.Interval
			}
		}},
	)
	return g
}

// Group is the group of that name, or nil.
func (x *Steering) Group(name string) *PathGroup {
	i := slices.IndexFunc(x.Groups, func(g PathGroup) bool { return g.Name == name })
	if i < 0 {
		return nil
	}
	return &x.Groups[i]
}

// Entries is how many rules of the data path a rule comes to: one for each pair of prefixes of one family.
func (u SteerRule) Entries() (all [][2]netip.Prefix) {
	from, to := u.From, u.To
	if len(from)+len(to) == 0 {
		return [][2]netip.Prefix{{}}
	}
	if len(from) == 0 {
		from = []netip.Prefix{{}}
	}
	if len(to) == 0 {
		to = []netip.Prefix{{}}
	}
	for _, f := range from {
		for _, t := range to {
			if !f.IsValid() || !t.IsValid() || f.Addr().Is4() == t.Addr().Is4() {
				all = append(all, [2]netip.Prefix{f, t})
			}
		}
	}
	return all
}

// cannotStand is why these settings cannot be had at a hook, or empty.
func (x *Steering) cannotStand(h Hook) string {
	if h == XDP && x.Hot == 0 {
		return "at xdp it only takes flows that are hot: write hot: 10000 packets a second, or take it away from there"
	}
	return ""
}

func (x *Steering) clone() Settings {
	c := *x
	c.Rules, c.Groups = slices.Clone(x.Rules), slices.Clone(x.Groups)
	for i := range c.Rules {
		u := &c.Rules[i]
		u.From, u.To, u.DSCP = slices.Clone(u.From), slices.Clone(u.To), slices.Clone(u.DSCP)
	}
	for i := range c.Groups {
		c.Groups[i].Paths = slices.Clone(c.Groups[i].Paths)
	}
	return &c
}

func (x *Steering) equal(o Settings) bool {
	y, ok := o.(*Steering)
	return ok && x.Hot == y.Hot && slices.EqualFunc(x.Rules, y.Rules, SteerRule.equal) &&
		slices.EqualFunc(x.Groups, y.Groups, PathGroup.equal)
}

func (u SteerRule) equal(o SteerRule) bool {
	return u.Name == o.Name && slices.Equal(u.From, o.From) && slices.Equal(u.To, o.To) && u.VIP == o.VIP && slices.Equal(u.DSCP, o.DSCP) &&
		u.Mark == o.Mark && u.Cgroup == o.Cgroup && u.Paths == o.Paths && u.Way == o.Way && u.Otherwise == o.Otherwise
}

func (g PathGroup) equal(o PathGroup) bool {
	return g.Name == o.Name && slices.Equal(g.Paths, o.Paths) && g.Probe == o.Probe
}
