package cause

import (
	"fmt"
	"time"

	"hairpin/engine"
	"hairpin/ui/widget"
)

// Believed says in a few words whether what the source of a VIP's backends says is believed.
func Believed(f *engine.FoundBy, now time.Time) (text string) {
	switch {
	case f.Error != "":
		text = fmt.Sprintf("silent for %s: %s", widget.Age(now.Sub(f.Failing)), f.Error)
	case f.Held.IsZero() && f.Answered.IsZero():
		text = "not asked"
	case f.Held.IsZero():
		text = "believed"
	case f.Until.IsZero():
		text = fmt.Sprintf("not believed: %d stay until somebody accepts it", f.Missing)
	default:
		text = fmt.Sprintf("not believed until %s: %d stay", f.Until.Format(time.TimeOnly), f.Missing)
	}
	if f.Left != "" {
		text += "; left out: " + f.Left
	}
	return text
}
