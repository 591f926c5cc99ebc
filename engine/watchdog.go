package engine

import (
	"context"
	"fmt"
	"time"
)

// loopPatience is how long the loop may not come round before everybody is told. Its longest work takes seconds.
const loopPatience = 10 * time.Second

const keyLoop = "loop"

// turn notes that the loop came round, and says afterwards that it had stood still.
func (o *owner) turn(now time.Time) {
	last := o.turned.Swap(now.UnixNano())
	if still := time.Duration(now.UnixNano() - last); last != 0 && still >= loopPatience {
		o.journal.add(now, "crit", "engine", fmt.Sprintf("the engine had stood still for %s", still.Round(time.Second)))
	}
}

// watchLoop looks after the loop from beside it until ctx ends.
func (o *owner) watchLoop(ctx context.Context) {
	ticks := time.NewTicker(tickEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.done:
			return
		case now := <-ticks.C:
			o.lookAtLoop(now)
		}
	}
}

// lookAtLoop shows the last snapshot again, with a problem more and of the time at which it was made, when the loop stands
// still. The next snapshot of the loop replaces it.
func (o *owner) lookAtLoop(now time.Time) {
	still := time.Duration(now.UnixNano() - o.turned.Load())
	old := o.state.Load()
	if old == nil || still < loopPatience || len(old.Problems) > 0 && old.Problems[0].Key == keyLoop {
		return
	}
	shown := *old
	shown.Problems = append([]Problem{{Key: keyLoop, Severity: "crit", Since: now.Add(-still),
		What: "the engine stands still: packets go on by what was applied last, and what is shown here is old",
		Cure: "hairpin run again, after its log was looked at: the next engine goes on"}}, old.Problems...)
	if o.state.CompareAndSwap(old, &shown) { // else it has just come round
		o.log.Error("the engine stands still", "for", still)
		o.subscribers.signal()
	}
}
