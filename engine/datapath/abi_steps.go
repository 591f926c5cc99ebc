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

// becomes fills a map that is made anew from the one that was in its place. Nil: nothing of it is needed.
type becomes func(now, was *ebpf.Map) error

// abiSteps lead from the oldest ABI that is taken over to today's.
var abiSteps = []abiStep{
	{2, map[string]becomes{
		"meta":       elements(meta2),
		"connlimits": elements(connlimit2),
		"seats":      elements(seats2),
		"sockets":    nil, // the look at all sockets makes it anew, with what seats say is open
		"sources":    nil, // it remembers one second
	}},
}

// changesSince are the maps that are not what they were in an older ABI. False when none of it can be taken over.
func changesSince(abi int) (map[string]becomes, bool) {
	for _, s := range abiSteps {
		if s.from == abi && s.from+1 == ABI {
			return s.changed, true
		}
	}
	return nil, false
}

// elements converts an array element by element.
func elements(convert func(was []byte) []byte) becomes {
	return func(now, was *ebpf.Map) error {
		for i := range min(now.MaxEntries(), was.MaxEntries()) {
			value, err := was.LookupBytes(i)
			if err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
			if allZero(value) {
				continue
			}
			if err := now.Put(i, convert(value)); err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
		}
		return nil
	}
}

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
