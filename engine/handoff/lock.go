// Package handoff is the ownership of a node: the lock that says which process may try to write its data path.
package handoff

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// ErrHeld says that another process owns the node. Errors that wrap it are a *HeldError.
var ErrHeld = errors.New("node is owned by another process")

// HeldError names the process that owns the node.
type HeldError struct {
	By Owner // zero when the lock is held and nobody is written there
}

func (e *HeldError) Error() string {
	if e.By.PID == 0 {
		return ErrHeld.Error()
	}
	return "node is owned by " + e.By.String()
}

// Is makes errors.Is find ErrHeld.
func (e *HeldError) Is(target error) bool { return target == ErrHeld }

// Lock is held from Acquire until Close or the end of the process, whatever ends it. Processes that this one starts do
// not inherit it.
type Lock struct {
	file *os.File // must be reachable as long as the lock is meant to be held: its finalizer closes it
}

// dying is how long a lock may outlive the process that it names: the kernel closes the files of a killed process when the
// last of its threads is gone, a little after the process itself counts as dead.
const dying = 2 * time.Second

// Acquire takes the lock at path, which it creates with its folder, or says who holds it: at once when that process lives.
func Acquire(path string) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("lock node: %w", err)
	}
	for limit := time.Now().Add(dying); ; {
		l, err := try(path)
		if errors.Is(err, errReplaced) {
			continue
		}
		var held *HeldError
		if errors.As(err, &held) && held.By.PID != 0 && !held.By.alive() && time.Now().Before(limit) {
			time.Sleep(time.Millisecond) // nothing tells when a lock of others comes free
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("lock node: %w", err)
		}
		return l, nil
	}
}

// errReplaced says that the locked file is not the one at the path any more: a lock on it would exclude nobody.
var errReplaced = errors.New("the lock file was replaced meanwhile")

func try(path string) (l *Lock, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o640)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == unix.EWOULDBLOCK {
		by, _ := read(f)
		return nil, &HeldError{by}
	} else if err != nil {
		return nil, fmt.Errorf("flock %s: %w", path, err)
	}
	if !at(path, f) {
		return nil, errReplaced
	}
	if err := write(f, self()); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return &Lock{f}, nil
}

// at tells whether f is the file at path.
func at(path string, f *os.File) bool {
	there, err := os.Lstat(path)
	if err != nil {
		return false
	}
	have, err := f.Stat()
	return err == nil && os.SameFile(there, have)
}

// Close gives the lock up by closing this process's descriptor. It never unlocks: a descriptor that was passed on stays
// locked, and the name of who got it stays in the file.
func (l *Lock) Close() error {
	if by, err := read(l.file); err == nil && by.same(self()) {
		if err := l.file.Truncate(0); err != nil {
			return errors.Join(fmt.Errorf("give up lock: %w", err), l.file.Close())
		}
	}
	return l.file.Close()
}
