package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"hairpin/engine"
	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

// unaware is a lab whose backends' servers know nothing of the VIPs: they have their own addresses only.
func unaware(t *testing.T, backends int) *network {
	t.Helper()
	i := 0
	n := upAs(t, backends, backends, func(l *lab.Lab, s *spec.Spec) error {
		if s.Agent == nil {
			return nil
		}
		i++
		*s = *l.SNATSpec(lab.Backend(i))
		return l.Unaware(lab.Backend(i))
	})
	for i := 1; i <= backends; i++ {
		err := n.Do(lab.Backend(i), func() error {
			addresses, err := net.InterfaceAddrs()
			for _, a := range addresses {
				if ip, _ := netip.ParsePrefix(a.String()); ip.Addr() == lab.VIP4 || ip.Addr() == lab.VIP6 {
					return fmt.Errorf("it has %s", ip)
				}
			}
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", lab.Backend(i), err)
		}
	}
	return n
}

// browser talks to the VIP from the client, one connection at a time for each VIP, kept alive.
func (n *network) browser() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return n.DialContext(ctx, lab.Client, network, address)
		},
	}}
}

func url(vip netip.Addr, path string) string {
	return "http://" + net.JoinHostPort(vip.String(), fmt.Sprint(lab.HTTPPort)) + path
}

// fetch is what is at a path, and who gave it.
func (n *network) fetch(c *http.Client, vip netip.Addr, path string, body io.Reader) (content []byte, from string, err error) {
	r, err := http.NewRequestWithContext(n.ctx, map[bool]string{false: "GET", true: "POST"}[body != nil], url(vip, path), body)
	if err != nil {
		return nil, "", err
	}
	answer, err := c.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	content, err = io.ReadAll(answer.Body)
	return content, answer.Header.Get("X-Backend"), err
}

// TestSNATServes: servers that know nothing of the VIPs serve them over both families: HTTP that stays open, answers and
// uploads larger than any segment, which their kernels leave to the NIC to cut and to sum, and UDP.
func TestSNATServes(t *testing.T) {
	t.Parallel()
	const large = 20 << 20
	n := unaware(t, 2)
	c := n.browser()
	defer c.CloseIdleConnections()
	upload := bytes.Repeat([]byte("0123456789abcdef"), large/16)
	for _, vip := range []netip.Addr{lab.VIP4, lab.VIP6} {
		_, first, err := n.fetch(c, vip, "/", nil)
		if err != nil {
			t.Fatalf("%s: %v", vip, err)
		}
		for range 30 {
			if _, from, err := n.fetch(c, vip, "/", nil); err != nil || from != first {
				t.Fatalf("%s: a connection that was kept leads to %q instead of %s: %v", vip, from, first, err)
			}
		}
		content, _, err := n.fetch(c, vip, fmt.Sprintf("/bytes?n=%d", large), nil)
		if err != nil || len(content) != large || bytes.Count(content, []byte("x")) != large {
			t.Errorf("%s: %d of %d bytes came, %v", vip, len(content), large, err)
		}
		said, _, err := n.fetch(c, vip, "/", bytes.NewReader(upload))
		if err != nil || !bytes.Contains(said, []byte(fmt.Sprint(large))) {
			t.Errorf("%s: an upload was answered by %q, %v", vip, said, err)
		}
	}
	n.asksUDP(t, 50)
	n.sawNothingElse(t)
}

// asksUDP sends datagrams from a socket each, as resolvers do.
func (n *network) asksUDP(t *testing.T, count int) {
	t.Helper()
	seen := map[string]bool{}
	for i := range count {
		conn, err := n.DialContext(n.ctx, lab.Client, "udp", fmt.Sprintf("%s:%d", lab.VIP4, lab.EchoPort))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		question := fmt.Sprintf("question %d", i)
		answer := make([]byte, 2000)
		if _, err := conn.Write([]byte(question)); err != nil {
			t.Fatal(err)
		}
		got, err := conn.Read(answer)
		who, what, _ := bytes.Cut(answer[:max(got, 0)], []byte("\n"))
		if err != nil || string(what) != question {
			t.Fatalf("asked %q, answered %q: %v", question, answer[:max(got, 0)], err)
		}
		seen[string(who)] = true
		_ = conn.Close()
	}
	if len(seen) < 2 {
		t.Errorf("%d datagrams reached %v only", count, seen)
	}
}

// sawNothingElse looks at both chains of each backend: what came was unwrapped, what left was translated, and nothing dropped.
func (n *network) sawNothingElse(t *testing.T) {
	t.Helper()
	var out, outBytes uint64
	for i := 1; i <= n.Backends(); i++ {
		s := n.observe(t, lab.Backend(i))
		for _, r := range s.Reasons {
			switch r.Name {
			case "translated":
				out, outBytes = out+r.Packets, outBytes+r.Bytes
				n.hostsBoth(t, s, r.Packets)
			case "flow_taken", "flows_full", "untranslatable", "internal", "inner_malformed", "no_socket":
				if r.Packets > 0 {
					t.Errorf("%s: %d packets left by %s", lab.Backend(i), r.Packets, r.Name)
				}
			}
		}
	}
	if out == 0 || outBytes/out < 3000 { // of an MTU of 1600
		t.Errorf("%d packets with %d bytes were translated: none that the NIC is to cut", out, outBytes)
	}
}

// hostsBoth demands that an agent says of both VIPs what came for them, and that as many answers were translated.
func (n *network) hostsBoth(t *testing.T, s *engine.State, translated uint64) {
	t.Helper()
	h := s.Hosting
	if h == nil || len(h.Addresses) != 2 || !h.Translates || !h.Orphans || h.Room == 0 || h.Flows == 0 || len(h.Strangers) > 0 || h.Unread != "" {
		t.Fatalf("an agent that translates says %+v", h)
	}
	for _, a := range h.Addresses {
		if a.Address != lab.VIP4 && a.Address != lab.VIP6 || a.Gone || a.Taken.Packets+a.Full.Packets+a.Orphans.Packets > 0 {
			t.Errorf("of an address it says %+v", a)
		}
		translated -= a.Out.Packets
	}
	if translated != 0 {
		t.Errorf("%d more answers were translated than it says", int64(translated))
	}
}

// TestSNATKill: connections outlive the agent's engine, and are found by the next one: killed in the middle of a transfer and
// while others are silent.
func TestSNATKill(t *testing.T) {
	n := unaware(t, 1)
	c := n.browser()
	defer c.CloseIdleConnections()
	var conns []net.Conn
	for range 40 {
		conn, err := n.DialContext(n.ctx, lab.Client, "tcp", net.JoinHostPort(lab.VIP4.String(), fmt.Sprint(lab.HTTPPort)))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	l := n.start(t, lab.LoadConfig{For: time.Minute, New: 50, Kept: 20, Pace: 10 * time.Millisecond, Datagrams: 50})
	for range 3 {
		if err := n.KillEngine(n.ctx, lab.Backend(1)); err != nil {
			t.Fatal(err)
		}
		if content, _, err := n.fetch(c, lab.VIP6, "/bytes?n=3000000", nil); err != nil || len(content) != 3_000_000 {
			t.Errorf("without an engine: %d bytes, %v", len(content), err)
		}
		if err := n.StartEngine(n.ctx, lab.Backend(1)); err != nil {
			t.Fatal(err)
		}
	}
	perfect(t, "killed three times", l.end(t), 1)
	for i, conn := range conns {
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: vip\r\n\r\n"); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		if _, err := conn.Read(make([]byte, 100)); err != nil {
			t.Fatalf("connection %d did not outlive the engine: %v", i, err)
		}
	}
}

// TestSNATPathMTU: where a way to the client takes less than its ends do, the router says so to the VIP, and the server hears
// it: its kernel sends what fits, and cuts nothing on its own account.
func TestSNATPathMTU(t *testing.T) {
	t.Parallel()
	const narrow, large = 1300, 3_000_000
	n := unaware(t, 1)
	err := n.Do(lab.Router, func() error {
		nic, err := netlink.LinkByName(lab.Client)
		if err != nil {
			return err
		}
		return netlink.LinkSetMTU(nic, narrow)
	})
	if err != nil {
		t.Fatal(err)
	}
	c := n.browser()
	defer c.CloseIdleConnections()
	for _, vip := range []netip.Addr{lab.VIP4, lab.VIP6} {
		content, _, err := n.fetch(c, vip, fmt.Sprintf("/bytes?n=%d", large), nil)
		if err != nil || len(content) != large {
			t.Errorf("%s: %d of %d bytes came, %v", vip, len(content), large, err)
		}
	}
}
