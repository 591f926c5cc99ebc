package fake

import (
	"context"
	"fmt"

	"hairpin/engine"
)

// Trace is what SetTrace said.
func (n *Node) Trace(ctx context.Context, r engine.TraceRequest) (*engine.Trace, error) {
	if err := n.answer(ctx); err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.traces = append(n.traces, r)
	if n.trace == nil {
		return &engine.Trace{Time: n.state.Time}, nil
	}
	return n.trace(r), nil
}

// SetTrace makes f say what becomes of packets.
func (n *Node) SetTrace(f func(engine.TraceRequest) *engine.Trace) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.trace = f
}

// Traced are the requests so far.
func (n *Node) Traced() []engine.TraceRequest { return copyOf(n, &n.traces) }
