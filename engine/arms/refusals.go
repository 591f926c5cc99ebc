package arms

import (
	"fmt"
	"time"
)

const (
	// A refusal that repeats is a line again after soon, and then each time after twice as long, up to late. It is a new one
	// when it has not come for late.
	soon = 30 * time.Second
	late = time.Hour
	// Bounds of how many kinds of refusals are told apart, of one user and of all.
	mostOfOne = 8
	mostOfAll = 64
)

// Refusals makes few lines of many refusals, so that one who asks without end, and for something else each time, does not
// drown what else a journal says. The zero value is ready. It is not for several goroutines at once.
type Refusals struct {
	kinds map[kind]*repeats
}

// kind is what makes a refusal one like another.
type kind struct{ who, from, text string }

type repeats struct {
	text  string // of the last
	count int    // since the last line
	came  time.Time
	line  time.Time
	pause time.Duration // from that line to the next
}

func (r *repeats) due(now time.Time) bool { return r.count > 0 && now.Sub(r.line) >= r.pause }

// Line is a refusal for the journal.
type Line struct{ Who, Text string }

// Add notes that p was refused something with these words. It tells whether a line is due.
func (r *Refusals) Add(p Party, text string, now time.Time) bool {
	if r.kinds == nil {
		r.kinds = map[kind]*repeats{}
	}
	k := r.room(kind{p.Who, p.From, text})
	if r.kinds[k] == nil {
		r.kinds[k] = &repeats{}
	}
	n := r.kinds[k]
	n.text, n.came = text, now
	n.count++
	return n.due(now)
}

// room is k, or what stands for many where there is no room for it.
func (r *Refusals) room(k kind) kind {
	if r.kinds[k] != nil {
		return k
	}
	his := 0
	for other := range r.kinds {
		if other.who == k.who {
			his++
		}
	}
	switch {
	case len(r.kinds) >= mostOfAll:
		return kind{who: "others"}
	case his >= mostOfOne:
		return kind{who: k.who}
	}
	return k
}

// Due is the lines that are to be written now. It forgets what was refused long ago.
func (r *Refusals) Due(now time.Time) []Line {
	var lines []Line
	for k, n := range r.kinds {
		if now.Sub(n.came) >= late && n.count == 0 {
			delete(r.kinds, k)
		}
		if !n.due(now) {
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
		n.count, n.line, n.pause = 0, now, min(max(soon, 2*n.pause), late)
	}
	return lines
}
