package engine

import (
	"os/exec"
	"strings"
	"testing"
)

// TestSuccessorEndsAtOnce: of a successor that is gone before it says a word, it is said how it ended.
func TestSuccessorEndsAtOnce(t *testing.T) {
	for _, row := range []struct{ script, want string }{
		{"exit 3", "the successor: the other process is gone: /bin/sh ended with exit status 3"},
		{"kill -9 $$", "ended with signal: killed"},
	} {
		h := &handing{ended: make(chan struct{})}
		if err := h.start(exec.Command("/bin/sh", "-c", row.script)); err != nil {
			t.Fatal(err)
		}
		_, err := h.hear()
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", row.script, err)
		}
		h.dismiss(err)
	}
}
