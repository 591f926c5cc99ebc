package handoff

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is longer than any of these tests should take.
const patience = time.Minute

type word struct{ Word string }

// successor takes the lock that comes over its stream, and gives it back when it is asked to.
func successor(path string) error {
	s, err := Inherit(3)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	var said word
	file, err := s.Receive(&said, patience)
	if err != nil {
		return err
	}
	l, err := Take(file, path)
	if err != nil {
		return err
	}
	if err := s.Send(word{"taken"}, nil, patience); err != nil {
		return err
	}
	if _, err := s.Receive(&said, patience); err != nil { // the predecessor is gone: it carries on
		_, _ = io.Copy(io.Discard, os.Stdin)
		return nil
	}
	return l.Pass(s, word{"back"}, patience)
}

func pair(t *testing.T) (*Stream, *os.File) {
	t.Helper()
	s, other, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); other.Close() })
	return s, other
}

// both are the two ends of a stream in this process.
func both(t *testing.T) (a, b *Stream) {
	t.Helper()
	a, other := pair(t)
	fd, err := unix.Dup(int(other.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	other.Close()
	if b, err = Inherit(uintptr(fd)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return a, b
}

// passed is a successor that has the lock at p.
func passed(t *testing.T, p string) (*Stream, *exec.Cmd) {
	t.Helper()
	l, err := Acquire(p)
	if err != nil {
		t.Fatal(err)
	}
	s, other := pair(t)
	c := child(t, "successor", p, other)
	other.Close()
	held(t, p, os.Getpid())
	if err := l.Pass(s, word{"yours"}, patience); err != nil {
		t.Fatal(err)
	}
	var said word
	if file, err := s.Receive(&said, patience); err != nil || file != nil || said.Word != "taken" {
		t.Fatalf("%v %v %v", said, file, err)
	}
	held(t, p, c.Process.Pid)
	return s, c
}

// TestThereAndBack: the lock goes over and back, and at any time somebody holds it and is named.
func TestThereAndBack(t *testing.T) {
	p := path(t)
	s, c := passed(t, p)
	if err := s.Send(word{"give it back"}, nil, patience); err != nil {
		t.Fatal(err)
	}
	var said word
	file, err := s.Receive(&said, patience)
	if err != nil || file == nil || said.Word != "back" {
		t.Fatalf("%v %v %v", said, file, err)
	}
	l, err := Take(file, p)
	if err != nil {
		t.Fatal(err)
	}
	held(t, p, os.Getpid())
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	held(t, p, os.Getpid())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	free(t, p)
}

// TestSuccessorKilled: the stream says so, and the lock is free.
func TestSuccessorKilled(t *testing.T) {
	p := path(t)
	s, c := passed(t, p)
	kill(t, c)
	var said word
	if _, err := s.Receive(&said, patience); !errors.Is(err, ErrGone) {
		t.Fatal(err)
	}
	free(t, p)
}

// TestPredecessorGone: what it passed stays passed.
func TestPredecessorGone(t *testing.T) {
	p := path(t)
	s, c := passed(t, p)
	s.Close()
	held(t, p, c.Process.Pid)
	kill(t, c)
	free(t, p)
}

// TestLockOnTheWay: one that was sent and never received is held until the last of both ends is closed, and free then.
func TestLockOnTheWay(t *testing.T) {
	p := path(t)
	l := acquire(t, p)
	a, b := both(t)
	if err := l.Pass(a, word{}, patience); err != nil {
		t.Fatal(err)
	}
	held(t, p, os.Getpid())
	a.Close()
	held(t, p, os.Getpid())
	b.Close()
	acquire(t, p)
}

func TestTakeRefuses(t *testing.T) {
	p, other := path(t), path(t)
	acquire(t, p)
	unlocked, err := os.OpenFile(p, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unlocked.Close()
	if _, err := Take(unlocked, p); !errors.Is(err, ErrHeld) {
		t.Errorf("an unlocked descriptor was taken: %v", err)
	}
	l := acquire(t, other)
	if _, err := Take(l.file, p); err == nil || !strings.Contains(err.Error(), "is not "+p) {
		t.Errorf("another lock was taken: %v", err)
	}
}

func TestMessages(t *testing.T) {
	a, b := both(t)
	long := strings.Repeat("x", 3<<20)
	sent := make(chan error, 1)
	go func() {
		sent <- errors.Join(a.Send(word{"short"}, nil, patience), a.Send(word{long}, nil, patience), a.Send(word{"last"}, nil, patience))
	}()
	for _, want := range []string{"short", long, "last"} {
		var got word
		if f, err := b.Receive(&got, patience); err != nil || f != nil || got.Word != want {
			t.Fatalf("%.9q %v %v", got.Word, f, err)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if _, err := b.Receive(&word{}, time.Millisecond); err == nil || !strings.Contains(err.Error(), "in time") {
		t.Errorf("a silent one: %v", err)
	}
	a.Close()
	if _, err := b.Receive(&word{}, patience); !errors.Is(err, ErrGone) {
		t.Errorf("one that is gone: %v", err)
	}
	if err := b.Send(word{}, nil, patience); !errors.Is(err, ErrGone) {
		t.Errorf("to one that is gone: %v", err)
	}
}

// TestHostile: whatever comes, the receiver says so, and keeps no descriptor of it.
func TestHostile(t *testing.T) {
	for name, raw := range map[string]string{
		"too long": "\xff\xff\xff\xff", "cut short": "\x00\x00\x00\x09{\"Word\"", "not JSON": "\x00\x00\x00\x02no", "half a length": "\x00\x00",
	} {
		a, b := both(t)
		before, _ := os.ReadDir("/proc/self/fd")
		if _, _, err := a.conn.WriteMsgUnix([]byte(raw), unix.UnixRights(0, 1, 2), nil); err != nil {
			t.Fatal(err)
		}
		if err := a.conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if f, err := b.Receive(&word{}, patience); err == nil || f != nil {
			t.Errorf("%s: %v %v", name, f, err)
		}
		if after, _ := os.ReadDir("/proc/self/fd"); len(after) != len(before) {
			t.Errorf("%s: %d descriptors, before %d", name, len(after), len(before))
		}
	}
}

func TestInheritNoSocket(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	fd, err := unix.Dup(int(r.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Inherit(uintptr(fd)); err == nil {
		t.Error("a pipe was taken for a stream")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	if fd, err = unix.Dup(int(f.Fd())); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := Inherit(uintptr(fd)); err == nil {
		t.Error("a listener was taken for a stream")
	}
}
