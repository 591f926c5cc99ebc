package feed

import (
	"context"
	"sync"
	"testing"
	"time"

	"hairpin/engine"
)

// source is an engine that publishes what it is given.
type source struct {
	mu      sync.Mutex
	state   *engine.State
	changed chan struct{}
	hang    chan struct{} // State waits for it when set
}

func (s *source) State() *engine.State {
	s.mu.Lock()
	hang, state := s.hang, s.state
	s.mu.Unlock()
	if hang != nil {
		<-hang
	}
	return state
}

func (s *source) Changed() <-chan struct{} { return s.changed }

func (s *source) publish(pid int) {
	s.mu.Lock()
	s.state = &engine.State{PID: pid}
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// await polls a condition that another goroutine brings about.
func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestLatestWins(t *testing.T) {
	src := &source{changed: make(chan struct{}, 1)}
	f := New(t.Context(), src)
	if f.Shown() != nil {
		t.Fatal("something is shown before anything came")
	}
	select {
	case <-f.Ready():
		t.Fatal("ready before anything came")
	default:
	}
	for pid := 1; pid <= 100; pid++ {
		src.publish(pid)
	}
	<-f.Ready()
	await(t, "the last one shows", func() bool { s := f.Shown(); return s != nil && s.PID == 100 })
}

func TestFreezeKeepsThePictureAndCollects(t *testing.T) {
	src := &source{changed: make(chan struct{}, 1)}
	f := New(t.Context(), src)
	f.Freeze()
	if f.Frozen() {
		t.Fatal("nothing can be frozen before the first snapshot")
	}
	src.publish(1)
	await(t, "the first one shows", func() bool { return f.Shown() != nil })
	f.Freeze()
	src.publish(2)
	await(t, "the second is collected", func() bool { return f.Latest().PID == 2 })
	if f.Shown().PID != 1 || !f.Frozen() {
		t.Errorf("frozen shows %d", f.Shown().PID)
	}
	f.Thaw()
	if f.Shown().PID != 2 || f.Frozen() {
		t.Errorf("live shows %d", f.Shown().PID)
	}
}

func TestStalledSourceNeverBlocksTheReader(t *testing.T) {
	src := &source{changed: make(chan struct{}, 1)}
	src.publish(1)
	f := New(t.Context(), src)
	await(t, "the first one shows", func() bool { return f.Shown() != nil })
	hang := make(chan struct{})
	defer close(hang)
	src.mu.Lock()
	src.hang = hang
	src.mu.Unlock()
	src.publish(2)
	if f.Shown().PID != 1 {
		t.Errorf("shows %d", f.Shown().PID)
	}
}

func TestCollectEndsWithItsContextAndItsSource(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &Feed{ready: make(chan struct{})}
	src := &source{changed: make(chan struct{}, 1), state: &engine.State{PID: 1}}
	done := make(chan struct{}, 2)
	go func() { f.collect(ctx, src); done <- struct{}{} }()
	cancel()
	<-done
	close(src.changed)
	go func() { f.collect(t.Context(), src); done <- struct{}{} }()
	<-done
}

func TestALateSnapshotDoesNotReplaceANewerOne(t *testing.T) {
	f := &Feed{ready: make(chan struct{})}
	now := time.Date(2026, 8, 22, 3, 7, 41, 0, time.UTC)
	for _, row := range []struct {
		at   time.Duration
		kept bool
	}{{0, true}, {time.Second, true}, {0, false}, {time.Second, true}, {-time.Hour, true}} {
		s := &engine.State{Time: now.Add(row.at)}
		f.Put(s)
		if (f.Latest() == s) != row.kept {
			t.Errorf("a snapshot of %v: kept is %v", row.at, !row.kept)
		}
	}
}
