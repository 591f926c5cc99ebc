package engine

import (
	"net/netip"
	"time"

	"hairpin/engine/events"
)

const (
	senderSamples = 256
	senderAge     = 15 * time.Second
	// senderCore is the part of the addresses of the largest /8, or /16 of IPv6, that Senders.Net must have.
	senderCore = 0.75
)

// Senders is whose packets are dropped for a reason, by samples of the last seconds. Of how many packets each is one is known, so
// that who sends in bursts counts for what he sends.
type Senders struct {
	Samples   int
	Packets   uint64 // that they stand for
	Addresses int    // how many different ones those are from

	// Net is the address that half of the packets or more are from, else the narrowest network that most of the addresses are in;
	// not valid where those are everywhere.
	Net          netip.Prefix
	NetSamples   int
	NetPackets   uint64
	NetAddresses int
}

// senders remember the last samples of each reason. They belong to the loop.
type senders map[string]*senderRing

type senderRing struct {
	list [senderSamples]sender
	next int
}

type sender struct {
	at      time.Time
	from    netip.Addr
	packets uint64 // that it stands for
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
	r.list[r.next] = sender{now, d.Src.Addr(), uint64(max(d.OneIn, 1))}
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
	var from, once []sender // once: one of each address
	seen := map[netip.Addr]bool{}
	for _, s := range r.list {
		if !s.from.IsValid() || now.Sub(s.at) > senderAge {
			continue
		}
		if from = append(from, s); !seen[s.from] {
			seen[s.from], once = true, append(once, sender{from: s.from, packets: 1})
		}
	}
	if len(from) == 0 {
		return nil
	}
	s := &Senders{Samples: len(from), Packets: packetsOf(from), Addresses: len(once)}
	if one := crowdIn(from, 32, 128); 2*packetsOf(one) >= s.Packets {
		s.Net = netip.PrefixFrom(one[0].from, one[0].from.BitLen())
	} else if core := crowdIn(once, 8, 16); 2*len(core) >= len(once) {
		for bits := core[0].from.BitLen(); bits > 0 && !s.Net.IsValid(); bits-- {
			if in := crowdIn(core, bits, bits); float64(len(in)) >= senderCore*float64(len(core)) {
				s.Net, _ = in[0].from.Prefix(bits)
			}
		}
	}
	in := within(from, s.Net)
	s.NetSamples, s.NetPackets, s.NetAddresses = len(in), packetsOf(in), len(within(once, s.Net))
	return s
}

// crowdIn are those of the network that most packets are from, of so many bits for each family.
func crowdIn(from []sender, bits4, bits6 int) (in []sender) {
	networks := map[netip.Prefix][]sender{}
	most := uint64(0)
	for _, s := range from {
		bits := bits4
		if s.from.Is6() {
			bits = bits6
		}
		p, err := s.from.Prefix(bits)
		if err != nil {
			continue // a length of the other family
		}
		networks[p] = append(networks[p], s)
	}
	for _, list := range networks {
		if n := packetsOf(list); n > most || n == most && len(in) > 0 && list[0].from.Less(in[0].from) {
			most, in = n, list
		}
	}
	return in
}

func packetsOf(list []sender) (n uint64) {
	for _, s := range list {
		n += s.packets
	}
	return n
}

func within(from []sender, net netip.Prefix) (in []sender) {
	for _, s := range from {
		if net.IsValid() && net.Contains(s.from) {
			in = append(in, s)
		}
	}
	return in
}
