package datapath

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hairpin/engine/packet"
)

// tapsSpec has a tap of each of three machines. Two have the same VIP, and the same address: they are of two tenants.
const tapsSpec = `
version: 1
nics:
  tap0: {tcx_egress: [decap], tcx_ingress: [snat]}
  tap1: {tcx_egress: [decap], tcx_ingress: [snat]}
  tap2: {tcx_egress: [decap], tcx_ingress: [snat]}
agent:
  mode: snat
  taps:
    - {name: tap0, vips: [10.99.0.1, "fd00:99::1"], local: [10.2.0.2, "fd00:2::2"]}
    - {name: tap1, vips: [10.99.0.1], local: [10.2.0.2]}
    - {name: tap2, vips: [10.99.0.2], local: [10.2.0.2]}
`

// machine is the far side of a tap: what a virtual machine's NIC would read and write.
type machine struct {
	tap  string
	side *os.File
}

// plugTap makes a tap, which lives as long as its far side is open.
func plugTap(t *testing.T, name string) *machine {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		t.Fatal(err)
	}
	m := &machine{name, os.NewFile(uintptr(fd), name)}
	t.Cleanup(func() { _ = m.side.Close() })
	for _, f := range []string{"ipv4/conf/all/rp_filter", "ipv4/conf/" + name + "/rp_filter"} {
		if err := os.WriteFile("/proc/sys/net/"+f, []byte("0"), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := netlink.LinkSetUp(nicByName(t, name)); err != nil {
		t.Fatal(err)
	}
	return m
}

// sends puts a frame on the tap, as the host does with what it routes to the machine. One that the chain drops has no room.
func (m *machine) sends(t *testing.T, frame []byte) error {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: nicByName(t, m.tap).Attrs().Index})
}

// passes sends a frame and waits for the machine to get another, past what the host's kernel says on its own.
func (m *machine) passes(t *testing.T, in, out []byte) error {
	t.Helper()
	if err := errors.Join(m.sends(t, in), m.side.SetReadDeadline(time.Now().Add(time.Minute))); err != nil {
		return err
	}
	for last := ""; ; {
		got := make([]byte, 2000)
		n, err := m.side.Read(got)
		if err != nil {
			return fmt.Errorf("%w, after %s", err, last)
		}
		if last = packet.Diff(got[:n], out); last == "" {
			return nil
		}
	}
}

// TestTaps: each machine gets what is for its own VIP, unwrapped and at its own address, and what it answers comes from that
// VIP; a tap that comes later, or again, does so too.
func TestTaps(t *testing.T) {
	n := &node{Kernel: newKernel(t)}
	s := parse(t, tapsSpec)
	zero, one := plugTap(t, "tap0"), plugTap(t, "tap1")
	list, err := n.Attach(s)
	if err != nil {
		t.Fatal(err)
	}
	missing := 0
	for _, a := range list {
		if errors.Is(a.Err, ErrNoNIC) {
			missing++
		} else if a.Err != nil {
			t.Fatal(a.Err)
		}
	}
	if missing != 2 {
		t.Fatalf("%d chains wait for their NIC, want those of tap2", missing)
	}
	p, generation := stageUnattached(t, n.Kernel, nil, s)
	n.Prepare(p, generation)
	if err := n.Activate(int(n.Control().Active), generation, 0); err != nil {
		t.Fatal(err)
	}
	begin := func(dst netip.Addr) []byte { return wrapped(ip4{Dst: dst}, udp{}, fill(9)) }
	inside := toward(ip4{Dst: addr("10.2.0.2")}, udp{}, fill(9))
	for _, m := range []*machine{zero, one} {
		if err := m.passes(t, begin(vip4at), inside); err != nil {
			t.Errorf("%s: %v", m.tap, err)
		}
		m.answers(t, vip4at)
	}
	if err := zero.passes(t, wrapped(ip6{}, syn), toward(ip6{Dst: addr("fd00:2::2")}, syn)); err != nil {
		t.Errorf("over v6: %v", err)
	}
	if err := one.sends(t, begin(second4)); !errors.Is(err, unix.ENOBUFS) {
		t.Errorf("tap1 got what is for the vip of tap2: %v", err)
	}
	for range 2 { // it comes, goes, and comes again under another index
		two := plugTap(t, "tap2")
		if _, err := n.Attach(s); err != nil {
			t.Fatal(err)
		}
		if err := two.passes(t, begin(second4), inside); err != nil {
			t.Errorf("tap2: %v", err)
		}
		two.answers(t, second4)
		if err := two.side.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// answers has the machine answer a client on this host, who must hear it from the VIP.
func (m *machine) answers(t *testing.T, vip netip.Addr) {
	t.Helper()
	lo := nicByName(t, "lo")
	_ = netlink.AddrAdd(lo, &netlink.Addr{IPNet: netlink.NewIPNet(net.IP(client4.AsSlice()))}) // it may be there
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Fatal(err)
	}
	client, err := net.ListenUDP("udp4", &net.UDPAddr{IP: client4.AsSlice(), Port: 40000})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	host := nicByName(t, m.tap).Attrs().HardwareAddr
	_ = netlink.RouteAdd(&netlink.Route{LinkIndex: nicByName(t, m.tap).Attrs().Index, Dst: netlink.NewIPNet(net.IP(vip.AsSlice()))})
	frame := build(eth{Src: packet.NodeMAC, Dst: packet.MAC(host)}, ip4{Src: addr("10.2.0.2"), Dst: client4}, udp{Src: 7, Dst: 40000}, fill(4))
	if _, err := m.side.Write(frame); err != nil {
		t.Fatal(err)
	}
	_ = client.SetReadDeadline(time.Now().Add(time.Minute))
	got := make([]byte, 100)
	size, from, err := client.ReadFromUDPAddrPort(got)
	if err != nil || from != netip.AddrPortFrom(vip, 7) || size != 4 {
		t.Errorf("%s answered as %s, %d bytes: %v", m.tap, from, size, err)
	}
}
