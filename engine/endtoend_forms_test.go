package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"hairpin/engine"
	"hairpin/engine/lab"
	"hairpin/engine/packet"
)

// TestForms lets a real client ping VIPs, send datagrams in fragments, and upload through a fabric that has no room for the
// outer headers: its path-MTU discovery finds out.
func TestForms(t *testing.T) {
	t.Parallel()
	n := up(t, 2, 2)
	for _, vip := range []netip.Addr{lab.VIP4, lab.VIP6} {
		if err := n.ping(vip); err != nil {
			t.Errorf("ping %s: %v", vip, err)
		}
		n.uploads(t, vip)
	}
	for _, size := range []int{100, 4000, 40_000} {
		n.echoes(t, size)
	}
	if err := n.Do(lab.LB, func() error {
		nic, err := netlink.LinkByName(lab.NIC)
		if err != nil {
			return err
		}
		return netlink.LinkSetMTU(nic, 1500)
	}); err != nil {
		t.Fatal(err)
	}
	node := n.dial(t)
	n.health(t, node, "clients are told what fits", func(s *engine.State) bool {
		for _, vip := range []netip.Addr{lab.VIP4, lab.VIP6} {
			n.uploads(t, vip) // again, until lb has heard of the other MTU
		}
		return slices.ContainsFunc(s.Reasons, func(r engine.Reason) bool { return r.Name == "too_big_told" })
	})
}

// uploads posts more than many full packets, which must arrive.
func (n *network) uploads(t *testing.T, vip netip.Addr) {
	t.Helper()
	const size = 2_000_000
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		return n.DialContext(ctx, lab.Client, network, address)
	}}}
	answer, err := client.Post("http://"+netip.AddrPortFrom(vip, lab.HTTPPort).String(), "", bytes.NewReader(make([]byte, size)))
	if err != nil {
		t.Fatalf("upload to %s: %v", vip, err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || !bytes.HasSuffix(body, fmt.Appendf(nil, " %d\n", size)) {
		t.Errorf("upload to %s: answer %q, %v", vip, body, err)
	}
}

// echoes sends a datagram, in fragments where it is large, and demands its echo, until one comes: datagrams may be lost.
func (n *network) echoes(t *testing.T, size int) {
	t.Helper()
	c, err := n.DialContext(n.ctx, lab.Client, "udp", netip.AddrPortFrom(lab.VIP4, lab.EchoPort).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent, got := packet.Fill(size), make([]byte, 1<<16)
	for range 20 {
		if _, err := c.Write(sent); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(3 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if k, err := c.Read(got); err == nil && bytes.HasSuffix(got[:k], sent) {
			return
		}
	}
	t.Errorf("no echo of %d bytes", size)
}

// ping asks until an answer comes that says what was asked.
func (n *network) ping(vip netip.Addr) error {
	network, kind, answer := "ip4:icmp", byte(8), byte(0)
	if vip.Is6() {
		network, kind, answer = "ip6:ipv6-icmp", 128, 129 // the kernel fills in the checksum
	}
	var c *net.IPConn
	if err := n.Do(lab.Client, func() (err error) {
		c, err = net.DialIP(network, nil, &net.IPAddr{IP: vip.AsSlice()})
		return err
	}); err != nil {
		return err
	}
	defer c.Close()
	ask := append([]byte{kind, 0, 0, 0, 0x12, 0x34, 0, 7}, packet.Fill(56)...)
	if vip.Is4() {
		sum := packet.Checksum(0, ask)
		ask[2], ask[3] = byte(sum>>8), byte(sum)
	}
	for range 20 {
		if _, err := c.Write(ask); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(3 * time.Second)); err != nil {
			return err
		}
		got := make([]byte, 1500)
		if k, _, err := c.ReadFrom(got); err == nil && k >= len(ask) && got[0] == answer && bytes.Equal(got[4:k], ask[4:]) {
			return nil
		}
	}
	return fmt.Errorf("no answer")
}
