package app

import (
	"strings"
	"time"

	"hairpin/engine"
	"hairpin/ui/cause"
	"hairpin/ui/overlay"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// View is the whole screen: exactly as many lines of as many cells as the terminal has.
func (m *Model) View() string {
	if m.w <= 0 || m.h <= 0 {
		return ""
	}
	return strings.Join(widget.Fill(m.covered(m.frame(m.w, m.h)), m.w, m.h, m.kit.Glyphs), "\n")
}

// frame is the page and the lines around it, as many of them as there is room for.
func (m *Model) frame(w, h int) []string {
	if w < 40 || h < 8 {
		verdict := cause.Judge(m.shown, m.seenAt())
		return widget.Fill([]string{m.first(verdict, w), m.second(verdict, w), m.counts(w), m.bottom(w)}, w, h, m.kit.Glyphs)
	}
	top, end := m.border(w, h)
	room := h - len(top) - len(end)
	body := []string{m.kit.Say(theme.Dim, " waiting for the engine's first snapshot")}
	if m.shown != nil {
		k := m.kit
		k.Tick = m.shown.Time.Unix()
		body = m.page().Draw(k, m.view(), w, room)
	}
	return append(append(top, widget.Fill(body, w, room, m.kit.Glyphs)...), end...)
}

// border is the lines above and below the page.
func (m *Model) border(w, h int) (top, end []string) {
	verdict := cause.Judge(m.shown, m.seenAt())
	top, end = []string{m.first(verdict, w), m.second(verdict, w)}, []string{m.bottom(w), m.footer(w)}
	if w >= 80 && h >= 24 {
		return append(top, m.tabs(w)), append(m.axisLines(w), end...)
	}
	if h < 12 { // one line for both: what is said, else the keys
		if end = end[1:]; m.said() != "" {
			end = []string{m.bottom(w)}
		}
	}
	return top, end
}

// covered lays overlays over the page. The first two lines stay: how the node is must be seen also while one types.
func (m *Model) covered(lines []string) []string {
	from, to := 2, len(lines)-1
	if len(lines) < 12 {
		from, to = min(1, len(lines)-1), len(lines)
	}
	region := lines[from:to]
	if m.chord.shown {
		region = overlay.Chord(m.kit, region, m.w, len(region), m.chord.keys, m.keys.Chords(m.page().Scope(), m.chord.keys))
	}
	for _, o := range m.stack {
		region = o.Over(m.kit, region, m.w, len(region))
	}
	out := append(append(append([]string(nil), lines[:from]...), region...), lines[to:]...)
	if len(m.stack) > 0 && len(lines) >= 12 {
		out[len(out)-1] = m.dialogFooter(m.w)
	}
	return out
}

// seenAt is the time at which the picture is judged.
func (m *Model) seenAt() time.Time {
	if m.ofThen() {
		return m.shown.Time
	}
	return m.now
}

// ofThen tells whether the picture is not of now, and meant to be.
func (m *Model) ofThen() bool {
	return m.feed.Frozen() || m.shown != nil && m.shown.Role == engine.Recorded
}
