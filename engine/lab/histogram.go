package lab

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets of at most 1/16 of their value, in microseconds.
type histogram struct {
	buckets [40 * 16]uint64
	total   uint64
	most    time.Duration
}

func (h *histogram) add(d time.Duration) {
	h.buckets[bucket(uint64(max(d, 0)/time.Microsecond))]++
	h.total++
	h.most = max(h.most, d)
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.buckets {
		h.buckets[i] += n
	}
	h.total += o.total
	h.most = max(h.most, o.most)
}

// quantile is a time that the share q of all took at most, 0 when there are none.
func (h *histogram) quantile(q float64) time.Duration {
	need := uint64(q * float64(h.total))
	var seen uint64
	for i, n := range h.buckets {
		if seen += n; n > 0 && seen >= need {
			return min(time.Duration(upper(i))*time.Microsecond, h.most)
		}
	}
	return h.most
}

// bucket is exact below 16; above, the leading bit and the four bits behind it number it.
func bucket(us uint64) int {
	if us < 16 {
		return int(us)
	}
	shift := bits.Len64(us) - 5
	return min((shift+1)*16+int(us>>shift)&15, 40*16-1)
}

// upper is the first value beyond bucket i.
func upper(i int) uint64 {
	if i < 16 {
		return uint64(i) + 1
	}
	shift := i/16 - 1
	return uint64(i%16+17) << shift
}
