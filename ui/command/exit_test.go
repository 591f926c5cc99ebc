package command

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"hairpin/engine"
	"hairpin/engine/spec"
)

// TestExplained: scripts branch on the code, people on the cure.
func TestExplained(t *testing.T) {
	for _, row := range []struct {
		err  error
		root bool
		code int
		cure string
	}{
		{errors.New("pin program: no space left"), true, exitFailed, ""},
		{fmt.Errorf("dial: %w", fs.ErrPermission), false, exitFailed, "run it as root"},
		{fmt.Errorf("dial: %w", fs.ErrPermission), true, exitFailed, ""},
		{fmt.Errorf("plan: %w: no such NIC", engine.ErrInvalid), true, exitUsage, ""},
		{fmt.Errorf("plan: %w", &spec.Error{Doing: "check", Faults: []spec.Fault{{Text: "empty"}}}), true, exitUsage, ""},
		{fmt.Errorf("dial: %w", engine.ErrNoOwner), true, exitAbsent, startEngine},
		{fmt.Errorf("apply: %w", engine.ErrStale), true, exitRefused, ""},
		{fmt.Errorf("open: %w", engine.ErrRefused), true, exitRefused, ""},
		{fmt.Errorf("confirm: %w", engine.ErrLate), true, exitRefused, ""},
		{errors.Join(&failure{exitUsage, errors.New("no spec"), "name one"}, errors.New("close: gone")), true, exitUsage, "name one"},
	} {
		f := explained(row.err, row.root)
		if f.code != row.code || !errors.Is(f, row.err) || !strings.Contains(f.Error(), row.cure) || row.cure == "" && f.Error() != row.err.Error() {
			t.Errorf("%v ends with %d and %q, want %d and %q", row.err, f.code, f, row.code, row.cure)
		}
	}
}
