package engine

import (
	"net/netip"
	"slices"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

// Hosting is what this node's agent takes packets for, and what became of them.
type Hosting struct {
	Addresses  []Hosted
	Strangers  []Stranger // as far as the kernel remembers them
	Translates bool       // it is in mode snat; elsewhere Out, Taken and Full of addresses say nothing
	Orphans    bool       // it looks for a socket with every packet; elsewhere Orphans of addresses say nothing
	HandsOver  bool       // it passes on what load balancers say may be another backend's; elsewhere Handed of addresses says nothing
	Flows      int        // that are translated now
	Room       int        // how many may be; 0 = none
	Unread     string     // why strangers are not known; empty = they are
}

// Hosted is an address whose packets come to this node encapsulated.
type Hosted struct {
	Address netip.Addr
	Gone    bool    // no longer in the spec
	In      Counter // passed on to servers
	Out     Counter // answers that were translated
	Orphans Counter // passed on, and no socket waits for them
	Taken   Counter // refused as flow_taken
	Full    Counter // refused as flows_full
	Handed  Counter // passed on to another backend as handed_over
}

// Stranger is an address that packets came for in the last minute, encapsulated, and that nobody here hosts.
type Stranger struct {
	Address netip.Addr
	Packets uint64
	Last    time.Time
}

// Counters of a hosted address, by which its meters tell them apart.
const (
	hostedIn = iota
	hostedOut
	hostedOrphans
	hostedTaken
	hostedFull
	hostedHanded
)

func hostedKey(address netip.Addr, which int) meterKey {
	return meterKey{kind: hostedCount, id: which, word: address.String()}
}

func (m *meters) readHosted(k *datapath.Kernel) {
	for _, h := range k.Hosted() {
		for which, c := range []datapath.Count{hostedIn: h.In, hostedOut: h.Out, hostedOrphans: h.Orphans, hostedTaken: h.Taken, hostedFull: h.Full, hostedHanded: h.Handed} {
			m.note(m.shallow, hostedKey(h.Address, which), c)
		}
	}
}

// hosting is nil where there is neither an agent nor anything that one left.
func (v view) hosting(now time.Time) *Hosting {
	var agent *spec.Agent
	if v.spec != nil {
		agent = v.spec.Agent
	}
	all := v.kernel.Hosted()
	if agent == nil && len(all) == 0 {
		return nil
	}
	s := &Hosting{Translates: agent != nil && agent.Mode == spec.SNATMode}
	s.Orphans = s.Translates || agent != nil && agent.Orphans == spec.OrphansCounted
	s.HandsOver = agent != nil && len(agent.Handover) > 0
	if s.Translates {
		s.Flows, s.Room = v.kernel.Translations()
	}
	wanted := agent.Hosted()
	for _, h := range all {
		count := func(which int) Counter { return v.meters.counter(hostedKey(h.Address, which)) }
		s.Addresses = append(s.Addresses, Hosted{Address: h.Address, Gone: v.spec != nil && !slices.Contains(wanted, h.Address), In: count(hostedIn),
			Out: count(hostedOut), Orphans: count(hostedOrphans), Taken: count(hostedTaken), Full: count(hostedFull), Handed: count(hostedHanded)})
	}
	slices.SortFunc(s.Addresses, func(a, b Hosted) int { return a.Address.Compare(b.Address) })
	strangers, err := v.kernel.Strangers()
	if err != nil {
		s.Unread = err.Error()
	}
	for _, o := range strangers {
		s.Strangers = append(s.Strangers, Stranger{o.Address, o.Packets, now.Add(-o.Ago)})
	}
	return s
}
