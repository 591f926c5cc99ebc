package engine

import (
	"errors"
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

// TestContained: where a successor would be killed as this process ends, none is started.
func TestContained(t *testing.T) {
	o := &owner{options: Options{Contained: true, Successor: func(string) *exec.Cmd { return nil }}}
	if err := o.mayHandOver(&HandoffRequest{}); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "replace the container") {
		t.Error(err)
	}
	if err := o.mayHandOver(&HandoffRequest{Socket: "/run/console"}); err == nil || strings.Contains(err.Error(), "container") {
		t.Errorf("to a console that runs already: %v", err)
	}
}
