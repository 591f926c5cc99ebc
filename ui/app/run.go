package app

import (
	"context"
	"fmt"

	"hairpin/engine"
	"hairpin/ui/feed"
	"hairpin/ui/term"
)

// Run shows a node on the terminal until the person quits, ctx ends, or the terminal goes away (term.ErrHungUp). It does
// not close the node, and what runs in the kernel goes on in every case but one: the person asked for detaching.
func Run(ctx context.Context, node engine.Node, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o = o.withDefaults()
	m := New(ctx, node, feed.New(ctx, node), o)
	if _, _, err := term.Run(ctx, m, term.Options{In: o.In, Out: o.Out, Getenv: o.Getenv, UTF8: o.KnowsGlyphs}); err != nil {
		return fmt.Errorf("console: %w", err)
	}
	return nil
}
