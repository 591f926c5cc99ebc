package page

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"hairpin/engine"
	"hairpin/ui/widget"
)

// Level is how bad it is.
type Level int

// Levels, best first.
const (
	OK Level = iota
	Warn
	Crit
)

// String is the word that the first line begins with.
func (l Level) String() string { return [...]string{"OK", "WARN", "CRIT"}[l] }

// Verdict is the node in one word and one sentence.
type Verdict struct {
	Level Level
	Cause string    // empty when all is well
	Since time.Time // zero when not known
	More  int       // causes that are not said
	Cure  string    // what to do; may be empty
}

// What counts as worth a word, as shares of what comes in.
const (
	dropWarn  = 0.01
	dropCrit  = 0.10
	dropFloor = 10.0 // packets per second: less than that is nobody's incident
	StaleAge  = 4 * time.Second
)

// Judge says how the node is: the engine's own problems first, then what the snapshot itself shows, then drops. now
// is the clock of the screen; a snapshot held on purpose is judged at its own time.
func Judge(s *engine.State, now time.Time) Verdict {
	if s == nil {
		return Verdict{Level: Warn, Cause: "no snapshot from the engine yet"}
	}
	if age := now.Sub(s.Time); age > StaleAge {
		return Verdict{Level: Warn, Cause: "no news from the engine: these numbers are old", Since: s.Time}
	}
	causes := reported(s)
	if len(causes) == 0 {
		causes = seen(s)
	}
	drop, dropping := drops(s)
	if len(causes) == 0 {
		if dropping {
			return drop
		}
		return Verdict{}
	}
	slices.SortStableFunc(causes, func(a, b Verdict) int {
		return cmp.Or(cmp.Compare(b.Level, a.Level), a.Since.Compare(b.Since))
	})
	v := causes[0]
	v.More = len(causes) - 1
	if dropping {
		v.Level = max(v.Level, drop.Level)
		v.Cause += ", " + drop.Cause
	}
	return v
}

// reported are the engine's own problems.
func reported(s *engine.State) []Verdict {
	var out []Verdict
	for _, p := range s.Problems {
		level := Warn
		if p.Severity == "crit" {
			level = Crit
		}
		out = append(out, Verdict{Level: level, Cause: p.What, Since: p.Since, Cure: p.Cure})
	}
	return out
}

// seen is what the snapshot shows by itself when nobody named a problem.
func seen(s *engine.State) []Verdict {
	var out []Verdict
	for _, n := range s.NICs {
		if n.State != "attached" {
			out = append(out, Verdict{Level: Crit, Cause: joinWhy(n.Name+" is "+n.State, n.Why)})
		}
	}
	for _, v := range s.VIPs {
		_, down, total := Live(v)
		switch {
		case v.Empty:
			out = append(out, Verdict{Level: Crit, Cause: v.Name + ": no backend takes new flows"})
		case down > 0:
			out = append(out, Verdict{Level: Warn, Cause: fmt.Sprintf("%s: %d/%d backends down", v.Name, down, total)})
		}
	}
	if s.Role == engine.Pins {
		out = append(out, Verdict{Level: Warn, Cause: "no engine runs; the data path goes on by itself"})
	}
	if len(s.NICs) == 0 {
		out = append(out, Verdict{Level: Warn, Cause: "nothing is attached to this node", Cure: "hairpin apply -f spec.yaml"})
	}
	return out
}

func joinWhy(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}

// Live counts the backends of a VIP that the spec still has: those that take new flows, those that are down, all.
func Live(v engine.VIP) (up, down, total int) {
	for _, b := range v.Backends {
		if b.Gone {
			continue
		}
		total++
		switch b.State {
		case "up":
			up++
		case "down":
			down++
		}
	}
	return up, down, total
}

// drops says what is dropped when it is more than a node drops on a quiet day, and since when, as far as the history
// of the biggest reason goes back.
func drops(s *engine.State) (Verdict, bool) {
	in, out := incoming(s), 0.0
	var top engine.Reason
	for _, r := range s.Reasons {
		if r.Verdict != "drop" {
			continue
		}
		out += r.PPS
		if r.PPS > top.PPS {
			top = r
		}
	}
	limit := math.Max(dropFloor, in*dropWarn)
	if out < limit {
		return Verdict{}, false
	}
	v := Verdict{Level: Warn, Cause: fmt.Sprintf("dropping %s/s (%s)", widget.Number(out), top.Name)}
	if out >= in*dropCrit {
		v.Level = Crit
	}
	if n := runLength(top.History, limit/2); n < len(top.History) {
		v.Since = s.Time.Add(-time.Duration(n) * time.Second)
	}
	return v, true
}

// runLength is how many of the newest samples lie at or above the limit without a gap.
func runLength(history []float64, limit float64) int {
	n := 0
	for n < len(history) && history[len(history)-1-n] >= limit {
		n++
	}
	return n
}

// Sentence is the second line: the cause, since when, and how many more there are.
func (v Verdict) Sentence(now time.Time) string {
	if v.Cause == "" {
		return "all is well"
	}
	text := v.Cause
	if !v.Since.IsZero() {
		text += " for " + widget.Age(now.Sub(v.Since))
	}
	if v.More > 0 {
		text += fmt.Sprintf(" (+%d more)", v.More)
	}
	return text
}
