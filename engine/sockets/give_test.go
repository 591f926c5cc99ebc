package sockets

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// giver is what a process of this test does instead of testing: it gives, or where no service is named it makes the table.
type giver struct {
	Dir, Of string
	PID, FD int
	Wait    time.Duration
}

const giverVariable = "HAIRPIN_TEST_GIVER"

func TestMain(m *testing.M) {
	text, gives := os.LookupEnv(giverVariable)
	if !gives {
		os.Exit(m.Run())
	}
	var g giver
	err := json.Unmarshal([]byte(text), &g)
	if err == nil {
		err = g.give()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (g giver) give() error {
	if g.Of == "" {
		table, err := Create(g.Dir)
		if err == nil {
			table.Close() // others wait for it
		}
		return err
	}
	p, err := OpenProcess(g.PID)
	if err != nil {
		return err
	}
	fmt.Println("begins")
	return Give(context.Background(), g.Dir, g.Of, p, g.FD, g.Wait)
}

// start has a process of its own do it.
func (g giver) start(t *testing.T) (c *exec.Cmd, said io.Reader) {
	t.Helper()
	text, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	c = exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), giverVariable+"="+string(text))
	said, err = c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.Process.Kill(), c.Wait() })
	return c, said
}

// begin has a process of its own give, which has begun when begin returns.
func (g giver) begin(t *testing.T) *exec.Cmd {
	t.Helper()
	c, says := g.start(t)
	if said, err := bufio.NewReader(says).ReadString('\n'); err != nil || said != "begins\n" {
		t.Fatalf("it said %q: %v", said, err)
	}
	return c
}

// together has them all do it at one time.
func together(t *testing.T, all ...giver) {
	t.Helper()
	ends := make([]func() error, len(all))
	for i, g := range all {
		c, said := g.start(t)
		ends[i] = func() error {
			text, _ := io.ReadAll(said)
			if err := c.Wait(); err != nil {
				return fmt.Errorf("%+v: %w: %s", g, err, text)
			}
			return nil
		}
	}
	for _, end := range ends {
		if err := end(); err != nil {
			t.Error(err)
		}
	}
}

// silent is a process without any socket.
func silent(t *testing.T) *exec.Cmd {
	t.Helper()
	c := exec.Command("sleep", "600")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.Process.Kill(), c.Wait() })
	return c
}

// bound is a table with the service web, closed.
func bound(t *testing.T, dir string) {
	t.Helper()
	table, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	if err := table.Bind(Service{Name: "web", Protocol: "tcp", From: 80, To: 80, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.99.0.1/32")}}); err != nil {
		t.Fatal(err)
	}
}

// TestGiveWaits: while some wait for processes without a socket, others give, and nobody who asks is refused; one who waits may
// be killed, or wait for a process that ends; the server before may go on for ever.
func TestGiveWaits(t *testing.T) {
	dir, ns := host(t)
	bound(t, dir)
	first := start(t, 1)
	if err := Give(t.Context(), dir, "web", self(t), first.fd(t), 0); err != nil {
		t.Fatal(err)
	}
	end := load(t, ns, []string{"10.99.0.1:80"})
	ending, lasting := silent(t), silent(t)
	var waiters []*exec.Cmd
	for _, c := range []*exec.Cmd{ending, lasting, lasting} {
		waiters = append(waiters, giver{dir, "web", c.Process.Pid, -1, time.Hour}.begin(t))
	}
	second, third := start(t, 2), start(t, 3)
	var all []giver
	for _, s := range []*server{second, third, second, third} {
		all = append(all, giver{dir, "web", os.Getpid(), s.fd(t), 0})
	}
	together(t, all...)
	if err := Give(t.Context(), dir, "web", self(t), third.fd(t), 0); err != nil {
		t.Fatal(err)
	}
	if err := waiters[1].Process.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = waiters[1].Wait()
	if err := ending.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = ending.Wait()
	if err := waiters[0].Wait(); err == nil {
		t.Error("one that waited for a process which ended has given its socket")
	}
	for range 50 {
		if text, err := ask("10.99.0.1:80"); err != nil || text != "3" {
			t.Errorf("the last one has the service, and %q answered, %v", text, err)
		}
	}
	asked, failed, why := end()
	if failed > 0 || asked < 50 {
		t.Errorf("%d of %d were refused or broken off, the first: %v", failed, asked, why)
	}
	for _, s := range []*server{first, second, third} {
		s.leaving.Store(true)
		<-s.done
	}
}

// TestGiveComes: a process gets its socket while it is waited for.
func TestGiveComes(t *testing.T) {
	dir, _ := host(t)
	bound(t, dir)
	waiter := giver{dir, "web", os.Getpid(), -1, time.Minute}.begin(t)
	s := start(t, 1) // in the midst of it, or before
	if err := waiter.Wait(); err != nil {
		t.Fatal(err)
	}
	if text, err := ask("10.99.0.1:80"); err != nil || text != "1" {
		t.Errorf("%q, %v", text, err)
	}
	s.leaving.Store(true)
	<-s.done
	if err := Give(t.Context(), dir, "web", process(t, silent(t).Process.Pid), -1, 0); !errors.Is(err, ErrNotYet) {
		t.Errorf("a process without a socket: %v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := Give(stopped, dir, "web", process(t, silent(t).Process.Pid), -1, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that is ended: %v", err)
	}
}

// TestTogether: tables are made and removed at one time, and what somebody who was killed left behind goes too.
func TestTogether(t *testing.T) {
	dir, _ := host(t)
	maker := giver{Dir: dir}
	together(t, maker, maker, maker, maker, maker, maker)
	if err := os.MkdirAll(dir+unfinishedMark+"1", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir + "/bindings"); err != nil { // damaged
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "hairpin socket detach") {
		t.Errorf("a damaged one: %v", err)
	}
	if err := Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := Remove(dir); !errors.Is(err, ErrNone) {
		t.Errorf("removed twice: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(filepath.Dir(dir))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left: %v", err)
	}
}
