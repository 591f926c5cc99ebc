package engine

import "sync"

// subscribers are told of snapshots. The zero value is ready.
type subscribers struct {
	mu     sync.Mutex
	all    []chan struct{}
	noMore bool
}

// add subscribes; the channel is closed at once where no more will come.
func (s *subscribers) add() <-chan struct{} {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.noMore {
		close(c)
		return c
	}
	s.all = append(s.all, c)
	return c
}

// hangUp tells that no more snapshots will come.
func (s *subscribers) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noMore = true
	for _, c := range s.all {
		close(c)
	}
	s.all = nil
}

func (s *subscribers) signal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.all {
		select {
		case c <- struct{}{}:
		default: // it has one waiting
		}
	}
}
