package engine

import (
	"context"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const shortPatience = 300 * time.Millisecond

// TestSocketOpens to its own user, to the group if there is one, and to everybody if the operator says so.
func TestSocketOpens(t *testing.T) {
	const gid = 54321
	for _, row := range []struct {
		group, everyone bool
		mode            os.FileMode
		gid             uint32
	}{
		{false, false, 0o600, 0}, {true, false, 0o660, gid}, {false, true, 0o666, 0}, {true, true, 0o666, gid},
	} {
		path := socketPath(t)
		serve(t, path, newFake(), func(s *server) {
			s.observers, s.group = row.everyone, groupOf(gid, row.group)
		})
		st, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if owner := st.Sys().(*syscall.Stat_t); st.Mode() != os.ModeSocket|row.mode || owner.Gid != row.gid {
			t.Errorf("%+v: mode %v, group %d", row, st.Mode(), owner.Gid)
		}
	}
}

// groupOf is the group under that number, or none.
func groupOf(gid uint32, exists bool) *group {
	return &group{lookup: func(name string) (*user.Group, error) {
		if !exists {
			return nil, user.UnknownGroupError(name)
		}
		return &user.Group{Name: name, Gid: strconv.Itoa(int(gid))}, nil
	}}
}

func TestSocketIsRemoved(t *testing.T) {
	path := socketPath(t)
	stop := serve(t, path, newFake(), nil)
	stop()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("after the end: %v", err)
	}
}

// TestSocketOfTheDead: one that was left by an owner that was killed is replaced.
func TestSocketOfTheDead(t *testing.T) {
	path := socketPath(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	n := newFake()
	n.publish(&State{PID: 7})
	serve(t, path, n, nil)
	if s := dial(t, path).State(); s.PID != 7 {
		t.Errorf("%+v", s)
	}
}

// TestSocketOfThePredecessor: one that is about to leave is waited for, and does not take the new socket along.
func TestSocketOfThePredecessor(t *testing.T) {
	path := socketPath(t)
	stop := serve(t, path, newFake(), nil)
	n := newFake()
	n.publish(&State{PID: 8})
	s := newServer(n)
	ctx, end := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.serve(ctx, path) }()
	t.Cleanup(func() { end(); <-done })
	stop()
	await(t, "the successor is the one who answers", func() bool {
		n, err := Dial(t.Context(), Paths{Run: filepath.Dir(path)})
		return err == nil && n.State().PID == 8 && n.Close() == nil
	})
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("its socket: %v", err)
	}
}

func TestSocketOfAnother(t *testing.T) {
	path := socketPath(t)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	refuses(t, path, "another process listens there")
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("its socket: %v", err)
	}
}

func TestSocketIsNoSocket(t *testing.T) {
	path := socketPath(t)
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, path, "not a socket")
	if text, _ := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("the file is now %q", text)
	}
	refuses(t, filepath.Join(filepath.Dir(path), strings.Repeat("x", 107)), "can have 103")
}

func refuses(t *testing.T, path, why string) {
	t.Helper()
	s := newServer(newFake())
	s.patience = shortPatience
	if err := s.serve(t.Context(), path); err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("%v, want one that says %q", err, why)
	}
}

// socketPath is short enough whatever the test is called.
func socketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "engine.sock")
}

// serve serves n at path until the test ends or what it returns is called.
func serve(t testing.TB, path string, n host, change func(*server)) (stop func()) {
	t.Helper()
	s := newServer(n)
	if change != nil {
		change(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.serve(ctx, path); err != nil {
			t.Errorf("serve: %v", err)
		}
	}()
	await(t, "the socket is there", func() bool {
		c, err := net.Dial("unix", path)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func dial(t *testing.T, path string) *client {
	t.Helper()
	n, err := Dial(t.Context(), Paths{Run: filepath.Dir(path)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n.(*client)
}

// armed is a client that may change the node.
func armed(t *testing.T, path string) *client {
	t.Helper()
	c := dial(t, path)
	rearm(t, c)
	return c
}

// await waits for something that another goroutine or process does.
func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("it never came true that %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
