package fleet

import (
	"context"
	"errors"
	"time"
)

// Errors that callers tell apart.
var (
	// ErrMoved: somebody else has changed in between what a change was made of.
	ErrMoved = errors.New("the fleet has moved on in between")
	// ErrBusy: it cannot be done as the fleet stands now.
	ErrBusy = errors.New("not now")
	// ErrOther: the store holds another fleet than this node's.
	ErrOther = errors.New("another fleet")
)

// Item is a key with its value in a store. Mark names this version of it; 0 = there is none.
type Item struct {
	Key   string
	Value []byte
	Mark  int64
}

// When is a condition of a change: that a key has this mark.
type When struct {
	Key  string
	Mark int64
}

// Put sets a key, or takes it away. One that is leased goes by itself when this process does.
type Put struct {
	Key    string
	Value  []byte
	Leased bool
	Gone   bool
}

// Batch is what changed below a prefix, in one step. Mark 0 and no value: the key is gone.
type Batch struct {
	Items []Item
	Err   error // the last one: nothing more comes
}

// Store keeps what a fleet agrees on. All methods may be called from any goroutine.
type Store interface {
	// List is all below a prefix, by key, and the point in time after which Follow goes on.
	List(ctx context.Context, prefix string) (items []Item, at int64, err error)
	// Get is one key.
	Get(ctx context.Context, key string) (Item, error)
	// Write makes all changes or none: ErrMoved when a condition does not hold.
	Write(ctx context.Context, when []When, puts []Put) error
	// Follow tells what changes below a prefix after a point in time, until ctx ends.
	Follow(ctx context.Context, prefix string, after int64) <-chan Batch
	// Join begins the lease of what is leased: it goes when this process has not been heard of for that long. The channel is
	// closed when it is lost. A store is joined once at a time.
	Join(ctx context.Context, silence time.Duration) (lost <-chan struct{}, err error)
	// Leave ends the lease, and what is leased goes at once.
	Leave(ctx context.Context) error
	// Lead waits until this one leads those that joined, and says when its changes hold. It ends with the lease.
	Lead(ctx context.Context, name string) (When, error)
	// Name is where the store is, without secrets.
	Name() string
	Close() error
}

// What stands where.
const (
	headKey      = "all/head"   // every node follows what is below all/
	leaderKey    = "all/leader" // leased
	revisionsKey = "revisions/"
	targetsKey   = "targets/"
	nodesKey     = "nodes/" // leased
	membersKey   = "members/"
	leadKey      = "lead" // the candidates
)
