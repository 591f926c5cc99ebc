package command

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"hairpin/engine"
)

// TestConsole: the console gets the engine that runs or one of its own, and what it ends with is the exit code.
func TestConsole(t *testing.T) {
	for _, row := range []struct {
		name  string
		node  string
		args  []string
		end   error
		armed bool
		asked string
		code  int
	}{
		{"watches the engine that runs", "balanced", nil, nil, false, "", 0},
		{"owns a node without one", "pins", nil, nil, false, "open\nclose\n", 0},
		{"opens armed when asked", "balanced", []string{"--armed"}, nil, true, "", 0},
		{"releases its engine when the screen is lost", "pins", nil, errors.New("terminal is gone"), false, "open\nclose\n", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			var asked, stderr bytes.Buffer
			node, err := fakes(row.node, &asked)
			if err != nil {
				t.Fatal(err)
			}
			var shown *Console
			tree := &tree{engines: node, Env: Env{Terminal: true, Stderr: &stderr}}
			tree.Console = func(_ context.Context, n engine.Node, o Console) error {
				if n != engine.Node(node) {
					t.Errorf("the console shows %v", n)
				}
				shown = &o
				return row.end
			}
			if code := execute(t.Context(), tree, row.args); code != row.code {
				t.Errorf("exit code %d: %s", code, &stderr)
			}
			if shown == nil || shown.Armed != row.armed {
				t.Errorf("the console was opened with %+v", shown)
			}
			if asked.String() != row.asked {
				t.Errorf("the node was asked to %q, want %q", &asked, row.asked)
			}
		})
	}
}
