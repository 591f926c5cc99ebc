package engine

import (
	"context"
	"time"
)

// restShare is how long the loop is left to others for each moment that a paced request took.
const restShare = 4

// pace lets requests that anybody may make have a share of the loop's time at most: one at a time, and a rest behind each.
type pace struct {
	turn chan struct{} // holds one while a request waits or is carried out
	next time.Time
}

func newPace() *pace { return &pace{turn: make(chan struct{}, 1)} }

// do calls f when it is its turn.
func (p *pace) do(ctx context.Context, f func() error) error {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.turn }()
	rest := time.NewTimer(time.Until(p.next))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	began := time.Now()
	defer func() { p.next = time.Now().Add(restShare * time.Since(began)) }()
	return f()
}
