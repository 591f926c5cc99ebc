package engine

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hairpin/engine/nexthop"
	"hairpin/engine/spec"
)

// Route is the way to one backend, by the kernel's routes and neighbours.
type Route struct {
	Backend netip.Addr
	VIPs    []string   // that it is behind
	NIC     string     // by which packets leave; empty: none
	Gateway netip.Addr // zero = on link
	Source  netip.Addr // of the outer header
	MAC     string     // empty: not known
	MTU     int        // bytes of an IP packet; 0 = not known
	State   string     // reachable, stale, permanent: usable; else unasked, incomplete, failed, no route, local, unfit, down
	Why     string     // one sentence where packets do not get there; empty where they do
	Changed time.Time  // when it last led elsewhere; zero = not since the engine began
}

// routesOf are the ways to the backends of s, each once, in the order of the spec.
func routesOf(s *spec.Spec, found map[netip.Addr]nexthop.NextHop, changed map[netip.Addr]time.Time) (list []Route) {
	if s == nil {
		return nil
	}
	at := map[netip.Addr]int{}
	for _, v := range s.VIPs {
		for _, b := range v.Backends {
			if i, seen := at[b.Address]; seen {
				list[i].VIPs = append(list[i].VIPs, v.Name)
				continue
			}
			h, known := found[b.Address]
			if !known {
				continue
			}
			at[b.Address] = len(list)
			list = append(list, Route{Backend: b.Address, VIPs: []string{v.Name}, NIC: h.NIC, Gateway: h.Gateway, Source: h.Source, MAC: macText(h),
				MTU: h.MTU, State: string(h.State), Why: whyNoWay(s, h), Changed: changed[b.Address]})
		}
	}
	return list
}

func macText(h nexthop.NextHop) string {
	if len(h.MAC) == 0 {
		return ""
	}
	return h.MAC.String()
}

// whyNoWay says why no packet gets there; empty where one does.
func whyNoWay(s *spec.Spec, h nexthop.NextHop) string {
	if !h.Usable() {
		return strings.TrimSuffix(string(h.State)+": "+h.Why, ": ")
	}
	if h.Leaves(s.BalancesAt) == "" {
		return "leaves by " + h.NIC + ", which has no balancer"
	}
	return ""
}

// wayfinder notices where ways to backends change. It begins with a backend when it is first reached.
type wayfinder struct {
	told    map[netip.Addr]nexthop.NextHop // as of the last news
	changed map[netip.Addr]time.Time
}

// named is how many of the ways that change at one time are told by name.
const named = 8

// follow takes the ways as they are now and tells what changed: one event, however many they are.
func (w *wayfinder) follow(now time.Time, found map[netip.Addr]nexthop.NextHop, j *journal) {
	if w.told == nil {
		w.told, w.changed = map[netip.Addr]nexthop.NextHop{}, map[netip.Addr]time.Time{}
	}
	maps.DeleteFunc(w.changed, func(a netip.Addr, _ time.Time) bool { _, there := found[a]; return !there })
	maps.DeleteFunc(w.told, func(a netip.Addr, _ nexthop.NextHop) bool { _, there := found[a]; return !there })
	var news []string
	severity := "info"
	for _, a := range slices.SortedFunc(maps.Keys(found), netip.Addr.Compare) {
		was, known := w.told[a]
		is := found[a]
		if known || is.Usable() {
			w.told[a] = is
		}
		if !known || sameWay(was, is) {
			continue
		}
		news = append(news, fmt.Sprintf("%s: %s, was %s", a, wayText(is), wayText(was)))
		w.changed[a] = now
		if !is.Usable() {
			severity = "warn"
		}
	}
	switch n := len(news); {
	case n == 1:
		j.add(now, severity, "kernel", "the way to "+news[0])
	case n > 1:
		detail := news
		if n > named {
			detail = append(slices.Clip(news[:named]), fmt.Sprintf("and %d more", n-named))
		}
		j.add(now, severity, "kernel", fmt.Sprintf("the ways to %d backends changed", n), detail...)
	}
}

// sameWay tells whether a packet goes the same way. How well a neighbour is known, while it is, makes no difference; nor why
// one is not.
func sameWay(a, b nexthop.NextHop) bool {
	if a.Usable() != b.Usable() {
		return false
	}
	if !a.Usable() {
		return (a.NIC == "") == (b.NIC == "")
	}
	return a.NIC == b.NIC && a.Under == b.Under && a.VLAN == b.VLAN && a.Gateway == b.Gateway && a.MTU == b.MTU && bytes.Equal(a.MAC, b.MAC)
}

// wayText is a way in a few words.
func wayText(h nexthop.NextHop) string {
	if !h.Usable() {
		return string(h.State)
	}
	text := h.NIC
	if h.Gateway.IsValid() {
		text += " via " + h.Gateway.String()
	}
	return fmt.Sprintf("%s, %s, MTU %d", text, h.MAC, h.MTU)
}
