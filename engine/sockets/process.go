package sockets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Process is one whose sockets may be given. It stays the same one where its number is used again.
type Process struct {
	pid, handle int
}

// OpenProcess is the process with a number.
func OpenProcess(pid int) (*Process, error) {
	handle, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("pid %d: %w", pid, err)
	}
	return &Process{pid, handle}, nil
}

// Close lets go of it.
func (p *Process) Close() { _ = unix.Close(p.handle) }

// ends waits a while for it to end, and says whether it has.
func (p *Process) ends(patience time.Duration) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.handle), Events: unix.POLLIN}}, int(patience.Milliseconds()))
	return err == nil && n > 0
}

// giveAgain is how long a process without a fitting socket has until it is looked at again.
const giveAgain = 50 * time.Millisecond

// Give is Table.Give for the table of dir, and waits for a process that has no socket yet. Meanwhile others may change the
// table. ErrNotYet when it still has none after that time, or when it ends.
func Give(ctx context.Context, dir, of string, p *Process, fd int, wait time.Duration) error {
	for last := time.Now().Add(wait); ; {
		err := give(dir, of, p, fd)
		if !errors.Is(err, ErrNotYet) || time.Now().After(last) {
			return err
		}
		if p.ends(giveAgain) {
			return fmt.Errorf("%w, and has ended", err)
		}
		if ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
	}
}

func give(dir, of string, p *Process, fd int) error {
	t, err := Open(dir)
	if err != nil {
		return err
	}
	defer t.Close()
	return t.Give(of, p, fd)
}
