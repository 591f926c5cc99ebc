package engine

import (
	"context"
	"time"

	"hairpin/engine/spec"
)

// Whoever asks a post asks the engine that is there at the time.

// State implements Node.
func (s *post) State() *State { return s.node().State() }

// Changed implements Node.
func (s *post) Changed() <-chan struct{} { return s.subscribers.add() }

// Close implements Node.
func (s *post) Close() error {
	s.stop()
	<-s.over
	return s.err
}

// Arm implements Node.
func (s *post) Arm(ctx context.Context, r ArmRequest) error { return s.node().Arm(ctx, r) }

// Disarm implements Node.
func (s *post) Disarm(ctx context.Context) error { return s.node().Disarm(ctx) }

// Plan implements Node.
func (s *post) Plan(ctx context.Context, next *spec.Spec) (*Plan, error) {
	return s.node().Plan(ctx, next)
}

// Apply implements Node.
func (s *post) Apply(ctx context.Context, r ApplyRequest) (*Applied, error) {
	return s.node().Apply(ctx, r)
}

// Confirm implements Node.
func (s *post) Confirm(ctx context.Context, who string) error { return s.node().Confirm(ctx, who) }

// WatchCosts implements Node.
func (s *post) WatchCosts(ctx context.Context) error { return s.node().WatchCosts(ctx) }

// Capture implements Node.
func (s *post) Capture(ctx context.Context, r CaptureRequest) (int, error) {
	return s.node().Capture(ctx, r)
}

// Captured implements Node.
func (s *post) Captured(ctx context.Context, id int) (*Captured, error) {
	return s.node().Captured(ctx, id)
}

// EndCapture implements Node.
func (s *post) EndCapture(ctx context.Context, id int) error { return s.node().EndCapture(ctx, id) }

// AcceptFound implements Node.
func (s *post) AcceptFound(ctx context.Context, r AcceptRequest) error {
	return s.node().AcceptFound(ctx, r)
}

// DrainNode implements Node.
func (s *post) DrainNode(ctx context.Context, r DrainRequest) error {
	return s.node().DrainNode(ctx, r)
}

// Connections implements Node.
func (s *post) Connections(ctx context.Context, r ConnectionsRequest) (*Connections, error) {
	return s.node().Connections(ctx, r)
}

// Detach implements Node.
func (s *post) Detach(ctx context.Context, who string) error { return s.node().Detach(ctx, who) }

// History implements Node.
func (s *post) History(ctx context.Context) ([]Change, error) { return s.node().History(ctx) }

// Past implements Node.
func (s *post) Past(ctx context.Context, number int) (*spec.Spec, error) {
	return s.node().Past(ctx, number)
}

// Fleet implements Verbs.
func (s *post) Fleet(ctx context.Context, r FleetRequest) (*FleetAnswer, error) {
	return s.node().Fleet(ctx, r)
}

// Trace implements Verbs.
func (s *post) Trace(ctx context.Context, r TraceRequest) (*Trace, error) {
	return s.node().Trace(ctx, r)
}

// At implements Verbs.
func (s *post) At(ctx context.Context, t time.Time) (*State, error) { return s.node().At(ctx, t) }

// Timeline implements Verbs.
func (s *post) Timeline(ctx context.Context, from, to time.Time) (*Timeline, error) {
	return s.node().Timeline(ctx, from, to)
}
