package mirror

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hairpin/engine/packet"
)

// collector is a UDP socket of this host.
func collector(t *testing.T) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, c.LocalAddr().(*net.UDPAddr).AddrPort()
}

func next(t *testing.T, c *net.UDPConn) string {
	t.Helper()
	b := make([]byte, 4096)
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

var frame = packet.Build(packet.Eth{}, packet.IPv4{}, packet.TCP{Flags: "S"})

// TestVXLAN: a datagram is a header with the identifier, and the frame.
func TestVXLAN(t *testing.T) {
	c, to := collector(t)
	s, err := VXLAN(to, 0x123456, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	s.Send(frame, 14)
	if got, want := next(t, c), "\x08\x00\x00\x00\x12\x34\x56\x00"+string(frame); got != want {
		t.Errorf("%x, want %x", got, want)
	}
	if sent, unsent := s.Counts(); sent != 1 || unsent != 0 || s.Trouble(time.Now()) != "" {
		t.Errorf("%d sent, %d not: %s", sent, unsent, s.Trouble(time.Now()))
	}
}

// TestGUE: a datagram is the packet alone, and a frame without one is not sent.
func TestGUE(t *testing.T) {
	c, to := collector(t)
	s, err := GUE(to, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	s.Send(packet.Build(packet.ARP{}), 0)
	if sent, unsent := s.Counts(); sent != 0 || unsent != 1 || !strings.Contains(s.Trouble(time.Now()), "encap: vxlan") {
		t.Errorf("%d sent, %d not: %s", sent, unsent, s.Trouble(time.Now()))
	}
	s.Send(frame, 14)
	if got := next(t, c); got != string(frame[14:]) {
		t.Errorf("%x, want %x", got, frame[14:])
	}
}

// TestNobody: a collector that does not listen is known by the copy after, and is sent that all the same, in case it captures.
func TestNobody(t *testing.T) {
	c, to := collector(t)
	_ = c.Close()
	s, err := VXLAN(to, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for deadline := time.Now().Add(10 * time.Second); s.Trouble(time.Now()) == "" && time.Now().Before(deadline); {
		s.Send(frame, 14)
	}
	if !strings.Contains(s.Trouble(time.Now()), "refused") {
		t.Errorf("the trouble is %q", s.Trouble(time.Now()))
	}
	for range 1000 {
		s.Send(frame, 14)
	}
	if sent, unsent := s.Counts(); unsent > sent/4 { // an answer may come in the middle of a send
		t.Errorf("%d copies were sent, %d not", sent, unsent)
	}
	if why := s.Trouble(time.Now().Add(time.Minute)); why != "" {
		t.Errorf("a minute later the trouble is %q", why)
	}
}
