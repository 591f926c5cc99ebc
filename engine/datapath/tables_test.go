package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// TestVIPTable writes the most VIPs that a spec may have, again and again: each is found, and nothing else.
func TestVIPTable(t *testing.T) {
	t.Parallel()
	k := newKernel(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range soak(4) {
		var entries []vipEntry
		say := &vipVersion{}
		for i := range spec.MaxAddresses {
			low := random.Uint32()
			b := binary.BigEndian.AppendUint32([]byte{0xfd, 0, 11: 0}, low)
			for _, a := range []netip.Addr{netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom16([16]byte(b))} {
				entries = append(entries, vipEntry{service{Address: a, Port: uint16(low>>8) | 1, Protocol: uint8(spec.TCP)}, VIP{Num: uint16(1 + i)}},
					vipEntry{service{Address: a}, VIP{Num: uint16(1 + i), Flags: VIPAddress}})
			}
		}
		for _, e := range entries {
			say.add(e)
		}
		tables, err := k.writeVIPs(round%Generations, say)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if got := k.findVIP(tables, e.service); got == nil || *got != e.VIP {
				t.Fatalf("%+v is found as %+v", e, got)
			}
			for _, other := range []service{{Address: e.Address, Port: e.Port + 1, Protocol: e.Protocol}, {Address: e.Address, Port: e.Port, Protocol: 17},
				{Address: e.Address.Next(), Port: e.Port, Protocol: e.Protocol}} {
				if got := k.findVIP(tables, other); got != nil && !slices.ContainsFunc(entries, func(e vipEntry) bool { return e.service == other }) {
					t.Fatalf("%+v, which nobody wrote, is found as %+v", other, got)
				}
			}
		}
		count := 0
		k.eachVIP(tables, func(*VIP) { count++ })
		if count != len(entries) {
			t.Fatalf("%d entries are in the table, %d were written", count, len(entries))
		}
	}
	many := &vipVersion{}
	for i := range VIPParts * VIPTable {
		many.add(vipEntry{service{netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80, 6, 0, 0}, VIP{}})
	}
	if _, err := k.writeVIPs(0, many); !errors.Is(err, errCrowded) {
		t.Errorf("%d entries: %v", len(many.vips[0]), err)
	}
}

// TestManyVIPs balances packets for every one of as many VIPs as a spec may have.
func TestManyVIPs(t *testing.T) {
	t.Parallel()
	text := "version: 1\nnics: {eth0: {xdp: [balancer]}}\nvips:\n"
	for i := range 600 {
		text += fmt.Sprintf("  - {name: v%d, addresses: [10.50.%d.%d, \"fd00:50::%x\"], port: %d, protocol: tcp, ring: 251, backends: [{address: 10.1.1.%d}]}\n",
			i, i>>8, i&255, i+1, 1+i*7%65535, 1+i%250)
	}
	n := newNode(t, text)
	for i := range n.spec.VIPs {
		v := &n.spec.VIPs[i]
		port := packet.Is(v.Port)
		for _, in := range [][]byte{frame(ip4{Dst: v.Addresses[0]}, tcp{Dst: port}), frame(ip6{Dst: v.Addresses[1]}, tcp{Dst: port})} {
			if got, want := n.deliver(t, in), v.Backends[0].Address; got != want {
				t.Fatalf("vip %s: a packet went to %v, want %v", v.Name, got, want)
			}
		}
	}
}

// TestRingStore gives out places and takes them back: no two rings share a slot, and none has place 0.
func TestRingStore(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var s ringStore
	live := map[place]uint32{}
	for range soak(3000) {
		size := spec.Rings[random.IntN(len(spec.Rings))]
		for n := range Segments {
			p, ok := s.find(n, size)
			if gaps := s.gaps(n, size); ok != (gaps > 0) || gaps > SegmentSlots/int(size) {
				t.Fatalf("%d slots fit %d times, found %v", size, gaps, ok)
			}
			if ok {
				first := p & (1<<slotBits - 1)
				if p == 0 || p>>slotBits != uint32(n) || first%4 != 0 || first+size > SegmentSlots {
					t.Fatalf("%d slots were given place %#x", size, p)
				}
				for other, length := range live {
					if other>>slotBits == p>>slotBits && p < other+length && other < p+size {
						t.Fatalf("%d slots at %#x lie in %d slots at %#x", size, p, length, other)
					}
				}
				live[p] = size
				s.hold(p, size)
				s.hold(p, size) // once more is not twice
				break
			}
		}
		for p := range live {
			if random.IntN(40) == 0 {
				delete(live, p)
			}
		}
		s = ringStore{} // it is known from the tables alone
		for p, size := range live {
			s.hold(p, size)
		}
	}
}

// TestRingsComeFree: edits of large rings do not fill the store.
func TestRingsComeFree(t *testing.T) {
	t.Parallel()
	n := newNode(t, `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips: [{name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 131071, backends: [{address: 10.1.1.1}, {address: 10.1.1.2}]}]
`)
	for i := range soak(40) {
		n.setWeight(t, "web", "10.1.1.2", uint32(100+i%2))
		if i%10 == 9 {
			n.EndSettling(n.vip(t, "web").Num)
		}
	}
	used := 0
	for i := range n.segments {
		if n.segments[i].all != nil {
			used++
		}
	}
	if used > 4 {
		t.Errorf("one VIP's rings take %d segments", used)
	}
}

// TestNextHops follows the way to a backend: other MACs, another source, none, and back.
func TestNextHops(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	id, in := n.id(t, "dns", "10.1.1.1"), []byte(nil)
	for _, c := range n.clients("dns", 100) {
		if c.ring(t) == addr("10.1.1.1") {
			in = c.frame("", 0)
		}
	}
	hop := reach(addr("10.1.1.1"))
	if n.SetNextHop(id, hop) {
		t.Error("the same next hop again is a change")
	}
	sends := func(what string, want NextHop) {
		t.Helper()
		verdict, out := n.run(t, n.chain(t, "eth0", XDP), in, 0)
		s, err := packet.Parse(out)
		if verdict != xdpTX || err != nil || s.Check() != nil {
			t.Fatalf("%s: verdict %d, %v, %v", what, verdict, err, s.Check())
		}
		if net.HardwareAddr(s.DstMAC[:]).String() != want.MAC.String() || net.HardwareAddr(s.SrcMAC[:]).String() != want.NICMAC.String() || s.Src != want.Source {
			t.Errorf("%s: %s > %s from %s, want %+v", what, s.SrcMAC, s.DstMAC, s.Src, want)
		}
	}
	sends("at first", hop)
	hop.MAC, hop.NICMAC = net.HardwareAddr{2, 1, 2, 3, 4, 5}, net.HardwareAddr{2, 9, 8, 7, 6, 5}
	if !n.SetNextHop(id, hop) {
		t.Error("another MAC is no change")
	}
	sends("with another MAC", hop)
	hop.Source = addr("10.77.0.9")
	if !n.SetNextHop(id, hop) {
		t.Error("another source is no change")
	}
	sends("from another source", hop)
	for _, lost := range []NextHop{{Unknown: "no route"}, {Source: source6, NIC: "eth0", MTU: 1600, MAC: routerMAC, NICMAC: nicMAC},
		{Source: source4, NIC: "eth7", MTU: 1600, MAC: routerMAC, NICMAC: nicMAC}, {Source: source4, NIC: "eth0", MTU: 1600, NICMAC: nicMAC}} {
		n.SetNextHop(id, lost)
		if why, _, _ := n.exit(t, n.chain(t, "eth0", XDP), in); why.Name != "no_next_hop" {
			t.Errorf("next hop %+v: reason %s", lost, why.Name)
		}
		if !n.SetNextHop(id, hop) {
			t.Error("the way back is no change")
		}
		sends("again", hop)
	}
}

// TestDropEvent: a dropped packet shows up as an event, with what it was.
func TestDropEvent(t *testing.T) {
	t.Parallel()
	n := newNode(t, balancerSpec)
	n.runsGeneric()
	reader, err := n.Events()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	chain := n.chain(t, "eth1", XDP)
	for _, row := range []struct {
		in   []byte
		want DropEvent
	}{
		{frame(ip4{TTL: 1}, tcp{Flags: "SU"}), DropEvent{Reason: 11, Family: 4, L4Proto: 6, TCPFlags: 0x22, VIP: n.vip(t, "web").Num}},
		{frame(ip6{Dst: addr("fd00:99::2")}, udp{}, fill(50)), DropEvent{Reason: 14, Family: 6, L4Proto: 17, VIP: n.vip(t, "six-udp").Num}},
		{frame(ip4{}, packet.ICMPv4{Type: 5}), DropEvent{Reason: 9, Family: 4, L4Proto: 1, VIP: n.vip(t, "web").Num}},
	} {
		began := Monotonic()
		n.run(t, chain, row.in, 0)
		reader.SetDeadline(time.Now().Add(time.Minute))
		record, err := reader.Read()
		if err != nil {
			t.Fatal(err)
		}
		var got DropEvent
		if _, err := binary.Decode(record.RawSample, binary.LittleEndian, &got); err != nil {
			t.Fatal(err)
		}
		s, _ := packet.Parse(row.in)
		want := row.want
		want.Time, want.Chain, want.Bytes, want.OneIn = got.Time, uint32(chain), uint32(len(row.in)), 1
		want.SrcPort, want.DstPort = wirePort(s.SrcPort), wirePort(s.DstPort)
		copy(want.Src[:], s.Src.AsSlice())
		copy(want.Dst[:], s.Dst.AsSlice())
		if s.Version == 4 { // the rest of their places is not said
			copy(want.Src[4:], got.Src[4:])
			copy(want.Dst[4:], got.Dst[4:])
		}
		if got != want {
			t.Errorf("event %+v, want %+v", got, want)
		}
		if early := int64(began - got.Time); early > int64(time.Second) || got.Time > Monotonic() {
			t.Errorf("the event is of %v before the packet", time.Duration(early))
		}
	}
	began := time.Now()
	for range 2000 {
		n.run(t, chain, frame(ip4{TTL: 1}, syn), 0)
	}
	took, events, stand := time.Since(began), 0, 0
	for reader.SetDeadline(time.Now()); ; events++ {
		record, err := reader.Read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		stand += int(binary.LittleEndian.Uint32(record.RawSample[28:]))
	}
	const flood = 64 // of one CPU in the first tick of 2,000 drops: 8, and 4 whenever there are twice as many
	if most := int(took/(32*time.Millisecond)+2) * flood * len(n.counters.all); events > most || events > 1000 && took < time.Second {
		t.Errorf("%d events of one reason in %v: they are not sampled", events, took)
	}
	if stand < 1000 || stand > 4000 {
		t.Errorf("%d events stand for %d drops, not for some 2000", events, stand)
	}
}
