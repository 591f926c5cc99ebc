package datapath

import (
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// TestExceptions: a program that aborts packets of a NIC is counted for that NIC, by as many as it aborted.
func TestExceptions(t *testing.T) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the test, and its namespace with it
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ns, err := netns.New()
	check(err)
	t.Cleanup(func() { ns.Close() })
	const index = 771_177 // nobody else's
	v := netlink.NewVeth(netlink.LinkAttrs{Name: "a", Index: index})
	v.PeerName = "b"
	check(netlink.LinkAdd(v))
	far, err := netlink.LinkByName("b")
	check(err)
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}})
	check(err)
	defer p.Close()
	l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: index})
	check(err)
	defer l.Close()
	check(netlink.LinkSetUp(v))
	check(netlink.LinkSetUp(far))

	x, err := OpenExceptions()
	check(err)
	defer x.Close()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	check(err)
	defer unix.Close(fd)
	check(unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: far.Attrs().Index}))
	for range 10 {
		_, err := unix.Write(fd, make([]byte, 60))
		check(err)
	}
	await(t, "the packets are aborted", func() bool {
		list, err := x.Read()
		check(err)
		for _, e := range list {
			if e.Ifindex == index {
				if e.What != "a program ended with XDP_ABORTED" {
					t.Fatalf("%+v", e)
				}
				return e.Packets >= 10 // the namespace's own router solicitations may be among them
			}
		}
		return false
	})
	for k, want := range map[exceptionKey]string{{1, 3}: "XDP_TX failed", {1, -int32(unix.ENETDOWN)}: "a redirect failed: network is down", {1, 9}: "a program ended with 9, which the driver does not take"} {
		if k.String() != want {
			t.Errorf("%v: %s", k, k)
		}
	}
}
