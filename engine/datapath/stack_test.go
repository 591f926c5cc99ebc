package datapath

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hairpin/engine/packet"
)

// TestUnwrappedReachesSocket sends encapsulated packets over a wire: the kernel takes what is inside for what it is, from
// either hook and across families.
func TestUnwrappedReachesSocket(t *testing.T) {
	newNode(t, decapSpec)
	vips := []string{"10.99.0.1", "fd00:99::1"}
	lo := nicByName(t, "lo")
	for _, vip := range vips {
		address := &netlink.Addr{IPNet: netlink.NewIPNet(net.ParseIP(vip)), Flags: unix.IFA_F_NODAD}
		if err := netlink.AddrAdd(lo, address); err != nil {
			t.Fatal(err)
		}
	}
	for _, nic := range []string{"lo", "eth0", "eth1", "eth0peer", "eth1peer"} {
		if err := netlink.LinkSetUp(nicByName(t, nic)); err != nil {
			t.Fatal(err)
		}
	}
	for _, vip := range vips {
		socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(vip), Port: 53})
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		for _, nic := range []string{"eth0", "eth1"} {
			for outer, in := range wrappings(netip.MustParseAddr(vip), nic) {
				transmit(t, nic, in)
				got := make([]byte, 100)
				if err := socket.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
					t.Fatal(err)
				}
				if n, err := socket.Read(got); err != nil || string(got[:n]) != nic {
					t.Errorf("%s: a packet to %s in %s: %q, %v", nic, vip, outer, got[:n], err)
				}
			}
		}
	}
}

// wrappings are one datagram to a VIP in every outer header.
func wrappings(vip netip.Addr, payload string) map[string][]byte {
	content := packet.Payload(payload)
	wrapped := map[string][]byte{
		"gue over v4":  frame(outer4, udp{}, ip4{Dst: vip}, udp{Dst: 53}, content),
		"gue over v6":  frame(outer6, udp{}, ip4{Dst: vip}, udp{Dst: 53}, content),
		"ipip over v4": frame(outer4, ip4{Dst: vip}, udp{Dst: 53}, content),
		"ipip over v6": frame(outer6, ip4{Dst: vip}, udp{Dst: 53}, content),
	}
	if vip.Is6() {
		wrapped = map[string][]byte{
			"gue over v4":  frame(outer4, udp{}, ip6{Dst: vip}, udp{Dst: 53}, content),
			"gue over v6":  frame(outer6, udp{}, ip6{Dst: vip}, udp{Dst: 53}, content),
			"ipip over v4": frame(outer4, ip6{Dst: vip}, udp{Dst: 53}, content),
			"ipip over v6": frame(outer6, ip6{Dst: vip}, udp{Dst: 53}, content),
		}
	}
	return wrapped
}

// transmit puts a frame on the wire that ends in a NIC.
func transmit(t *testing.T, nic string, in []byte) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	copy(in, nicByName(t, nic).Attrs().HardwareAddr)
	peer := nicByName(t, strings.TrimSuffix(nic, "peer")+"peer")
	if err := unix.Sendto(fd, in, 0, &unix.SockaddrLinklayer{Ifindex: peer.Attrs().Index}); err != nil {
		t.Fatal(err)
	}
}
