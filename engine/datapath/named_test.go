package datapath

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// named are the rows of one VIP whose packets name servers.
type named struct {
	v    *spec.VIP
	six  bool
	rows []row
}

func (r *named) add(sentence string, want fate, layers ...packet.Layer) {
	r.rows = append(r.rows, row{fmt.Sprintf("%s, v6 %t", sentence, r.six), towards(r.v, r.six, layers...), want})
}

// byRing are packets that name no server, or, when unknown, one that is of no backend.
func (r *named) byRing(unknown bool) fate {
	f := sent(r.v.Name, wrapOf(r.v))
	if unknown {
		f.also = "quic_unknown"
	}
	return f
}

// serverOption is the TCP option in which a flow names its server.
func serverOption(id uint32) []byte {
	return binary.LittleEndian.AppendUint32([]byte{0xb7, 6}, id)
}

// optionRows are packets that name a server in an option of TCP: all but SYNs go to it.
func optionRows(v *spec.VIP) (rows []row) {
	if v.IDIn != spec.IDOption {
		return nil
	}
	for _, six := range []bool{false, true} {
		r := &named{v: v, six: six}
		add := func(sentence, flags string, want fate, options ...byte) {
			r.add(sentence, want, tcp{Src: packet.Is(50000), Dst: 443, Flags: flags, Options: options}, fill(11))
		}
		for i, b := range v.Backends {
			add(fmt.Sprintf("server %d", i), "A", toServer(v, b.Address), serverOption(v.ServerID(b))...)
		}
		last := v.Backends[4]
		option, to := serverOption(v.ServerID(last)), toServer(v, last.Address)
		stamps := append([]byte{1, 1, 8, 10}, fill(8)...)
		add("a fin", "FA", to, option...)
		add("a reset", "R", to, option...)
		add("behind time stamps", "PA", to, slices.Concat(stamps, option)...)
		add("before time stamps", "PA", to, slices.Concat(option, stamps)...)
		add("at an odd place", "A", to, slices.Concat([]byte{1}, option)...)
		add("behind gaps", "A", to, slices.Concat(slices.Repeat([]byte{1}, 19), option)...)
		add("behind one gap too many", "A", r.byRing(false), slices.Concat(slices.Repeat([]byte{1}, 20), option)...)
		add("the last of all bytes", "A", to, slices.Concat([]byte{30, 34}, fill(32), option)...)
		add("another before", "A", to, slices.Concat([]byte{0xb6, 6, 9, 9, 9, 9}, option)...)
		add("behind a vlan tag", "A", to, option...)
		at := len(r.rows) - 1
		r.rows[at].in = slices.Insert(r.rows[at].in, 12, 0x81, 0, 0, 7)

		add("a syn", "S", r.byRing(false), option...)
		add("none", "A", r.byRing(false))
		add("time stamps alone", "A", r.byRing(false), stamps...)
		add("no server has it", "A", r.byRing(true), serverOption(0xbeef)...)
		add("zero", "A", r.byRing(false), serverOption(0)...)
		add("behind the end of options", "A", r.byRing(false), slices.Concat([]byte{0, 0}, option)...)
		add("too short", "A", r.byRing(false), 0xb7, 5, 1, 2, 3)
		add("too long", "A", r.byRing(false), 0xb7, 7, 1, 2, 3, 4, 5)
		add("without a length", "A", r.byRing(false), 0xb7, 0, 1, 2, 3, 4)
		add("behind one without a length", "A", r.byRing(false), slices.Concat([]byte{30, 0}, option)...)
		add("behind one that is too long", "A", r.byRing(false), slices.Concat([]byte{30, 255}, option)...)
		add("beyond the header", "A", r.byRing(false), slices.Concat([]byte{1, 1, 1, 1}, option[:4])...)
		rows = append(rows, r.rows...)
	}
	return rows
}

// serverPayload is a UDP payload that begins with its server's name.
func serverPayload(first byte, id uint32) packet.Payload {
	return append([]byte{first, byte(id >> 16), byte(id >> 8), byte(id)}, fill(4)...)
}

// payloadRows are packets that name a server at the beginning of their payload.
func payloadRows(v *spec.VIP) (rows []row) {
	if v.IDIn != spec.IDPayload {
		return nil
	}
	for _, six := range []bool{false, true} {
		r := &named{v: v, six: six}
		add := func(sentence string, want fate, payload packet.Payload) {
			r.add(sentence, want, udp{Src: packet.Is(50000), Dst: 443}, payload)
		}
		for i, b := range v.Backends {
			add(fmt.Sprintf("server %d", i), toServer(v, b.Address), serverPayload(0x52, v.ServerID(b)))
		}
		first := v.Backends[0]
		id := v.ServerID(first)
		add("more behind it", toServer(v, first.Address), append(serverPayload(0x52, id), fill(900)...))
		add("no server has it", r.byRing(true), serverPayload(0x52, 0xbeef))
		add("zero", r.byRing(false), serverPayload(0x52, 0))
		add("another first byte", r.byRing(false), serverPayload(0x51, id))
		add("a byte too short", r.byRing(false), serverPayload(0x52, id)[:7])
		add("nothing", r.byRing(false), nil)
		add("what fills the frame", r.byRing(false), serverPayload(0x52, id)[:1])
		at := len(r.rows) - 1
		r.rows[at].in = append(r.rows[at].in, serverPayload(0x52, id)[1:]...)
		rows = append(rows, r.rows...)
	}
	return rows
}

// TestNamedLive: a VIP's packets name servers from a change on and until the next, and its connections stay.
func TestNamedLive(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	v := n.spec.VIP("web")
	to := v.Backends[0]
	homes := connected(t, n.clients("web", 60))
	on := func() (all int) {
		for i := range 30 {
			option := serverOption(addressOption(v).ServerID(to))
			if n.deliver(t, frame(ip4{Dst: v.Addresses[0]}, tcp{Src: packet.Is(uint16(60000 + i)), Flags: "A", Options: option})) == to.Address {
				all++
			}
		}
		return all
	}
	set := func(p spec.IDPlace) {
		s := n.spec.Clone()
		s.VIP("web").IDIn = p
		n.apply(t, s, 0)
	}
	before := on()
	for range 2 {
		set(spec.IDOption)
		stay(t, "with ids", homes)
		if got := on(); got != 30 {
			t.Errorf("%d of 30 packets go to the server that they name", got)
		}
		set(spec.IDNowhere)
		stay(t, "without ids", homes)
		if got := on(); got != before {
			t.Errorf("without ids %d packets go to a server, %d did before", got, before)
		}
	}
	if before == 30 {
		t.Error("the ring has one backend")
	}
}

// addressOption is a VIP whose servers have the ids of options.
func addressOption(v *spec.VIP) *spec.VIP {
	o := *v
	o.IDIn = spec.IDOption
	return &o
}
