package cause

import (
	"fmt"

	"hairpin/engine"
)

const (
	sampled = 16  // samples of which something can be said
	ever    = 0.8 // different addresses among them: hardly one comes twice
)

// sentBy is, in a clause, who sends what is dropped by a reason, where the samples say so; else empty.
func sentBy(s *engine.State, name string) string {
	for _, r := range s.Reasons {
		if w := r.Senders; r.Name == name && w != nil && w.Samples >= sampled {
			return senderWords(w)
		}
	}
	return ""
}

func senderWords(w *engine.Senders) string {
	switch {
	case w.Net.IsSingleIP():
		return fmt.Sprintf(", >90%% of %s", w.Net.Addr())
	case w.Net.IsValid():
		return fmt.Sprintf(", >90%% of %s", w.Net)
	case everNew(w):
		return ", ever new sources"
	}
	return ""
}

// everNew tells whether hardly an address sends twice.
func everNew(w *engine.Senders) bool {
	return w.Samples >= sampled && float64(w.Addresses) >= ever*float64(w.Samples)
}

// Refused is in a sentence whom a limit refuses, by samples; empty where there are too few. A flood under made-up addresses
// never repeats one, customers try again.
func Refused(s *engine.State, l engine.Limit) string {
	for _, r := range s.Reasons {
		w := r.Senders
		if r.Name != reasonOf(l) || w == nil || w.Samples < sampled || l.Over.PPS == 0 {
			continue
		}
		text := fmt.Sprintf("%d packets were sampled of those refused, from %d addresses", w.Samples, w.Addresses)
		if w.Net.IsValid() {
			text += fmt.Sprintf(", nine in ten of %s", w.Net)
		}
		if everNew(w) {
			text += "; hardly one comes twice, as in a flood under made-up addresses"
		}
		return text
	}
	return ""
}
