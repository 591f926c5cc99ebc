package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sync/errgroup"
)

// Serve is the whole life of a backend's server process, which runs in the backend's namespace already; while the lab
// is being built it cannot be opened yet. ready is a descriptor that gets a line once everything listens, 0 for none.
// It ends with ctx.
func Serve(ctx context.Context, lab, backend string, ready int) error {
	l, err := newLab(lab)
	if err != nil {
		return err
	}
	if !l.Inside(backend) {
		return fmt.Errorf("serve %s: not in the network of that node of lab %q", backend, lab)
	}
	var told *os.File
	if ready > 0 {
		told = os.NewFile(uintptr(ready), "ready")
	}
	return serve(ctx, backend, told)
}

// serve answers HTTP on TCP 80 and echo on UDP 7, IPv4 and IPv6.
func serve(ctx context.Context, backend string, ready *os.File) error {
	config := net.ListenConfig{}
	config.SetMultipathTCP(false) // with it one connection shows as several in the kernel's tracepoints
	web, err := config.Listen(ctx, "tcp", fmt.Sprintf(":%d", HTTPPort))
	if err != nil {
		return fmt.Errorf("serve HTTP: %w", err)
	}
	defer web.Close()
	var echoes []*echo
	for _, network := range []string{"udp4", "udp6"} {
		e, err := newEcho(network, EchoPort, backend)
		if err != nil {
			return fmt.Errorf("serve echo: %w", err)
		}
		defer e.close()
		echoes = append(echoes, e)
	}
	if ready != nil {
		if _, err := fmt.Fprintln(ready, "ready"); err != nil {
			return fmt.Errorf("say ready: %w", err)
		}
		ready.Close()
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return serveHTTP(ctx, web, backend) })
	for _, e := range echoes {
		g.Go(e.run)
	}
	g.Go(func() error {
		<-ctx.Done()
		for _, e := range echoes {
			e.close()
		}
		return web.Close()
	})
	if err := g.Wait(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
