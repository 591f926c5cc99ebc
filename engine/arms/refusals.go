package arms

import (
	"fmt"
	"time"
)

const (
	// quiet is how long the repeats of a refusal are only counted.
	quiet = 30 * time.Second
	// mostKinds bounds how many kinds of refusals are told apart at a time.
	mostKinds = 64
)

// Refusals makes one line of many refusals, so that one who asks without end fills no journal. The zero value is ready. It
// is not for several goroutines at once.
type Refusals struct {
	kinds map[kind]*repeats
}

// kind is what makes a refusal one like another.
type kind struct{ who, from, what string }

type repeats struct {
	text  string // of the last
	count int    // since the last line
	line  time.Time
}

// Line is a refusal for the journal.
type Line struct{ Who, Text string }

// Add notes that what p asked for was refused, with the words that it was told. It tells whether a line is due.
func (r *Refusals) Add(p Party, what, text string, now time.Time) bool {
	if r.kinds == nil {
		r.kinds = map[kind]*repeats{}
	}
	k := kind{p.Who, p.From, what}
	if r.kinds[k] == nil && len(r.kinds) >= mostKinds {
		k = kind{who: "others"}
	}
	if r.kinds[k] == nil {
		r.kinds[k] = &repeats{}
	}
	n := r.kinds[k]
	n.text = text
	n.count++
	return now.Sub(n.line) >= quiet
}

// Due is the lines that are to be written now, and forgets what was refused long ago.
func (r *Refusals) Due(now time.Time) []Line {
	var lines []Line
	for k, n := range r.kinds {
		switch {
		case now.Sub(n.line) < quiet:
			continue
		case n.count == 0:
			delete(r.kinds, k)
			continue
		}
		text := n.text
		if k.from != "" {
			text = "from " + k.from + ": " + text
		}
		if n.count > 1 {
			text += fmt.Sprintf(" (%d times)", n.count)
		}
		lines = append(lines, Line{k.who, text})
		n.count, n.line = 0, now
	}
	return lines
}
