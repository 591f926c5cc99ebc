package bench

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// keepDispatched attaches the wrappers to NICs that no packet reaches, in a network namespace of their own. A program that
// is run more than once goes into the kernel's XDP dispatcher, and each change of that waits tens of milliseconds for all
// CPUs; one that is attached is there already.
func keepDispatched(t *testing.T, all []*path) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	inside, err := netns.New()
	if err != nil {
		t.Fatalf("network namespace (this needs root): %v", err)
	}
	t.Cleanup(func() { _ = inside.Close() })
	defer func() {
		if err := netns.Set(old); err != nil {
			panic(err) // the thread would go on in the wrong network
		}
	}()
	for i, p := range all {
		name := fmt.Sprintf("wrap%d", i)
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "peer"}
		if err := netlink.LinkAdd(veth); err != nil {
			t.Fatal(err)
		}
		nic, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		l, err := link.AttachXDP(link.XDPOptions{Program: p.wrapper.program, Interface: nic.Attrs().Index, Flags: link.XDPGenericMode})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
	}
}
