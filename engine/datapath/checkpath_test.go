package datapath

import (
	"bytes"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"hairpin/engine/packet"
)

const checkSpec = `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.1}, {address: "fd00:1::2"}]}
  - {name: old, addresses: [10.99.0.2], port: 80, protocol: tcp, ring: 251, encap: ipip, backends: [{address: 10.1.1.1}, {address: "fd00:1::2"}]}
`

// skb is struct __sk_buff, as far as a run takes it.
type skb struct {
	Len, PacketType, Mark uint32
	_                     [45]uint32
}

// TestCheckPath: what is marked goes to that backend as a client's packet would, whatever the ring says.
func TestCheckPath(t *testing.T) {
	t.Parallel()
	n := newNode(t, checkSpec)
	n.chains.all[n.chain(t, "eth0", XDP)].Ifindex = 1 // of the loopback, in which runs are
	p, err := n.OpenCheckPath()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	run := func(mark uint32, in []byte) (uint32, skb, []byte) {
		o := ebpf.RunOptions{Data: in, DataOut: make([]byte, len(in)+256), Repeat: 1, Context: skb{Mark: mark}, ContextOut: &skb{}}
		verdict, err := p.program.Run(&o)
		if err != nil {
			t.Fatal(err)
		}
		return verdict, *o.ContextOut.(*skb), o.DataOut
	}
	ports := map[uint16]uint16{}
	for _, vip := range []struct {
		name string
		port uint16
	}{{"web", 6080}, {"old", 0}} {
		for _, backend := range []string{"10.1.1.1", "fd00:1::2"} {
			ports[n.id(t, vip.name, backend)] = vip.port
		}
	}
	p.Set(ports)
	udp4, ping4, ping6 := udp{Dst: 53}, packet.ICMPv4{Type: 8}, packet.ICMPv6{Type: 128}
	for _, in := range [][]byte{frame(ip4{}, syn), frame(ip6{}, syn), frame(ip4{}, udp4, fill(100)), frame(ip4{}, ping4, fill(8)), frame(ip6{}, ping6, fill(9))} {
		for id, port := range ports {
			want := n.backends.all[id].shown(int(id))
			verdict, ctx, out := run(CheckMark(id), in)
			if verdict != tcUnspec || ctx.Mark != 0 {
				t.Fatalf("verdict %d, mark %x", verdict, ctx.Mark)
			}
			s, err := packet.Parse(out)
			if err != nil || s.Inner == nil {
				t.Fatalf("% x: %v", out, err)
			}
			if s.Src != want.Source || s.Dst != want.Address || !bytes.Equal(out[s.Inner.NetworkAt:], in[14:]) || !bytes.Equal(out[:6], want.MAC) {
				t.Errorf("to %s port %d: %v", want.Address, port, s)
			}
			if (s.Protocol == 17) != (port != 0) || port != 0 && s.DstPort != port {
				t.Errorf("to %s: %v, the VIP's port is %d", want.Address, s, port)
			}
			unsummed := s.Version == 6 && s.Inner.Protocol == 1 // ICMPv4 has no sum over its addresses to make the outer one of
			if err := s.Check(); err != nil && !unsummed {
				t.Errorf("to %s: %v: %v", want.Address, s, err)
			}
		}
	}
	var one uint16
	for one = range ports {
		break
	}
	n.backends.all[one].Flags &^= BackendReachable
	before := p.Ends(one)
	if before != (CheckEnds{Sent: 5}) || before.Since(CheckEnds{}) != "" {
		t.Errorf("of five packets %+v", before)
	}
	if verdict, _, _ := run(CheckMark(one), frame(ip4{}, syn)); verdict != tcShot {
		t.Errorf("who cannot be reached is asked all the same: verdict %d", verdict)
	}
	if after := p.Ends(one); after != (CheckEnds{Sent: 5, NoWay: 1}) || after.Since(before) != "no way to the backend is known" {
		t.Errorf("of one without a way %+v", after)
	}
	n.backends.all[one].Flags |= BackendReachable
	for _, row := range []struct {
		in   []byte
		want string
	}{{make([]byte, 60), "it is no packet that could be put into a tunnel"}, {frame(vlan{}, ip4{}, syn), "it is no packet that could be put into a tunnel"}} {
		before := p.Ends(one)
		if verdict, _, _ := run(CheckMark(one), row.in); verdict != tcShot || p.Ends(one).Since(before) != row.want {
			t.Errorf("% x: verdict %d, %q", row.in[:20], verdict, p.Ends(one).Since(before))
		}
	}
	delete(ports, one)
	n.backends.all[one].Flags |= BackendReachable
	p.Set(ports)
	for name, row := range map[string]struct{ mark, verdict uint32 }{"not asked any more": {CheckMark(one), tcShot}, "no backend's": {CheckMark(30000), tcShot},
		"no mark": {0, tcUnspec}, "another's mark": {0x68780001, tcUnspec}} {
		in := frame(ip4{}, syn)
		if verdict, ctx, out := run(row.mark, in); verdict != row.verdict || verdict == tcUnspec && (ctx.Mark != row.mark || !bytes.Equal(in, out)) {
			t.Errorf("%s: verdict %d", name, verdict)
		}
	}
}

// TestCheckPathByClsact: where there is no tcx, its filter stands in front of a chain's, and neither takes the other for its
// own.
func TestCheckPathByClsact(t *testing.T) {
	t.Parallel()
	n := newNode(t, wallSpec)
	n.byClsact(t, "eth0", TCXEgress, ClsactEgress)
	p, err := n.OpenCheckPath()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	chains, checks := clsactName(n.dir), checkFilter(clsactName(n.dir))
	ours := clsact{nicByName(t, "eth0").Attrs().Index, netlink.HANDLE_MIN_EGRESS, checks}
	for range 2 { // the second time as a later process finds it
		if err := ours.attach(p.program); err != nil {
			t.Fatal(err)
		}
	}
	if got := filtersAt(t, "eth0", netlink.HANDLE_MIN_EGRESS); !slices.Equal(got, []string{checks, chains}) {
		t.Errorf("filters %q", got)
	}
	if err := removeFilters(checks); err != nil {
		t.Fatal(err)
	}
	if got := filtersAt(t, "eth0", netlink.HANDLE_MIN_EGRESS); !slices.Equal(got, []string{chains}) {
		t.Errorf("filters %q are left", got)
	}
}
