package page

import (
	"fmt"
	"strings"
	"time"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Handoff is the screen of who owns the node, and of how it goes to another process: each step with its time, and by what the
// successor is watched.
type Handoff struct{}

// NewHandoff has nothing to remember.
func NewHandoff() *Handoff { return &Handoff{} }

// Scope is the handoff's own.
func (p *Handoff) Scope() action.Scope { return action.Handoff }

// Crumb names the screen, and how the handoff stands.
func (p *Handoff) Crumb(v View) string {
	h := v.State.Handoff
	switch {
	case h == nil:
		return "Handoff"
	case !h.Over():
		return fmt.Sprintf("Handoff > step %d of %d: %s", h.At()+1, len(h.Steps), h.Steps[h.At()].Name)
	}
	return "Handoff > " + string(h.Outcome)
}

// Hints for the footer.
func (p *Handoff) Hints() []action.ID {
	return []action.ID{action.HandOver, action.GoBack, action.Arm, action.GoEvents, action.Palette, action.Help, action.Back}
}

// Enter leaves everything as it was.
func (p *Handoff) Enter(Place) {}

// Sync has nothing to follow: all is drawn from the snapshot.
func (p *Handoff) Sync(View) {}

// Act goes up.
func (p *Handoff) Act(id action.ID, _ View) Move {
	return Move{Up: id == action.Back || id == action.Cancel}
}

// SetFilter does nothing: there are seven steps, and all of them count.
func (p *Handoff) SetFilter(Filter) {}

// Filter is never in force.
func (p *Handoff) Filter() Filter { return Filter{} }

// Target is nothing that an action could change.
func (p *Handoff) Target() Target { return Target{} }

// Copy is the handoff in words.
func (p *Handoff) Copy(v View) string {
	h := v.State.Handoff
	if h == nil {
		return ""
	}
	lines := []string{fmt.Sprintf("%s %s to %s: %s", h.Began.Format("2006-01-02 15:04:05"), party(h.From), party(h.To), handoffWord(h))}
	for i, s := range h.Steps {
		lines = append(lines, fmt.Sprintf("%d %s %s %s", i+1, s.Name, stepWord(h, i), stepTime(s, v.Now)))
	}
	return strings.Join(lines, "\n")
}

func party(p engine.Party) string {
	if p.Version == "" {
		return fmt.Sprintf("pid %d", p.PID)
	}
	return fmt.Sprintf("pid %d, %s", p.PID, p.Version)
}

// handoffWord is how it stands, in a clause.
func handoffWord(h *engine.Handoff) string {
	switch h.Outcome {
	case engine.HandoffGoesOn:
		return "goes on"
	case engine.HandoffConfirmed:
		return "confirmed"
	}
	return string(h.Outcome) + ": " + h.Fault
}

// stepWord is how a step stands.
func stepWord(h *engine.Handoff, i int) string {
	switch s := h.Steps[i]; {
	case s.Done:
		return "ok"
	case s.Began.IsZero():
		return "-"
	case h.Over():
		return "FAIL"
	}
	return ".."
}

func stepTime(s engine.HandoffStep, now time.Time) string {
	took := s.Took
	switch {
	case s.Began.IsZero():
		return ""
	case took == 0 && !s.Done:
		took = max(0, now.Sub(s.Began))
	}
	if took < time.Second {
		return fmt.Sprintf("%.1f ms", float64(took)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.1f s", took.Seconds())
}

// Draw is who owns the node, the steps, what is watched, and what happens next.
func (p *Handoff) Draw(k Kit, v View, w, h int) []string {
	owner := p.owner(k, v, w)
	parts := []part{{rank: 1, need: len(owner), want: len(owner), draw: func(int) []string { return owner }}}
	if now := v.State.Handoff; now != nil {
		end := p.end(k, v, now, w)
		parts = append(parts,
			part{rank: 0, need: len(now.Steps), want: len(now.Steps), draw: func(h int) []string { return p.steps(k, v, now, w, h) }},
			part{rank: 3, need: 1 + len(now.Figures), want: 1 + len(now.Figures), draw: func(h int) []string { return p.figures(k, now, w, h) }},
			part{rank: 2, need: len(end), want: len(end), draw: func(int) []string { return end }})
	}
	return stack(k, w, h, parts)
}

// owner is who owns the node, or between whom it goes over.
func (p *Handoff) owner(k Kit, v View, w int) []string {
	h := v.State.Handoff
	if h == nil {
		text := fmt.Sprintf("pid %d, %s, owns the node since %s, epoch %d", v.State.PID, v.State.Version, v.State.Since.Format(time.DateTime), v.State.Epoch)
		if v.State.PID == 0 {
			text = "no engine runs on this node: there is nobody to hand it over"
		}
		out := []string{" " + k.Say(theme.Title, text), ""}
		for _, s := range engine.HandoffSteps() {
			out = append(out, " "+k.Say(theme.Dim, fmt.Sprintf("%-10s %s", s.Name, s.Detail)))
		}
		return out
	}
	line := " " + k.Say(theme.Title, party(h.From)) + k.Say(theme.Dim, " to ") + k.Say(theme.Title, party(h.To)) +
		k.Say(theme.Dim, fmt.Sprintf("  since %s, for %s", clock(h.Began, v.Now), h.Who))
	if h.Why != "" {
		line += k.Say(theme.Dim, ": "+h.Why)
	}
	return []string{widget.Fit(line, w, k.Glyphs)}
}

func (p *Handoff) steps(k Kit, v View, h *engine.Handoff, w, room int) []string {
	var out []string
	for i, s := range h.Steps {
		word := stepWord(h, i)
		token := map[string]theme.Token{"ok": theme.OK, "FAIL": theme.Crit, "..": theme.Staged}[word]
		if token == "" {
			token = theme.Dim
		}
		line := " " + k.Say(theme.Text, fmt.Sprint(i+1)) + " " + k.Say(token, fmt.Sprintf("%-4s", word)) + " " +
			k.Say(theme.Text, fmt.Sprintf("%-10s", s.Name)) + k.Say(theme.Text, fmt.Sprintf("%9s  ", stepTime(s, v.Now))) + k.Say(theme.Dim, s.Detail)
		out = append(out, widget.Fit(line, w, k.Glyphs))
	}
	return widget.Fill(out, w, room, k.Glyphs)
}

// figures are what the successor is watched by, beside what was before.
func (p *Handoff) figures(k Kit, h *engine.Handoff, w, room int) []string {
	if len(h.Figures) == 0 {
		return widget.Fill([]string{" " + k.Say(theme.Dim, fmt.Sprintf("watched for %s once live: drops, forwarding, chains, clients' resets and SYN repeats", h.Watch))},
			w, room, k.Glyphs)
	}
	out := []string{" " + k.Say(theme.Title, fmt.Sprintf("%-12s%10s%10s%14s", "SHARE", "BEFORE", "NOW", "LIMIT"))}
	for _, f := range h.Figures {
		token, bound := theme.Text, "at most "
		if f.AtLeast {
			bound = "at least "
		}
		if f.Exceeded {
			token = theme.Crit
		}
		out = append(out, " "+k.Say(token, fmt.Sprintf("%-12s%10s%10s%14s", f.Name, widget.Percent(f.Before), widget.Percent(f.Now), bound+widget.Percent(f.Limit))))
	}
	return widget.Fill(out, w, room, k.Glyphs)
}

// end is what came of it, or what will when nobody does anything.
func (p *Handoff) end(k Kit, v View, h *engine.Handoff, w int) []string {
	var out []string
	say := func(token theme.Token, text string) {
		for _, line := range widget.Wrap(widget.Clean(text), w-2) {
			out = append(out, " "+k.Say(token, line))
		}
	}
	switch {
	case h.Outcome == engine.HandoffConfirmed:
		say(theme.OK, fmt.Sprintf("confirmed at %s: %s owns the node", clock(h.Ended, v.Now), party(h.To)))
	case h.Over():
		say(theme.Crit, fmt.Sprintf("%s at %s: %s owns the node as before", h.Outcome, clock(h.Ended, v.Now), party(h.From)))
		say(theme.Warn, h.Fault)
	case !h.Deadline.IsZero():
		say(theme.Staged, fmt.Sprintf("if both processes die, the kernel goes back by itself in %s", widget.Age(h.Deadline.Sub(v.Now))))
	default:
		say(theme.Dim, "nothing is switched yet: whatever fails leaves the owner in charge")
	}
	return out
}
