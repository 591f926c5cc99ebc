package page

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"hairpin/engine"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// happened are the problems, then what happened, newest first.
func happened(k Kit, v View, w, h int) []string {
	title := " EVENTS"
	if n := len(v.State.Problems); n > 0 {
		title = fmt.Sprintf(" PROBLEMS %d, EVENTS", n)
	}
	out := []string{k.Say(theme.Title, title)}
	for _, p := range worstFirst(v.State.Problems) {
		line := p.What
		if p.Cure != "" {
			line += "; " + p.Cure
		}
		out = append(out, eventLine(k, v.Now, p.Since, p.Severity, "", line))
	}
	for i := len(v.State.Events) - 1; i >= 0 && len(out) < h; i-- {
		e := v.State.Events[i]
		if toldAbove(v.State.Problems, e) {
			continue
		}
		out = append(out, eventLine(k, v.Now, e.Time, e.Severity, e.Who, e.What))
	}
	if len(out) == 1 {
		out = append(out, k.Say(theme.Dim, " nothing happened yet"))
	}
	return widget.Fill(out, w, h, k.Glyphs)
}

// toldAbove tells of an event by which a problem began that lasts. What it said first may have been another number since.
func toldAbove(problems []engine.Problem, e engine.Event) bool {
	return e.Who == "engine" && slices.ContainsFunc(problems, func(p engine.Problem) bool {
		return p.Since.Equal(e.Time) && p.Severity == e.Severity && subject(p.What) == subject(e.What)
	})
}

// subject is what a sentence is about.
func subject(text string) string {
	about, _, _ := strings.Cut(text, ": ")
	about, _, _ = strings.Cut(about, " (")
	return about
}

// worstFirst leaves the order among equals as the engine gave it.
func worstFirst(list []engine.Problem) []engine.Problem {
	return slices.SortedStableFunc(slices.Values(list), func(a, b engine.Problem) int {
		return strings.Compare(a.Severity, b.Severity) // "crit" comes before "warn"
	})
}

func eventLine(k Kit, now, at time.Time, sev, who, what string) string {
	line := " " + k.Say(theme.Dim, clock(at, now)) + " " +
		k.Say(severity(sev), widget.Fit(strings.ToUpper(sev), 5, k.Glyphs)) + " "
	if who != "" {
		line += k.Say(theme.Dim, widget.Fit(widget.Clean(who), 8, k.Glyphs)) + " "
	}
	return line + k.Say(theme.Text, what)
}

// clock is a time of today, or the day of an older one, in eight cells.
func clock(at, now time.Time) string {
	switch {
	case at.IsZero():
		return "       -"
	case now.Sub(at) < 24*time.Hour:
		return at.Format("15:04:05")
	}
	return at.Format("Jan02   ")
}
