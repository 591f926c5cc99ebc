package page

import "slices"

// Cursor is a place in a list that knows its row by name, not by number. Once it was moved the order of the list is
// held, so that no row slides under it; new rows come in at the end.
type Cursor struct {
	row   string   // the name under the cursor; empty when there is none
	index int      // where it is drawn
	held  []string // the order while it is held; nil = the list's own
	lost  bool     // its row went away: it points nowhere until it is moved
	first bool     // stay on the first row, whichever that is, until moved
}

// Sync brings the cursor in line with the rows that exist now, in the list's own order, and returns the order to draw.
func (c *Cursor) Sync(rows []string) []string {
	if c.held != nil {
		rows = inOrder(c.held, rows)
		c.held = rows
	}
	if c.first && c.held == nil {
		c.row, c.lost = "", false
	}
	at := slices.Index(rows, c.row)
	switch {
	case len(rows) == 0:
		c.lost = c.lost || c.row != ""
		c.index = 0
	case at >= 0 && !c.lost:
		c.index = at
	case c.row == "":
		c.row, c.index = rows[0], 0
	default:
		c.lost = true
		c.index = min(c.index, len(rows)-1)
	}
	return rows
}

// inOrder keeps the order that is held: what is gone leaves, what is new comes last.
func inOrder(held, rows []string) []string {
	left := make(map[string]bool, len(rows))
	for _, r := range rows {
		left[r] = true
	}
	out := make([]string, 0, len(rows))
	for _, list := range [...][]string{held, rows} {
		for _, r := range list {
			if left[r] {
				out = append(out, r)
				delete(left, r)
			}
		}
	}
	return out
}

// Move goes n rows down, or up when n is negative, within rows: the order that Sync returned.
func (c *Cursor) Move(n int, rows []string) {
	c.To(c.index+n, rows)
}

// To goes to a row by its number and holds the order.
func (c *Cursor) To(index int, rows []string) {
	if len(rows) == 0 {
		return
	}
	c.held = slices.Clone(rows)
	c.index = max(0, min(index, len(rows)-1))
	c.row, c.lost = rows[c.index], false
}

// Select goes to a row by its name; the next Sync finds it.
func (c *Cursor) Select(row string) {
	c.row, c.lost, c.first = row, false, false
}

// Release lets the list follow its own order again.
func (c *Cursor) Release() { c.held = nil }

// Held tells whether the order is held.
func (c *Cursor) Held() bool { return c.held != nil }

// Row is the name under the cursor; false when it points nowhere.
func (c *Cursor) Row() (string, bool) { return c.row, c.row != "" && !c.lost }

// On tells whether the cursor is drawn on that row.
func (c *Cursor) On(row string) bool { return !c.lost && c.row == row }

// Window is the first of n visible rows so that the cursor is among them, with the fewest jumps: the top stays
// where it is until the cursor leaves it.
func (c *Cursor) Window(top, n, total int) int {
	switch {
	case n <= 0 || total <= n:
		return 0
	case c.index < top:
		top = c.index
	case c.index >= top+n:
		top = c.index - n + 1
	}
	return max(0, min(top, total-n))
}
