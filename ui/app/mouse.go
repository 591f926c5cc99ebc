package app

import (
	"regexp"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"hairpin/ui/action"
	"hairpin/ui/keymap"
	"hairpin/ui/page"
	"hairpin/ui/term"
	"hairpin/ui/theme"
)

// wheelRows is how far one notch of the wheel goes.
const wheelRows = 3

// toggleMouse has the terminal report the mouse, or keeps it for selecting text.
func (m *Model) toggleMouse() tea.Cmd {
	if m.mouse = !m.mouse; m.mouse {
		m.say(theme.Hint, "the wheel moves, a click selects, another opens; shift selects text as before")
	} else {
		m.say(theme.Hint, "the mouse selects text again")
	}
	return term.Mouse(m.mouse)
}

// moused takes the wheel as keys that move, and a click as a way to a row or a screen. It never changes anything: what
// opens a dialog, arms or stages has keys.
func (m *Model) moused(e tea.MouseEvent) tea.Cmd {
	if !m.mouse || e.Action != tea.MouseActionPress {
		return nil
	}
	switch e.Button {
	case tea.MouseButtonWheelDown:
		return m.wheel(action.Down, action.LineDown)
	case tea.MouseButtonWheelUp:
		return m.wheel(action.Up, action.LineUp)
	case tea.MouseButtonLeft:
		if len(m.stack) == 0 && m.shown != nil {
			return m.click(e.X, e.Y)
		}
	}
	return nil
}

// wheel moves in the page, or in the topmost overlay.
func (m *Model) wheel(inPage, inDialog action.ID) tea.Cmd {
	if len(m.stack) > 0 {
		if m.now.Before(m.stack[len(m.stack)-1].deaf) {
			return nil
		}
		return m.outcome(m.top().Act(inDialog))
	}
	for range wheelRows {
		m.within(inPage)
	}
	return nil
}

// click opens a screen by its name in the third line, or puts the cursor on a row, also of the column beside it; a click on
// the row that has it opens it.
func (m *Model) click(x, y int) tea.Cmd {
	lines := m.lines()
	switch {
	case y >= len(lines):
		return nil
	case y == 2 && m.w >= 80 && m.h >= 24:
		return m.clickTab(lines[y], x)
	}
	right := m.rightColumn()
	if right > 0 && x >= right {
		switch side := m.page().(page.Sided).Click(column(lines, right), y); {
		case side.Go != nil:
			m.open(*side.Go)
			return nil
		case !side.Cursor:
			return nil
		}
	}
	return m.clickRow(y, right, right > 0 && x >= right)
}

// rightColumn is the first cell of the column on the right; 0 where there is none.
func (m *Model) rightColumn() int {
	p, sided := m.page().(page.Sided)
	if !sided || m.w < 40 || m.h < 8 {
		return 0
	}
	top, end := m.border(m.w, m.h)
	return p.Right(m.w, m.h-len(top)-len(end))
}

// clickRow puts the cursor on a row of a column, or opens the row that has it.
func (m *Model) clickRow(y, right int, onRight bool) tea.Cmd {
	side := func() []string {
		if onRight {
			return column(m.lines(), right)
		}
		return m.lines()
	}
	p, sided := m.page().(page.Sided)
	other := right > 0 && sided && p.OnRight() != onRight
	if other {
		m.within(action.NextPane)
	}
	from := m.cursorLine(side())
	if from == y && !other {
		return m.act(call{ID: action.Open, Target: m.page().Target()})
	}
	if from < 0 {
		return nil
	}
	m.step(y - from)
	if now := m.cursorLine(side()); now != y { // it was no row
		m.step(from - now)
	}
	return nil
}

// column is what the lines show from a cell on.
func column(lines []string, from int) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = ansi.TruncateLeft(l, from, "")
	}
	return out
}

// step moves the cursor some rows down, or up when n is negative.
func (m *Model) step(n int) {
	id := action.Down
	if n < 0 {
		id, n = action.Up, -n
	}
	for range n {
		m.within(id)
	}
}

var tabName = regexp.MustCompile(`[0-9] [A-Za-z]+`)

// clickTab opens the screen whose name is at x, by its digit.
func (m *Model) clickTab(line string, x int) tea.Cmd {
	for _, at := range tabName.FindAllStringIndex(line, -1) {
		if x < at[0] || x >= at[1] {
			continue
		}
		if id, match := m.keys.Lookup(action.Global, []string{line[at[0] : at[0]+1]}); match == keymap.Hit {
			return m.act(call{ID: id, Target: m.page().Target()})
		}
	}
	return nil
}

// lines are what the screen shows, without styles.
func (m *Model) lines() []string { return strings.Split(ansi.Strip(m.View()), "\n") }

// cursorLine is the line that has the cursor; -1 when none has.
func (m *Model) cursorLine(lines []string) int {
	return slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, m.kit.Glyphs.Cursor) })
}
