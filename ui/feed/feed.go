// Package feed is the mailbox between the engine and the screen: one slot, the latest wins, nobody waits.
package feed

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"hairpin/engine"
)

// Source is the part of an engine that is watched.
type Source interface {
	State() *engine.State
	Changed() <-chan struct{}
}

// Feed holds the newest snapshot and the one that is shown. Freezing and reading belong to one goroutine, the
// screen's; collecting goes on in its own.
type Feed struct {
	slot   atomic.Pointer[engine.State]
	ready  chan struct{}
	first  sync.Once
	frozen *engine.State
}

// New collects from src until ctx ends. A source that hangs leaves the last snapshot in the slot: its age shows it.
func New(ctx context.Context, src Source) *Feed {
	f := &Feed{ready: make(chan struct{})}
	go f.collect(ctx, src)
	return f
}

func (f *Feed) collect(ctx context.Context, src Source) {
	changed := src.Changed() // a subscription: asked for once
	for {
		f.Put(src.State())
		select {
		case <-ctx.Done():
			return
		case _, open := <-changed:
			if !open {
				return
			}
		}
	}
}

// overtaken is by how much a snapshot may be older than the one in the slot and be dropped as a late one. More than that
// means that the clock was set back.
const overtaken = 10 * time.Second

// Put replaces what is in the slot, unless that is newer: two may bring snapshots at the same time. A recording goes
// backwards when it is told to.
func (f *Feed) Put(s *engine.State) {
	for s != nil {
		old := f.slot.Load()
		if old != nil && s.Role != engine.Recorded && s.Time.Before(old.Time) && old.Time.Sub(s.Time) < overtaken {
			return
		}
		if f.slot.CompareAndSwap(old, s) {
			f.first.Do(func() { close(f.ready) })
			return
		}
	}
}

// Ready is closed when the first snapshot came.
func (f *Feed) Ready() <-chan struct{} { return f.ready }

// Latest is the newest snapshot, frozen or not; nil until the first one came.
func (f *Feed) Latest() *engine.State { return f.slot.Load() }

// Shown is the snapshot to draw: the frozen one, else the newest; nil until the first one came.
func (f *Feed) Shown() *engine.State {
	if f.frozen != nil {
		return f.frozen
	}
	return f.slot.Load()
}

// Freeze keeps showing what is shown now; collecting goes on.
func (f *Feed) Freeze() { f.frozen = f.Shown() }

// Hold shows s, of whatever time, until it is thawed.
func (f *Feed) Hold(s *engine.State) { f.frozen = s }

// Thaw shows the newest again.
func (f *Feed) Thaw() { f.frozen = nil }

// Frozen tells whether the picture is held.
func (f *Feed) Frozen() bool { return f.frozen != nil }
