package health

import (
	"fmt"
	"testing"
	"time"
)

// TestDecide has a member a letter: u up, ? unknown, d down, o down and out before, h by hand without weight. The later a
// member stands, the later it went down. Wanted is o who is out, h who is held.
func TestDecide(t *testing.T) {
	for _, row := range []struct {
		members, want string
		rules         Rules
		lost          bool // before
		wantLost      bool
	}{
		{"uuuu", "....", Rules{Watermark: 50}, false, false},
		{"uduu", ".o..", Rules{Watermark: 50}, false, false},
		{"udud", ".o.o", Rules{Watermark: 50}, false, false},
		{"uddd", ".ooh", Rules{Watermark: 50}, false, false},
		{"dddd", "oohh", Rules{Watermark: 50}, false, false},
		{"dddd", "oooo", Rules{}, false, false},
		{"dddd", "hhhh", Rules{Watermark: 100}, false, false},
		{"d", "h", Rules{Watermark: 50, Quorum: 1}, false, true},
		{"??d?", "..o.", Rules{Watermark: 50, Quorum: 3}, false, false},
		{"ddoo", "hhoo", Rules{Watermark: 50}, false, false},         // who is out already stays out
		{"duoo", "h.oo", Rules{Watermark: 80}, false, false},         // also when more weight would have to stay
		{"uhhhoo", "....oo", Rules{Watermark: 50}, false, false},     // what takes no flows by hand does not count
		{"oo", "oh", Rules{Watermark: 50}, false, false},             // but somebody stays in
		{"uu", "..", Rules{Quorum: 2}, false, false},                 // quorum
		{"ud", ".o", Rules{Quorum: 2}, false, true},                  // lost
		{"uu", "..", Rules{Quorum: 1, Hysteresis: 1}, true, false},   // back with hysteresis
		{"ud", ".o", Rules{Quorum: 1, Hysteresis: 1}, true, true},    // one is not enough to come back
		{"ud", ".o", Rules{Quorum: 1, Hysteresis: 1}, false, false},  // but to stay
		{"uhhh", "....", Rules{Quorum: 2}, false, true},              // who is drained is not there
		{"", "", Rules{Quorum: 1, Watermark: 50}, false, true},       // nobody
		{"hhd", "..h", Rules{Watermark: 1, Quorum: 0}, false, false}, // the last one that takes flows
	} {
		var members []Member
		for i, c := range row.members {
			m := Member{Weight: 100, State: Down, Since: epoch.Add(time.Duration(i) * time.Second), Out: c == 'o'}
			switch c {
			case 'u':
				m.State = Up
			case '?':
				m.State = Unknown
			case 'h':
				m.State, m.Weight = Up, 0
			}
			members = append(members, m)
		}
		d, got := Decide(row.rules, members, row.lost), ""
		for i := range members {
			switch {
			case d.Out[i]:
				got += "o"
			case d.Held[i]:
				got += "h"
			default:
				got += "."
			}
		}
		if got != row.want || d.Lost != row.wantLost {
			t.Errorf("%s by %+v: %s, lost %v; not %s, lost %v", row.members, row.rules, got, d.Lost, row.want, row.wantLost)
		}
	}
}

// TestWatermarkWeighs: a share of the weight stays in, not of the members; and of the last, those that went down last.
func TestWatermarkWeighs(t *testing.T) {
	heavy := Member{Weight: 300, State: Down, Since: second(1)}
	d := Decide(Rules{Watermark: 50}, []Member{{Weight: 100, State: Down, Since: second(2)}, heavy, {Weight: 100, State: Up}}, false)
	if got := fmt.Sprint(d.Out, d.Held, d.Live); got != "[true false false] [false true false] 1" {
		t.Errorf("out, held and live are %s", got)
	}
}

func TestRamp(t *testing.T) {
	back, slow := epoch, 16*time.Second
	var parts []uint32
	now, steps := back, 0
	for {
		part, next := Ramp(90, back, slow, now)
		parts = append(parts, part)
		if next.IsZero() {
			break
		}
		if steps++; steps > 20 || !next.After(now) {
			t.Fatalf("after %s the next step is at %s", now.Sub(back), next.Sub(back))
		}
		now = next
	}
	if got := fmt.Sprint(parts, now.Sub(back)); got != "[10 20 30 40 50 60 70 80 90] 16s" {
		t.Errorf("it comes back by %s", got)
	}
	if part, _ := Ramp(1, back, slow, back); part != 1 {
		t.Errorf("a weight of 1 begins with %d", part)
	}
	for _, never := range []time.Time{{}, back.Add(-time.Hour)} {
		if part, next := Ramp(7, never, slow, back); part != 7 || !next.IsZero() {
			t.Errorf("who came back at %s has %d of 7", never, part)
		}
	}
}
