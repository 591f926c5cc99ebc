package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
)

// TestMain lets the test program stand in for hairpin: a lab runs it with the verbs below.
func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) > 2 && os.Args[1] == "lab":
		err = verb(os.Args[2], os.Args[3:])
	case len(os.Args) == 2 && os.Args[1] == "run":
		err = fakeEngine()
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// verb takes its arguments in the order in which the lab writes them.
func verb(name string, args []string) error {
	switch name {
	case "serve": // --name L --ready FD NODE
		fd, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		return Serve(context.Background(), args[1], args[4], fd)
	case "router": // --name L NODES
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return Route(context.Background(), args[1], n)
	case "exec": // --name L NODE -- ARGV…
		l, err := Open(args[1])
		if err != nil {
			return err
		}
		return l.Exec(args[2], args[4:]...)
	case "up-to": // L STEP: builds, and is killed before that step
		last, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		steps := 0
		_, err = Up(context.Background(), Config{Name: args[0], Backends: 2, Binary: os.Args[0], step: func(string) {
			if steps++; steps > last {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
		}})
		return err
	}
	return fmt.Errorf("no verb %q", name)
}

// fakeEngine is what a lab sees of one: it reads its spec, and answers on its socket until SIGTERM.
func fakeEngine() error {
	if _, err := os.ReadFile(os.Getenv("HAIRPIN_CONFIG") + "/spec.yaml"); err != nil {
		return fmt.Errorf("no spec, no engine: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	on, err := net.Listen("unix", os.Getenv("HAIRPIN_RUN")+"/engine.sock")
	if err != nil {
		return err
	}
	<-ctx.Done()
	return on.Close()
}
