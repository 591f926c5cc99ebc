package engine

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"hairpin/engine/bgp"
	"hairpin/engine/spec"
)

// BGP is what routers are told of this node's VIPs, and how things stand with them.
type BGP struct {
	AS        uint32
	Restart   time.Duration // how long routers that agreed to it keep the routes of an engine that is gone
	DrainWait time.Duration // how long a drain asks routers to prefer others before it withdraws
	Sessions  []BGPSession
	Routes    []Announcement // by address
	Trouble   string         // why not all is told that should be; empty = it is
}

// BGPSession is how things stand with one router.
type BGPSession = bgp.Session

// Announcement is one address of VIPs, and whether routers are told of it.
type Announcement struct {
	Prefix netip.Prefix
	VIPs   []string
	State  string // announced; shutting down = announced, with the wish to prefer others; withdrawn; off = the spec says so
	Why    string // it is not announced
	spec.Path
	Since time.Time // of State
}

// States of an Announcement.
const (
	announced    = "announced"
	shuttingDown = "shutting down"
	withdrawn    = "withdrawn"
	announceOff  = "off"
)

// announcements are what s says that routers should be told, by address. A VIP is fit while enough of its backends take new
// flows and can be reached, and its checks do not say otherwise; an address is announced while one of its VIPs is fit, for the others cannot be served better elsewhere by that.
func announcements(s *State, drained *Drained) (list []Announcement) {
	if s.Spec == nil || s.Spec.BGP == nil {
		return nil
	}
	sick := nodeSick(s)
	at := map[netip.Prefix]int{}
	for i := range s.VIPs {
		v, shown := s.Spec.VIP(s.VIPs[i].Name), &s.VIPs[i]
		if v == nil {
			continue
		}
		for _, p := range prefixesOf(v) {
			k, known := at[p]
			if !known {
				k = len(list)
				at[p] = k
				list = append(list, Announcement{Prefix: p, State: announceOff, Why: "the spec says announce: false", Path: pathOf(s.Spec.BGP, v)})
			}
			list[k].VIPs = append(list[k].VIPs, v.Name)
			list[k].consider(v, shown, s.Spec.BGP, sick)
		}
	}
	for i := range list {
		list[i].drain(s.Time, drained, s.Spec.BGP)
	}
	slices.SortFunc(list, func(a, b Announcement) int {
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), b.Prefix.Bits()-a.Prefix.Bits())
	})
	return list
}

// prefixesOf are what routers send to v: its addresses, each alone, and its prefixes.
func prefixesOf(v *spec.VIP) []netip.Prefix {
	list := slices.Clone(v.Prefixes)
	for _, a := range v.Addresses {
		list = append(list, bgp.Host(a))
	}
	return list
}

// consider makes of a what one of its VIPs says of it: the best that any says.
func (a *Announcement) consider(v *spec.VIP, shown *VIP, g *spec.BGP, sick string) {
	if v.Announce != nil && v.Announce.Off || a.State == announced {
		return
	}
	least := 1
	if v.Announce != nil {
		least = int(v.Announce.MinBackends)
	}
	live := 0
	for _, b := range shown.Backends {
		if b.live() {
			live++
		}
	}
	switch {
	case !slices.ContainsFunc(g.Neighbors, func(n spec.Neighbor) bool { return n.Address.Is4() == a.Prefix.Addr().Is4() }):
		a.State, a.Why = withdrawn, "no neighbor of its family: one is told of the addresses of its own"
	case sick != "":
		a.State, a.Why = withdrawn, sick
	case shown.Health != nil && shown.Health.Lost:
		a.State, a.Why = withdrawn, v.Name+" has fewer healthy backends than its quorum"
	case live < least:
		a.State, a.Why = withdrawn, fmt.Sprintf("%s has %d live backends of the %d that it needs", v.Name, live, least)
	default:
		a.State, a.Why = announced, ""
	}
}

// drain asks routers to prefer others, and withdraws in time.
func (a *Announcement) drain(now time.Time, d *Drained, g *spec.BGP) {
	if d == nil || a.State != announced {
		return
	}
	if !now.Before(d.Since.Add(g.DrainWait)) {
		a.State, a.Why = withdrawn, "the node is drained"
		return
	}
	a.State, a.Why = shuttingDown, ""
	a.Communities = append(slices.Clone(a.Communities), bgp.GracefulShutdown)
	a.LocalPreference = new(uint32) // 0: the last that anybody of the own system takes
}

// pathOf is what is told along with the addresses of v.
func pathOf(g *spec.BGP, v *spec.VIP) spec.Path {
	if v.Announce != nil && v.Announce.Path != nil {
		return *v.Announce.Path
	}
	return g.Path
}

// live tells whether new flows go to b and can reach it.
func (b Backend) live() bool { return !b.Gone && b.Share > 0 && macKnown(b.NextHop) }

// nodeSick says why this node should get no packets; empty = it may.
func nodeSick(s *State) string {
	if s.Fleet != nil && s.Fleet.Holds != "" {
		return s.Fleet.Holds
	}
	balances := ""
	for _, n := range s.NICs {
		if !slices.ContainsFunc(n.Stages, func(g Stage) bool { return g.Kind == string(spec.Balancer) && !g.Disabled }) {
			continue
		}
		if n.State == "attached" {
			return ""
		}
		balances = cmp.Or(balances, fmt.Sprintf("the balancer of %s is %s", n.Name, n.State))
	}
	return cmp.Or(balances, "no chain has a balancer that is not disabled")
}
