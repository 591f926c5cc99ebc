package health

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hairpin/engine/spec"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func second(n int) time.Time { return epoch.Add(time.Duration(n) * time.Second) }

// TestMachine plays checks a second apart: + succeeds, - fails. What is wanted is the state behind each.
func TestMachine(t *testing.T) {
	for _, row := range []struct {
		name, checks, states string
		rise, fall           uint32
		damping, warm        time.Duration
	}{
		{"the first that succeeds is enough", "+", "u", 2, 3, 0, 0},
		{"it takes fall to be down at first", "----", "??dd", 2, 3, 0, 0},
		{"it takes fall in a row to go down", "+--+---", "uuuuuud", 2, 3, 0, 0},
		{"it takes rise in a row to come back", "+---+-++", "uuuddddu", 2, 3, 0, 0},
		{"fall 1 goes down at once", "+-+", "udu", 1, 1, 0, 0},
		{"failures of the warm-up do not count", "-----+---", "?????uuud", 2, 3, 0, 10 * time.Second},
		{"after the warm-up they do", "----", "???d", 1, 1, 0, 3 * time.Second},
		{"the second time it takes twice as many", "+-+-+++", "ududduu", 1, 1, time.Hour, 0},
		{"flaps are forgotten", "+-+-+", "ududu", 1, 1, time.Millisecond, 0},
	} {
		m := machine{check: &spec.Check{Rise: row.rise, Fall: row.fall, Timeout: time.Second}, damping: row.damping, warm: epoch.Add(row.warm)}
		var got strings.Builder
		for i, c := range row.checks {
			if c == '+' {
				m.succeed(second(i), time.Millisecond)
			} else {
				m.fail(second(i), "refused")
			}
			got.WriteByte("?ud"[m.state])
		}
		if got.String() != row.states {
			t.Errorf("%s: %s leads to %s, not to %s", row.name, row.checks, got.String(), row.states)
		}
	}
}

// TestDamping: each time that it went down lately doubles what it takes to come back, up to a bound.
func TestDamping(t *testing.T) {
	m := machine{check: &spec.Check{Rise: 2, Fall: 1}, damping: time.Hour}
	m.succeed(epoch, 0)
	var needed []int
	for i := range 8 {
		m.fail(second(i), "refused")
		needed = append(needed, m.need(second(i)))
		for m.state == Down {
			m.succeed(second(i), 0)
		}
	}
	if got, want := fmt.Sprint(needed), "[2 4 8 16 32 64 64 64]"; got != want {
		t.Errorf("to come back it took %s, not %s", got, want)
	}
	if got := m.need(second(7).Add(3 * time.Hour)); got != 2 {
		t.Errorf("three times of damping later it takes %d", got)
	}
}

// TestTimeout: the check that decides is given up early, and no other is.
func TestTimeout(t *testing.T) {
	m := machine{check: &spec.Check{Rise: 1, Fall: 3, Timeout: time.Second}}
	m.succeed(epoch, 40*time.Millisecond)
	var got []time.Duration
	for i := range 5 {
		got = append(got, m.timeout())
		m.fail(second(i), "late")
	}
	if want := "[1s 1s 160ms 1s 1s]"; fmt.Sprint(got) != want {
		t.Errorf("it may take %s, not %s", got, want)
	}
	quick := machine{check: &spec.Check{Fall: 2, Timeout: time.Second}, bad: 1, took: time.Millisecond}
	slow := machine{check: &spec.Check{Fall: 2, Timeout: time.Second}, bad: 1, took: time.Minute}
	only := machine{check: &spec.Check{Fall: 1, Timeout: time.Second}}
	if quick.timeout() != shortest || slow.timeout() != time.Second || only.timeout() != time.Second {
		t.Errorf("quick answers %s, slow ones %s, the only one %s", quick.timeout(), slow.timeout(), only.timeout())
	}
}

func TestSays(t *testing.T) {
	m := machine{check: &spec.Check{Rise: 2, Fall: 2, Timeout: time.Second}, damping: time.Hour}
	said := []string{m.says(epoch)}
	for i, c := range "+--+--" {
		if c == '+' {
			m.succeed(second(i), 0)
		} else {
			m.fail(second(i), "refused")
		}
		said = append(said, m.says(second(i)))
	}
	want := []string{"no check has ended yet", "", "1 of 2 failed: refused", "refused", "1 of 2 checks succeeded again", "refused", "refused"}
	if fmt.Sprint(said) != fmt.Sprint(want) {
		t.Errorf("it says %q, not %q", said, want)
	}
}
