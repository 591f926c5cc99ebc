package page

import (
	"slices"
	"testing"
)

func row(t *testing.T, c *Cursor, want string) {
	t.Helper()
	got, ok := c.Row()
	if want == "" && ok || want != "" && (got != want || !ok) {
		t.Errorf("the cursor is on %q (%v), not on %q", got, ok, want)
	}
}

func TestCursorKeepsItsRow(t *testing.T) {
	var c Cursor
	rows := c.Sync([]string{"a", "b", "c"})
	row(t, &c, "a")
	c.Move(1, rows)
	row(t, &c, "b")
	rows = c.Sync([]string{"c", "b", "a"})
	row(t, &c, "b")
	if !slices.Equal(rows, []string{"a", "b", "c"}) {
		t.Errorf("the order is held once the cursor was moved, but is %v", rows)
	}
	rows = c.Sync([]string{"d", "c", "b"})
	if !slices.Equal(rows, []string{"b", "c", "d"}) || !c.On("b") {
		t.Errorf("what goes leaves, what comes is last: %v", rows)
	}
	c.Release()
	if rows = c.Sync([]string{"d", "c", "b"}); !slices.Equal(rows, []string{"d", "c", "b"}) || !c.On("b") {
		t.Errorf("released: %v, on b %v", rows, c.On("b"))
	}
}

func TestCursorPointsNowhereWhenItsRowGoes(t *testing.T) {
	var c Cursor
	rows := c.Sync([]string{"a", "b", "c"})
	c.Move(1, rows)
	rows = c.Sync([]string{"a", "c"})
	row(t, &c, "")
	if c.On("c") {
		t.Error("the neighbour took the place of the row that went")
	}
	rows = c.Sync(rows)
	row(t, &c, "")
	c.Move(0, rows)
	row(t, &c, "c")
	c.Sync(nil)
	row(t, &c, "")
	rows = c.Sync([]string{"c"})
	c.Move(1, rows)
	row(t, &c, "c")
}

func TestCursorOnTheFirstRowUntilMoved(t *testing.T) {
	c := Cursor{first: true}
	c.Sync([]string{"1"})
	rows := c.Sync([]string{"2", "1"})
	row(t, &c, "2")
	c.Move(1, rows)
	c.Sync([]string{"3", "2", "1"})
	row(t, &c, "1")
	c.Release()
	c.Sync([]string{"3", "2", "1"})
	row(t, &c, "3")
}

func TestCursorMovesWithinItsRows(t *testing.T) {
	var c Cursor
	rows := c.Sync([]string{"a", "b", "c"})
	c.Move(-5, rows)
	row(t, &c, "a")
	c.Move(99, rows)
	row(t, &c, "c")
	c.To(1, rows)
	row(t, &c, "b")
	c.Select("c")
	c.Sync(rows)
	row(t, &c, "c")
	c.Select("gone")
	c.Sync(rows)
	row(t, &c, "")
	var none Cursor
	none.Move(1, nil)
	row(t, &none, "")
}

func TestWindowFollowsTheCursor(t *testing.T) {
	var c Cursor
	rows := c.Sync([]string{"a", "b", "c", "d", "e"})
	for _, step := range []struct{ move, top int }{{0, 0}, {2, 0}, {1, 1}, {1, 2}, {-1, 2}, {-1, 2}, {-1, 1}, {-9, 0}} {
		c.Move(step.move, rows)
		if top := c.Window(step.top, 3, len(rows)); top != step.top {
			t.Errorf("at %v the first row is %d", step, top)
		}
	}
	if top := c.Window(4, 9, 5); top != 0 {
		t.Errorf("all rows fit, and yet the first is %d", top)
	}
}
