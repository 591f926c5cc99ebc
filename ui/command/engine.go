package command

import (
	"context"

	"hairpin/engine"
)

// realEngines is this node.
type realEngines struct{}

func (realEngines) open(ctx context.Context, o engine.Options) (engine.Node, error) {
	if err := engine.DropPrivileges(o.Paths); err != nil {
		o.Log.Warn("the engine runs with more privileges than it needs", "error", err)
	}
	return engine.Open(ctx, o)
}

func (realEngines) dial(ctx context.Context, p engine.Paths) (engine.Node, error) {
	return engine.Dial(ctx, p)
}

func (realEngines) observe(p engine.Paths) (*engine.State, error) { return engine.Observe(p) }

func (realEngines) remove(p engine.Paths) error { return engine.Remove(p) }
