package lab

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

const loadDaemon = "load"

// StartLoad keeps a gentle load on the lab from a process on the client, for MaxLoad at most. One that runs already is
// left alone.
func (l *Lab) StartLoad(ctx context.Context) error {
	unlock, err := lock(ctx, l.lockFile())
	if err != nil {
		return err
	}
	defer unlock()
	d := daemon{l, Client, loadDaemon}
	if d.pid() != 0 {
		return nil
	}
	_, err = d.start(nil, "lab", "load", "--name", l.name, "--for", MaxLoad.String(),
		"--http", "100", "--keepalive", "32", "--pace", "250ms", "--udp", "100")
	if err != nil {
		return fmt.Errorf("%s: %w", Client, err)
	}
	return nil
}

// StopLoad ends it.
func (l *Lab) StopLoad(ctx context.Context) error {
	if err := (daemon{l, Client, loadDaemon}).stop(ctx, unix.SIGKILL); err != nil {
		return fmt.Errorf("%s: end load: %w", Client, err)
	}
	return nil
}
