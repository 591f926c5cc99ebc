package reason

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write deploy/RUNBOOK.md anew")

// TestRunbook: every reason has a whole paragraph, and the file that goes with the binary has the same.
func TestRunbook(t *testing.T) {
	text := Runbook()
	for _, r := range All() {
		if r.look() == "" || r.do() == "" {
			t.Errorf("%s: runbook.go says nothing of what to look at (usual), or of what to do (advised)", r.Name)
		}
		if n := strings.Count(text, "\n### "+r.Name+"\n"); n != 1 {
			t.Errorf("%s has %d paragraphs", r.Name, n)
		}
	}
	for name := range advised {
		if _, ok := ByName(name); !ok {
			t.Errorf("there is advice about %s, which is no reason", name)
		}
	}
	if n := strings.Count(text, "**Do:**"); n != len(All()) {
		t.Errorf("%d paragraphs of %d reasons", n, len(All()))
	}
	const file = "../../deploy/RUNBOOK.md"
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(file)
	if err != nil || string(kept) != text {
		t.Errorf("%s is not what the reasons say (%v): go test ./engine/reason -run TestRunbook -update", file, err)
	}
}
