// Package stats is what counters say over time: totals become rates, and rates a history of fixed size.
package stats

import "time"

// Total is one reading of a counter, summed over CPUs.
type Total struct {
	Packets uint64
	Bytes   uint64
}

// Rate is what happened between two readings, per second: never negative, never NaN.
type Rate struct {
	PPS   float64
	BPS   float64 // bytes per second
	Known bool    // false at a first reading, and where Back is true
	Back  bool    // a total was less than before: somebody lost it or made it anew
}

// Between is the rate at which before became after.
func Between(before, after Total, elapsed time.Duration) Rate {
	if after.Packets < before.Packets || after.Bytes < before.Bytes {
		return Rate{Back: true}
	}
	if elapsed <= 0 {
		return Rate{}
	}
	s := elapsed.Seconds()
	return Rate{
		PPS:   float64(after.Packets-before.Packets) / s,
		BPS:   float64(after.Bytes-before.Bytes) / s,
		Known: true,
	}
}
