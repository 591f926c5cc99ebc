package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// Do runs fn on a thread inside the node's network namespace: sockets that it opens belong to that node for good,
// goroutines that it starts do not run there.
func (l *Lab) Do(node string, fn func() error) error {
	if err := l.has(node); err != nil {
		return err
	}
	return inNamespace(l.namespace(node), fn)
}

// DialContext connects from the node. The address must be a literal: names and several addresses are tried on other
// threads.
func (l *Lab) DialContext(ctx context.Context, node, network, address string) (conn net.Conn, err error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, err
	}
	err = l.Do(node, func() error {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Command is a program that will run in the node's network namespace, with the node's environment. The hairpin program
// is started first and becomes argv, so the process's pid is that of argv.
func (l *Lab) Command(node string, argv ...string) *exec.Cmd {
	args := append([]string{"lab", "exec", "--name", l.name, node, "--"}, argv...)
	cmd := exec.Command(l.binary, args...)
	cmd.Env = l.Environ(node)
	return cmd
}

// Exec turns this process into argv in the node's network namespace. It returns only when that cannot be done.
func (l *Lab) Exec(node string, argv ...string) error {
	if err := l.has(node); err != nil {
		return err
	}
	if len(argv) == 0 {
		return fmt.Errorf("no command to run on %s", node)
	}
	path, err := exec.LookPath(argv[0])
	if argv[0] == "hairpin" {
		path, err = l.binary, nil // the one that the lab runs, installed or not
	}
	if err != nil {
		return err
	}
	runtime.LockOSThread() // the thread that calls execve is the one that survives it
	defer runtime.UnlockOSThread()
	if err := enter(l.namespace(node)); err != nil {
		return err
	}
	if err := syscall.Exec(path, argv, l.Environ(node)); err != nil {
		return fmt.Errorf("run %s on %s: %w", argv[0], node, err)
	}
	return nil
}

// Inside tells whether this process already runs on the node.
func (l *Lab) Inside(node string) bool {
	here, err := os.Readlink("/proc/self/ns/net")
	return err == nil && here == fmt.Sprintf("net:[%d]", namespaceInode(l.namespace(node)))
}

// Environ is this process's environment with the node's folders in it, as hairpin reads them.
func (l *Lab) Environ(node string) []string {
	own := []string{
		labVariable + "=" + l.name,
		"HAIRPIN_CONFIG=" + filepath.Join(l.NodeDir(node), "config"),
		"HAIRPIN_STATE=" + filepath.Join(l.NodeDir(node), "state"),
		"HAIRPIN_RUN=" + filepath.Join(l.NodeDir(node), "run"),
		"HAIRPIN_BPFFS=" + l.bpf(node),
		nodeVariable + "=" + node,
	}
	if l.size.store != "" {
		own = append(own, "HAIRPIN_STORE="+l.StoreAddress())
	}
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "HAIRPIN_") {
			env = append(env, e)
		}
	}
	return append(env, own...)
}
