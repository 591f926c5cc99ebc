package nexthop

import (
	"net"
	"os"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestKeep(t *testing.T) {
	b := newBench(t)
	b.keep(behind, behind6)
	for _, gateway := range []string{onLink, onLink6} {
		b.until(gateway+" is kept fresh", func() bool {
			n, known := b.entry(gateway)
			return known && n.managed && n.protocol == protocolMade && n.state(known) == Reachable
		})
	}
	if _, known := b.entry(behind); known {
		t.Error("a backend behind a gateway was asked for")
	}
	b.run("release", b.r.Release())
	for _, gateway := range []string{onLink, onLink6} {
		if n, known := b.entry(gateway); known {
			t.Errorf("%s is still there: %+v", gateway, n)
		}
	}
	b.run("release again", b.r.Release())
}

// TestKeepFewer: what is not named any more is taken back, what is named stays.
func TestKeepFewer(t *testing.T) {
	b := newBench(t)
	b.keep(behind, "10.9.0.7")
	b.keep("10.1.2.3")
	if n, known := b.entry(onLink); !known || !n.managed {
		t.Errorf("the gateway that both lists need: %+v %v", n, known)
	}
	if n, known := b.entry("10.9.0.7"); known {
		t.Errorf("the one that nobody needs any more: %+v", n)
	}
}

// TestKeepFound: an entry that the kernel had by itself goes back to it, with its MAC.
func TestKeepFound(t *testing.T) {
	b := newBench(t)
	n := b.neighbour(onLink)
	n.State, n.HardwareAddr = netlink.NUD_STALE, b.far.Attrs().HardwareAddr
	b.run("a neighbour of the kernel's", b.node.NeighSet(n))
	b.keep(behind)
	if e, _ := b.entry(onLink); !e.managed || e.protocol != protocolFound {
		t.Errorf("kept: %+v", e)
	}
	b.run("release", b.r.Release())
	e, known := b.entry(onLink)
	if !known || e.managed || e.mac != string(b.far.Attrs().HardwareAddr) {
		t.Errorf("released: %+v %v", e, known)
	}
	b.keep(behind)
	if e, _ := b.entry(onLink); !e.managed || e.protocol != protocolFound {
		t.Errorf("kept again: %+v", e)
	}
}

// TestKeepOthers: entries that somebody else decides about come out as they went in.
func TestKeepOthers(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 9}
	for _, row := range []struct {
		name   string
		change func(*netlink.Neigh)
		state  State
	}{
		{"permanent", func(n *netlink.Neigh) { n.State, n.HardwareAddr = netlink.NUD_PERMANENT, mac }, Permanent},
		{"no ARP", func(n *netlink.Neigh) { n.State, n.HardwareAddr = netlink.NUD_NOARP, mac }, Permanent},
		{"learned by a routing daemon", func(n *netlink.Neigh) {
			n.State, n.HardwareAddr, n.Flags = netlink.NUD_STALE, mac, netlink.NTF_EXT_LEARNED
		}, Stale},
		{"kept fresh by somebody else", func(n *netlink.Neigh) {
			n.Flags, n.FlagsExt = netlink.NTF_USE, netlink.NTF_EXT_MANAGED
		}, ""},
	} {
		b := newBench(t)
		n := b.neighbour(onLink)
		row.change(n)
		b.run(row.name, b.node.NeighSet(n))
		before, _ := b.entry(onLink)
		for _, act := range []func(){func() { b.keep(behind) }, func() { b.run("release", b.r.Release()) }} {
			act()
			after, known := b.entry(onLink)
			if !known || after.protocol != 0 || after.flags != before.flags || after.managed != before.managed {
				t.Errorf("%s: %+v %v, before %+v", row.name, after, known, before)
			}
			if row.state != "" && (after.nud != before.nud || after.mac != before.mac || b.resolve(behind).State != row.state) {
				t.Errorf("%s: %+v, before %+v", row.name, after, before)
			}
		}
	}
}

// TestKeepMadePermanent: an operator who writes down an entry of ours has the last word.
func TestKeepMadePermanent(t *testing.T) {
	b := newBench(t)
	b.reach(behind)
	n := b.neighbour(onLink)
	n.State, n.HardwareAddr = netlink.NUD_PERMANENT, net.HardwareAddr{2, 0, 0, 0, 0, 9}
	b.run("write it down", b.node.NeighSet(n))
	b.keep(behind)
	b.run("release", b.r.Release())
	if n := b.resolve(behind); n.State != Permanent || n.MAC.String() != "02:00:00:00:00:09" {
		t.Errorf("%+v", n)
	}
}

// TestKeepAfterKill: the engine that comes after one that was killed finds what it kept.
func TestKeepAfterKill(t *testing.T) {
	b := newBench(t)
	b.keep(behind, "10.9.0.7")
	b.run("the first one ends", b.r.Close())
	next, err := New()
	b.run("open another", err)
	t.Cleanup(func() { next.Close() })
	b.r = next
	b.keep("10.9.0.7")
	if n, known := b.entry(onLink); known {
		t.Errorf("what the other one kept and nobody needs: %+v", n)
	}
	if n, _ := b.entry("10.9.0.7"); !n.managed || n.protocol != protocolMade {
		t.Errorf("what the other one kept and is needed: %+v", n)
	}
	b.run("release", b.r.Release())
	if n, known := b.entry("10.9.0.7"); known {
		t.Errorf("released: %+v", n)
	}
}

// TestKeepFollows: the gateway is replaced by another machine without a word. The kernel asks by itself.
func TestKeepFollows(t *testing.T) {
	b := newBench(t)
	for name, value := range map[string]string{"base_reachable_time_ms": "300", "delay_first_probe_time": "1",
		"interval_probe_time_ms": "300", "retrans_time_ms": "100"} {
		b.run(name, os.WriteFile("/proc/sys/net/ipv4/neigh/eth0/"+name, []byte(value), 0))
	}
	w := b.watch()
	all := addrs(behind)
	b.keep(behind)
	b.until("the gateway answers", func() bool {
		found, err := b.r.ResolveAll(all)
		b.run("resolve", err)
		return found[all[0]].Usable()
	})
	b.settled(w)
	other := net.HardwareAddr{2, 0, 0, 0, 0, 7}
	b.run("another machine", b.peer.LinkSetHardwareAddr(b.far, other))
	b.expect(w, "the gateway's MAC changed")
	b.until("the new MAC is known", func() bool { return b.resolve(behind).MAC.String() == other.String() })
}

// TestKeepAfterCarrier: the kernel forgets the neighbours of a NIC without carrier; the signal leads to Keep again.
func TestKeepAfterCarrier(t *testing.T) {
	b := newBench(t)
	b.reach(behind)
	w := b.watch()
	b.run("cable out", b.peer.LinkSetDown(b.far))
	b.until("the carrier is lost", func() bool { return b.resolve(behind).State == Down })
	b.expect(w, "the carrier is lost")
	b.keep(behind)
	b.run("cable in", b.peer.LinkSetUp(b.far))
	b.until("it is reachable again", func() bool {
		b.expect(w, "the NIC or the gateway")
		b.keep(behind)
		_, err := b.r.ResolveAll(addrs(behind))
		b.run("resolve", err)
		return b.resolve(behind).Usable()
	})
}

// TestKeepAsks: kernels that keep nothing fresh ignore the flag and leave entries as in these rows; each call asks.
func TestKeepAsks(t *testing.T) {
	h := hop{3, addrs(onLink)[0]}
	for _, row := range []struct {
		name     string
		n        neighbour
		protocol byte
	}{
		{"made", neighbour{nud: unix.NUD_STALE, protocol: protocolMade}, protocolMade},
		{"found", neighbour{nud: unix.NUD_STALE, protocol: protocolFound}, protocolFound},
		{"of a kernel that stores no protocol", neighbour{nud: unix.NUD_STALE}, protocolFound},
	} {
		all := keeping(map[hop]bool{h: true}, map[hop]neighbour{h: row.n})
		if len(all) != 1 || all[0].hop != h {
			t.Fatalf("%s: %v", row.name, all)
		}
		if want := manage(h, 0, row.protocol); string(all[0].request) != string(want) {
			t.Errorf("%s: % x, want % x", row.name, all[0].request, want)
		}
	}
}
