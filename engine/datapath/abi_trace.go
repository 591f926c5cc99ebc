package datapath

// sights of one dry run; see bpf/abi_trace.h.
const mostSights = 64

// Sight is one thing that a stage saw or decided in a dry run.
type Sight struct {
	Position uint8 // of the stage in its row; 0 = parse
	Kind     SightKind
	_        [6]uint8
	A, B     uint64
}

// SightKind says what a sight is of, and so what its words are.
type SightKind uint8

// Kinds; see enum sight_kind.
const (
	SawVIP SightKind = iota + 1
	SawRule
	SawListed
	SawShadow
	SawExcepted
	SawWindow
	SawSource
	SawSeat
	SawTally
	SawFlow
	SawNoRoom
	SawSlot
	SawBefore
	SawEntry
	SawBackend
	SawInner
	SawExternal
	SawReturned
	SawAnswered
	SawSpecial
	SawServer
	SawOffer
	SawOffered
	SawHello
	SawMirrored
	SawNAT
	SawNATNew
	SawLocal
	SawOrigin
	SawSteerRule
	SawSteerUnknown
	SawSteerPath
	SawSteerHot
)

// trail is what the newest dry run on one CPU left behind.
type trail struct {
	Note  Note
	Count uint32
	Clock uint32
	Began [Positions]uint64
	Left  uint64
	Sight [mostSights]Sight
}

// Span is how long the stage of a position had a packet. A first run has all its misses of caches in it.
type Span struct {
	Reached bool
	NS      uint64 // 0 = not known: the packet did not come back
}

func (t *trail) sights() []Sight { return append([]Sight(nil), t.Sight[:min(t.Count, mostSights)]...) }

func (t *trail) spans() []Span {
	last := 0
	for p, began := range t.Began {
		if began != 0 {
			last = p
		}
	}
	spans := make([]Span, last+1)
	until := t.Left
	for p := last; p >= 0; p-- {
		began := t.Began[p]
		if began == 0 {
			continue // a row has no gaps: what stood there was not reached
		}
		spans[p].Reached = true
		if until > began {
			spans[p].NS = until - began - min(until-began, uint64(t.Clock))
		}
		until = began
	}
	return spans
}
