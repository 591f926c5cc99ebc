package cause

import (
	"fmt"

	"hairpin/engine"
	"hairpin/ui/widget"
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
		return fmt.Sprintf(", %s of %s", widget.Percent(float64(w.NetPackets)/float64(max(w.Packets, 1))), w.Net.Addr())
	case w.Net.IsValid():
		return fmt.Sprintf(", from %s", w.Net)
	case everNew(w.Addresses, w.Samples):
		return ", ever new sources"
	}
	return ""
}

// everNew tells whether hardly an address sends twice.
func everNew(addresses, samples int) bool {
	return samples >= sampled && float64(addresses) >= ever*float64(samples)
}

// Refused is in a sentence whom a limit refuses, by samples; empty where there are too few. A flood under made-up addresses
// never repeats one, customers try again.
func Refused(s *engine.State, l engine.Limit) string {
	for _, r := range s.Reasons {
		w := r.Senders
		if r.Name != reasonOf(l) || w == nil || w.Samples < sampled || l.Over.PPS == 0 {
			continue
		}
		text := fmt.Sprintf("%d of %d packets refused lately were sampled, from %d addresses", w.Samples, w.Packets, w.Addresses)
		addresses, samples := w.Addresses, w.Samples
		if w.Net.IsValid() {
			text += fmt.Sprintf(", %d of %s", w.NetAddresses, w.Net)
			addresses, samples = w.NetAddresses, w.NetSamples
		}
		if everNew(addresses, samples) {
			text += "; hardly one of those comes twice, as in a flood under made-up addresses"
		}
		return text
	}
	return ""
}
