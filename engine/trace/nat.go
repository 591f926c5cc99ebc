package trace

import (
	"encoding/binary"
	"net/netip"

	"hairpin/engine/datapath"
	"hairpin/engine/reason"
)

// The words of an agent that translates.

// addressOf is the address that a sight is, where its numbers are one.
func addressOf(saw datapath.Sight) netip.Addr {
	var raw [16]byte
	binary.LittleEndian.PutUint64(raw[:], saw.A)
	binary.LittleEndian.PutUint64(raw[8:], saw.B)
	return netip.AddrFrom16(raw).Unmap()
}

func (c Chain) tellNAT(s *Step, saw datapath.Sight, _ datapath.Note) {
	state, idle := datapath.FlowOf(saw.A)
	whose := ""
	if saw.B == 0 {
		whose = ", as one of a VIP that this packet did not come for"
	}
	s.add("flow", "known%s: %s, seen about %.0f s ago", whose, state, idle.Seconds())
}

func (c Chain) tellNATNew(s *Step, saw datapath.Sight, _ datapath.Note) {
	text := "new"
	switch why, _ := reason.ByID(int(saw.A)); {
	case saw.A == 0:
	case why.Name == "flow_taken":
		text = "new, and a connection of this host has the same ends"
	case why.Name == "flows_full":
		text = "new, and there is no room to remember it"
	case why.Name == "no_socket":
		text = "not known, and no socket waits for it"
	case why.Name == "untranslated":
		text = "not known: it did not come for a VIP"
	default:
		text = "not known: " + why.Name
	}
	s.add("flow", "%s", text)
}

func (c Chain) tellLocal(s *Step, saw datapath.Sight, _ datapath.Note) {
	s.add("translated", "to the local address %s", addressOf(saw))
}

func (c Chain) tellOrigin(s *Step, saw datapath.Sight, _ datapath.Note) {
	s.add("translated", "it comes from the VIP's address %s", addressOf(saw))
}
