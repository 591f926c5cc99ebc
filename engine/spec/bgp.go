package spec

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// BGP is how the node tells routers of its VIPs: one /32 or /128 for each address, while there is somebody to serve it.
type BGP struct {
	AS        uint32
	RouterID  netip.Addr // IPv4
	HoldTime  time.Duration
	Restart   time.Duration // how long routers keep the routes of an engine that is gone; 0 = they drop them at once
	DrainWait time.Duration // how long a draining node asks routers to prefer others before it withdraws
	Path      Path          // of the VIPs that say nothing of their own
	Neighbors []Neighbor
}

// Neighbor is a router. It is told of the addresses of its own family.
type Neighbor struct {
	Address      netip.Addr
	AS           uint32
	Port         uint16
	PasswordFile string // absolute path; empty = none
	Hops         uint8  // to it at most, where the AS are not the same
	BFD          BFD    // zero = none
}

// Path is what routers are told along with a prefix.
type Path struct {
	Communities     []Community
	MED             *uint32 // nil = none
	LocalPreference *uint32 // nil = the neighbor's usual; for neighbors of the own AS only
}

// Announce says how one VIP is announced.
type Announce struct {
	Off         bool // not at all
	MinBackends uint32
	Path        *Path // nil = that of BGP
}

// Community is a mark on a route (RFC 1997), written 65000:100.
type Community uint32

// Bounds and defaults of BGP.
const (
	MaxNeighbors     = 32
	MaxCommunities   = 32
	DefaultHoldTime  = 9 * time.Second
	MinHoldTime      = 3 * time.Second
	MaxHoldTime      = 65535 * time.Second
	DefaultRestart   = 2 * time.Minute
	MaxRestart       = 4095 * time.Second // 12 bits on the wire
	DefaultDrainWait = 10 * time.Second
	MaxDrainWait     = time.Hour
	BGPPort          = 179
)

func (c Community) String() string { return fmt.Sprintf("%d:%d", uint32(c)>>16, uint32(c)&0xffff) }

// MarshalText is String.
func (c Community) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText is the reverse of MarshalText.
func (c *Community) UnmarshalText(b []byte) error {
	v, why := parseCommunity(string(b))
	if why != "" {
		return errors.New(why)
	}
	*c = v
	return nil
}

func parseCommunity(s string) (Community, string) {
	high, low, _ := strings.Cut(s, ":")
	h, bad := strconv.ParseUint(high, 10, 16)
	l, worse := strconv.ParseUint(low, 10, 16)
	if bad != nil || worse != nil {
		return 0, fmt.Sprintf("%s is not a community: write two numbers up to 65535, as \"65000:100\"", quote(s))
	}
	return Community(h<<16 | l), ""
}

func (r *reader) bgp(n *yaml.Node, a *at) *BGP {
	g := &BGP{HoldTime: DefaultHoldTime, Restart: DefaultRestart, DrainWait: DefaultDrainWait}
	r.fields(n, a, append([]field{
		{"as", "the number of the autonomous system that this node is in", number(r, &g.AS, 1, 1<<32-1)},
		{"router_id", "an IPv4 address of this node", scalar(r, &g.RouterID, parseAddress)},
		{"hold_time", "", scalar(r, &g.HoldTime, parseDuration)},
		{"graceful_restart", "", scalar(r, &g.Restart, parseDuration)},
		{"drain_wait", "", scalar(r, &g.DrainWait, parseDuration)},
		{"neighbors", "the routers to tell, as [{address: 10.1.0.1, as: 65000}]", list(r, &g.Neighbors, MaxNeighbors, r.neighbor)},
	}, r.path(&g.Path)...)...)
	return g
}

func (r *reader) neighbor(n *yaml.Node, a *at) Neighbor {
	p := Neighbor{Port: BGPPort, Hops: 1}
	hops := uint32(p.Hops)
	r.fields(n, a,
		field{"address", "the IP address of a router", scalar(r, &p.Address, parseAddress)},
		field{"as", "the number of its autonomous system", number(r, &p.AS, 1, 1<<32-1)},
		field{"port", "", number(r, &p.Port, 1, 65535)},
		field{"password_file", "", scalar(r, &p.PasswordFile, name)},
		field{"hops", "", number(r, &hops, 1, 255)},
		field{"bfd", "", func(n *yaml.Node, a *at) { p.BFD = r.bfd(n, a) }},
	)
	p.Hops = uint8(hops)
	return p
}

// path are the fields of a Path, wherever it stands.
func (r *reader) path(p *Path) []field {
	optional := func(dst **uint32) read {
		return func(n *yaml.Node, a *at) {
			var v uint32
			number(r, &v, 0, 1<<32-1)(n, a)
			*dst = &v
		}
	}
	return []field{
		{"communities", "", list(r, &p.Communities, MaxCommunities, func(n *yaml.Node, a *at) (c Community) {
			scalar(r, &c, parseCommunity)(n, a)
			return c
		})},
		{"med", "", optional(&p.MED)},
		{"local_preference", "", optional(&p.LocalPreference)},
	}
}

// announce reads false, or a mapping.
func (r *reader) announce(n *yaml.Node, a *at) *Announce {
	x := &Announce{MinBackends: 1}
	on := true
	r.either(n, a, choice(r, &on, truths), func(n *yaml.Node, a *at) {
		var p Path
		r.fields(n, a, append([]field{{"min_backends", "", number(r, &x.MinBackends, 1, MaxBackends)}}, r.path(&p)...)...)
		if !p.Equal(Path{}) {
			x.Path = &p
		}
	})
	if x.Off = !on; x.Equal(Announce{MinBackends: 1}) {
		return nil // as if nothing were written
	}
	return x
}

// checkBGP looks at how the node is announced, and whether VIPs that share an address agree on it.
func checkBGP(s *Spec, f *faults) {
	first := map[netip.Prefix]int{}
	for i, v := range s.VIPs {
		here := whole.field("vips").item(i).field("announce")
		if v.Announce != nil && s.BGP == nil {
			f.wrong(here, "nobody is told of it: add a block bgp, as bgp: {as: 65001, router_id: 10.1.0.2, neighbors: [{address: 10.1.0.1, as: 65000}]}")
		}
		if v.Announce != nil && v.Announce.Path != nil {
			v.Announce.Path.check(here, f)
		}
		for _, a := range v.routes() {
			o, shared := first[a]
			if !shared {
				first[a] = i
			} else if mine, its := v.path(), s.VIPs[o].path(); (mine == nil) != (its == nil) || mine != nil && !mine.Equal(*its) {
				f.wrong(here, "vips[%d] %s has the same %s and is announced otherwise: an address is one route, so write the same in both", o, s.VIPs[o].Name, a)
			}
		}
	}
	if s.BGP != nil {
		s.BGP.check(whole.field("bgp"), f)
	}
}

// routes are what is one route each: prefixes, and addresses alone.
func (v *VIP) routes() []netip.Prefix {
	list := slices.Clone(v.Prefixes)
	for _, a := range v.Addresses {
		list = append(list, netip.PrefixFrom(a, a.BitLen()))
	}
	return list
}

func (v *VIP) path() *Path {
	if v.Announce == nil {
		return nil
	}
	return v.Announce.Path
}

func (g *BGP) check(here *at, f *faults) {
	if !g.RouterID.Is4() {
		f.wrong(here.field("router_id"), "%s is not an IPv4 address", g.RouterID)
	}
	bounds := func(name string, d, lo, hi time.Duration) {
		if d < lo || d > hi || d%time.Second != 0 {
			f.wrong(here.field(name), "%s is not whole seconds within %s to %s", duration(d), duration(lo), duration(hi))
		}
	}
	bounds("hold_time", g.HoldTime, MinHoldTime, MaxHoldTime)
	bounds("graceful_restart", g.Restart, 0, MaxRestart)
	bounds("drain_wait", g.DrainWait, 0, MaxDrainWait)
	g.Path.check(here, f)
	if len(g.Neighbors) == 0 {
		f.wrong(here.field("neighbors"), "empty: nobody is told; name a router, as {address: 10.1.0.1, as: 65000}")
	}
	if len(g.Neighbors) > MaxNeighbors {
		f.wrong(here.field("neighbors"), "%d are too many: at most %d", len(g.Neighbors), MaxNeighbors)
	}
	for i, p := range g.Neighbors {
		at := here.field("neighbors").item(i)
		if why := badAddress(p.Address); why != "" && !p.Address.IsLoopback() { // a router on this host is one
			f.wrong(at.field("address"), "%s", why)
		}
		if slices.ContainsFunc(g.Neighbors[:i], func(o Neighbor) bool { return o.Address == p.Address }) {
			f.wrong(at.field("address"), "%s stands in this list already", p.Address)
		}
		if p.PasswordFile != "" && !(filepath.IsAbs(p.PasswordFile) && filepath.Clean(p.PasswordFile) == p.PasswordFile) {
			f.wrong(at.field("password_file"), "%s is not an absolute path without detours: the engine that reads it runs in a folder of its own",
				quote(p.PasswordFile))
		}
		p.checkBFD(g.Restart, at, f)
	}
}

func (p *Path) check(here *at, f *faults) {
	if len(p.Communities) > MaxCommunities {
		f.wrong(here.field("communities"), "%d are too many: at most %d", len(p.Communities), MaxCommunities)
	}
	for i, c := range p.Communities {
		if slices.Contains(p.Communities[:i], c) {
			f.wrong(here.field("communities").item(i), "%s stands in this list already", c)
		}
	}
}

func (g *BGP) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "bgp:\n  as: %d\n  router_id: %s\n  hold_time: %s\n  graceful_restart: %s\n  drain_wait: %s\n", g.AS, g.RouterID,
		duration(g.HoldTime), duration(g.Restart), duration(g.DrainWait))
	for _, field := range g.Path.fields() {
		fmt.Fprintf(b, "  %s\n", field)
	}
	b.WriteString("  neighbors:\n")
	for _, p := range g.Neighbors {
		fmt.Fprintf(b, "    - {address: %s, as: %d, port: %d, hops: %d", address(p.Address), p.AS, p.Port, p.Hops)
		if p.PasswordFile != "" {
			fmt.Fprintf(b, ", password_file: %s", plain(p.PasswordFile))
		}
		p.BFD.write(b)
		b.WriteString("}\n")
	}
}

// text is x as one value.
func (x *Announce) text() string {
	if x.Off {
		return "false"
	}
	fields := []string{fmt.Sprintf("min_backends: %d", x.MinBackends)}
	if x.Path != nil {
		fields = append(fields, x.Path.fields()...)
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

func (p *Path) fields() (list []string) {
	if len(p.Communities) > 0 {
		all := make([]string, len(p.Communities))
		for i, c := range p.Communities {
			all[i] = strconv.Quote(c.String())
		}
		list = append(list, "communities: ["+strings.Join(all, ", ")+"]")
	}
	if p.MED != nil {
		list = append(list, fmt.Sprintf("med: %d", *p.MED))
	}
	if p.LocalPreference != nil {
		list = append(list, fmt.Sprintf("local_preference: %d", *p.LocalPreference))
	}
	return list
}

// Equal is Spec.Equal for a path.
func (p Path) Equal(o Path) bool {
	return slices.Equal(p.Communities, o.Communities) && equalValue(p.MED, o.MED) && equalValue(p.LocalPreference, o.LocalPreference)
}

// Equal is Spec.Equal for how a VIP is announced.
func (x Announce) Equal(o Announce) bool {
	return x.Off == o.Off && x.MinBackends == o.MinBackends && (x.Path == nil) == (o.Path == nil) && (x.Path == nil || x.Path.Equal(*o.Path))
}

// Equal is Spec.Equal for BGP.
func (g *BGP) Equal(o *BGP) bool {
	if g == nil || o == nil {
		return g == o
	}
	return g.SameSessions(o) && g.DrainWait == o.DrainWait && g.Path.Equal(o.Path)
}

// SameSessions tells whether both need the same sessions with routers, whatever is told in them.
func (g *BGP) SameSessions(o *BGP) bool {
	return g.AS == o.AS && g.RouterID == o.RouterID && g.HoldTime == o.HoldTime && g.Restart == o.Restart && slices.Equal(g.Neighbors, o.Neighbors)
}

func equalValue[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

func (g *BGP) clone() *BGP {
	if g == nil {
		return nil
	}
	c := *g
	c.Path, c.Neighbors = g.Path.clone(), slices.Clone(g.Neighbors)
	return &c
}

func (p Path) clone() Path {
	p.Communities, p.MED, p.LocalPreference = slices.Clone(p.Communities), cloneValue(p.MED), cloneValue(p.LocalPreference)
	return p
}

func cloneValue[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func (x *Announce) clone() *Announce {
	if x == nil {
		return nil
	}
	c := *x
	if x.Path != nil {
		p := x.Path.clone()
		c.Path = &p
	}
	return &c
}
