package engine

import (
	"net/netip"
	"slices"
	"time"

	"hairpin/engine/events"
)

const (
	senderSamples = 64
	senderAge     = 15 * time.Second
	// senderCore is the part of the addresses of the largest /8, or /16 of IPv6, that Senders.Net must have.
	senderCore = 0.75
)

// Senders is whose packets are dropped for a reason, by samples of the last seconds. One sample is taken in a span of time,
// whatever comes in it: who sends in bursts is seen less often than he sends.
type Senders struct {
	Samples   int
	Addresses int // how many different ones those are from

	// Net is the address that half of them or more are from, else the narrowest network that most of the addresses are in;
	// not valid where those are everywhere.
	Net          netip.Prefix
	NetSamples   int
	NetAddresses int
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
	for _, s := range r.list {
		if s.from.IsValid() && now.Sub(s.at) <= senderAge {
			from = append(from, s.from)
		}
	}
	if len(from) == 0 {
		return nil
	}
	once := slices.Compact(slices.SortedFunc(slices.Values(from), netip.Addr.Compare))
	s := &Senders{Samples: len(from), Addresses: len(once)}
	if one := crowdIn(from, 32, 128); 2*len(one) >= len(from) {
		s.Net = netip.PrefixFrom(one[0], one[0].BitLen())
	} else if core := crowdIn(once, 8, 16); 2*len(core) >= len(once) {
		for bits := core[0].BitLen(); bits > 0 && !s.Net.IsValid(); bits-- {
			if in := crowdIn(core, bits, bits); float64(len(in)) >= senderCore*float64(len(core)) {
				s.Net, _ = in[0].Prefix(bits)
			}
		}
	}
	s.NetSamples, s.NetAddresses = within(from, s.Net), within(once, s.Net)
	return s
}

// crowdIn are the addresses of the network that most are in, of so many bits for each family.
func crowdIn(from []netip.Addr, bits4, bits6 int) (in []netip.Addr) {
	networks := map[netip.Prefix][]netip.Addr{}
	for _, a := range from {
		bits := bits4
		if a.Is6() {
			bits = bits6
		}
		p, err := a.Prefix(bits)
		if err != nil {
			continue // a length of the other family
		}
		if networks[p] = append(networks[p], a); len(networks[p]) > len(in) {
			in = networks[p]
		}
	}
	return in
}

func within(from []netip.Addr, net netip.Prefix) (n int) {
	for _, a := range from {
		if net.IsValid() && net.Contains(a) {
			n++
		}
	}
	return n
}
