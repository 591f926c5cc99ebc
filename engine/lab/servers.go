package lab

import (
	"bufio"
	"context"
	"fmt"
	"os"
)

const serverDaemon = "server"

// startServers starts what does not run of the backends' servers and waits until all of them listen.
func (l *Lab) startServers(ctx context.Context) error {
	return l.eachNode(func(node string) error {
		d := daemon{l, node, serverDaemon}
		if node == Client || node == Router || node == Store || balances(node) || d.pid() != 0 {
			return nil
		}
		return l.startServer(ctx, d)
	})
}

// startServer waits for the word that the server writes to its descriptor 3 once it listens.
func (l *Lab) startServer(ctx context.Context, d daemon) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = d.start([]*os.File{w}, "lab", "serve", "--name", l.name, "--ready", "3", d.node)
	w.Close()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { r.Close() })
	defer stop()
	if _, err := bufio.NewReader(r).ReadString('\n'); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("wait for the server: %w", ctx.Err())
		}
		return fmt.Errorf("server did not start: %s", d.lastWords())
	}
	return nil
}
