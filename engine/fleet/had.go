package fleet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"hairpin/engine/disk"
)

// had are the revisions that a node came to lately, in files of a folder: a node that boots goes through them, with the store or without,
// so that it knows the rings of flows that others hand it.
type had string

func (h had) file(number int) string { return filepath.Join(string(h), fmt.Sprintf("%010d", number)) }

// add keeps r, and what nobody settles any more goes: all that is older than the newest that all of since had.
func (h had) add(r Revision, since time.Time) error {
	stored, err := r.encode()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(h), 0o750); err != nil {
		return err
	}
	if err := disk.Write(h.file(r.Number), stored); err != nil {
		return err
	}
	kept, err := h.all()
	ground := 0
	for _, k := range kept {
		if !k.Time.After(since) && k.Number < r.Number {
			ground = k.Number
		}
	}
	for _, k := range kept {
		if k.Number < ground {
			err = errors.Join(err, os.Remove(h.file(k.Number)))
		}
	}
	return err
}

// all are those that are kept and can be read, in their order.
func (h had) all() (kept []Revision, err error) {
	files, err := os.ReadDir(string(h))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, f := range files {
		text, e := os.ReadFile(filepath.Join(string(h), f.Name()))
		var r Revision
		if e == nil {
			r, e = decodeRevision(text)
		}
		if e != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", f.Name(), e))
			continue
		}
		kept = append(kept, r)
	}
	return kept, err
}

// had is where this node keeps them.
func (m *Member) had() had { return had(m.File + ".had") }

// keepHad notes that this node came to r; what is older than since has settled.
func (m *Member) keepHad(r Revision, since time.Time) {
	if err := m.had().add(r, since); err != nil {
		m.Log.Warn("fleet: a boot without the store will not know this revision's rings", "revision", r.Number, "error", err)
	}
}

// recall takes a node whose data path is new through what it had, before the store is asked: then it lacks only what is newer. Where
// its own revision is not kept, the store has all.
func (m *Member) recall(ctx context.Context) error {
	running, fresh := m.Node.Running()
	m.mu.Lock()
	k := m.memory
	m.mu.Unlock()
	if !fresh || k.Number == 0 || k.Left != nil || k.Host || k.Spec != running {
		return nil
	}
	kept, err := m.had().all()
	at := slices.IndexFunc(kept, func(r Revision) bool { return r.Number == k.Number })
	if err != nil || at < 0 {
		return err
	}
	goal, _, err := m.read(ctx, kept[at])
	if err != nil {
		return err
	}
	since := time.Now().Add(-longest(goal))
	path := missed(k.Number, true, kept[:at+1], nil, k.Number, since)
	if len(path) < 2 {
		return nil // it runs, and there is nothing before it
	}
	for i, n := range path {
		r := kept[slices.IndexFunc(kept, func(r Revision) bool { return r.Number == n })]
		s, _, err := m.read(ctx, r)
		if err == nil {
			m.step("passes through revision %d, as it had it", n)
			err = m.Node.Apply(ctx, s, r, Options{Ground: i == 0 || !r.Time.After(since)}) // else before would be what it booted with
		}
		if err != nil && n == k.Number {
			return err
		} else if err != nil {
			m.Log.Warn("fleet: a revision that this node had is passed over", "revision", n, "error", err)
		}
	}
	m.mu.Lock()
	m.recalled, m.view.Step = true, ""
	m.mu.Unlock()
	m.Changed()
	return nil
}
