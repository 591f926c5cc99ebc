package widget

import (
	"fmt"
	"math"
	"time"
)

const (
	prefixes = "\x00kMGTPE" // of 1000^0 and up; the first is none
	absent   = "-"          // what is drawn for a value that is not known
)

// Number is a count or a rate in three significant digits: 0, 7, 310, 12.4k, 4.12M. Not a number is "-", and what is
// more than nothing is never "0". It takes at most five cells, one more when it is negative.
func Number(v float64) string { return format(v, power(v)) }

// power is the power of 1000 in which a value has at most three digits before the point.
func power(v float64) int {
	p := 0
	for x := math.Abs(v); x >= 999.5 && p < len(prefixes)-1; p++ {
		x /= 1000
	}
	return p
}

func format(v float64, p int) string {
	x := math.Abs(v)
	sign := ""
	if v < 0 {
		sign = "-"
	}
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return absent
	case p == 0 && x > 0 && x <= 0.5:
		return sign + "<1"
	case p == 0:
		return fmt.Sprintf("%s%.0f", sign, x)
	}
	x /= math.Pow(1000, float64(p))
	digits := 0
	switch {
	case x >= 999.5: // beyond the last prefix
		return sign + ">999" + string(prefixes[p])
	case x < 9.995:
		digits = 2
	case x < 99.95:
		digits = 1
	}
	return fmt.Sprintf("%s%.*f%c", sign, digits, x, prefixes[p])
}

// Units remembers in which unit each value was last drawn, so that one that moves around a border does not flip between
// 999 and 1.00k: it changes up at once, and down only below nine tenths of the larger unit. The zero value is ready;
// it belongs to one goroutine.
type Units struct {
	last map[string]int
}

// maxUnits bounds the memory; what falls out only loses its steadiness.
const maxUnits = 4096

// Number is the package's Number for the value of that name, in the unit it had before while that can still be read.
func (u *Units) Number(name string, v float64) string {
	p := power(v)
	if last, ok := u.last[name]; ok && p == last-1 && math.Abs(v) >= 0.9*math.Pow(1000, float64(last)) {
		p = last
	}
	if u.last == nil || len(u.last) >= maxUnits {
		u.last = map[string]int{}
	}
	if !math.IsNaN(v) {
		u.last[name] = p
	}
	return format(v, p)
}

// Percent is a share (1 = all) in at most five cells: 38%, 0.7%, <0.1%. Only all is 100%, only nothing is 0%.
func Percent(share float64) string {
	p := share * 100
	switch {
	case math.IsNaN(p) || math.IsInf(p, 0) || p < 0:
		return absent
	case p > 0 && p < 0.05:
		return "<0.1%"
	case p < 9.95 && p != math.Trunc(p):
		return fmt.Sprintf("%.1f%%", p)
	case p < 100 && p >= 99.5:
		return ">99%"
	case p >= 9999.5:
		return ">9999%"
	}
	return fmt.Sprintf("%.0f%%", p)
}

// Factor is how many times the usual a value is: x0.9, x410. Without a usual value it is "-".
func Factor(v, usual float64) string {
	f := v / usual
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0) || f < 0:
		return absent
	case f < 9.95:
		return fmt.Sprintf("x%.1f", f)
	}
	return "x" + Number(f)
}

// Age is a length of time in its two largest units: 12s, 5m12s, 3h04m, 2d03h. What is negative counts as none.
func Age(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	case s < 100*86400:
		return fmt.Sprintf("%dd%02dh", s/86400, s/3600%24)
	}
	return fmt.Sprintf("%dd", s/86400)
}
