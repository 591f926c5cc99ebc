package lab

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestStore: a lab's store is reached by its nodes, but for those whose packets vanish, and is started again by up.
func TestStore(t *testing.T) {
	t.Parallel()
	l := testUpWith(t, Config{Backends: 1, Store: Etcd})
	reached := func(node string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		c, err := l.DialContext(ctx, node, "tcp", l.storeAt().String())
		if err == nil {
			err = c.Close()
		}
		return err
	}
	becomes := func(what, node string, is func(error) bool) {
		t.Helper()
		await(t, what, func() bool { return is(reached(node)) })
	}
	fine := func(err error) bool { return err == nil }
	becomes("lb reaches the store", LB, fine)
	for range 2 { // as it is already
		if err := l.CutStore(LB); err != nil {
			t.Fatal(err)
		}
	}
	becomes("lb is cut from the store", LB, func(err error) bool {
		n, failed := errors.AsType[net.Error](err)
		return failed && n.Timeout()
	})
	becomes("backend1 is not", Backend(1), fine)
	for range 2 {
		if err := l.MendStore(LB); err != nil {
			t.Fatal(err)
		}
	}
	becomes("lb reaches it again", LB, fine)
	if err := l.StopStore(t.Context()); err != nil {
		t.Fatal(err)
	}
	becomes("the store is gone", LB, func(err error) bool { return errors.Is(err, unix.ECONNREFUSED) })
	if s := l.Status().Nodes; s[len(s)-1].Name != Store || s[len(s)-1].Server != 0 {
		t.Errorf("%+v", s)
	}
	if _, err := Up(t.Context(), Config{Name: l.name, Binary: l.binary}); err != nil {
		t.Fatal(err)
	}
	becomes("up starts it again", LB, fine)
	if env := strings.Join(l.Environ(LB), " "); !strings.Contains(env, "HAIRPIN_STORE=etcd://10.3.0.10:2379/lab") {
		t.Errorf("engines are not told of it: %s", env)
	}
}

// TestStoreKinds: what cannot keep a fleet is said before anything is built, and with what to install.
func TestStoreKinds(t *testing.T) {
	c := Config{Binary: "hairpin", Store: "consul"}
	if _, err := c.lab(); err == nil || !strings.Contains(err.Error(), `store "consul": etcd, or none`) {
		t.Error(err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := program("etcd"); err == nil {
		return // it stands in a folder that is always looked in
	}
	c.Store = Etcd
	if _, err := c.lab(); err == nil || !strings.Contains(err.Error(), "the Debian package is etcd-server") {
		t.Error(err)
	}
}

// TestDocument: the parts of nodes make one document, in which only what differs stands by node.
func TestDocument(t *testing.T) {
	l := testUpWith(t, Config{Backends: 1, Nodes: 2, Router: Builtin, Store: Etcd})
	if err := l.WriteSpecs(l.CountByAgents); err != nil {
		t.Fatal(err)
	}
	text, err := l.document()
	if err != nil {
		t.Fatal(err)
	}
	shared, nodes, _ := strings.Cut(text, "nodes:\n")
	nodes, rest, _ := strings.Cut(nodes, "\nstages:\n")
	for _, row := range []struct{ in, want string }{
		{shared, "rollout: {at_once: 4, watch: 1s}"},
		{nodes, "  lb:\n    bgp:\n"},
		{nodes, "  lb2:\n    stages:\n"},
		{nodes, "  backend1:\n    hosts: [10.1.1.10]\n"},
		{rest, "  - name: web\n"},
	} {
		if !strings.Contains(row.in, row.want) {
			t.Errorf("no %q in\n%s", row.want, text)
		}
	}
	if strings.Contains(rest, "bgp:") {
		t.Errorf("BGP is shared:\n%s", rest)
	}
}
