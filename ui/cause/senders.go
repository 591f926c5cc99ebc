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
	case EverNew(w):
		return ", ever new sources"
	}
	return ""
}

// EverNew tells whether hardly an address sends twice. A flood under made-up addresses is so; customers come again.
func EverNew(w *engine.Senders) bool {
	return w.Samples >= sampled && float64(w.Addresses) >= ever*float64(w.Samples)
}
