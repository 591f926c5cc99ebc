package handoff

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Pass sends the lock with message v and closes this process's copy. There is one lock all the time: it is the same open
// file in both processes, and it is never unlocked. After an error the lock is still held here.
func (l *Lock) Pass(s *Stream, v any, patience time.Duration) error {
	if err := s.Send(v, l.file, patience); err != nil {
		return fmt.Errorf("pass lock: %w", err)
	}
	// The name in it stays until the new owner writes its own.
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("pass lock: close own copy: %w", err)
	}
	return nil
}

// Take makes the lock at path of a file that came over a stream, and writes this process's name into it.
func Take(file *os.File, path string) (*Lock, error) {
	if !at(path, file) {
		return nil, fmt.Errorf("take lock: what was passed is not %s", path)
	}
	// It is locked already by this open file, so this says whether it truly is.
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		by, _ := read(file)
		return nil, fmt.Errorf("take lock: what was passed is not locked: %w", &HeldError{by})
	} else if err != nil {
		return nil, fmt.Errorf("take lock: flock %s: %w", path, err)
	}
	if err := write(file, self()); err != nil {
		return nil, fmt.Errorf("take lock: write %s: %w", path, err)
	}
	return &Lock{file}, nil
}
