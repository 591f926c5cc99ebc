package engine

import (
	"net/netip"
	"time"

	"hairpin/engine/events"
)

const (
	senderSamples = 64
	senderAge     = 15 * time.Second
	// senderShare is how much of the samples is told as where they are from.
	senderShare = 0.9
)

// Senders is whose packets are dropped for a reason, by samples of the last seconds.
type Senders struct {
	Samples   int
	Addresses int          // how many different ones those are from
	Net       netip.Prefix // the narrowest that nine in ten are from; not valid where that would be nearly everywhere
}

// senders remember the last samples of each reason. They belong to the loop.
type senders map[string]*senderRing

type senderRing struct {
	list [senderSamples]struct {
		at   time.Time
		from netip.Addr
	}
	next int
}

// note takes a sample.
func (s *senders) note(now time.Time, d events.Drop) {
	if !d.Src.IsValid() {
		return
	}
	if *s == nil {
		*s = senders{}
	}
	r := (*s)[d.Reason.Name]
	if r == nil {
		r = &senderRing{}
		(*s)[d.Reason.Name] = r
	}
	r.list[r.next].at, r.list[r.next].from = now, d.Src.Addr()
	r.next = (r.next + 1) % senderSamples
}

// show puts into s who sends what is dropped.
func (s senders) show(now time.Time, reasons []Reason) {
	for i := range reasons {
		if r := s[reasons[i].Name]; r != nil {
			reasons[i].Senders = r.sum(now)
		}
	}
}

// sum is what the samples say that are not too old; nil where there are none.
func (r *senderRing) sum(now time.Time) *Senders {
	var from []netip.Addr
	different := map[netip.Addr]bool{}
	for _, s := range r.list {
		if s.from.IsValid() && now.Sub(s.at) <= senderAge {
			from, different[s.from] = append(from, s.from), true
		}
	}
	if len(from) == 0 {
		return nil
	}
	return &Senders{Samples: len(from), Addresses: len(different), Net: narrowest(from)}
}

// narrowest is the smallest network that senderShare of the addresses are in. Networks of fewer bits than are given to
// anybody say nothing.
func narrowest(from []netip.Addr) netip.Prefix {
	const leastBits4, leastBits6 = 8, 16
	for bits := 128; bits >= leastBits4; bits-- {
		in := map[netip.Prefix]int{}
		for _, a := range from {
			if a.Is6() && bits < leastBits6 || bits > a.BitLen() {
				continue
			}
			p, err := a.Prefix(bits)
			if err != nil {
				continue
			}
			if in[p]++; float64(in[p]) >= senderShare*float64(len(from)) {
				return p
			}
		}
	}
	return netip.Prefix{}
}
