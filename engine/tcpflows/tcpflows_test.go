package tcpflows

import (
	"io"
	"net"
	"net/netip"
	"testing"
)

// dialled is a socket that listens, and both ends of a connection to it. All are closed when the test ends.
func dialled(t *testing.T, address string) (l net.Listener, client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return l, client, server
}

// TestList: a connection is listed at both its ends, with what went over it, and not the socket that listens.
func TestList(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, client, server := dialled(t, address)
		if _, err := client.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(server, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		list, err := List()
		if err != nil {
			t.Fatal(err)
		}
		here, there := netip.MustParseAddrPort(client.LocalAddr().String()), netip.MustParseAddrPort(l.Addr().String())
		var ends int
		for _, f := range list {
			switch {
			case f.Local == there && f.Remote == here:
				ends++
				if f.State != "established" || f.Received != 1000 || f.RTT == 0 {
					t.Errorf("%+v", f)
				}
			case f.Local == here && f.Remote == there:
				ends++
			case f.Local == there:
				t.Errorf("what listens: %+v", f)
			}
		}
		if ends != 2 {
			t.Errorf("%d ends of %v and %v in %d flows", ends, here, there, len(list))
		}
	}
}

// TestTaker: the socket that takes a packet is found, a connection's before the one that listens, and where there is none that is
// said.
func TestTaker(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, client, _ := dialled(t, address)
		u, err := net.ListenPacket("udp", address)
		if err != nil {
			t.Fatal(err)
		}
		here, there, bound := netip.MustParseAddrPort(l.Addr().String()), netip.MustParseAddrPort(client.LocalAddr().String()), netip.MustParseAddrPort(u.LocalAddr().String())
		takes := func(protocol uint8, src, dst netip.AddrPort, want string) {
			t.Helper()
			if got, err := Taker(protocol, src, dst); err != nil || got != want {
				t.Errorf("%d from %s to %s: %q, %v, want %q", protocol, src, dst, got, err, want)
			}
		}
		const tcp, udp = 6, 17
		stranger := netip.AddrPortFrom(here.Addr(), 1)
		takes(tcp, there, here, "established")
		takes(tcp, stranger, here, "listen")
		takes(tcp, there, stranger, "")
		takes(udp, stranger, bound, "bound")
		takes(udp, bound, stranger, "")
		if err := u.Close(); err != nil {
			t.Fatal(err)
		}
		takes(udp, stranger, bound, "")
	}
}
