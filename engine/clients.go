package engine

import (
	"errors"
	"time"
)

// beforeMost is how long a predecessor counts at most how clients fare, before it hands over: as long as the successor will
// be watched, if that is shorter.
const beforeMost = 3 * time.Second

// seeClients counts how clients fare, or does not any more.
func (o *owner) seeClients(on bool) {
	o.comparing = on
	o.kernel.Watch(on || !o.watched.IsZero())
}

// awaitClients waits until it is known how clients fare.
func (o *owner) awaitClients(h *handing) error {
	t := time.NewTimer(time.Until(h.compared))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-h.ended:
		return errors.New("the successor is gone")
	case <-o.done:
		return ErrNoOwner
	}
}
