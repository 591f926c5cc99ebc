package engine

import (
	"time"

	records "hairpin/engine/record"
)

// fillPasts gives the limits of s what lower ones would have refused, as far as shots go back: it is not recorded, since it
// follows from what is. heads and shots end with s.
func fillPasts(s *State, heads []records.Head, shots []*shot) {
	rows := map[string]*limitPast{}
	for i, shot := range shots {
		at := heads[i].Time
		if i > 0 && at.Sub(heads[i-1].Time) > 3*heads[i].Span {
			clear(rows) // nothing is recorded in between
		}
		for _, l := range shot.Limits {
			row := rows[l.Key()]
			switch {
			case l.Source.IsValid():
			case row == nil:
				rows[l.Key()] = &limitPast{total: l.Passed.Packets, at: at}
			default:
				row.note(at, l)
			}
		}
	}
	now := time.Time{}
	if n := len(heads); n > 0 {
		now = heads[n-1].Time
	}
	for i := range s.Limits {
		if row := rows[s.Limits[i].Key()]; row != nil {
			s.Limits[i].Past = row.past(now, s.Limits[i])
		}
	}
}
