package nicstats

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// TestRead: in a namespace of its own, against what the netlink library reads.
func TestRead(t *testing.T) {
	runtime.LockOSThread()
	old, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	ns, err := netns.New()
	if err != nil {
		t.Fatalf("network namespace (this test needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := netns.Set(old); err != nil {
			t.Fatal(err)
		}
		_ = ns.Close()
		_ = old.Close()
		runtime.UnlockOSThread()
	})
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "a", NumRxQueues: 2, NumTxQueues: 2}, PeerName: "b"}); err != nil {
		t.Fatal(err)
	}
	r, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, name := range []string{"a", "b"} {
		l, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetUp(l); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	b, err := netlink.LinkByName("b")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: b.Attrs().Index}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := unix.Write(fd, make([]byte, 60)); err != nil {
			t.Fatal(err)
		}
	}
	a, err := netlink.LinkByName("a")
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Link(a.Attrs().Index)
	if err != nil || got.RxPackets < 10 || got.RxBytes < 600 {
		t.Errorf("%+v, %v", got, err)
	}
	if want := a.Attrs().Statistics; got.RxDropped != want.RxDropped || got.RxErrors != want.RxErrors || got.RxPackets < want.RxPackets {
		t.Errorf("%+v, the library reads %+v", got, want)
	}
	for range 2 { // names are asked for once
		d, err := r.Driver("a")
		if _, has := d.Counters["rx_queue_0_xdp_tx_errors"]; err != nil || d.Name != "veth" || !has {
			t.Errorf("%+v, %v", d, err)
		}
	}
	s, err := r.Settings("a")
	if gro, has := s.Features["rx-gro"]; err != nil || s.Driver != "veth" || !has || gro.Fixed || s.Channels.Now < 1 {
		t.Errorf("settings %+v, %v", s, err)
	}
	if _, err := r.Settings("none"); !errors.Is(err, unix.ENODEV) {
		t.Errorf("a NIC that is not there: %v", err)
	}
	if _, err := r.Driver("none"); !errors.Is(err, unix.ENODEV) {
		t.Errorf("a NIC that is not there: %v", err)
	}
	if _, err := r.Link(9999); err == nil {
		t.Error("an ifindex that is not there has statistics")
	}
	if d, err := r.Driver("lo"); err != nil || d.Counters != nil {
		t.Errorf("lo: %+v, %v", d, err)
	}
}

// TestLosses: queues are summed, what is not known for sure is left out, and the kernel's vague counters are given only
// where the driver's are not known.
func TestLosses(t *testing.T) {
	text := func(l Link, d Driver) string {
		var out []string
		for _, x := range Losses(l, d) {
			if x.Packets > 0 {
				out = append(out, x.Name+" "+string(x.Place))
			}
		}
		return strings.Join(out, ", ")
	}
	l := Link{RxMissed: 1, RxDropped: 2, TxDropped: 3}
	if got := text(l, Driver{Name: "e1000", Counters: map[string]uint64{"rx_queue_0_drops": 1}}); got != "rx_missed_errors outside, rx_dropped either, tx_dropped either" {
		t.Error(got)
	}
	d := Driver{Name: "veth", Counters: map[string]uint64{"rx_queue_0_drops": 1, "rx_queue_11_drops": 2, "rx_queue_0_xdp_drops": 9}}
	if got := text(l, d); got != "rx_missed_errors outside, rx_queue_*_drops before" {
		t.Error(got)
	}
	if got := Losses(l, d); got[len(got)-1].Packets != 3 {
		t.Errorf("queues are not summed: %+v", got)
	}
}
