package datapath

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"hairpin/engine/packet"
	"hairpin/engine/reason"
)

// TestSNATSights: a dry run tells whether an agent that translates knows the flow, why it refuses it, and what address the
// packet has then.
func TestSNATSights(t *testing.T) {
	t.Parallel()
	n := newNode(t, snatSpec)
	xdp, out := n.chain(t, "eth0", XDP), n.chain(t, "eth0", TCXEgress)
	address := func(kind SightKind, a netip.Addr) Sight {
		raw := a.As16()
		return Sight{Position: 1, Kind: kind, A: binary.LittleEndian.Uint64(raw[:]), B: binary.LittleEndian.Uint64(raw[8:])}
	}
	known := func(vip uint64) Sight { return Sight{Position: 1, Kind: SawNAT, B: vip} }
	fresh := func(name string) Sight {
		r, _ := reason.ByName(name)
		return Sight{Position: 1, Kind: SawNATNew, A: uint64(r.ID)}
	}
	for _, r := range []struct {
		sentence string
		before   [][]byte
		chain    int
		in       []byte
		want     []Sight
	}{
		{"a new flow", nil, xdp, begin4, []Sight{fresh(""), address(SawLocal, local4)}},
		{"a new flow over v6", nil, xdp, begin6, []Sight{fresh(""), address(SawLocal, local6)}},
		{"a known one", [][]byte{begin4}, xdp, begin4, []Sight{known(1), address(SawLocal, local4)}},
		{"that of another vip", [][]byte{begin4}, xdp, wrapped(ip4{Dst: second4}, syn), []Sight{known(0)}},
		{"a direct connection with its ends", [][]byte{begin4}, xdp, frame(at4, syn), []Sight{known(0)}},
		{"an ack that no socket waits for", nil, xdp, wrapped(ip4{}, tcp{Flags: "A"}), []Sight{fresh("no_socket"), address(SawLocal, local4)}},
		{"a later fragment", nil, xdp, wrapped(ip4{Offset: 101, Protocol: packet.ProtoUDP}, fill(10)), []Sight{address(SawLocal, local4)}},
		{"what is of no flow", nil, xdp, wrapped(ip4{Protocol: 47}, fill(20)), nil},
		{"an answer", [][]byte{begin4}, out, away(srv4, answer("SA")), []Sight{known(1), address(SawOrigin, vip4at)}},
		{"an answer over v6", [][]byte{begin6}, out, away(srv6, answer("SA")), []Sight{known(1), address(SawOrigin, vip6at)}},
		{"an answer of no flow", nil, out, away(srv4, answer("SA")), []Sight{fresh("untranslated")}},
	} {
		t.Run(r.sentence, func(t *testing.T) {
			n.forget()
			for _, b := range r.before {
				n.run(t, xdp, b, 0)
			}
			dry, err := n.Dry(int(n.Control().Active), r.chain, r.in)
			if err != nil {
				t.Fatal(err)
			}
			var got []Sight
			for _, s := range dry.Sights {
				if s.Kind == SawNAT {
					s.A = 0 // the entry, with its age
				}
				if s.Position == 1 && s.Kind != SawInner {
					got = append(got, s)
				}
			}
			if !slices.Equal(got, r.want) {
				t.Errorf("saw %+v, want %+v", got, r.want)
			}
		})
	}
	n.forget()
	n.fillFlows()
	dry, err := n.Dry(int(n.Control().Active), xdp, begin4)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(dry.Sights, fresh("flows_full")) {
		t.Errorf("full of open flows, it saw %+v", dry.Sights)
	}
}
