package engine

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"hairpin/engine/agents"
	"hairpin/engine/spec"
)

// Drain is how far a backend is that takes no new flows and keeps its old ones.
type Drain struct {
	Open  int       // connections that are open there, as its agent says; -1 = nobody says
	Quiet time.Time // since when no packet went there; zero = some do
	Ends  time.Time // about when nothing will be left; zero = it cannot be told
	Safe  bool      // it can be stopped: no flow of a client's is cut off
	Says  string    // all that in one line
}

const (
	quietAfter = 5 * time.Second  // without a packet that nothing goes there
	slopeOver  = 30 * time.Second // over which it is told how fast flows end
	hardlyAny  = 0.5              // packets per second at which none are left
)

// draining remembers of each backend, by id, when its packets were last more than before.
type draining map[uint16]*lastPacket

type lastPacket struct {
	packets uint64
	at      time.Time
	began   time.Time // to drain, as far as this engine has seen it
}

// showDraining says of the backends of a snapshot that drain how far they are.
func (o *owner) showDraining(now time.Time, s *State) {
	if o.draining == nil {
		o.draining = draining{}
	}
	ids, seen := o.kernel.IDs(), map[uint16]bool{}
	for i := range s.VIPs {
		v := &s.VIPs[i]
		desired := o.spec.VIP(v.Name)
		if desired == nil {
			continue
		}
		num := o.kernel.NumOf(o.active, desired)
		for j := range v.Backends {
			b := &v.Backends[j]
			if b.State != spec.Drain.String() || b.Gone {
				continue
			}
			id := ids[planKey(num, b.Address)]
			last := o.draining[id]
			if last == nil || last.packets > b.Packets {
				last = &lastPacket{b.Packets, now, now}
				o.draining[id] = last
			}
			if seen[id] = true; last.packets != b.Packets {
				last.packets, last.at = b.Packets, now
			}
			b.Drain = &Drain{Open: o.openAt(v, b.Address, now)}
			b.Drain.judge(now, *last, desired.Settle, b)
			mark := ": "
			if b.Dropped != nil {
				mark = "; "
			}
			b.Why += mark + b.Drain.Says
		}
	}
	for id := range o.draining {
		if !seen[id] {
			delete(o.draining, id)
		}
	}
}

// openAt is how many connections of a VIP's a backend has open, as its agent says; -1 = none says anything lately.
func (o *owner) openAt(v *VIP, backend netip.Addr, now time.Time) int {
	if o.reported.book == nil {
		return -1
	}
	for _, e := range o.reported.book.Entries(now) {
		if e.Stale || e.Silent || !isAgentOf(e, backend) {
			continue
		}
		open := 0
		for _, c := range e.Counts {
			for _, a := range v.Addresses {
				if c.Address == a && (v.Port == 0 || c.Port == v.Port) {
					open += int(c.Open)
				}
			}
		}
		return open
	}
	return -1
}

func isAgentOf(e agents.Entry, backend netip.Addr) bool {
	if e.From.Addr() == backend {
		return true
	}
	for _, a := range e.Addresses {
		if a == backend {
			return true
		}
	}
	return false
}

// judge says what is left and how long that takes. Where no agent knows, it is over when every flow that could still be
// there has been silent for as long as the VIP settles: then it would be moved at the next packet anyway.
func (d *Drain) judge(now time.Time, last lastPacket, settle time.Duration, b *Backend) {
	quiet := now.Sub(last.at)
	if quiet >= quietAfter {
		d.Quiet = last.at
	}
	switch {
	case d.Open == 0 && quiet >= quietAfter:
		d.Safe, d.Says = true, "safe to stop, its agent has no connection open"
	case d.Open > 0:
		d.Says = fmt.Sprintf("%d connections open", d.Open)
	case quiet >= settle:
		d.Safe, d.Says = true, fmt.Sprintf("safe to stop, no packet for %s", settle)
	case quiet >= quietAfter:
		d.Ends = last.at.Add(settle)
		d.Says = fmt.Sprintf("no packet for %s, safe to stop in %s unless a flow wakes", quiet.Round(time.Second), d.Ends.Sub(now).Round(time.Second))
		return
	}
	if d.Safe {
		return
	}
	if d.Says != "" {
		d.Says += ", "
	}
	d.Says += fmt.Sprintf("%.0f packets/s", b.PPS)
	if now.Sub(last.began) < slopeOver {
		return // what the rates were before says nothing of how flows end
	}
	half, ends := decline(b.History)
	if ends <= 0 {
		d.Says += ", not getting fewer"
		return
	}
	d.Ends = now.Add(ends)
	d.Says += fmt.Sprintf(", half in %s, none in about %s", half.Round(time.Second), ends.Round(time.Second))
}

// decline is in which time a rate of the last seconds halves, and is next to nothing; 0 where it does not get smaller.
func decline(history []float64) (half, ends time.Duration) {
	const part = int(slopeOver / time.Second / 3)
	if len(history) < 3*part {
		return 0, 0
	}
	mean := func(of []float64) (sum float64) {
		for _, v := range of {
			sum += v / float64(len(of))
		}
		return sum
	}
	then, now := mean(history[len(history)-3*part:len(history)-2*part]), mean(history[len(history)-part:])
	if now <= 0 || now > 0.98*then {
		return 0, 0
	}
	slope := math.Log(then/now) / (2 * float64(part)) // a second
	seconds := func(ratio float64) time.Duration {
		return time.Duration(math.Log(max(ratio, 1)) / slope * float64(time.Second))
	}
	return seconds(2), max(seconds(now/hardlyAny), time.Second)
}
