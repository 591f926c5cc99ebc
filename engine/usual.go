package engine

import (
	"slices"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/reason"
	"hairpin/engine/stats"
)

const (
	usualEvery = time.Minute
	// usualSpare are the newest minutes, which are not asked: an incident that has just begun is not usual.
	usualSpare = 10
	// usualLeast is of how many minutes at least something is said.
	usualLeast = 10
	// usualAge is how long what an engine before found usual is worth something.
	usualAge = 24 * time.Hour
)

// usuals are what is usual on this node, computed once a minute of what meters remember. They belong to the loop.
type usuals struct {
	at      time.Time
	minutes int
	nics    map[string]float64 // by name and hook
	reasons map[string]usual
	before  *State // the last that an engine before recorded; nil = none
}

// usual is the median of the minutes, and the share of them that had any.
type usual struct{ pps, often float64 }

// show puts what is usual into s: what this engine saw, or one before if that had seen more.
func (u *usuals) show(now time.Time, m *meters, chains []datapath.Chain, s *State) {
	if now.Sub(u.at) >= usualEvery || now.Before(u.at) {
		u.read(now, m, chains)
	}
	s.UsualOver = time.Duration(u.minutes) * time.Minute
	if u.before != nil && now.Sub(u.before.Time) < usualAge && u.before.UsualOver > s.UsualOver {
		u.before.lendUsual(s)
		return
	}
	for i := range s.NICs {
		s.NICs[i].Usual = u.nics[s.NICs[i].Name+" "+s.NICs[i].Hook]
	}
	for i := range s.Reasons {
		usual := u.reasons[s.Reasons[i].Name]
		s.Reasons[i].Usual, s.Reasons[i].Often = usual.pps, usual.often
	}
}

func (u *usuals) read(now time.Time, m *meters, chains []datapath.Chain) {
	*u = usuals{at: now, nics: map[string]float64{}, reasons: map[string]usual{}, before: u.before}
	for _, c := range chains {
		points := m.deep.Points(meterKey{kind: chainVerdict, chain: c.Number, word: string(reason.Forward)}, stats.ByTheMinute)
		n := len(points) - usualSpare
		if n < usualLeast {
			continue
		}
		u.minutes = max(u.minutes, n)
		u.nics[c.NIC+" "+c.Hook.String()] = usualOf(points, n).pps
	}
	for _, r := range reason.All() {
		points := m.deep.Points(meterKey{kind: allReason, id: int(r.ID)}, stats.ByTheMinute)
		u.reasons[r.Name] = usualOf(points, u.minutes)
	}
}

// usualOf leaves out the newest minutes; in those before the first point there was nothing.
func usualOf(points []stats.Point, minutes int) usual {
	if minutes < usualLeast {
		return usual{}
	}
	points = points[:max(0, len(points)-usualSpare)]
	values, some := make([]float64, minutes), 0
	for i, p := range points[max(0, len(points)-minutes):] {
		values[i] = float64(p.Average)
		if p.Average > 0 {
			some++
		}
	}
	slices.Sort(values)
	return usual{pps: values[minutes/2], often: float64(some) / float64(minutes)}
}

// lendUsual gives to what was usual in s.
func (s *State) lendUsual(to *State) {
	to.UsualOver = s.UsualOver
	for i := range to.NICs {
		n := &to.NICs[i]
		if at := slices.IndexFunc(s.NICs, func(o NIC) bool { return o.Name == n.Name && o.Hook == n.Hook }); at >= 0 {
			n.Usual = s.NICs[at].Usual
		}
	}
	for i := range to.Reasons {
		r := &to.Reasons[i]
		if at := slices.IndexFunc(s.Reasons, func(o Reason) bool { return o.Name == r.Name }); at >= 0 {
			r.Usual, r.Often = s.Reasons[at].Usual, s.Reasons[at].Often
		}
	}
}
