package datapath

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"hairpin/engine/packet"
	"hairpin/engine/reason"
)

// FuzzChain sends any frame into the chain of a balancer whose first VIP settles, and into those of an agent.
func FuzzChain(f *testing.F) {
	balancer := newNode(f, balancerSpec)
	balancer.add(f, "web", "10.1.1.14")
	agent := newNode(f, decapSpec)
	chains := []struct {
		n     *node
		chain int
		least int // bytes of a frame
	}{
		{balancer, balancer.chain(f, "eth0", XDP), 14},
		{agent, agent.chain(f, "eth0", XDP), 14},
		{agent, agent.chain(f, "eth1", TCXIngress), 14 + 40},
	}
	for i, rows := range [][]row{balancerRows(), decapRows, decapRows} {
		for _, r := range rows {
			f.Add(uint8(i), r.in)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, in []byte) {
		c := chains[int(which)%len(chains)]
		if len(in) < c.least || len(in) > 3000 {
			return // the kernel runs no test with them
		}
		why, verdict, out := c.n.exit(t, c.chain, in)
		c.n.forgetAnswers(t)
		want := verdictOf(c.n.chains.all[c.chain].Hook, why.Verdict)
		switch why.Name {
		case "too_big_told":
			want = xdpTX
		case "redirected":
			want = xdpRedirect
		}
		if verdict != want {
			t.Errorf("verdict %d with reason %s", int32(verdict), why.Name)
		} else if c.n.chains.all[c.chain].Hook == XDP {
			c.n.dryEqualsReal(t, c.chain, in)
			c.n.forgetAnswers(t)
		}
		switch why.Name {
		case "internal", "empty_slot", "no_generation":
			t.Errorf("reason %s", why.Name)
		case "forwarded", "redirected":
			checkForwarded(t, in, out)
		case "echo_answered", "too_big_told":
			checkAnswered(t, in, out)
		case "decapsulated":
			checkDecapsulated(t, in, out)
		default:
			if diff := packet.Diff(out, in); diff != "" {
				t.Errorf("%s, and yet changed: %s", why.Name, diff)
			}
		}
		checkSlack(t, c.n, c.chain, in, why, out)
	})
}

// exit sends a frame and returns the one reason that was counted for it.
func (n *node) exit(t *testing.T, chain int, in []byte) (why reason.Reason, verdict uint32, out []byte) {
	t.Helper()
	before := n.exits(chain)
	verdict, out = n.run(t, chain, in, 0)
	after := n.exits(chain)
	packets := uint64(0)
	for id := range after {
		if after[id].Packets != before[id].Packets {
			packets += after[id].Packets - before[id].Packets
			why, _ = reason.ByID(id)
			if bytes := after[id].Bytes - before[id].Bytes; bytes != uint64(len(in)) {
				t.Errorf("%s counted %d bytes of a frame of %d", why.Name, bytes, len(in))
			}
		}
	}
	if packets != 1 || why.Name == "" {
		t.Fatalf("one packet came in, %d left; the last with reason %q", packets, why.Name)
	}
	return why, verdict, out
}

// exits are the counters at the door of a chain.
func (n *node) exits(chain int) (sum [Reasons]Count) {
	for i := range n.counters.all {
		addAll(sum[:], n.counters.all[i].Exit[chain][:])
	}
	return sum
}

// checkForwarded demands a frame that can be read, with the packet of in inside, one hop less, and with right checksums
// if in has them.
func checkForwarded(t *testing.T, in, out []byte) {
	t.Helper()
	s, err := packet.Parse(in)
	if err != nil {
		t.Fatalf("forwarded, and cannot be read: %v", err)
	}
	o, err := packet.Parse(out, packet.GUEPort, 7000)
	if err != nil || o.Inner == nil {
		t.Fatalf("what leaves cannot be read: %v: %v", o, err)
	}
	if s.Check() != nil {
		return // what is wrong inside cannot be right outside
	}
	wrap, other := wrapping{}, in
	if o.Protocol == packet.ProtoUDP {
		wrap.port = o.DstPort
		wrap.noSum = len(s.Extensions) > 0 || !s.HasPorts || s.Fragmented() || s.Protocol == packet.ProtoUDP &&
			(binary.BigEndian.Uint16(in[s.TransportAt+6:]) == 0 ||
				int(binary.BigEndian.Uint16(in[s.TransportAt+4:])) != s.NetworkAt+s.Length-s.TransportAt)
	}
	if !s.HasPorts { // what it goes with is not to be seen: its flow's hash is
		other = flowOfHash(o.SrcPort | 0xc000)
	}
	if diff := packet.Diff(out, outwardAs(t, in, other, o.Dst, wrap)); diff != "" {
		t.Errorf("frame out: %s", diff)
	}
}

// flowOfHash is some packet whose flow has a hash with that outer source port.
func flowOfHash(port uint16) []byte {
	for i := range packet.Field(1 << 20) {
		src := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		hash := uint16(FlowHash(netip.AddrPortFrom(src, uint16(i>>16)+1), netip.AddrPortFrom(packet.VIP4, 80)))
		if hash&0xff<<8|0xc000|hash>>8 == port {
			return frame(ip4{Src: src}, tcp{Src: packet.Is(uint16(i>>16) + 1)})
		}
	}
	panic("no flow has that hash")
}

// checkAnswered demands a frame that goes back to where in came from, with right checksums if in has them.
func checkAnswered(t *testing.T, in, out []byte) {
	t.Helper()
	s, err := packet.Parse(in)
	if err != nil {
		return // what is wrong with what it bears is not looked at
	}
	o, err := packet.Parse(out)
	if err != nil {
		t.Fatalf("what leaves cannot be read: %v: %v", o, err)
	}
	if o.Src != s.Dst || o.Dst != s.Src || o.DstMAC != s.SrcMAC || o.SrcMAC != s.DstMAC || !slices.Equal(o.VLANs, s.VLANs) {
		t.Errorf("%v was answered by %v", s, o)
	}
	if s.Check() == nil && o.Check() != nil {
		t.Errorf("%v was answered by %v: %v", s, o, o.Check())
	}
}

// forgetAnswers makes room for more of them.
func (n *node) forgetAnswers(t *testing.T) {
	t.Helper()
	for _, name := range []string{"scratch", "scratch_dry"} {
		m := n.maps[name]
		var all [][]byte
		if err := m.Lookup(uint32(0), &all); err != nil {
			t.Fatal(err)
		}
		for i := range all {
			clear(all[i])
		}
		if err := m.Put(uint32(0), all); err != nil {
			t.Fatal(err)
		}
	}
}

// checkDecapsulated demands that the end of in is what goes up, and that it is a whole IP packet.
func checkDecapsulated(t *testing.T, in, out []byte) {
	t.Helper()
	cut := len(in) - len(out)
	if cut < 20 || !slices.Equal(out[:12], in[:12]) || !slices.Equal(out[14:], carryECN(in[14:], in[14+cut:])) {
		t.Fatalf("% x went up as % x", in, out)
	}
	length := int(binary.BigEndian.Uint16(out[16:]))
	if out[14]>>4 == 6 {
		length = 40 + int(binary.BigEndian.Uint16(out[18:]))
	}
	if etherType := binary.BigEndian.Uint16(out[12:]); etherType != map[byte]uint16{4: packet.TypeIPv4, 6: packet.TypeIPv6}[out[14]>>4] || length > len(out)-14 {
		t.Errorf("type %#x, length %d: % x went up", etherType, length, out)
	}
}

// carryECN is the inner packet once it has been told what congestion the outer one met (RFC 6040).
func carryECN(outer, in []byte) []byte {
	shift := func(b []byte) int { return map[bool]int{true: 4}[b[0]>>4 == 6] }
	ip, met, had := slices.Clone(in), outer[1]>>shift(outer)&3, in[1]>>shift(in)&3
	if met != 3 && (met != 1 || had != 2) {
		return ip
	}
	ip[1] = ip[1]&^(3<<shift(ip)) | met<<shift(ip)
	if ip[0]>>4 == 4 && had != met {
		sum := uint32(^binary.BigEndian.Uint16(ip[10:])) + uint32(^uint16(had)) + uint32(met)
		for sum>>16 != 0 {
			sum = sum&0xffff + sum>>16
		}
		binary.BigEndian.PutUint16(ip[10:], ^uint16(sum))
	}
	return ip
}

// checkSlack turns over what follows the IP packet in its frame: nothing may hang on it.
func checkSlack(t *testing.T, n *node, chain int, in []byte, why reason.Reason, out []byte) {
	t.Helper()
	s, err := packet.Parse(in)
	if err != nil || s.Version == 0 || s.Trailer == 0 {
		return
	}
	other := slices.Clone(in)
	for i := len(in) - s.Trailer; i < len(in); i++ {
		other[i] ^= 0xff
	}
	again, _, turned := n.exit(t, chain, other)
	if again != why {
		t.Errorf("reason %s, but %s when other bytes follow the packet", why.Name, again.Name)
	}
	if len(out) != len(turned) || !slices.Equal(out[:len(out)-s.Trailer], turned[:len(turned)-s.Trailer]) {
		t.Errorf("other bytes behind the packet change what leaves: %s", packet.Diff(turned, out))
	}
}
