// Package discover finds the backends of VIPs where others keep them: in DNS, in a file, in Kubernetes.
package discover

import (
	"context"
	"math/rand/v2"
	"net"
	"time"

	"hairpin/engine/spec"
)

// Source is one place where backends are found.
type Source interface {
	// Follow tells what the source says, at once and whenever that may be something else, until ctx ends.
	Follow(ctx context.Context, tell func(Answer))
}

// Answer is what a source says at one time.
type Answer struct {
	Endpoints []spec.Endpoint
	Left      string // what was left out, and why; empty = nothing
	Err       error  // not nil: it says nothing of backends
}

// sourceOf is the source that a VIP names. enter binds the calling goroutine to a thread in the network namespace of whoever
// is asked.
func sourceOf(v *spec.VIP, enter func() error) Source {
	dial := dialer(enter)
	switch f := *v.From; {
	case f.DNS != "":
		return newDNS(f, v.Serves, dial)
	case f.File != "":
		return &file{path: f.File, family: f.Family}
	default:
		return newKubernetes(f, v, dial)
	}
}

// dial is net.Dialer.DialContext, or something in its place.
type dial func(ctx context.Context, network, address string) (net.Conn, error)

// dialer opens connections from within a network namespace: a socket belongs to that of the thread which makes it.
func dialer(enter func() error) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		type dialed struct {
			conn net.Conn
			err  error
		}
		done := make(chan dialed, 1)
		go func() {
			if err := enter(); err != nil {
				done <- dialed{nil, err}
				return
			}
			resolver := &net.Resolver{PreferGo: true, Dial: dialer(enter)}
			d := net.Dialer{Resolver: resolver, FallbackDelay: -1} // else goroutines of its own would dial
			conn, err := d.DialContext(ctx, network, address)
			done <- dialed{conn, err}
		}()
		d := <-done
		return d.conn, d.err
	}
}

// retryAfter is how long a source rests that did not answer, or less where it is looked at more often.
const retryAfter = 5 * time.Second

// poll tells what look sees, again and again. An interval is up to a tenth longer, so that nodes do not ask in step.
func poll(ctx context.Context, every time.Duration, look func(context.Context) Answer, tell func(Answer)) {
	for {
		a := look(ctx)
		if ctx.Err() != nil {
			return
		}
		tell(a)
		rest := every + rand.N(every/10+1)
		if a.Err != nil {
			rest = min(rest, retryAfter)
		}
		if !sleep(ctx, rest) {
			return
		}
	}
}

// sleep is false when ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
