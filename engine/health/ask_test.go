package health

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hairpin/engine/spec"
)

func here() error { return nil }

// asked is what one check of this host comes to, in words; "" = it succeeds.
func asked(t *testing.T, c spec.Check, to net.Addr) string {
	t.Helper()
	target := Target{Key: Key{"web", netip.MustParseAddr("127.0.0.1")}, Protocol: spec.TCP, Address: netip.MustParseAddr("192.0.2.1")}
	if to != nil {
		at := netip.MustParseAddrPort(to.String())
		target.Backend, c.Port, c.To = at.Addr(), at.Port(), spec.ToBackend
	}
	ctx, over := context.WithCancel(t.Context())
	a := newAsker(ctx, here)
	defer a.wait()
	defer over()
	timeout := c.Timeout
	if timeout == 0 {
		timeout = 20 * time.Second
	}
	if err := a.ask(ctx, target, &c, timeout); err != nil {
		return err.Error()
	}
	return ""
}

func contains(t *testing.T, name, got, want string) {
	t.Helper()
	if want == "" && got != "" || !strings.Contains(got, want) {
		t.Errorf("%s: says %q, not %q", name, got, want)
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Node", "backend one")
		if r.URL.Path == "/sick" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintf(w, "all is well with %s%s", r.Host, strings.Repeat(".", 100<<10))
	})
	plain, secure := httptest.NewServer(page), httptest.NewTLSServer(page)
	defer plain.Close()
	defer secure.Close()
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	well := spec.Check{Kind: spec.CheckHTTP, Path: "/", Status: []spec.StatusSpan{{First: 200, Last: 299}}}
	with := func(change func(*spec.Check)) spec.Check {
		c := well
		change(&c)
		return c
	}
	for _, row := range []struct {
		name  string
		check spec.Check
		want  string
	}{
		{"a page", well, ""},
		{"its status", with(func(c *spec.Check) { c.Path = "/sick" }), "status 503, not 200-299"},
		{"a status that is wanted", with(func(c *spec.Check) { c.Path, c.Status = "/sick", []spec.StatusSpan{{First: 503, Last: 503}} }), ""},
		{"a header", with(func(c *spec.Check) { c.Header = "x-node: one" }), ""},
		{"a header's name", with(func(c *spec.Check) { c.Header = "x-node" }), ""},
		{"a header that says something else", with(func(c *spec.Check) { c.Header = "x-node: two" }), "no header X-Node: two"},
		{"a body", with(func(c *spec.Check) { c.Host, c.Body = "a.example", "well with a.example" }), ""},
		{"a body that says something else", with(func(c *spec.Check) { c.Body = "sick" }), `"sick" is not in the first 65536 bytes of its body`},
	} {
		contains(t, row.name, asked(t, row.check, plain.Listener.Addr()), row.want)
		row.check.Kind = spec.CheckHTTPS
		contains(t, row.name+", over TLS", asked(t, row.check, secure.Listener.Addr()), row.want)
	}
	contains(t, "a handshake", asked(t, spec.Check{Kind: spec.CheckTLS, Host: "a.example"}, secure.Listener.Addr()), "")
	contains(t, "a certificate", asked(t, spec.Check{Kind: spec.CheckTLS, Host: "a.example", Verify: true}, secure.Listener.Addr()), "certificate")
	contains(t, "a handshake with who has no TLS", asked(t, spec.Check{Kind: spec.CheckTLS}, plain.Listener.Addr()), "TLS handshake")
}

func TestTCP(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "who listens", asked(t, spec.Check{Kind: spec.CheckTCP}, l.Addr()), "")
	silent := spec.Check{Kind: spec.CheckHTTP, Path: "/", Status: []spec.StatusSpan{{First: 200, Last: 200}}, Timeout: 50 * time.Millisecond}
	contains(t, "who says nothing", asked(t, silent, l.Addr()), "no answer within 50ms")
	l.Close()
	contains(t, "nobody", asked(t, spec.Check{Kind: spec.CheckTCP}, l.Addr()), "connection refused")
	contains(t, "nowhere", asked(t, spec.Check{Kind: spec.CheckTCP}, &net.TCPAddr{IP: net.ParseIP("255.255.255.255"), Port: 1}), "no way to")
}

func TestDatagrams(t *testing.T) {
	t.Parallel()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go serveDNS(server)
	dns := spec.Check{Kind: spec.CheckDNS, Name: "good.example.", Type: 1}
	contains(t, "a query", asked(t, dns, server.LocalAddr()), "")
	dns.Name = "bad.example"
	contains(t, "a query that fails", asked(t, dns, server.LocalAddr()), "answers: server failure")
	lossy := spec.Check{Kind: spec.CheckUDP, Send: "lossy", Expect: "ossy", Timeout: 3 * time.Second}
	contains(t, "a datagram of which the first is lost", asked(t, lossy, server.LocalAddr()), "")
	contains(t, "another answer", asked(t, spec.Check{Kind: spec.CheckUDP, Send: "this", Expect: "that"}, server.LocalAddr()), `"that" is not in its answer of 4 bytes`)
	contains(t, "silence", asked(t, spec.Check{Kind: spec.CheckUDP, Send: "silence", Timeout: 60 * time.Millisecond}, server.LocalAddr()), "no answer within 60ms")
	server.Close()
	contains(t, "nobody", asked(t, spec.Check{Kind: spec.CheckUDP, Send: "x"}, server.LocalAddr()), "connection refused")
}

// serveDNS answers queries, and echoes what is none; of what says so it loses the first.
func serveDNS(server net.PacketConn) {
	lost := false
	b := make([]byte, 512)
	for {
		n, from, err := server.ReadFrom(b)
		if err != nil {
			return
		}
		text := string(b[:n])
		switch {
		case text == "silence", text == "lossy" && !lost:
			lost = lost || text == "lossy"
			continue
		case n > 12 && binary.BigEndian.Uint16(b[4:]) == 1:
			b[2] |= 0x80
			if strings.Contains(text, "\x03bad\x07example\x00") {
				b[3] |= 2
			}
		}
		_, _ = server.WriteTo(b[:n], from)
	}
}

// TestPing: both families, by whichever socket this process may have.
func TestPing(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1", "::1"} {
		contains(t, address, asked(t, spec.Check{Kind: spec.CheckPing}, &net.TCPAddr{IP: net.ParseIP(address)}), "")
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	run := func(timeout time.Duration, script string) string {
		return asked(t, spec.Check{Kind: spec.CheckCommand, Timeout: timeout, Command: []string{"/bin/sh", "-c", script}}, nil)
	}
	contains(t, "well", run(0, "exit 0"), "")
	contains(t, "sick", run(0, "echo no disk; exit 3"), "exit status 3: no disk")
	contains(t, "environment", run(0, `test "$HAIRPIN_VIP $HAIRPIN_ADDRESS $HAIRPIN_BACKEND" = "web 192.0.2.1 127.0.0.1" -a -z "$HOME"`), "")
	contains(t, "power", run(0, `test "$(grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status | tr -d 'A-Za-z:\t\n0')" = ""`), "")
	absent := spec.Check{Kind: spec.CheckCommand, Command: []string{"/nowhere/check"}}
	contains(t, "nothing to run", asked(t, absent, nil), "start /nowhere/check: no such file")
	left := filepath.Join(t.TempDir(), "left")
	contains(t, "late", run(3*time.Second, "sleep 600 & echo $! > "+left+"; sleep 600"), "no answer within 3s")
	pid, err := os.ReadFile(left)
	if err != nil {
		t.Fatal(err)
	}
	for { // until nothing is left of it, but what nobody has waited for
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}
