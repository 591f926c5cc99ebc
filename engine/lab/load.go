package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
)

// Limits of LoadConfig.
const (
	MaxLoad      = time.Hour
	MaxRate      = 100_000 // a second, of new connections and of datagrams
	MaxKept      = 10_000
	MaxFlows     = 1_000
	mostInFlight = 256 // new connections at once, per worker: more would only wait in queues, and overflow them
)

// LoadConfig is a load, bounded in time, rate and number. What is zero is not done, unless a default is named.
type LoadConfig struct {
	For     time.Duration // no longer than MaxLoad; it ends before with Count or the context
	Timeout time.Duration // for one answer; default 3 s

	Web   []netip.AddrPort // asked in turn; default the VIP web, in both families
	New   int              // connections per second that ask once and go
	Count int              // of those, in all; 0 = as many as the time gives
	Kept  int              // connections that stay and keep asking
	Pace  time.Duration    // from an answer to the next question of a kept one; default 100 ms

	Echo      []netip.AddrPort // asked in turn; default the VIP echo
	Datagrams int              // per second
	Flows     int              // sockets that they come from; default 64

	sources []netip.Addr // to come from; none = what the kernel chooses
}

// LoadResult is what a load met with.
type LoadResult struct {
	Took    time.Duration `json:"took"`
	New     Tally         `json:"new"`
	Kept    Tally         `json:"kept"`
	Echo    Tally         `json:"echo"`
	Reset   uint64        `json:"reset"`   // kept connections that the other side broke off; they are among Kept.Failed
	Skipped uint64        `json:"skipped"` // new connections and datagrams not sent because this machine could not keep up
}

// Failed is the number of requests of all kinds that got no right answer.
func (r LoadResult) Failed() uint64 { return r.New.Failed + r.Kept.Failed + r.Echo.Failed }

// Load runs a load from the client and returns when all that was asked is answered or given up.
func (l *Lab) Load(ctx context.Context, c LoadConfig) (LoadResult, error) {
	c.sources = append(Sources(VIP4), Sources(VIP6)...)
	return c.run(ctx, func() error { return enter(l.namespace(Client)) })
}

// run spreads the load over workers, each on a thread that has called enter.
func (c LoadConfig) run(ctx context.Context, enter func() error) (LoadResult, error) {
	if err := c.complete(); err != nil {
		return LoadResult{}, fmt.Errorf("load: %w", err)
	}
	start := time.Now()
	n := min(runtime.GOMAXPROCS(0), 4, 1+(c.New+c.Datagrams)/4000)
	if c.Count > 0 {
		n = min(n, c.Count)
	}
	workers := make([]*worker, n)
	g, ctx := errgroup.WithContext(ctx)
	for i := range workers {
		workers[i] = newWorker(c.share(i, len(workers)), start)
		g.Go(func() error {
			return onThread(func() error {
				if err := enter(); err != nil {
					return err
				}
				return workers[i].run(ctx)
			})
		})
	}
	if err := g.Wait(); err != nil {
		return LoadResult{}, fmt.Errorf("load: %w", err)
	}
	return collect(workers, time.Since(start)), nil
}

func collect(workers []*worker, took time.Duration) LoadResult {
	r := LoadResult{Took: took}
	var fresh, kept, echo []*count
	for _, w := range workers {
		fresh, kept, echo = append(fresh, w.fresh), append(kept, w.kept), append(echo, w.echo)
		r.Reset += w.reset
		r.Skipped += w.newPace.skipped + w.echoPace.skipped
	}
	r.New, r.Kept, r.Echo = sum(fresh), sum(kept), sum(echo)
	return r
}

// complete writes the defaults out and refuses what is out of bounds.
func (c *LoadConfig) complete() error {
	if c.Timeout == 0 {
		c.Timeout = 3 * time.Second
	}
	if c.Pace == 0 {
		c.Pace = 100 * time.Millisecond
	}
	if c.Flows == 0 {
		c.Flows = 64
	}
	if c.Web == nil {
		c.Web = []netip.AddrPort{netip.AddrPortFrom(VIP4, HTTPPort), netip.AddrPortFrom(VIP6, HTTPPort)}
	}
	if c.Echo == nil {
		c.Echo = []netip.AddrPort{netip.AddrPortFrom(VIP4, EchoPort)}
	}
	if c.For <= 0 || c.For > MaxLoad {
		return fmt.Errorf("for %v: more than 0, at most %v", c.For, MaxLoad)
	}
	if c.Timeout < 0 || c.Pace < 0 || len(c.Web) == 0 || len(c.Echo) == 0 {
		return errors.New("a negative time, or nobody to ask")
	}
	for _, b := range []struct {
		what        string
		value, most int
	}{
		{"new connections a second", c.New, MaxRate},
		{"new connections", c.Count, MaxRate * int(MaxLoad/time.Second)},
		{"kept connections", c.Kept, MaxKept},
		{"datagrams a second", c.Datagrams, MaxRate},
		{"flows", c.Flows, MaxFlows},
	} {
		if b.value < 0 || b.value > b.most {
			return fmt.Errorf("%d %s: 0 to %d", b.value, b.what, b.most)
		}
	}
	return nil
}

// share is the i-th of n parts, which add up to the whole. There are no more parts than Count.
func (c LoadConfig) share(i, n int) LoadConfig {
	part := func(whole int) int { return whole*(i+1)/n - whole*i/n }
	c.New, c.Kept, c.Datagrams, c.Flows = part(c.New), part(c.Kept), part(c.Datagrams), max(1, part(c.Flows))
	c.Count = part(c.Count)
	return c
}
