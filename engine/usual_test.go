package engine

import (
	"testing"
	"time"

	"hairpin/engine/stats"
)

// TestUsual: the median of the minutes, without the newest ones; minutes before a reason was first seen had none.
func TestUsual(t *testing.T) {
	points := func(n int, pps float32) (list []stats.Point) {
		for range n {
			list = append(list, stats.Point{Average: pps})
		}
		return list
	}
	calm := append(points(50, 12), points(10, 5000)...)
	for _, row := range []struct {
		name    string
		points  []stats.Point
		minutes int
		want    usual
	}{
		{"an incident of the last ten minutes does not count", calm, 50, usual{12, 1}},
		{"an hour of incident in a day does not either", append(points(1370, 12), points(70, 5000)...), 1430, usual{12, 1}},
		{"first seen a moment ago", points(3, 900), 50, usual{}},
		{"first seen half an hour ago", points(30, 900), 80, usual{0, 0.25}},
		{"too young to say anything", calm, 9, usual{}},
	} {
		if got := usualOf(row.points, row.minutes); got != row.want {
			t.Errorf("%s: %+v, want %+v", row.name, got, row.want)
		}
	}
}

// TestUsualOfAnEngineBefore: what one before has seen for longer goes on, until it is too old.
func TestUsualOfAnEngineBefore(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	before := &State{Time: now.Add(-time.Hour), UsualOver: 20 * time.Hour, NICs: []NIC{{Name: "eth0", Hook: "xdp", Usual: 4e6}},
		Reasons: []Reason{{Name: "fragment", Usual: 12, Often: 1}}}
	m := newMeters()
	u := usuals{before: before}
	at := func(now time.Time) *State {
		s := &State{NICs: []NIC{{Name: "eth0", Hook: "xdp"}}, Reasons: []Reason{{Name: "vlan"}, {Name: "fragment"}}}
		u.show(now, &m, nil, s)
		return s
	}
	if s := at(now); s.UsualOver != 20*time.Hour || s.NICs[0].Usual != 4e6 || s.Reasons[0].Usual != 0 || s.Reasons[1].Usual != 12 || s.Reasons[1].Often != 1 {
		t.Errorf("%+v", s)
	}
	if s := at(now.Add(usualAge)); s.UsualOver != 0 || s.Reasons[1].Often != 0 {
		t.Errorf("a day later: %+v", s)
	}
}
