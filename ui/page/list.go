package page

import (
	"fmt"
	"slices"
	"strings"

	"hairpin/ui/action"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// list is a cursor over rows that can be sorted, filtered and scrolled: what every screen has at least one of.
type list struct {
	cursor Cursor
	rows   []string // in the order drawn
	total  int      // before filtering
	filter Filter
	sorts  []string // titles of the columns that it can be sorted by
	sort   int      // one of them, from 1; 0 = the list's own order
	back   bool
	top    int // first visible row
	page   int // rows visible when last drawn
}

// entry is a row before it is drawn: its name, what a filter sees, and what each sort column compares.
type entry struct {
	name   string
	fields []Field
	keys   []float64 // what each of the list's sorts compares; bigger comes first
}

// sync filters and sorts the entries and brings the cursor in line.
func (l *list) sync(entries []entry) {
	l.total = len(entries)
	var kept []entry
	for _, e := range entries {
		if l.filter.Match(e.fields) {
			kept = append(kept, e)
		}
	}
	if l.sort > 0 {
		slices.SortStableFunc(kept, func(a, b entry) int {
			switch x, y := a.keys[l.sort-1], b.keys[l.sort-1]; {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return 0
		})
	}
	if l.back {
		slices.Reverse(kept)
	}
	rows := make([]string, len(kept))
	for i, e := range kept {
		rows[i] = e.name
	}
	l.rows = l.cursor.Sync(rows)
}

// act moves the cursor or changes the order; other actions are not for a list.
func (l *list) act(id action.ID) {
	half := max(1, l.page/2)
	switch id {
	case action.Down:
		l.cursor.Move(1, l.rows)
	case action.Up:
		l.cursor.Move(-1, l.rows)
	case action.PageDown:
		l.cursor.Move(half, l.rows)
	case action.PageUp:
		l.cursor.Move(-half, l.rows)
	case action.Top:
		l.cursor.To(0, l.rows)
	case action.Bottom:
		l.cursor.To(len(l.rows)-1, l.rows)
	case action.Sort:
		l.sort = (l.sort + 1) % (len(l.sorts) + 1)
		l.cursor.Release()
	case action.Reverse:
		l.back = !l.back
		l.cursor.Release()
	}
}

// window is the rows to draw in n lines.
func (l *list) window(n int) []string {
	l.page = n
	l.top = l.cursor.Window(l.top, n, len(l.rows))
	return l.rows[l.top:min(l.top+max(n, 0), len(l.rows))]
}

// vip is the target of a list whose rows are VIPs.
func (l *list) vip() Target {
	name, ok := l.cursor.Row()
	if !ok {
		return Target{}
	}
	return Target{VIP: name}
}

// draw fills a table with the visible rows; focus tells whether the cursor is shown. empty is said when there are no
// rows at all.
func (l *list) draw(k Kit, t widget.Table, w, h int, focus bool, empty string, row func(name string) widget.Row) []string {
	visible := l.window(h - 1)
	for i, name := range visible {
		t.Rows = append(t.Rows, row(name))
		if focus && l.cursor.On(name) {
			t.Selected = i
		}
	}
	if l.sort > 0 || l.back {
		t.Columns = l.marked(k, t.Columns)
	}
	if len(l.rows) == 0 && h > 1 {
		if l.total > 0 {
			empty = fmt.Sprintf("none of %d matches %q", l.total, l.filter.Text)
		}
		return []string{t.Render(w, 1)[0], k.Say(theme.Dim, " "+empty)}
	}
	return t.Render(w, h)
}

// marked shows by which column the list is sorted.
func (l *list) marked(k Kit, columns []widget.Column) []widget.Column {
	arrow := k.Glyphs.Down
	if l.back {
		arrow = k.Glyphs.Up
	}
	out := append([]widget.Column(nil), columns...)
	for i := range out {
		if l.sort > 0 && strings.TrimSpace(out[i].Title) == l.sorts[l.sort-1] || l.sort == 0 && i == 0 {
			out[i].Title = strings.TrimSpace(out[i].Title) + arrow
		}
	}
	return out
}

// cancel drops the filter, else lets the order go; false when there was neither.
func (l *list) cancel() bool {
	switch {
	case l.filter.Active():
		l.filter = Filter{}
	case l.cursor.Held():
		l.cursor.Release()
	default:
		return false
	}
	return true
}
