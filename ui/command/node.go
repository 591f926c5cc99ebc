package command

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"hairpin/engine"
	"hairpin/engine/spec"
)

// engines is what commands ask of package engine; tests put a fake node in its place.
type engines interface {
	// open makes this process the owner of the node.
	open(ctx context.Context, o engine.Options) (engine.Node, error)
	// join observes the engine that runs, and may take the node over from it.
	join(ctx context.Context, o engine.Options) (engine.Node, error)
	// succeed makes this process the owner after the one at the other end of a stream.
	succeed(ctx context.Context, o engine.Options, stream uintptr) (engine.Node, error)
	// dial reaches the engine that owns the node.
	dial(ctx context.Context, p engine.Paths) (engine.Node, error)
	// observe reads the node from its pins.
	observe(p engine.Paths) (*engine.State, error)
	// diagnose looks at this machine.
	diagnose(p engine.Paths, s *spec.Spec) *engine.Diagnosis
	// recording reads what the engine of the node recorded.
	recording(p engine.Paths) (*engine.Recording, error)
	// kept is what changed the running spec of a node that has no engine, and what of that is damaged.
	kept(p engine.Paths) (changes []engine.Change, damage string, err error)
	// remove takes everything off a node that has no engine.
	remove(p engine.Paths) error
}

// startEngine is what to do where a command makes no sense without an engine.
const startEngine = `start one with "hairpin run", or "systemctl start hairpin"`

// owned is the engine that runs, or else one in this process that owns the node until it is closed.
func (t *tree) owned(ctx context.Context, log *slog.Logger) (engine.Node, error) {
	n, err := t.join(ctx, t.engine(log))
	if errors.Is(err, engine.ErrNoOwner) {
		return t.open(ctx, t.engine(log))
	}
	return n, err
}

// engine is how an engine of this process is opened.
func (t *tree) engine(log *slog.Logger) engine.Options {
	o := engine.Options{Paths: t.paths, Version: t.Version, Log: log, Observers: t.observers, Store: t.storeAt}
	if t.metrics != "" {
		o.Arguments = []string{"--metrics", t.metrics}
	}
	if t.storeAt != nil {
		o.Arguments = append(o.Arguments, "--store", t.store)
	}
	return o
}

// observersFlag lets others look at the node through an engine of this process.
func observersFlag(c *cobra.Command, t *tree) {
	c.Flags().BoolVar(&t.observers, "observers", false, "let every user of this machine look at the node, and change nothing")
}

// shown is the newest state of the node, from its engine or else from its pins.
func (t *tree) shown(ctx context.Context) (*engine.State, error) {
	n, err := t.dial(ctx, t.paths)
	if errors.Is(err, engine.ErrNoOwner) {
		return t.observe(t.paths)
	}
	if err != nil {
		return nil, err
	}
	defer n.Close()
	return n.State(), nil
}
