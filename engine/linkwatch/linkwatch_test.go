package linkwatch

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// TestRead: in a namespace of its own, each thing that somebody does is told, and is all that is told.
func TestRead(t *testing.T) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the test, and its namespace with it
	ns, err := netns.New()
	must(t, err)
	t.Cleanup(func() { ns.Close() })
	cable := func() {
		v := netlink.NewVeth(netlink.LinkAttrs{Name: "eth0", MTU: 1500})
		v.PeerName = "far"
		must(t, netlink.LinkAdd(v))
		must(t, netlink.LinkSetUp(nic(t, "far")))
	}
	bpffs := t.TempDir()
	before, err := Read(bpffs, nil, []string{"eth0", "eth9"})
	must(t, err)
	var stranger link.Link
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() {}, ""},
		{cable, "nic eth0 is there, ifindex N"},
		{func() { must(t, netlink.LinkSetUp(nic(t, "eth0"))) }, "nic eth0 was switched on; nic eth0 has a carrier again"},
		{func() { must(t, netlink.LinkSetMTU(nic(t, "eth0"), 1400)) }, "nic eth0 has MTU 1400, had 1500!"},
		{func() { stranger = pass(t, "eth0") }, "nic eth0: somebody attached program stranger (N) at xdp"},
		{func() { must(t, stranger.Close()) }, "nic eth0: somebody detached program stranger (N) at xdp"},
		{func() { must(t, netlink.LinkSetDown(nic(t, "far"))) }, "nic eth0 has lost its carrier!"},
		{func() { must(t, netlink.LinkDel(nic(t, "eth0"))) }, "nic eth0 is gone!"},
	} {
		step.do()
		now, err := Read(bpffs, nil, []string{"eth0", "eth9"})
		must(t, err)
		var got []string
		for _, n := range Changes(before, now) {
			text := n.What
			if n.Bad {
				text += "!"
			}
			got = append(got, text)
		}
		want := strings.ReplaceAll(step.want, "ifindex N", fmt.Sprint("ifindex ", now["eth0"].Index))
		if text := strings.Join(got, "; "); numbers(text) != numbers(want) {
			t.Errorf("%q, want %q", text, want)
		}
		before = now
	}
}

// numbers leaves out the number of a program.
func numbers(text string) string {
	head, tail, found := strings.Cut(text, "(")
	if !found {
		return text
	}
	_, tail, _ = strings.Cut(tail, ")")
	return head + tail
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func nic(t *testing.T, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	must(t, err)
	return l
}

func pass(t *testing.T, name string) link.Link {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "stranger", Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}})
	must(t, err)
	t.Cleanup(func() { p.Close() })
	l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: nic(t, name).Attrs().Index})
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}
