package talkers

import (
	"net/netip"
	"time"
)

// By is what packets are told apart by.
type By int

// Ways to tell them apart.
const (
	Source By = iota
	Prefix
	VIP
	Backend
	ways
)

// Measure is what is counted.
type Measure int

// Measures.
const (
	Packets Measure = iota
	Bytes
	New // connections
	measures
)

// Sample is a packet that stands for several.
type Sample struct {
	At       time.Time
	Protocol uint8
	Src, Dst netip.AddrPort
	Flags    string // of TCP, letters
	Bytes    int
	OneIn    int
	NIC      string
	VIP      string
	Backend  netip.Addr // zero: it was sent to none
	Verdict  string
	Reason   string
}

// Bounds of a Book.
const (
	places    = 2048 // of a summary
	mostFlows = 4096
	span      = 10 * time.Second

	prefix4 = 24
	prefix6 = 48
)

// Book is who talks now, by samples.
type Book struct {
	sums  [ways][measures]*Window[string]
	flows map[key]*Flow
}

// key is what is one connection.
type key struct {
	protocol uint8
	src, dst netip.AddrPort
}

// Flow is a connection of which a packet was seen.
type Flow struct {
	Sample             // the last one
	First    time.Time // when it was seen
	Packets  float64   // that its samples stand for
	AllBytes float64
	Began    bool // its SYN was seen
	Ended    string
	Answered bool // a packet behind the SYN
}

// NewBook is empty. What its rates are the averages of begins with since, for all measures alike: else what is seen later
// than others would be shared out over less time, and one could have more new connections than packets.
func NewBook(since time.Time) *Book {
	b := &Book{flows: map[key]*Flow{}}
	for by := range ways {
		for m := range measures {
			b.sums[by][m] = NewWindow[string](places, span, since)
		}
	}
	return b
}

// Names are what a sample is counted under; empty = it is not.
func (s *Sample) Names() (names [ways]string) {
	a := s.Src.Addr()
	names[Source] = a.String()
	bits := prefix4
	if a.Is6() {
		bits = prefix6
	}
	if p, err := a.Prefix(bits); err == nil {
		names[Prefix] = p.String()
	}
	names[VIP] = s.VIP
	if s.Backend.IsValid() {
		names[Backend] = s.Backend.String()
	}
	return names
}

// turn has all measures forget at the same moments.
func (b *Book) turn(at time.Time) {
	for by := range ways {
		for m := range measures {
			b.sums[by][m].turn(at)
		}
	}
}

// Packet counts a sample of all packets.
func (b *Book) Packet(s Sample) {
	b.turn(s.At)
	for by, name := range s.Names() {
		if name != "" {
			b.sums[by][Packets].Add(s.At, name, 1, s.OneIn)
			b.sums[by][Bytes].Add(s.At, name, float64(s.Bytes), s.OneIn)
		}
	}
	b.note(s, float64(max(s.OneIn, 1)))
}

// Opening counts a sample of the packets that begin a connection, which are also among all packets.
func (b *Book) Opening(s Sample) {
	b.turn(s.At)
	for by, name := range s.Names() {
		if name != "" {
			b.sums[by][New].Add(s.At, name, 1, s.OneIn)
		}
	}
	b.note(s, 0)
}

// note keeps what is known of a connection. When there is no room, one goes that was not seen for long.
func (b *Book) note(s Sample, packets float64) {
	k := key{s.Protocol, s.Src, s.Dst}
	f := b.flows[k]
	if f == nil {
		if len(b.flows) >= mostFlows {
			b.forget()
		}
		f = &Flow{First: s.At}
		b.flows[k] = f
	}
	f.Sample = s
	f.Packets += packets
	f.AllBytes += packets * float64(s.Bytes)
	switch {
	case has(s.Flags, 'R'):
		f.Ended = "reset"
	case has(s.Flags, 'F'):
		f.Ended = "closing"
	case has(s.Flags, 'S') && !has(s.Flags, 'A'):
		f.Began, f.Answered, f.Ended = true, false, ""
	default:
		f.Answered = true
	}
}

func has(flags string, letter byte) bool {
	for i := range len(flags) {
		if flags[i] == letter {
			return true
		}
	}
	return false
}

// forget drops the one of a few that was not seen for longest; which few, a map's order says.
func (b *Book) forget() {
	const few = 16
	var oldest key
	var at time.Time
	n := 0
	for k, f := range b.flows {
		if n == 0 || f.At.Before(at) {
			oldest, at = k, f.At
		}
		if n++; n == few {
			break
		}
	}
	delete(b.flows, oldest)
}

// State is how far the connection is, by what was seen of the client's half.
func (f *Flow) State() string {
	const tcp = 6
	switch {
	case f.Protocol != tcp:
		return "-"
	case f.Ended != "":
		return f.Ended
	case f.Began && !f.Answered:
		return "syn"
	}
	return "open"
}

// Talker is one name with all measures, per second.
type Talker struct {
	Name  string
	Rate  [measures]float64
	Bound [measures]float64 // how far each may be off
}

// Top are the first n by one measure.
func (b *Book) Top(by By, m Measure, n int, now time.Time) []Talker {
	over := max(b.Over(now), time.Second).Seconds()
	var list []Talker
	for _, e := range b.sums[by][m].Top(n) {
		t := Talker{Name: e.Key}
		for each := range measures {
			is := b.sums[by][each].Of(e.Key)
			t.Rate[each], t.Bound[each] = is.Sum/over, is.Bound()/over
		}
		list = append(list, t)
	}
	return list
}

// Flows are those that were seen in the last while and that match says it wants.
func (b *Book) Flows(now time.Time, match func(*Flow) bool) (list []Flow) {
	for k, f := range b.flows {
		switch {
		case now.Sub(f.At) > time.Minute:
			delete(b.flows, k)
		case match(f):
			list = append(list, *f)
		}
	}
	return list
}

// Over is how long the rates go back.
func (b *Book) Over(now time.Time) time.Duration {
	b.turn(now)
	return b.sums[Source][Packets].Over(now)
}
