package app

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"hairpin/engine"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// axis is a time in which one moves, with what came in and what happened.
type axis struct {
	from, to time.Time
	moments  []engine.Moment
	events   []engine.Event
}

// axisAround is the last ten minutes, the last hour, or else the last day, whichever has t in it; of a recording, as far as
// it goes.
func axisAround(ctx context.Context, node engine.Node, t time.Time, newest *engine.State) (axis, error) {
	end := newest.Time
	a := axis{from: end.Add(-24 * time.Hour), to: end}
	for _, back := range [...]time.Duration{10 * time.Minute, time.Hour} {
		if end.Sub(t) < back {
			a.from = end.Add(-back)
			break
		}
	}
	if newest.Role == engine.Recorded {
		a.from, a.to = t.Add(-24*time.Hour), t.Add(24*time.Hour)
	}
	line, err := node.Timeline(ctx, a.from, a.to)
	if err != nil {
		return axis{}, err
	}
	a.moments, a.events = line.Moments, line.Events
	if n := len(a.moments); newest.Role == engine.Recorded && n > 0 {
		a.from, a.to = a.moments[0].Time, a.moments[n-1].Time
	}
	return a, nil
}

// after is the time of the next moment; zero where there is none.
func (a axis) after(t time.Time) time.Time {
	for _, m := range a.moments {
		if m.Time.After(t) {
			return m.Time
		}
	}
	return time.Time{}
}

// cell is where a time lies among w cells; -1 where it does not.
func (a axis) cell(t time.Time, w int) int {
	if t.Before(a.from) || t.After(a.to) || !a.to.After(a.from) {
		return -1
	}
	return min(w-1, int(float64(w)*float64(t.Sub(a.from))/float64(a.to.Sub(a.from))))
}

// axisLines are what came in over the time around what is shown, and what happened, with the letters of the severities;
// none where there is nothing to draw.
func (m *Model) axisLines(w int) []string {
	a, k := m.rewind.axis, m.kit
	if !m.feed.Frozen() || len(a.moments) < 2 || w < 40 {
		return nil
	}
	layout := "15:04"
	if a.to.Sub(a.from) < 2*time.Minute {
		layout = time.TimeOnly
	}
	left, right := " "+a.from.Format(layout)+" ", " "+a.to.Format(layout)+" "
	n := w - len(left) - len(right)
	top := 0.0
	cells := make([]float64, n)
	for i := range cells {
		cells[i] = math.NaN()
	}
	for _, mo := range a.moments {
		last := a.cell(mo.Time, n)
		first := max(0, a.cell(mo.Time.Add(-mo.Span), n))
		for i := first; i <= last; i++ {
			cells[i] = max(float64(mo.InPeak), zero(cells[i]))
			top = max(top, cells[i])
		}
	}
	if k.Glyphs.Braille { // two values take one cell there
		cells = slices.Concat(cells, cells)
		for i := n - 1; i >= 0; i-- {
			cells[2*i], cells[2*i+1] = cells[i], cells[i]
		}
	}
	spark := k.Say(theme.Spark, widget.Spark(cells, n, 0, k.Glyphs))
	if at := a.cell(m.shown.Time, n); at >= 0 { // where the picture is from
		spark = ansi.Truncate(spark, at, "") + k.Say(theme.Paused, "|") + ansi.TruncateLeft(spark, at+1, "")
	}
	head := k.Say(theme.Dim, widget.Fit(" in", len(left), k.Glyphs))
	return []string{k.Say(theme.Dim, left) + spark + k.Say(theme.Dim, right), head + m.marks(a, n) + k.Say(theme.Dim, " "+widget.Number(top))}
}

func zero(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

// marks are the worst event of each cell, by its first letter.
func (m *Model) marks(a axis, n int) string {
	marks := make([]string, n)
	rank := map[string]int{"": 0, "info": 1, "audit": 2, "warn": 3, "crit": 4}
	for _, e := range a.events {
		if i := a.cell(e.Time, n); i >= 0 && rank[e.Severity] > rank[marks[i]] {
			marks[i] = e.Severity
		}
	}
	tokens := map[string]theme.Token{"info": theme.Dim, "audit": theme.Info, "warn": theme.Warn, "crit": theme.Crit}
	letters := map[string]string{"info": ".", "audit": "a", "warn": "w", "crit": "C"}
	var line strings.Builder
	for _, severity := range marks {
		if severity == "" {
			line.WriteByte(' ')
		} else {
			line.WriteString(m.kit.Say(tokens[severity], letters[severity]))
		}
	}
	return line.String()
}
