package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const (
	engineDaemon = "engine"
	engineStart  = time.Minute // the most that a start may take; one that ends is noticed at once
)

// StartEngine runs `hairpin run` on each of the nodes, all at once, and returns when their control sockets answer. An
// engine that runs already is left alone.
func (l *Lab) StartEngine(ctx context.Context, nodes ...string) error {
	unlock, err := lock(ctx, l.lockFile())
	if err != nil {
		return err
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(ctx, engineStart)
	defer cancel()
	var g errgroup.Group
	for _, n := range nodes {
		g.Go(func() error {
			if err := l.startEngine(ctx, n); err != nil {
				return fmt.Errorf("%s: start engine: %w", n, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (l *Lab) startEngine(ctx context.Context, node string) (err error) {
	if err := l.has(node); err != nil {
		return err
	}
	d := daemon{l, node, engineDaemon}
	ended := make(<-chan struct{}) // of one that somebody else started: never
	if d.pid() == 0 {
		if ended, err = d.start(nil, "run"); err != nil {
			return err
		}
	}
	if err := l.awaitSocket(ctx, node, ended); err != nil {
		return fmt.Errorf("%w: %s", err, d.lastWords())
	}
	return nil
}

func (l *Lab) awaitSocket(ctx context.Context, node string, ended <-chan struct{}) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("unix", l.EngineSocket(node))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return fmt.Errorf("no answer: %w", err)
		case <-tick.C:
		}
	}
}

// EngineSocket is where the node's engine listens.
func (l *Lab) EngineSocket(node string) string {
	return filepath.Join(l.NodeDir(node), "run", "engine.sock")
}

// EnginePID is that of the node's engine, 0 when none was started or it has ended.
func (l *Lab) EnginePID(node string) int { return daemon{l, node, engineDaemon}.pid() }

// StopEngine asks the node's engine to end, and waits.
func (l *Lab) StopEngine(ctx context.Context, node string) error {
	return l.endEngine(ctx, node, unix.SIGTERM)
}

// KillEngine ends the node's engine at whatever instruction it is.
func (l *Lab) KillEngine(ctx context.Context, node string) error {
	return l.endEngine(ctx, node, unix.SIGKILL)
}

func (l *Lab) endEngine(ctx context.Context, node string, sig unix.Signal) error {
	if err := (daemon{l, node, engineDaemon}).stop(ctx, sig); err != nil {
		return fmt.Errorf("%s: end engine: %w", node, err)
	}
	return nil
}
