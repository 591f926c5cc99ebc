package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Down removes the lab of that name, or what is left of one. It is not an error when there is nothing.
func Down(ctx context.Context, name string) error {
	if name == "" {
		name = DefaultName
	}
	l, err := newLab(name)
	if err != nil {
		return err
	}
	unlock, err := lock(ctx, l.lockFile())
	if err != nil {
		return err
	}
	defer unlock()
	if err := l.downLocked(ctx); err != nil {
		return fmt.Errorf("lab %q down: %w", name, err)
	}
	return nil
}

// downLocked takes the record first, so that a break in here leaves a half-built lab; then the processes, which hold
// everything else; the names of the namespaces only after those, because processes are found by them.
func (l *Lab) downLocked(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	if err := os.Remove(l.recordFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	paths, err := l.namespaces()
	if err != nil {
		return err
	}
	var inodes []uint64
	for _, p := range paths {
		if ino := namespaceInode(p); ino != 0 {
			inodes = append(inodes, ino)
		}
	}
	if err := killAll(ctx, l.name, inodes); err != nil {
		return err
	}
	if err := unmountBelow(l.Dir()); err != nil {
		return err
	}
	for _, p := range paths {
		if err := removeNamespace(p); err != nil {
			return err
		}
	}
	if left, err := mountsBelow(l.Dir()); err != nil || len(left) > 0 {
		return errors.Join(err, fmt.Errorf("still mounted: %s: %w", strings.Join(left, ", "), unix.EBUSY))
	}
	return os.RemoveAll(l.Dir())
}
