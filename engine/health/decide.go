package health

import (
	"cmp"
	"slices"
	"time"
)

// Member is one backend of a VIP as it comes to a decision.
type Member struct {
	Weight uint32 // that it is to have; 0 = by hand it takes no new flows
	State  State
	Since  time.Time // of the state
	Out    bool      // checks took it out of the ring before
}

// Rules are what checks may do to a VIP.
type Rules struct {
	Quorum, Hysteresis int // backends
	Watermark          int // percent of the weight that stays in the ring
}

// Decision is what becomes of a VIP's members, in their order.
type Decision struct {
	Out  []bool
	Held []bool // down, and kept in the ring since too little would be left
	Live int    // members that take new flows and are not down
	Lost bool   // there are fewer than the quorum
}

// Decide takes members that are down out of the ring, those that went down first before the others, while at least the
// watermark's share of the weight stays in. Who is out stays out while anybody is in. Once the quorum is lost it takes
// hysteresis members more to have it back.
func Decide(r Rules, members []Member, lost bool) Decision {
	d := Decision{Out: make([]bool, len(members)), Held: make([]bool, len(members))}
	var total, in uint64
	order := make([]int, 0, len(members))
	for i, m := range members {
		total += uint64(m.Weight)
		switch {
		case m.State == Down:
			order = append(order, i)
		case m.Weight > 0:
			d.Live++
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		first, second := members[a], members[b]
		if first.Out != second.Out {
			return map[bool]int{true: -1, false: 1}[first.Out]
		}
		return cmp.Or(first.Since.Compare(second.Since), cmp.Compare(a, b))
	})
	in = total
	for _, i := range order {
		left := in - uint64(members[i].Weight)
		fits := left*100 >= total*uint64(r.Watermark)
		if members[i].Weight == 0 || fits || members[i].Out && left > 0 {
			d.Out[i], in = true, left
		} else {
			d.Held[i] = true
		}
	}
	needed := r.Quorum
	if lost {
		needed += r.Hysteresis
	}
	d.Lost = d.Live < needed
	return d
}

// rampSteps is in how many steps a backend that comes back gets its weight.
const rampSteps = 8

// Ramp is the part of its weight that a backend has which came back at a time, while it starts slowly; at least 1 of a
// weight that is not 0. next is when that changes; zero = not any more.
func Ramp(weight uint32, back time.Time, slow time.Duration, now time.Time) (part uint32, next time.Time) {
	if back.IsZero() || slow <= 0 || weight == 0 || !now.Before(back.Add(slow)) {
		return weight, time.Time{}
	}
	step := max(int64(now.Sub(back))*rampSteps/int64(slow), 0)
	next = back.Add(slow * time.Duration(step+1) / rampSteps)
	return max(uint32(uint64(weight)*uint64(step+1)/(rampSteps+1)), 1), next
}
