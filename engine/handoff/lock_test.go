package handoff

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain is also the program of the processes that the tests start: what they do is named by HANDOFF_CHILD.
func TestMain(m *testing.M) {
	switch os.Getenv("HANDOFF_CHILD") {
	case "":
		os.Exit(m.Run())
	case "own": // takes the lock that is named
		if _, err := Acquire(os.Getenv("HANDOFF_LOCK")); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	case "inherit": // was given the lock as its third descriptor
		if err := write(os.NewFile(3, "lock"), self()); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	case "successor": // has a stream as its third descriptor
		if err := successor(os.Getenv("HANDOFF_LOCK")); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends
}

// child starts one of the above and waits until it is ready.
func child(t *testing.T, what, lock string, files ...*os.File) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0], "own", "the", "node")
	c.Env = append(os.Environ(), "HANDOFF_CHILD="+what, "HANDOFF_LOCK="+lock)
	c.ExtraFiles = files
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = c.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("child %s: %q %v", what, line, err)
	}
	return c
}

func kill(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	err := c.Wait()
	if s, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGKILL {
		t.Fatalf("not killed: %v", err)
	}
}

func path(t *testing.T) string { return filepath.Join(t.TempDir(), "state", "lock") }

func acquire(t *testing.T, path string) *Lock {
	t.Helper()
	l, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// held checks that nobody can take the lock, and that whoever tries is told about pid.
func held(t *testing.T, path string, pid int) {
	t.Helper()
	l, err := Acquire(path)
	if err == nil {
		l.Close()
		t.Fatal("the lock was taken twice")
	}
	h, ok := errors.AsType[*HeldError](err)
	if !ok || !errors.Is(err, ErrHeld) || h.By.PID != pid || h.By.UID != os.Getuid() {
		t.Fatalf("%v, want one that names pid %d", err, pid)
	}
	o, owned, err := Holder(path)
	if err != nil || !owned || o.PID != pid {
		t.Fatalf("holder: %v %v %v, want pid %d", o, owned, err, pid)
	}
}

func free(t *testing.T, path string) {
	t.Helper()
	if o, owned, err := Holder(path); err != nil || owned {
		t.Fatalf("holder: %v %v %v, want none", o, owned, err)
	}
	l, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAcquire(t *testing.T) {
	p := path(t)
	free(t, p)
	before := time.Now().Add(-time.Second)
	l := acquire(t, p)
	held(t, p, os.Getpid())
	o, _, _ := Holder(p)
	if o.Since.Before(before) || o.Since.After(time.Now().Add(time.Second)) {
		t.Errorf("since %v", o.Since)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	free(t, p)
}

func TestMessage(t *testing.T) {
	p := path(t)
	c := child(t, "own", p)
	_, err := Acquire(p)
	want := fmt.Sprintf("lock node: node is owned by %s own the node, pid %d, uid %d, since 2", filepath.Base(os.Args[0]), c.Process.Pid, os.Getuid())
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v\nwant %s…", err, want)
	}
}

// TestKill: the lock goes with the process, whatever ends it, and what it wrote there deceives nobody.
func TestKill(t *testing.T) {
	p := path(t)
	for range 5 {
		c := child(t, "own", p)
		held(t, p, c.Process.Pid)
		kill(t, c)
		if text, err := os.ReadFile(p); err != nil || len(text) == 0 {
			t.Fatalf("the killed process left no name: %q %v", text, err)
		}
		free(t, p)
	}
}

// TestPassedOn: closing never unlocks what somebody else was given.
func TestPassedOn(t *testing.T) {
	p := path(t)
	l := acquire(t, p)
	c := child(t, "inherit", p, l.file)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	held(t, p, c.Process.Pid)
	kill(t, c)
	free(t, p)
}

// TestNotInherited: a process that was started meanwhile keeps nothing locked.
func TestNotInherited(t *testing.T) {
	p := path(t)
	l := acquire(t, p)
	child(t, "idle", p)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	free(t, p)
}

func TestOneWins(t *testing.T) {
	p := path(t)
	var mu sync.Mutex
	var won []*Lock
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			l, err := Acquire(p)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, l)
			} else if !errors.Is(err, ErrHeld) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(won) != 1 {
		t.Fatalf("%d of 50 took the lock", len(won))
	}
	if err := won[0].Close(); err != nil {
		t.Error(err)
	}
}

func TestLoserLeaksNothing(t *testing.T) {
	p := path(t)
	acquire(t, p)
	before, _ := os.ReadDir("/proc/self/fd")
	for range 10 {
		held(t, p, os.Getpid())
	}
	if after, _ := os.ReadDir("/proc/self/fd"); len(after) != len(before) {
		t.Errorf("%d descriptors, before %d", len(after), len(before))
	}
}

// TestReplaced: a lock on a file that is not at its path any more excludes nobody, so it is none.
func TestReplaced(t *testing.T) {
	p := filepath.Join(t.TempDir(), "lock")
	f, err := os.Create(p)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !at(p, f) {
		t.Error("the file at its path is not found there")
	}
	if err := os.Remove(p); err != nil {
		t.Fatal(err)
	}
	if at(p, f) {
		t.Error("a removed file is found at its path")
	}
	if err := os.WriteFile(p, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if at(p, f) {
		t.Error("a removed file is taken for the one at its path")
	}
}

func TestSymlink(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(dir, "lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(filepath.Join(dir, "lock")); err == nil {
		t.Error("the lock was taken through a symbolic link")
	}
	if text, _ := os.ReadFile(victim); string(text) != "precious" {
		t.Errorf("the file behind the link is now %q", text)
	}
}

func TestGarbage(t *testing.T) {
	p := filepath.Join(t.TempDir(), "lock")
	for _, text := range []string{"garbage", `{"PID": "x"}`, strings.Repeat("x", 1<<20)} {
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Holder(p); err == nil {
			t.Errorf("%.20q names a holder", text)
		}
		l, err := Acquire(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Acquire(p); !errors.Is(err, ErrHeld) || err.Error() != "lock node: node is owned by another process" {
			t.Errorf("%.20q: %v", text, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestReusedPID: a process that happens to have the PID of one that is gone owns nothing.
func TestReusedPID(t *testing.T) {
	p := filepath.Join(t.TempDir(), "lock")
	for name, change := range map[string]func(*Owner){
		"nothing":            func(*Owner) {},
		"another start":      func(o *Owner) { o.Started++ },
		"another boot":       func(o *Owner) { o.Boot = "x" },
		"nobody by that PID": func(o *Owner) { o.PID = 1 << 30 },
	} {
		o := self()
		change(&o)
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, owned, err := Holder(p); err != nil || owned != (name == "nothing") {
			t.Errorf("%s changed: %v %v", name, owned, err)
		}
	}
}

func TestOwnerIsPrintable(t *testing.T) {
	if s := (Owner{PID: 7, Command: "hairpin\x1b[2J run\n"}).String(); !strings.HasPrefix(s, "hairpin?[2J run?, pid 7") {
		t.Errorf("%q", s)
	}
}

// TestDying: a killed process may hold its files a little longer than it counts as alive. Who comes then waits, not forever.
func TestDying(t *testing.T) {
	p := path(t)
	l := acquire(t, p)
	gone := self()
	gone.Started++
	if err := write(l.file, gone); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(p); !errors.Is(err, ErrHeld) {
		t.Errorf("a lock that is held was taken, or: %v", err)
	}
	time.AfterFunc(20*time.Millisecond, func() { _ = l.file.Close() })
	free(t, p)
}
