package discover

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"hairpin/engine/spec"
)

// Judge decides how much is believed of what one source says. An error changes nothing. That all backends are gone is never
// believed until a person says so, and that more are gone than are left only when it has been said for the time to hold. Who
// was seen draining before may go at any time. It is not safe for concurrent use.
type Judge struct {
	hold time.Duration
	most int

	believed []spec.Endpoint // by address
	said     []spec.Endpoint // by address
	answered time.Time       // when something was said last; zero = never
	left     string
	err      error
	failing  time.Time // since when it does not answer
	held     time.Time // since when what it says is not believed; zero = it is
	lost     map[netip.Addr]time.Time
}

// Opinion is what is believed, and why that is not what the source says.
type Opinion struct {
	Endpoints []spec.Endpoint // by address
	Says      int             // backends that the source names and that take new flows
	Answered  time.Time       // when it last said anything; zero = never yet
	Failing   time.Time       // since when it does not answer; zero = it does
	Error     string          // why not
	Held      time.Time       // since when what it says is not believed; zero = it is
	Missing   int             // backends that it does not name any more, and that stay meanwhile
	Until     time.Time       // when it is believed, if it still says so then; zero = when a person says so
	Left      string          // what of its answer was left out, and why
}

// NewJudge begins with what was believed before; who was dropped is none of it.
func NewJudge(f *spec.From, before []spec.Endpoint) *Judge {
	named := slices.DeleteFunc(slices.Clone(before), func(e spec.Endpoint) bool { return e.Dropped })
	j := &Judge{lost: map[netip.Addr]time.Time{}, believed: tidy(named)}
	j.Heed(f)
	return j
}

// Heed goes by other limits from now on.
func (j *Judge) Heed(f *spec.From) { j.hold, j.most = f.Hold, int(f.Most) }

// Hear takes an answer.
func (j *Judge) Hear(now time.Time, a Answer) {
	if a.Err != nil {
		if j.err == nil {
			j.failing = now
		}
		j.err = a.Err
		return
	}
	j.err, j.failing, j.answered, j.left = nil, time.Time{}, now, a.Left
	j.said = tidy(a.Endpoints)
	if over := len(j.said) - j.most; over > 0 {
		j.left = fmt.Sprintf("%d of %d backends, since at most %d are taken", over, len(j.said), j.most)
		j.said = j.cut(j.said)
	}
	j.weigh(now)
}

// cut leaves out the newest: whoever is known stays.
func (j *Judge) cut(list []spec.Endpoint) []spec.Endpoint {
	known := named(j.believed)
	slices.SortStableFunc(list, func(a, b spec.Endpoint) int {
		_, knowA := known[a.Address]
		_, knowB := known[b.Address]
		switch {
		case knowA == knowB:
			return 0
		case knowA:
			return -1
		}
		return 1
	})
	return tidy(list[:j.most])
}

// weigh makes what is said what is believed, or a part of it.
func (j *Judge) weigh(now time.Time) {
	if j.answered.IsZero() || j.err != nil {
		return
	}
	maps.DeleteFunc(j.lost, func(_ netip.Addr, at time.Time) bool { return now.Sub(at) >= j.hold })
	said := named(j.said)
	var missing []netip.Addr
	gone := maps.Clone(j.lost)
	for _, e := range j.believed {
		if s, is := said[e.Address]; e.State == spec.Up && (!is || s.State == spec.Down) {
			missing = append(missing, e.Address)
			gone[e.Address] = now
		}
	}
	for a, e := range said {
		if e.State == spec.Up {
			delete(gone, a)
			delete(j.lost, a)
		}
	}
	taking := ups(j.said)
	empties := taking == 0 && ups(j.believed) > 0
	if doubtful := len(missing) > 0 && taking < len(gone); empties || doubtful {
		if j.held.IsZero() {
			j.held = now
		}
		if empties || now.Sub(j.held) < j.hold {
			j.believed = j.partly(empties)
			return
		}
		clear(j.lost)
	} else {
		for _, a := range missing {
			j.lost[a] = now
		}
	}
	j.believed, j.held = j.said, time.Time{}
}

// partly is what is said, with whoever took new flows and is missing in it. Where nobody is left, those stay too who are said
// to drain.
func (j *Judge) partly(empties bool) []spec.Endpoint {
	list := named(j.said)
	for _, e := range j.believed {
		if s, is := list[e.Address]; e.State == spec.Up && (!is || s.State == spec.Down || empties) {
			list[e.Address] = e
		}
	}
	return tidy(slices.Collect(maps.Values(list)))
}

// Opinion is what is believed at a time.
func (j *Judge) Opinion(now time.Time) Opinion {
	if !j.held.IsZero() {
		j.weigh(now) // it may have been said for long enough
	}
	o := Opinion{Endpoints: j.believed, Says: ups(j.said), Answered: j.answered, Failing: j.failing, Held: j.held, Left: j.left}
	if j.err != nil {
		o.Error = j.err.Error()
	}
	if !j.held.IsZero() {
		o.Missing = max(0, ups(j.believed)-ups(j.said))
		if o.Says > 0 {
			o.Until = j.held.Add(j.hold)
		}
	}
	return o
}

// Accept believes what the source said last, because a person says so.
func (j *Judge) Accept(now time.Time) error {
	switch {
	case j.answered.IsZero():
		return errors.New("the source has not said anything yet")
	case j.err != nil:
		return fmt.Errorf("the source does not answer: %w", j.err)
	}
	clear(j.lost)
	j.believed, j.held = j.said, time.Time{}
	return nil
}

// tidy is list by address, each address once: of two that say different things, the one that says more of the backend's being
// there.
func tidy(list []spec.Endpoint) []spec.Endpoint {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b spec.Endpoint) int {
		if c := a.Address.Compare(b.Address); c != 0 {
			return c
		}
		return int(a.State) - int(b.State)
	})
	return slices.CompactFunc(list, func(a, b spec.Endpoint) bool { return a.Address == b.Address })
}

func named(list []spec.Endpoint) map[netip.Addr]spec.Endpoint {
	m := make(map[netip.Addr]spec.Endpoint, len(list))
	for _, e := range list {
		m[e.Address] = e
	}
	return m
}

// ups counts those that take new flows.
func ups(list []spec.Endpoint) (n int) {
	for _, e := range list {
		if e.State == spec.Up {
			n++
		}
	}
	return n
}
