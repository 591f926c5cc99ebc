package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"hairpin/engine"
	"hairpin/engine/metrics"
)

func metricsFlag(c *cobra.Command, t *tree) {
	c.Flags().StringVar(&t.metrics, "metrics", "", "serve Prometheus metrics at `HOST:PORT`/metrics; without a host, or with \"on\", on loopback alone")
}

// metricsOn is the word for the usual address.
const metricsOn = "on"

// listen opens where metrics are served; nil where none are asked for. A successor waits until its predecessor has let go.
func (t *tree) listen(ctx context.Context, log *slog.Logger, waits bool) (net.Listener, error) {
	if t.metrics == "" {
		return nil, nil
	}
	text := t.metrics
	if text == metricsOn {
		text = metrics.DefaultAddress
	}
	addr, open, err := metrics.Address(text)
	if err != nil {
		return nil, &failure{exitUsage, err, "--metrics HOST:PORT, such as " + metrics.DefaultAddress}
	}
	if open && !waits {
		log.Warn("metrics can be read by whoever reaches this address", "address", addr)
	}
	for {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		switch {
		case err == nil:
			return l, nil
		case !waits || !errors.Is(err, unix.EADDRINUSE):
			return nil, fmt.Errorf("serve metrics: %w", err)
		}
		select {
		case <-t.after(time.Second):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// serveMetrics serves those of n until the returned function is called, which waits for the end.
func (t *tree) serveMetrics(ctx context.Context, log *slog.Logger, l net.Listener, waits bool, n engine.Node) (end func()) {
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var err error
		if l == nil {
			l, err = t.listen(ctx, log, waits)
		}
		if l != nil {
			err = metrics.Serve(ctx, l, n.State)
		}
		if err != nil && ctx.Err() == nil {
			log.Error("metrics are not served", "error", err)
		}
	}()
	return func() { stop(); <-done }
}
