package health

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

// Asker asks single questions, without a second attempt: for those who count what is lost.
type Asker struct {
	asker *asker
	stop  context.CancelFunc
}

// NewAsker is an asker in the network namespace that enter enters.
func NewAsker(enter func() error) *Asker {
	ctx, stop := context.WithCancel(context.Background())
	return &Asker{newAsker(ctx, enter), stop}
}

// Close ends it. No question may be asked any more.
func (a *Asker) Close() {
	a.stop()
	a.asker.wait()
}

// Ask sends a ping, or to a port begins a TCP connection, from a socket with a mark. It returns how long the answer took; a
// connection that is refused is answered. Sent is false where it could not be sent, for a reason that lies with this node.
func (a *Asker) Ask(ctx context.Context, to netip.AddrPort, mark uint32, timeout time.Duration) (took time.Duration, sent bool, err error) {
	q := &question{asker: a.asker, ctx: ctx, check: &spec.Check{Timeout: timeout}, to: to, mark: mark, began: time.Now(), time: timeout, once: true}
	ask := q.tcp
	if to.Port() == 0 {
		ask = q.ping
	}
	err = ask()
	took = time.Since(q.began)
	if errors.Is(err, unix.ECONNREFUSED) {
		err = nil
	}
	var unsent *unsentError
	return took, !errors.As(err, &unsent), q.inWords(err)
}
