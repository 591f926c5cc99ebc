package shells

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMain is also an SSH server, as far as anybody can see from outside: a process of that name that listens.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) != "sshd-test" {
		os.Exit(m.Run())
	}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(l.Addr())
		go func() {
			for {
				if _, err := l.Accept(); err != nil {
					return
				}
			}
		}()
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends
}

// server starts one and returns where it listens.
func server(t *testing.T) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "sshd-test")
	if err := os.Symlink(self, name); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(name)
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
	lines := bufio.NewScanner(out)
	var at []string
	for len(at) < 2 && lines.Scan() {
		if _, err := netip.ParseAddrPort(lines.Text()); err != nil {
			t.Fatalf("the server says %q", lines.Text())
		}
		at = append(at, lines.Text())
	}
	return at
}

// TestSessions: those to an SSH server are found in both families, whatever port it has, and no others.
func TestSessions(t *testing.T) {
	at := server(t)
	ports, err := Ports()
	if err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("tcp", "127.0.0.1:0") // this process is no SSH server
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if p := netip.MustParseAddrPort(other.Addr().String()).Port(); slices.Contains(ports, p) {
		t.Errorf("port %d is taken for an SSH server's", p)
	}
	var want, got []string
	for _, a := range append(at, other.Addr().String()) {
		c, err := net.Dial("tcp", a)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if a == other.Addr().String() {
			continue
		}
		want = append(want, a+" "+c.LocalAddr().String())
		if p := netip.MustParseAddrPort(a).Port(); !slices.Contains(ports, p) {
			t.Errorf("port %d of an SSH server was not found: %d", p, ports)
		}
	}
	sessions, err := Sessions(ports)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sessions {
		line := s.Local.String() + " " + s.Remote.String()
		if slices.ContainsFunc(at, func(a string) bool { return strings.HasPrefix(line, a+" ") }) {
			got = append(got, line)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("sessions %q, want %q", got, want)
	}
	if none, err := Sessions([]uint16{1}); err != nil || len(none) != 0 {
		t.Errorf("on port 1: %v %v", none, err)
	}
}
