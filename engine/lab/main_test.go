package lab

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
)

// TestMain lets the test program stand in for hairpin: a lab runs it with the verbs below.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "lab" {
		if err := verb(os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
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
