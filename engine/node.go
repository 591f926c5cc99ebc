package engine

import (
	"context"
	"time"

	"hairpin/engine/spec"
)

// Node is what a front end may ask of an engine, whether it runs in this process or behind the owner's socket.
// All methods may be called from any goroutine.
type Node interface {
	// State is the newest snapshot. It never blocks, and what it points to never changes.
	State() *State
	// Changed subscribes to snapshots: the channel is signalled after each new one and holds one signal, so a slow reader
	// sees the latest only. It is closed when no more will come. Ask once.
	Changed() <-chan struct{}
	// Plan says what Apply would do, without doing any of it.
	Plan(ctx context.Context, s *spec.Spec) (*Plan, error)
	// Apply makes s the running spec, or leaves everything as it was and says why.
	Apply(ctx context.Context, r ApplyRequest) (*Applied, error)
	// Confirm keeps the running generation; until then, one applied with a deadline goes back by itself.
	Confirm(ctx context.Context, who string) error
	// WatchCosts has what each stage costs measured and shown for CostLease from now, in one packet of 64. It is for whoever
	// looks at it just now, and ends by itself. Who may only look may ask for it.
	WatchCosts(ctx context.Context) error
	// Detach removes everything of hairpin's from the node's NICs and bpffs, and nothing else.
	Detach(ctx context.Context, who string) error
	// History is the changes that are kept, oldest first.
	History(ctx context.Context) ([]Change, error)
	// Past is the spec that a change of History made the running one. ErrInvalid when it is not kept.
	Past(ctx context.Context, number int) (*spec.Spec, error)
	// Close releases the engine and leaves the data path running.
	Close() error
}

// Plan is what a change would do, in words and in numbers.
type Plan struct {
	Revision string   // names the running spec it was computed against; Apply refuses another
	Text     []string // the preview, a line each; empty when nothing would change
	VIPs     []VIPPlan
}

// VIPPlan is the disruption of one VIP.
type VIPPlan struct {
	Name    string
	Slots   int // of the new ring
	Moved   int // slots that lead elsewhere than before
	Minimum int // the fewest any ring with these weights could move
	Removed int // backends no longer there
	Added   int
}

// ApplyRequest carries a change and who wants it.
type ApplyRequest struct {
	Spec     *spec.Spec
	Revision string        // from Plan; empty applies whatever runs now
	Deadline time.Duration // 0 = confirmed at once; else it goes back by itself unless confirmed in time
	Who      string        // for the audit trail
	Why      string
	Force    bool // also if it ends the SSH session of somebody who works on this node
}

// Applied is the outcome of a change that is live.
type Applied struct {
	Generation int
	Revision   string
	Deadline   time.Time // zero when confirmed at once
	Text       []string
	Took       time.Duration
}
