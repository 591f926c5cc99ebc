package sockets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// host is a network namespace with addresses on lo, and a bpffs. The test's thread stays in it, and ends with the test.
func host(t *testing.T) (dir string, ns *os.File) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		t.Fatalf("own namespaces (this test needs root): %v", err)
	}
	bpffs := t.TempDir()
	if err := errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("bpf", bpffs, "bpf", 0, "")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(bpffs, unix.MNT_DETACH) })
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"10.99.0.1/32", "fd00:99::1/128"} {
		address, err := netlink.ParseAddr(a)
		if err != nil {
			t.Fatal(err)
		}
		address.Flags = unix.IFA_F_NODAD
		if err := errors.Join(netlink.AddrAdd(lo, address), netlink.LinkSetUp(lo)); err != nil {
			t.Fatal(err)
		}
	}
	if ns, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	return Dir(bpffs, "test"), ns
}

// server is one version of a server: it answers with its number.
type server struct {
	net.Listener
	version int
	served  atomic.Int64
	done    chan struct{}
	leaving atomic.Bool
}

// start has a version listen where nobody would look for it.
func start(t *testing.T, version int) *server {
	t.Helper()
	var c net.ListenConfig
	c.SetMultipathTCP(false)
	l, err := c.Listen(context.Background(), "tcp", "[::]:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: l, version: version, done: make(chan struct{})}
	go s.serve()
	return s
}

// serve accepts until it is to leave and nobody came for a while.
func (s *server) serve() {
	defer close(s.done)
	for {
		_ = s.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(300 * time.Millisecond))
		c, err := s.Accept()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && !s.leaving.Load():
			continue
		case err != nil:
			_ = s.Close()
			return
		}
		s.served.Add(1)
		_, _ = fmt.Fprintf(c, "%d", s.version)
		_ = c.Close()
	}
}

func (s *server) fd(t *testing.T) int {
	t.Helper()
	raw, err := s.Listener.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var fd int
	if err := raw.Control(func(n uintptr) { fd = int(n) }); err != nil {
		t.Fatal(err)
	}
	return fd
}

func self(t *testing.T) *Process { return process(t, os.Getpid()) }

func process(t *testing.T, pid int) *Process {
	t.Helper()
	p, err := OpenProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// ask is what the server of an address answers.
func ask(to string) (string, error) {
	c, err := net.DialTimeout("tcp", to, 20*time.Second)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	var b bytes.Buffer
	if _, err := b.ReadFrom(c); err != nil {
		return "", err
	}
	return b.String(), nil
}

// load asks until it is to end, from threads of the namespace. What fails is counted.
func load(t *testing.T, ns *os.File, to []string) (end func() (asked, failed int64, first error)) {
	var asked, failed atomic.Int64
	var why atomic.Value
	var all sync.WaitGroup
	stop := make(chan struct{})
	for i := range 4 {
		all.Go(func() {
			runtime.LockOSThread()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				t.Error(err)
				return
			}
			for n := i; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				asked.Add(1)
				if text, err := ask(to[n%len(to)]); err != nil || text == "" {
					failed.Add(1)
					why.CompareAndSwap(nil, fmt.Errorf("%s: %q: %w", to[n%len(to)], text, errors.Join(err)))
				}
			}
		})
	}
	return func() (int64, int64, error) {
		close(stop)
		all.Wait()
		err, _ := why.Load().(error)
		return asked.Load(), failed.Load(), err
	}
}

// TestRestart replaces a server by its next version under load, again and again: nobody is refused.
func TestRestart(t *testing.T) {
	dir, ns := host(t)
	table, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	web := Service{Name: "web", Protocol: "tcp", From: 80, To: 89, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.99.0.0/24"), netip.MustParsePrefix("fd00:99::1/128")}}
	if err := table.Bind(web); err != nil {
		t.Fatal(err)
	}
	targets := []string{"10.99.0.1:80", "10.99.0.1:89", "[fd00:99::1]:83"}
	if _, err := ask(targets[0]); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("without a server: %v", err)
	}
	running := start(t, 1)
	if err := table.Give("web", self(t), running.fd(t)); err != nil {
		t.Fatal(err)
	}
	table.Close() // what goes on needs no process that has it open
	for _, to := range targets {
		if text, err := ask(to); err != nil || text != "1" {
			t.Errorf("%s: %q, %v", to, text, err)
		}
	}
	end := load(t, ns, targets)
	const versions = 8
	for v := 2; v <= versions; v++ {
		next := start(t, v)
		table, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := table.Give("web", self(t), next.fd(t)); err != nil {
			t.Fatal(err)
		}
		table.Close()
		running.leaving.Store(true)
		<-running.done
		if running.served.Load() == 0 {
			t.Errorf("version %d served nobody", running.version)
		}
		running = next
	}
	asked, failed, first := end()
	if failed > 0 || asked < 50 {
		t.Errorf("%d of %d were refused or broken off while %d versions came and went; the first: %v", failed, asked, versions, first)
	}
	t.Logf("%d connections over %d versions", asked, versions)
	checkEnd(t, dir, running, asked)
}

// checkEnd: what is shown is what went on, and what ends leaves nothing.
func checkEnd(t *testing.T, dir string, running *server, asked int64) {
	t.Helper()
	table, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	all, err := table.Services()
	if err != nil || len(all) != 1 || all[0].Name != "web" || all[0].Protocol != "tcp" || len(all[0].Prefixes) != 2 || all[0].From != 80 || all[0].To != 89 ||
		all[0].Sockets[0] == 0 || all[0].Sockets[0] != all[0].Sockets[1] || all[0].Missing != 1 || all[0].Given < uint64(asked) {
		t.Errorf("%+v, %v", all, err)
	}
	for _, row := range []struct {
		of   Service
		want string
	}{
		{Service{Name: "web", Protocol: "udp", From: 1, To: 1, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, "unbind it first"},
		{Service{Name: "b", Protocol: "tcp", From: 89, To: 99, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, "is web's"},
		{Service{Name: "b", Protocol: "sctp", From: 1, To: 1, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, "there are tcp, udp"},
		{Service{Name: "b", Protocol: "tcp", From: 9, To: 1, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, "write 80"},
		{Service{Name: "b", Protocol: "tcp", From: 1, To: 1}, "no address"},
	} {
		if err := table.Bind(row.of); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("bind %+v: %v, want %q", row.of, err, row.want)
		}
	}
	if err := table.Give("nobody", self(t), -1); err == nil || !strings.Contains(err.Error(), "no such service") {
		t.Errorf("give to nobody: %v", err)
	}
	if err := table.Give("web", self(t), 0); err == nil || !strings.Contains(err.Error(), "descriptor 0") {
		t.Errorf("give what is no socket: %v", err)
	}
	if err := table.Unbind("web"); err != nil {
		t.Fatal(err)
	}
	if _, err := ask("10.99.0.1:80"); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("after unbind: %v", err)
	}
	table.Close()
	if err := Remove(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrNone) {
		t.Errorf("after remove: %v", err)
	}
	running.leaving.Store(true)
	<-running.done
}
