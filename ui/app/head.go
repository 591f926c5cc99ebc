package app

import (
	"fmt"
	"strings"
	"time"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/cause"
	"hairpin/ui/page"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// first is the first line: how it is, where, whether changes are allowed, what runs, what waits, and whether it is live.
// Where there is no room for all of it, the least urgent goes first.
func (m *Model) first(v cause.Verdict, w int) string {
	right := m.liveness(w) + " "
	if slow := m.link.word(); slow != "" && w >= 56 {
		right = m.kit.Say(theme.Warn, slow) + " " + right
	}
	for detail := 4; ; detail-- {
		line := m.state(v, detail)
		if detail == 0 || widget.Width(line)+1+widget.Width(right) <= w {
			return widget.Line(w, line, right, m.kit.Glyphs)
		}
	}
}

// state is the left part of the first line with more or less detail: 4 all, 3 without what is as always, 2 in short
// words, 1 without the node's name, 0 the verdict and what waits.
func (m *Model) state(v cause.Verdict, detail int) string {
	k, g := m.kit, m.generation()
	if m.feed.Frozen() {
		g = m.shown.Generation // what waits for confirmation is said of now all the same
	}
	gap := "  "
	if detail < 3 {
		gap = " "
	}
	parts := []string{k.Say(page.Token(v.Level), widget.Fit(v.Level.String(), 4, k.Glyphs))}
	if detail >= 2 {
		parts = append(parts, k.Say(theme.Title, m.name()))
	}
	if detail >= 1 {
		parts = append(parts, m.mode(detail >= 3))
	}
	if detail >= 3 && m.live != nil && m.live.Role != engine.Owner {
		parts = append(parts, k.Say(theme.Dim, role(m.live.Role)))
	}
	if detail >= 2 {
		parts = append(parts, k.Say(theme.Text, generationWord(g)))
	}
	if waits := m.waits(); waits != "" {
		parts = append(parts, waits)
	} else if detail >= 4 {
		parts = append(parts, k.Say(theme.Dim, "pending: none"))
	}
	return " " + strings.Join(parts, gap)
}

// mode is whether changes are allowed.
func (m *Model) mode(long bool) string {
	switch {
	case m.isArmed():
		return m.kit.Say(theme.Armed, "ARMED "+left(m.armed().Until.Sub(m.now)))
	case long && m.others() != "":
		return m.kit.Say(theme.Warn, m.armed().Who+" armed "+left(m.armed().Until.Sub(m.now)))
	case long:
		return m.kit.Say(theme.ReadOnly, "read-only")
	}
	return m.kit.Say(theme.ReadOnly, "ro")
}

// waits is what is under way or waits for a person; empty when nothing does.
func (m *Model) waits() string {
	g := m.generation()
	switch {
	case m.job.running():
		return m.kit.Say(theme.Staged, m.job.what+" "+widget.Age(m.now.Sub(m.job.since)))
	case m.handoff() != nil:
		return m.kit.Say(theme.Staged, fmt.Sprintf("HANDOFF %d/%d", m.handoff().At()+1, len(m.handoff().Steps)))
	case !g.Deadline.IsZero():
		return m.kit.Say(theme.Armed, "CONFIRM "+left(g.Deadline.Sub(m.now)))
	}
	return ""
}

func role(r engine.Role) string {
	if r == engine.Pins {
		return "no engine"
	}
	return string(r)
}

func generationWord(g engine.Generation) string {
	if g.Active < 0 {
		return "gen -"
	}
	return fmt.Sprintf("gen %d", g.Active)
}

// liveness is whether the numbers are those of now, and the clock.
func (m *Model) liveness(w int) string {
	clock := "15:04:05"
	if w < 56 {
		clock = "15:04"
	}
	switch {
	case m.feed.Frozen():
		return m.kit.Say(theme.Paused, m.held(clock, w < 80))
	case m.shown != nil && m.shown.Role == engine.Recorded:
		return m.kit.Say(theme.Paused, "REPLAY "+m.pace()) + " " + m.shown.Time.Format(clock)
	case m.shown == nil:
		return m.kit.Say(theme.Dim, m.now.Format(clock))
	case m.now.Sub(m.shown.Time) > cause.StaleAge:
		return m.kit.Say(theme.Warn, "STALE "+widget.Age(m.now.Sub(m.shown.Time))) + " " + m.now.Format(clock)
	}
	return m.kit.Say(theme.OK, "LIVE") + " " + m.now.Format(clock)
}

// second is the second line: on the overview the cause and what to do; elsewhere the way to what is open, then the cause.
func (m *Model) second(v cause.Verdict, w int) string {
	k := m.kit
	token, crumb, filter := theme.Title, "", ""
	if v.What == "" {
		token = theme.Dim
	}
	if m.shown != nil {
		crumb = m.page().Crumb(m.view())
	}
	if f := m.page().Filter(); f.Active() {
		filter = k.Say(theme.Filter, "/"+f.Text) + " "
	}
	room := w - 2
	if crumb != "" {
		room -= widget.Width(crumb) + 2
	}
	line := " " + k.Say(token, v.Sentence(m.seenAt(), room))
	if armed := m.others(); armed != "" && widget.Width(line)+len(" armed: ")+widget.Width(armed)+widget.Width(filter)+1 < w {
		filter += k.Say(theme.Warn, "armed: "+armed) + " "
	}
	if look := " " + k.Say(theme.Key, v.Screen) + k.Say(theme.Hint, "=why"); v.Screen != "" && crumb == "" && widget.Width(line+look+filter) < w {
		line += look
	}
	cure := k.Say(theme.Hint, "; "+v.Cure)
	switch {
	case crumb != "" && v.What != "":
		line = " " + k.Say(theme.Info, crumb) + " " + line
	case crumb != "":
		line = " " + k.Say(theme.Info, crumb)
	case v.Cure != "" && widget.Width(line+cure+filter) < w:
		line += cure
	}
	return widget.Line(w, line, filter, k.Glyphs)
}

// roomyTabs is the width from which on tabs have their whole names.
const roomyTabs = 110

// tabs are the screens of this version, by their digits.
func (m *Model) tabs(w int) string {
	line, gap := "", "  "
	if w < roomyTabs {
		gap = ""
	}
	for _, s := range [...]struct {
		digit, name, short string
		id                 action.ID
	}{
		{"1", "Overview", "Overview", action.GoOverview}, {"2", "Chain", "Chain", action.GoChain}, {"3", "VIPs", "VIPs", action.GoVIPs},
		{"4", "Limits", "Limits", action.GoLimits}, {"5", "Connections", "Conns", action.GoConnections}, {"6", "Trace", "Trace", action.GoTrace}, {"7", "Capture", "Capt", action.GoCapture},
		{"8", "Handoff", "Handoff", action.GoHandoff}, {"9", "Events", "Events", action.GoEvents},
	} {
		if w < roomyTabs {
			s.name = s.short
		}
		if s.id == m.place.Screen {
			line += m.kit.Say(theme.Selection, " "+s.digit+" "+s.name+gap[:len(gap)/2]) + gap[len(gap)/2:]
			continue
		}
		name := m.kit.Say(theme.Hint, s.name)
		if s.id == action.GoLimits && m.shown != nil && page.AnyOver(m.shown) {
			name = m.kit.Say(theme.Warn, s.name+"!")
		}
		line += " " + m.kit.Say(theme.Key, s.digit) + " " + name + gap
	}
	return widget.Fit(line, w, m.kit.Glyphs)
}

// counts is the third line of a very small screen.
func (m *Model) counts(w int) string {
	if m.shown == nil {
		return ""
	}
	in, forward, drop := m.shown.Totals()
	text := fmt.Sprintf(" in %s fwd %s drop %s", widget.Number(in), widget.Number(forward), widget.Number(drop))
	return widget.Fit(text, w, m.kit.Glyphs)
}

// left is the time that is left, as minutes and seconds, and never less than none.
func left(d time.Duration) string {
	s := int(max(0, d).Round(time.Second) / time.Second)
	return fmt.Sprintf("%02d:%02d", s/60, s%60)
}
