package engine

import (
	"encoding/json"
	"testing"
)

// TestMetersTravel: whatever is counted goes along with a handoff; one kind that could not would stop it.
func TestMetersTravel(t *testing.T) {
	t.Parallel()
	for kind := range lastMeter {
		was := meterKey{kind: kind, chain: 1, id: 2, word: "w"}
		text, err := json.Marshal(was)
		if err != nil {
			t.Errorf("kind %d: %v", kind, err)
			continue
		}
		var is meterKey
		if err := json.Unmarshal(text, &is); err != nil || is != was {
			t.Errorf("%+v travelled as %s and is %+v: %v", was, text, is, err)
		}
	}
}
