package datapath

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// abiStep is what one ABI changed of the one before; ARCHITECTURE.md says what a new one must do.
type abiStep struct {
	from    int
	changed map[string]becomes // by pin; every other map is the same kernel object in both
	moved   map[string]moves   // of those, where their elements are now
}

// moves is the place of an element that was at i.
type moves func(i uint32) uint32

// becomes is an element of a map that is made anew, of the element that was in its place. Nil: nothing of the map is needed.
type becomes func(was []byte) []byte

// abiSteps lead from the oldest ABI that is taken over to today's.
var abiSteps = []abiStep{
	{2, map[string]becomes{
		"meta":       meta2,
		"connlimits": connlimit2,
		"seats":      seats2,
		"sockets":    nil, // the look at all sockets makes it anew, with what seats say is open
		"sources":    nil, // it remembers one second
	}, nil},
	{3, map[string]becomes{
		"meta":        same,
		"generations": same,
		"settlings":   same,
		"vips4":       nil, // their entries are brought by bringParts
		"vips6":       nil,
		"scratch":     nil, // it is of one packet
		"scratch_dry": nil,
		"counters":    nil, // what they hold is brought by inherit
		"ratelimits":  ratelimit3,
		"tallies":     same, // once more before the switch
		"seats":       seats3,
		"sockets":     nil, // as above
	}, map[string]moves{
		"tallies": func(i uint32) uint32 { return movedBehind(i, 1024, VIPs) },
		"seats":   seat3,
	}},
}

// moveSince is where the elements of a map are that an older ABI had elsewhere.
func moveSince(abi int, pin string) moves {
	var all []moves
	for _, s := range abiSteps {
		if s.from >= abi && s.moved[pin] != nil {
			all = append(all, s.moved[pin])
		}
	}
	return func(i uint32) uint32 {
		for _, move := range all {
			i = move(i)
		}
		return i
	}
}

// changesSince are the maps that are not what they were in an older ABI, each by all the steps since. False when it is too old.
func changesSince(abi int) (map[string]becomes, bool) {
	since := map[string]becomes{}
	known := abi == ABI
	for _, s := range abiSteps {
		if known = known || s.from == abi; !known {
			continue
		}
		for pin, next := range s.changed {
			first, earlier := since[pin]
			if since[pin] = next; earlier {
				since[pin] = then(first, next)
			}
		}
	}
	return since, known
}

func then(first, next becomes) becomes {
	if first == nil || next == nil {
		return nil
	}
	return func(was []byte) []byte { return next(first(was)) }
}

// convert fills an array from the one that was in its place, element by element.
func convert(now, was *ebpf.Map, each becomes, to moves) error {
	for i := range was.MaxEntries() {
		at := to(i)
		if at >= now.MaxEntries() {
			continue
		}
		value, err := was.LookupBytes(i)
		if err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
		if allZero(value) {
			continue
		}
		if err := now.Put(at, each(value)); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

// same is of a map that only must not be shared with programs of the older ABI.
func same(was []byte) []byte { return was }

func allZero(value []byte) bool {
	for _, b := range value {
		if b != 0 {
			return false
		}
	}
	return true
}

// meta2 had neither a version nor what a takeover notes, at its end.
func meta2(was []byte) []byte { return append(was, make([]byte, 48)...) }

// connlimit2 had no base, nor a pad behind it, in front of its lenses.
func connlimit2(was []byte) []byte {
	return append(append(was[:16:16], make([]byte, 8)...), was[16:]...)
}

// seats2 counts the sockets that are open anew, and goes on with handshakes and refusals.
func seats2(was []byte) []byte { return append(was[:16:16], make([]byte, 8)...) }

// ratelimit3 had the rates of 1,024 VIPs, at its end.
func ratelimit3(was []byte) []byte { return append(was, make([]byte, (VIPs-1024)*8)...) }

// seats3 counts the sockets that are open anew.
func seats3(was []byte) []byte {
	const open = 16
	clear(was[open : open+4])
	return was
}

// movedBehind is where element i is when that at `was` is at `now`, and all behind it with it.
func movedBehind(i, was, now uint32) uint32 {
	if i < was {
		return i
	}
	return i - was + now
}

// seat3 is where a seat of ABI 3 is: there were 1,024 VIPs, in front of the sources and of what agents report.
func seat3(i uint32) uint32 {
	const agents = 1024 + SeatSets*SetWays
	if i >= agents {
		return movedBehind(i, agents, AgentSeats)
	}
	return movedBehind(i, 1024, VIPs)
}
