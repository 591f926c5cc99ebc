package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// service is what a packet is matched by: no two VIPs may claim the same. Port 0 beside a port of its own is no
// conflict: the port of its own wins.
type service struct {
	addr   netip.Addr
	port   uint16
	proto  Protocol
	source netip.Prefix // of a VIP for some sources
}

func checkVIPs(s *Spec, f *faults) {
	vips := whole.field("vips")
	if len(s.VIPs) > MaxVIPs {
		f.wrong(vips, "%d are too many: at most %d", len(s.VIPs), MaxVIPs)
	}
	named, claimed := map[string]int{}, map[service]int{}
	var v4, v6 int
	for i := range s.VIPs {
		v, here := &s.VIPs[i], vips.item(i)
		if why := badName(v.Name); why != "" {
			f.wrong(here.field("name"), "%s", why)
		} else if first, ok := named[v.Name]; ok {
			f.wrong(here.field("name"), "%s is vips[%d] already: give each VIP a name of its own", v.Name, first)
		} else {
			named[v.Name] = i
		}
		checkVIP(v, here, f)
		checkClaims(s, i, here, claimed, f)
		checkBackends(v, here.field("backends"), f)
		checkFound(v, here.field("backends"), f)
		if v.From != nil {
			v.From.check(here.field("from"), f)
		}
		checkHealth(v, here, f)
		for _, a := range v.Addresses {
			if a.Is4() {
				v4++
			} else {
				v6++
			}
		}
	}
	checkWide(s, f)
	if v4 > MaxAddresses || v6 > MaxAddresses {
		f.wrong(vips, "%d IPv4 and %d IPv6 addresses in all: at most %d of each", v4, v6, MaxAddresses)
	}
	if n := backends(s); n > MaxBackends {
		f.wrong(vips, "%d backends in all: at most %d", n, MaxBackends)
	}
}

func badName(name string) string {
	const most = 32
	odd := func(c rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-", c) }
	if name == "" || len(name) > most || strings.ContainsFunc(name, odd) {
		return fmt.Sprintf("%s is not a name: write 1 to %d of a-z, 0-9 and -", quote(name), most)
	}
	return ""
}

func checkVIP(v *VIP, here *at, f *faults) {
	if !has(protocols, v.Protocol) {
		f.wrong(here.field("protocol"), "%s is not known", v.Protocol)
	}
	switch {
	case !has(encaps, v.Encap):
		f.wrong(here.field("encap"), "%s is not known", v.Encap)
	case v.Encap != GUE && v.EncapPort != 0:
		f.wrong(here.field("encap_port"), "%s has no port: remove it, or write encap: gue", v.Encap)
	case v.Encap == GUE && v.EncapPort == 0:
		f.wrong(here.field("encap_port"), "0 is not within 1 to 65535")
	}
	if why := badRing(uint64(v.Ring)); why != "" {
		f.wrong(here.field("ring"), "%s", why)
	}
	switch {
	case !has(flows, v.Flow):
		f.wrong(here.field("flow"), "%s is not known", v.Flow)
	}
	checkChoice(v, here, f)
	if v.Settle < time.Second || v.Settle > MaxSettle {
		f.wrong(here.field("settle"), "%s is not within 1s to %s", duration(v.Settle), duration(MaxSettle))
	}
}

func badRing(slots uint64) string {
	sizes := make([]string, len(Rings))
	for i, n := range Rings {
		if slots == uint64(n) {
			return ""
		}
		sizes[i] = fmt.Sprint(n)
	}
	return fmt.Sprintf("a ring cannot have %d slots: write one of %s", slots, strings.Join(sizes, ", "))
}

// checkClaims looks at the addresses of VIP i, and at who had them first.
func checkClaims(s *Spec, i int, here *at, claimed map[service]int, f *faults) {
	v, list := &s.VIPs[i], here.field("addresses")
	if len(v.Addresses) == 0 && len(v.Prefixes) == 0 {
		f.wrong(list, "empty: a VIP has at least one address")
	}
	guess := f.unread(here.field("port")) || f.unread(here.field("protocol"))
	for k, a := range v.Addresses {
		if why := badAddress(a); why != "" {
			f.wrong(list.item(k), "%s", why)
			continue
		}
		sources := v.Sources
		if len(sources) == 0 {
			sources = make([]netip.Prefix, 1)
		}
		for _, source := range sources {
			claim, from := service{a, v.Port, v.Protocol, source}, ""
			if source.IsValid() {
				from = fmt.Sprintf(" from %s", source)
			}
			first, taken := claimed[claim]
			switch {
			case v.LastPort != 0: // checkWide sees to it
			case taken && first == i:
				f.wrong(list.item(k), "%s stands in this VIP already", a)
			case taken:
				f.wrong(list.item(k), "%s %s port %d%s is of vips[%d] %s already", a, v.Protocol, v.Port, from, first, s.VIPs[first].Name)
			case !guess:
				claimed[claim] = i
			}
		}
	}
}

func checkBackends(v *VIP, list *at, f *faults) {
	seen := make(map[netip.Addr]int, len(v.Backends))
	for i, b := range v.Backends {
		here := list.item(i)
		if why := badBackend(v, b.Address); why != "" {
			f.wrong(here.field("address"), "%s", why)
		} else if first, ok := seen[b.Address]; ok {
			f.wrong(here.field("address"), "%s is backends[%d] of this VIP already", b.Address, first)
		} else {
			seen[b.Address] = i
		}
		if why := badWeight(b.Weight); why != "" {
			f.wrong(here.field("weight"), "%s", why)
		}
		if !has(states, b.State) {
			f.wrong(here.field("state"), "%s is not known", b.State)
		}
	}
}

// badBackend is why no backend of v can have this address.
func badBackend(v *VIP, a netip.Addr) string {
	if why := badAddress(a); why != "" {
		return why
	}
	if slices.Contains(v.Addresses, a) {
		return fmt.Sprintf("%s is the VIP itself: packets would come back for ever", a)
	}
	for _, p := range v.Prefixes {
		if p.Contains(a) {
			return fmt.Sprintf("%s is within the VIP's prefix %s: packets would come back for ever", a, p)
		}
	}
	return ""
}

func badWeight(w uint32) string {
	if w > MaxWeight {
		return fmt.Sprintf("%d is not within 0 to %d", w, MaxWeight)
	}
	return ""
}
