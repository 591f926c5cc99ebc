package datapath

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hairpin/engine/packet"
)

const jumboMTU = 9000

// widen has the ways to backends take frames of 9,000 bytes.
func (n *node) widen() {
	for _, b := range n.Backends() {
		hop := reach(b.Address)
		hop.MTU = jumboMTU
		n.SetNextHop(b.ID, hop)
	}
}

// TestJumbo: a frame whose data lies in several buffers fares as a short one, and counts as long as it is.
func TestJumbo(t *testing.T) {
	t.Parallel()
	n := newNode(t, rebalanceSpec)
	plain, both := n.chain(t, "eth1", XDP), n.chain(t, "eth0", XDP)
	large := tcp{Flags: "A"}
	n.runsGeneric()
	n.widen()
	for _, r := range []row{
		{"v4, gue", frame(ip4{}, large, fill(8000)), sent("web", gue)},
		{"v6, gue", frame(ip6{}, large, fill(8000)), sent("web", gue)},
		{"v6 over v6, ipip", frame(to6("4"), large, fill(8000)), sent("tun6", ipip)},
		{"udp", frame(ip4{}, udp{}, fill(8900)), sent("echo", gue)},
		{"two buffers, the second with one byte", frame(ip4{}, large, fill(3600)), sent("web", gue)},
		{"options", frame(ip6{}, packet.DestOpts{}, large, fill(8000)), sent("web", unsum)},
		{"too big for the way", frame(ip4{}, udp{}, fill(8960)), dropped("too_big", "echo")},
		{"too big, and its sender hears of it", frame(ip4{DF: true}, large, fill(8950)),
			answered("too_big_told", "web", ip4{Src: packet.VIP4, Dst: packet.Client4, DF: true}, packet.ICMPv4{Type: 3, Code: 4, Rest: jumboMTU - 28},
				packet.Quote(build(ip4{DF: true}, large, fill(8950)), 548))},
		{"for nobody", frame(elsewhere4, large, fill(8000)), passed("no_vip")},
		{"not ip", frame(packet.ARP{}, fill(8000)), passed("not_ip")},
		{"cut within the data", packet.Truncate(frame(ip4{}, large, fill(8000)), 6000), passed("truncated")},
	} {
		r.want.at = 2
		t.Run(r.sentence, func(t *testing.T) { n.check(t, both, r, 0) })
	}
	n.check(t, plain, row{in: frame(ip4{}, large, fill(8000)), want: dropped("other_nic", "web")}, 0)
	bare := row{in: frame(ip4{}, large, fill(8000)), want: sent("web", gue)}
	for _, way := range tunnels {
		t.Run(way.name, func(t *testing.T) { n.check(t, both, bare.through(way.wrap), 0) })
	}
}

// TestJumboOnWire: the driver gives such frames to the chain, and what the chain sends goes out whole.
func TestJumboOnWire(t *testing.T) {
	t.Parallel()
	n := newNode(t, balancerSpec)
	near, far := nicByName(t, "eth0"), nicByName(t, "eth0peer")
	for _, err := range []error{netlink.LinkSetMTU(far, jumboMTU), netlink.LinkSetMTU(near, jumboMTU),
		netlink.LinkSetXdpFdWithFlags(far, receiver(t), unix.XDP_FLAGS_DRV_MODE), netlink.LinkSetUp(near), netlink.LinkSetUp(far)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, mode := xdpOf(t, "eth0"); mode != attachedDriver {
		t.Fatalf("eth0 runs in mode %d, want native", mode)
	}
	n.widen()
	in := frame(ip4{}, tcp{Flags: "A"}, fill(8000))
	want := outward(t, in, n.ringChoice(t, "web", in), gue)
	if got := n.echoes(t, far, in, len(want)); packet.Diff(got, want) != "" {
		t.Errorf("frame out: %s", packet.Diff(got, want))
	}
	var s Snapshot
	if err := n.Snapshot(&s); err != nil {
		t.Fatal(err)
	}
	if got := s.Exits[n.chain(t, "eth0", XDP)][1]; got != (Count{1, uint64(len(in))}) {
		t.Errorf("forwarded %+v, want one of %d bytes", got, len(in))
	}
}

// receiver lets frames in several buffers pass at the other end of a wire: without a program there, nothing is sent back.
func receiver(t *testing.T) int {
	t.Helper()
	p := fragsProgram()
	if p == nil {
		t.Fatal("this kernel has no frames in several buffers at XDP: Linux 5.18 has")
	}
	t.Cleanup(func() { _ = p.Close() })
	return p.FD()
}

// echoes has the far end of a wire send a frame, and returns the first of so many bytes that comes back.
func (n *node) echoes(t *testing.T, far netlink.Link, in []byte, size int) []byte {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	all := uint16(unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8)
	wait := unix.NsecToTimeval(int64(100 * time.Millisecond))
	for _, err := range []error{unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
		unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: far.Attrs().Index, Protocol: all})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := unix.Write(fd, in); err != nil {
		t.Fatal(err)
	}
	var got []byte
	await(t, "the frame comes back", func() bool {
		buffer := make([]byte, 16384)
		for {
			read, _, err := unix.Recvfrom(fd, buffer, 0)
			if err != nil {
				return false
			}
			if read == size {
				got = slices.Clone(buffer[:read])
				return true
			}
		}
	})
	return got
}

// TestWithoutFrags: a data path whose rows were begun without goes on without, and takes what fits one buffer.
func TestWithoutFrags(t *testing.T) {
	t.Parallel()
	k, err := Create(Dir(privateMount(t), "test"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	if err := k.noteMeta(func(m *meta) { m.Flags = 0 }); err != nil {
		t.Fatal(err)
	}
	if err := k.LoadPrograms(); err != nil {
		t.Fatal(err)
	}
	if err := k.Take(); err != nil {
		t.Fatal(err)
	}
	n := &node{Kernel: k, roots: map[int]*ebpf.Program{}}
	n.apply(t, parse(t, rebalanceSpec), 0)
	chain := n.chain(t, "eth0", XDP)
	n.check(t, chain, row{in: frame(ip4{}, syn), want: sent("web", gue)}, 0)
	if list := n.Attached(); len(list) != 2 || list[0].Err != nil {
		t.Errorf("attached: %+v", list)
	}
	if err := netlink.LinkSetMTU(nicByName(t, "eth0peer"), jumboMTU); err == nil {
		t.Error("the driver takes jumbo frames for a program that does not")
	}
	if f := k.fitOf(nicByName(t, "eth0"), k.hasXDP); !f.Older {
		t.Error("nothing says that the rows are older")
	} else if f.MTU = jumboMTU; !strings.Contains(f.generic(), "hairpin detach") {
		t.Errorf("why not native: %s", f.generic())
	}
}
