package spec

import (
	"fmt"
	"net/netip"
	"slices"
)

// slotsEach is how many slots a ring needs per backend to share the load within 2 %.
const slotsEach = 100

// warner are settings that can be valid and yet not what is meant.
type warner interface {
	warn(here *at, warn func(a *at, format string, args ...any))
}

// Warnings are what a valid spec does that its operator may not want, a line each with its place, in order.
func (s *Spec) Warnings() []string {
	var all []string
	warn := func(a *at, format string, args ...any) {
		all = append(all, a.String()+": "+fmt.Sprintf(format, args...))
	}
	if len(s.NICs) == 0 {
		warn(whole.field("nics"), "none, so this node handles no packet")
	}
	for _, n := range s.NICs {
		here := whole.field("nics").field(n.Name)
		if len(n.Chains()) == 0 {
			warn(here, "no chain has a stage, so nothing is attached to it")
		}
		s.warnChains(n, here, warn)
	}
	for _, n := range s.Stages {
		if w, ok := n.Settings.(warner); ok {
			w.warn(whole.field("stages").field(n.Name), warn)
		}
	}
	owner := map[netip.Addr]string{}
	for _, v := range s.VIPs {
		for _, a := range v.Addresses {
			owner[a] = v.Name
		}
	}
	for i := range s.VIPs {
		v, here := &s.VIPs[i], whole.field("vips").item(i)
		if enough := ringFor(len(v.Backends)); v.Ring < enough {
			warn(here.field("ring"), "%d slots share the load of %s unevenly among %d backends: write %d",
				v.Ring, v.Name, len(v.Backends), enough)
		}
		if v.Protocol == TCP && v.Flow == FlowNone {
			warn(here.field("flow"), "connections of %s move with every change of its backends", v.Name)
		}
		if s.Balances() && v.From == nil && !slices.ContainsFunc(v.Backends, Backend.TakesNew) {
			warn(here.field("backends"), "none of %s takes new flows, so they are dropped with reason no_backend", v.Name)
		}
		for k, b := range v.Backends {
			if o := owner[b.Address]; o != "" {
				warn(here.field("backends").item(k), "%s is also an address of VIP %s", b.Address, o)
			}
		}
	}
	return all
}

// ringFor is the smallest ring that has slotsEach slots for each of n backends, or the largest there is.
func ringFor(n int) uint32 {
	for _, r := range Rings {
		if int(r) >= slotsEach*n {
			return r
		}
	}
	return MaxRing
}
