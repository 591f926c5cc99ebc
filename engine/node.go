package engine

import (
	"context"
	"time"

	"hairpin/engine/spec"
	"hairpin/engine/tenants"
)

// Node is what a front end may ask of an engine, whether it runs in this process or behind the owner's socket.
// All methods may be called from any goroutine.
type Node interface {
	// State is the newest snapshot. It never blocks, and what it points to never changes.
	State() *State
	// Changed subscribes to snapshots: the channel is signalled after each new one and holds one signal, so a slow reader
	// sees the latest only. It is closed when no more will come. Ask once.
	Changed() <-chan struct{}
	// Close releases the engine and leaves the data path running.
	Close() error
	Verbs
}

// Verbs is what may be asked of an engine, by one party: this process's own console, or a connection to the owner's socket.
// Who changes anything must be armed: ErrRefused otherwise.
type Verbs interface {
	// Arm lets this party, and no other, change the node for ten minutes, or gives it the whole time again. State.Armed shows
	// it to everybody. ErrRefused while another is armed, or if this one may not change the node at all.
	Arm(ctx context.Context, r ArmRequest) error
	// Disarm gives back what this party holds, or another session of the same user.
	Disarm(ctx context.Context) error
	// Plan says what Apply would do, without doing any of it.
	Plan(ctx context.Context, s *spec.Spec) (*Plan, error)
	// Apply makes s the running spec, or leaves everything as it was and says why.
	Apply(ctx context.Context, r ApplyRequest) (*Applied, error)
	// Confirm keeps the running generation; until then, one applied with a deadline goes back by itself. It needs no arms: the
	// armed one may have lost his connection.
	Confirm(ctx context.Context, who string) error
	// WatchCosts has what each stage costs measured and shown for CostLease from now, in one packet of 64. It is for whoever
	// looks at it just now, and ends by itself. Who may only look may ask for it.
	WatchCosts(ctx context.Context) error
	// Capture begins to copy packets, and says under which number they can be had. It goes on until its bounds are reached, or
	// for CaptureLease after Captured was called last. It is for those who may be armed, because it shows what clients send.
	Capture(ctx context.Context, r CaptureRequest) (int, error)
	// Captured is what a capture of this party's took since the last call.
	Captured(ctx context.Context, id int) (*Captured, error)
	// EndCapture ends one of this party's.
	EndCapture(ctx context.Context, id int) error
	// Connections is who talks through the node now. Packets are sampled for it while somebody asks, and for CaptureLease
	// afterwards; the first answer has no samples yet. Who may only look may ask.
	Connections(ctx context.Context, r ConnectionsRequest) (*Connections, error)
	// Handoff begins to give the node to another process, or says why it cannot. How it goes on is in State.Handoff, also of
	// the one who takes over.
	Handoff(ctx context.Context, r HandoffRequest) error
	// Detach removes everything of hairpin's from the node's NICs and bpffs, and nothing else.
	Detach(ctx context.Context, who string) error
	// DrainNode has routers send packets elsewhere, or here again. What still comes is served.
	DrainNode(ctx context.Context, r DrainRequest) error
	// AcceptFound has it believed at once what the source of a VIP's backends says now, also that there are none.
	AcceptFound(ctx context.Context, r AcceptRequest) error
	// History is the changes that are kept, oldest first.
	History(ctx context.Context) ([]Change, error)
	// Past is the spec that a change of History made the running one. ErrInvalid when it is not kept.
	Past(ctx context.Context, number int) (*spec.Spec, error)
	// Trace says what becomes of packets by the programs and maps that run, or that would run; it changes, counts and sends
	// nothing. Who may only look may ask what runs. Traces have a share of the engine's time at most, and wait for their turn.
	Trace(ctx context.Context, r TraceRequest) (*Trace, error)
	// Fleet asks something of the nodes of one mind, of which this is one: where the node's spec comes from a store, Apply makes
	// the fleet's next revision. ErrRefused where it comes from a file.
	Fleet(ctx context.Context, r FleetRequest) (*FleetAnswer, error)
	// At is the State that was shown at a time, see Recording.At. ErrInvalid when nothing is recorded.
	At(ctx context.Context, t time.Time) (*State, error)
	// Timeline is what was recorded from from to to, for an axis.
	Timeline(ctx context.Context, from, to time.Time) (*Timeline, error)
}

// ArmRequest says what somebody wants to change the node for.
type ArmRequest struct {
	Who   string // for the audit trail; over the socket the engine puts the user there whom the kernel names
	Why   string // a ticket, or a few words
	Share bool   // for a command: act within what the same user has armed from the same place, if he has
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
	Who      string        // as in ArmRequest
	Why      string
	Force    bool // also if it ends the SSH session of somebody who works on this node, or leaves a VIP without backends

	from *discovery    // sources of backends say so; nil = somebody wants it
	by   *tenants.Mine // whose operator wants it, who forces nothing upon others; nil = one who may change the whole node
}

// Applied is the outcome of a change that is live.
type Applied struct {
	Generation int
	Revision   string
	Deadline   time.Time // zero when confirmed at once
	Text       []string
	Took       time.Duration
	Fleet      int // not 0: nothing is live yet; it is this revision of the fleet, which comes to its nodes one after another
}
