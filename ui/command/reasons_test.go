package command

import (
	"strings"
	"testing"

	"hairpin/engine/reason"
)

// TestReasonsHelp: nobody has to look into the source to learn what a reason means.
func TestReasonsHelp(t *testing.T) {
	text := reasonsText()
	for _, r := range reason.All() {
		if !strings.Contains(text, "\n  "+r.Name+" ") || !strings.Contains(text, r.Doc) || !strings.Contains(text, r.Cure) {
			t.Errorf("help reasons does not explain %s", r.Name)
		}
	}
}
