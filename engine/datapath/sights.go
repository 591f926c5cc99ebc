package datapath

import (
	"net/netip"
	"time"

	"hairpin/engine/spec"
)

// What limits and lists hold, for the words of a trace.

// WindowNow is how many connections a window of a rate limit logged in the last second, to a batch.
func (k *Kernel) WindowNow(window, rate uint32) int {
	if int(window) >= len(k.windows.all) {
		return 0
	}
	return k.windows.all[window].count(rate, Monotonic())
}

// SourceNow is the same of a source, by the key that a rate limit gave it.
func (k *Kernel) SourceNow(key uint64, rate uint32) int { return k.countSource(key, rate) }

// Listing is which prefix of a list has an address, and where it stands; the zero Prefix where none has.
func (k *Kernel) Listing(lists spec.DropLists, destination bool, a netip.Addr) (netip.Prefix, string) {
	inline, files := lists.Sources, lists.SourceFiles
	if destination {
		inline, files = lists.Destinations, lists.DestinationFiles
	}
	for _, p := range inline {
		if p.Contains(a) {
			return p, "the spec"
		}
	}
	whole, family := prefixOf(netip.PrefixFrom(a, a.BitLen())), 0
	if a.Is6() {
		family = 1
	}
	for _, name := range files {
		for _, p := range k.file(name).lists[family] {
			if p.common(whole) >= int(p.bits) {
				return p.netip(family == 1), name
			}
		}
	}
	return netip.Prefix{}, ""
}

// NamesOf are the VIPs of a spec by their numbers in a generation that has it.
func (k *Kernel) NamesOf(generation int, s *spec.Spec) map[uint16]string {
	names := map[uint16]string{}
	g := k.generations.all[generation]
	if s == nil || g.Flags&GenerationLive == 0 {
		return names
	}
	for i := range s.VIPs {
		for _, at := range servicesOf(&s.VIPs[i]) {
			if e := k.findVIP(k.vipTablesOf(generation), at); e != nil {
				names[e.Num] = s.VIPs[i].Name
			}
		}
	}
	if s.Agent != nil {
		names[agentNum] = "agent"
	}
	return names
}

// BackendAddress is the address of an id; the zero Addr where it has none.
func (k *Kernel) BackendAddress(id uint16) netip.Addr {
	if int(id) >= len(k.backends.all) || k.backends.all[id].Family == 0 {
		return netip.Addr{}
	}
	return k.backends.all[id].destination()
}

// FlowOf is what an agent's entry says of a flow: how far it is, and for how long it has been silent, to a few seconds.
func FlowOf(entry uint64) (state string, idle time.Duration) {
	switch {
	case entry&natClosing != 0:
		state = "ending"
	case entry&natConfirmed != 0:
		state = "open"
	case entry&natAnswered != 0:
		state = "answered"
	default:
		state = "beginning"
	}
	ticks := uint32(Monotonic()>>tickShift) - uint32(entry>>natAgeShift)
	return state, time.Duration(ticks) << tickShift
}
