// Package cause says of a snapshot what is wrong with the node in one sentence: since when, what it costs, what somebody
// changed just before, and where to look. It is pure, and the same for the console and for commands.
package cause

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
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

// Cause is one thing that is wrong, or worth a word.
type Cause struct {
	Level  Level
	What   string
	Since  time.Time // zero when not known
	Cure   string    // what to do; may be empty
	Screen string    // the digit of the screen that shows more; may be empty
	Costs  float64   // packets per second that are dropped for it
	Names  string    // the reason by which most of them are

	shorter  []string // What in fewer words, the most first; may be empty
	from     string   // who sends most of what is dropped, in a clause; may be empty
	vips     []string // that it is about, if more than one can be; What then begins with them
	times    int      // that it was there, if more than once
	subject  string   // what comes and goes; empty = it is there
	over     bool     // Since is when it was over
	rank     int      // among causes of one level that cost the same, the lowest first
	explains func(reason, vip string) bool
}

// Verdict is the node in one word and one sentence.
type Verdict struct {
	Cause
	More   int    // causes that are not said
	Person string // who changed something just before, and what; empty = nobody did
	After  time.Duration
}

// StaleAge is how old a snapshot may be that is shown as that of now.
const StaleAge = 4 * time.Second

// stale is why nothing new comes: what else the snapshot says is not of now.
func stale(s *engine.State) Cause {
	for _, p := range s.Problems {
		if gone, _, _ := strings.Cut(p.What, ";"); p.Key == keyGone {
			return Cause{Level: Crit, What: gone + ", packets go on without it", Since: p.Since, Cure: "hairpin run", Screen: "9"}
		}
	}
	return Cause{Level: Warn, What: "no news from the engine: these numbers are old", Since: s.Time}
}

// rules find causes, each by itself. What is dropped comes last, since others may explain it.
func rules() []func(*engine.State) []Cause {
	return []func(*engine.State) []Cause{reported, seen, near, uneven, drained, lately}
}

// Judge says how the node is: what costs most traffic first, and causes before what follows from them. now is the clock of
// the screen; a snapshot held on purpose is judged at its own time.
func Judge(s *engine.State, now time.Time) Verdict {
	if s == nil {
		return Verdict{Cause: Cause{Level: Warn, What: "no snapshot from the engine yet"}}
	}
	if now.Sub(s.Time) > StaleAge {
		return Verdict{Cause: stale(s)}
	}
	var list []Cause
	for _, rule := range rules() {
		list = append(list, rule(s)...)
	}
	list = again(list)
	list = append(list, drops(s, list)...)
	if len(list) == 0 {
		return Verdict{}
	}
	slices.SortStableFunc(list, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(b.Level, a.Level), cmp.Compare(b.Costs, a.Costs), cmp.Compare(a.rank, b.rank), a.Since.Compare(b.Since))
	})
	v := Verdict{Cause: list[0].about()}
	for _, c := range list[1:] {
		if c.Level > OK {
			v.More++
		}
	}
	if !v.over && v.Level > OK { // else nobody is to blame
		v.Person, v.After = changedBefore(s, v.Since)
	}
	return v
}

// Sentence is the cause, what it costs, since when, who changed something just before, and how many more there are, in at
// most w cells if it can be said in them: what can be seen elsewhere is left out first.
func (v Verdict) Sentence(now time.Time, w int) string {
	if v.What == "" {
		return "all is well"
	}
	more := ""
	if v.More > 0 {
		more = fmt.Sprintf(" (+%d more)", v.More)
	}
	whats := v.whats()
	for _, ways := range v.since(now) {
		for _, what := range whats {
			for _, since := range ways {
				if text := what + since + more; widget.Width(text) <= w {
					return text
				}
			}
		}
	}
	for _, what := range whats {
		if text := what + more; widget.Width(text) <= w {
			return text
		}
	}
	return whats[len(whats)-1] + more
}

// whats are ways to say what it is and costs, the longest first: with who sends it, then without.
func (v Verdict) whats() (list []string) {
	for _, what := range append([]string{v.What}, v.shorter...) {
		if v.Costs > 0 && v.Names != "" {
			what, costs := strings.TrimSuffix(what, ", they are dropped"), "dropping "+widget.Number(v.Costs)+"/s"
			list = append(list, what+", "+costs+" ("+v.Names+")", what+", "+costs)
			continue
		}
		list = append(list, what)
	}
	if v.from == "" {
		return list
	}
	var all []string
	for _, what := range list {
		all = append(all, what+v.from)
	}
	return append(all, list...)
}

// since are ways to say since when, the longest first: with whoever changed something just before, then without.
func (v Verdict) since(now time.Time) [][]string {
	if v.Since.IsZero() {
		return [][]string{{""}}
	}
	age := widget.Age(now.Sub(v.Since))
	switch long := " for " + age; {
	case v.subject != "":
		return [][]string{{", last " + age + " ago"}}
	case v.over:
		return [][]string{{", " + age + " ago"}}
	case v.times > 1:
		return [][]string{{long + ", " + nth(v.times) + " time"}, {long}}
	case v.Person == "":
		return [][]string{{long}}
	default:
		at, after := " since "+v.Since.Format(time.TimeOnly)+", ", widget.Age(v.After)+" after "
		if v.After < time.Second {
			after = "just after "
		}
		gen, short := strings.Replace(v.Person, " generation ", " gen ", 1), strings.Replace(v.Person, " applied generation ", "'s gen ", 1)
		return [][]string{{at + after + v.Person, at + after + gen, long + ", " + after + gen, long + ", after " + short}, {", after " + short}, {long}}
	}
}

// nth is a number that counts: 2nd.
func nth(n int) string {
	end := "th"
	if n%100 < 11 || n%100 > 13 {
		end = map[int]string{1: "st", 2: "nd", 3: "rd"}[n%10]
	}
	if end == "" {
		end = "th"
	}
	return fmt.Sprint(n, end)
}
