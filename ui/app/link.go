package app

import (
	"time"

	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// slowLink is from when on the way between node and person is worth a word: keys then act on what was seen before.
const slowLink = 400 * time.Millisecond

// link is how long the terminal takes to answer. The zero value is not known.
type link struct {
	last time.Duration
	slow bool
}

// took takes a measurement. One that is slow between quick ones is no news; the first of a session is, and two in a row.
func (l *link) took(m *Model, d time.Duration) {
	first, before := l.last == 0, l.last
	was := l.slow
	switch l.last = d; {
	case d < slowLink:
		l.slow = false
	case first || before >= slowLink:
		l.slow = true
	}
	if l.slow && !was {
		m.say(theme.Warn, "slow link: what you see is about %s old, and so is what a key acts on", delay(d))
	}
}

// word is what the first line says about it; empty when there is nothing to say.
func (l link) word() string {
	if !l.slow {
		return ""
	}
	return "LINK " + delay(l.last)
}

func delay(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return widget.Age(d)
}
