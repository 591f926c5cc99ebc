package command

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine"
	"hairpin/engine/spec"
)

// realEngines is this node.
type realEngines struct{}

func (realEngines) open(ctx context.Context, o engine.Options) (engine.Node, error) {
	drop(o)
	return engine.Start(ctx, withSuccessor(ctx, o))
}

func (realEngines) join(ctx context.Context, o engine.Options) (engine.Node, error) {
	o.Drop = sync.OnceFunc(func() { drop(o) }) // whoever only looks needs what he has, to read files that are his
	return engine.Join(ctx, withSuccessor(ctx, o))
}

func (realEngines) succeed(ctx context.Context, o engine.Options, stream uintptr) (engine.Node, error) {
	drop(o)
	return engine.Succeed(ctx, withSuccessor(ctx, o), stream)
}

// drop gives up the privileges that no engine needs.
func drop(o engine.Options) {
	if err := engine.DropPrivileges(o.Paths); err != nil {
		o.Log.Warn("the engine runs with more privileges than it needs", "error", err)
	}
}

// withSuccessor lets an engine of this process hand the node over to "hairpin run".
func withSuccessor(ctx context.Context, o engine.Options) engine.Options {
	program, err := os.Executable() // now: later another file may be there, which is the one that is meant
	if err != nil {
		return o
	}
	p := o.Paths
	args := []string{"run", "--succeed", "3", "--config", p.Config, "--state", p.State, "--run", p.Run, "--bpffs", p.BPFFS, "--node", p.Node}
	if o.Observers {
		args = append(args, "--observers")
	}
	args = append(args, o.Arguments...)
	o.Stays = !o.Log.Enabled(ctx, slog.LevelError) // there is a screen, and somebody who looks at it
	o.Contained = os.Getpid() == 1                 // the kernel ends a container with its first process
	o.Successor = func(binary string) *exec.Cmd {
		cmd := exec.Command(cmp.Or(binary, program), args...)
		cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "WATCHDOG_PID=") }) // that is not it
		if o.Stays {
			cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true} // the terminal must not take it along
		} else {
			cmd.Stderr = os.Stderr
		}
		return cmd
	}
	return o
}

func (realEngines) dial(ctx context.Context, p engine.Paths) (engine.Node, error) {
	return engine.Dial(ctx, p)
}

func (realEngines) observe(p engine.Paths) (*engine.State, error) { return engine.Observe(p) }

func (realEngines) diagnose(p engine.Paths, s *spec.Spec) *engine.Diagnosis {
	return engine.Diagnose(p, s, time.Now())
}

func (realEngines) recording(p engine.Paths) (*engine.Recording, error) {
	return engine.OpenRecording(p)
}

func (realEngines) kept(p engine.Paths) ([]engine.Change, string, error) {
	return engine.ReadHistory(p)
}

func (realEngines) remove(p engine.Paths) error { return engine.Remove(p) }
