package datapath

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// abiStep is what one ABI changed of the one before; ARCHITECTURE.md says what a new one must do.
type abiStep struct {
	from    int
	changed map[string]becomes // by pin; every other map is the same kernel object in both
}

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
	}},
	{3, map[string]becomes{
		"meta": same,
	}},
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
func convert(now, was *ebpf.Map, each becomes) error {
	for i := range min(now.MaxEntries(), was.MaxEntries()) {
		value, err := was.LookupBytes(i)
		if err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
		if allZero(value) {
			continue
		}
		if err := now.Put(i, each(value)); err != nil {
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
