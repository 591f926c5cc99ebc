package engine

import (
	"errors"
	"fmt"
)

// What a front end tells apart. Errors keep their meaning over the owner's socket.
var (
	// ErrNoOwner: no engine runs on this node.
	ErrNoOwner = errors.New("no engine runs on this node")
	// ErrStale: the running spec is not the one that the change was planned against.
	ErrStale = errors.New("the running spec changed meanwhile; look at it again")
	// ErrRefused: the caller may not do this.
	ErrRefused = errors.New("refused")
	// ErrUnsafe: the change would do harm that its request does not allow; with Force it is made. It is ErrRefused too.
	ErrUnsafe = fmt.Errorf("%w as unsafe", ErrRefused)
	// ErrInvalid: what was asked for cannot be; nothing was changed.
	ErrInvalid = errors.New("invalid")
	// ErrLate: the deadline has passed, and what was to be confirmed went back.
	ErrLate = errors.New("too late: it went back by itself")
)
