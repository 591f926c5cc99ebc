package spec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"
	"strconv"
)

// Hash says what of a packet decides about its slot of the ring.
type Hash uint8

// HashTuple is the source's address and both ports; HashNoSourcePort leaves the source's port out, HashAddresses takes the
// addresses of both ends alone, HashDestinationPort the port of the VIP alone.
const (
	HashTuple Hash = iota
	HashNoSourcePort
	HashAddresses
	HashDestinationPort
)

// QUIC says how the servers of a VIP write their id into the connection ids that they hand out.
type QUIC uint8

// NoQUIC balances QUIC as any UDP. The others are the layouts of Katran: a version in the upper two bits of the first byte, and
// an id of 16, 24 or 32 bits, which begins in the next bit (QUIC1) or byte.
const (
	NoQUIC QUIC = iota
	QUIC1
	QUIC2
	QUIC3
)

var quicBits = map[QUIC]int{QUIC1: 16, QUIC2: 24, QUIC3: 32}

// Bits is how many bits a server's id has.
func (q QUIC) Bits() int { return quicBits[q] }

// IDPlace says where in its packets, but for connection ids of QUIC, a flow names its server.
type IDPlace uint8

// IDOption is an option of TCP headers, of kind 183 and 6 bytes: 32 bits, the lowest byte first. IDPayload is the beginning of
// UDP payloads of 8 bytes at least: a byte 0x52, and 24 bits. Clients repeat what they heard from their server.
const (
	IDNowhere IDPlace = iota
	IDOption
	IDPayload
)

// NamesServers tells whether packets of v may say which backend is theirs.
func (v *VIP) NamesServers() bool { return v.QUIC != NoQUIC || v.IDIn != IDNowhere }

// idBits is how many bits a server's id has.
func (v *VIP) idBits() int {
	switch v.IDIn {
	case IDOption:
		return 32
	case IDPayload:
		return 24
	}
	return v.QUIC.Bits()
}

// PutServer writes a server's id into a connection id of 5 bytes at least, whose other bits stay: they tell connections apart.
func (q QUIC) PutServer(cid []byte, id uint32) {
	cid[0] = cid[0]&0x3f | byte(q)<<6
	switch q {
	case QUIC1:
		cid[0] = byte(q)<<6 | byte(id>>10)
		cid[1], cid[2] = byte(id>>2), byte(id)<<6|cid[2]&0x3f
	case QUIC2:
		cid[1], cid[2], cid[3] = byte(id>>16), byte(id>>8), byte(id)
	case QUIC3:
		binary.BigEndian.PutUint32(cid[1:], id)
	}
}

// ServerID is the id by which packets of v name b: the one that is written, or one made of its address, the same on every
// node and whatever else is in the list. It is never 0.
func (v *VIP) ServerID(b Backend) uint32 {
	if b.ID != 0 {
		return b.ID
	}
	return addressID(b.Address, v.idBits())
}

func addressID(a netip.Addr, bits int) uint32 {
	h := fnv.New64a()
	h.Write(a.AsSlice()) // a hash takes whatever it is given
	sum := h.Sum64() * 0x9e3779b97f4a7c15
	return max(1, uint32(sum>>32)>>(32-bits))
}

// writeChoice writes how a VIP chooses where that is not as usual.
func writeChoice(b *bytes.Buffer, v *VIP) {
	if v.Hash != HashTuple {
		fmt.Fprintf(b, "    hash: %s\n", v.Hash)
	}
	if v.QUIC != NoQUIC {
		fmt.Fprintf(b, "    quic: %s\n", v.QUIC)
	}
	if v.IDIn != IDNowhere {
		fmt.Fprintf(b, "    id_in: %s\n", v.IDIn)
	}
	if v.Local {
		b.WriteString("    local: true\n")
	}
	if v.Migrate {
		b.WriteString("    migrate: true\n")
	}
	if v.Handover {
		b.WriteString("    handover: true\n")
	}
}

func appendID(line []byte, b Backend) []byte {
	if b.ID == 0 {
		return line
	}
	return strconv.AppendUint(append(line, ", id: "...), uint64(b.ID), 10)
}

func checkChoice(v *VIP, here *at, f *faults) {
	if !has(hashes, v.Hash) {
		f.wrong(here.field("hash"), "%s is not known", v.Hash)
	}
	switch {
	case !has(quics, v.QUIC):
		f.wrong(here.field("quic"), "%s is not known", v.QUIC)
	case v.QUIC != NoQUIC && v.Protocol != UDP:
		f.wrong(here.field("quic"), "QUIC is UDP: write protocol: udp, or remove it")
	}
	if v.Migrate && v.Protocol != UDP {
		f.wrong(here.field("migrate"), "only flows of UDP can go to another backend: remove it, or write protocol: udp")
	}
	switch {
	case v.Handover && v.Protocol != TCP:
		f.wrong(here.field("handover"), "only of TCP can a backend tell whose a packet is: remove it, or write protocol: tcp")
	case v.Handover && v.Encap != GUE:
		f.wrong(here.field("handover"), "only GUE has room to name another backend: remove it, or write encap: gue")
	}
	checkIDPlace(v, here.field("id_in"), f)
	if !has(quics, v.QUIC) || !has(idPlaces, v.IDIn) {
		return
	}
	if !v.NamesServers() {
		for i, b := range v.Backends {
			if b.ID != 0 {
				f.wrong(here.field("backends").item(i).field("id"), "only a VIP with quic or id_in has use for it: remove it, or write quic: v1")
			}
		}
		return
	}
	checkServerIDs(v, here.field("backends"), f)
}

func checkIDPlace(v *VIP, here *at, f *faults) {
	switch {
	case !has(idPlaces, v.IDIn):
		f.wrong(here, "%s is not known", v.IDIn)
	case v.IDIn == IDOption && v.Protocol != TCP:
		f.wrong(here, "UDP has no options: write payload, or protocol: tcp")
	case v.IDIn == IDPayload && v.Protocol != UDP:
		f.wrong(here, "a connection of TCP has no beginning in each packet: write tcp_option, or protocol: udp")
	case v.IDIn != IDNowhere && v.QUIC != NoQUIC:
		f.wrong(here, "quic says that ids are in connection ids: remove one of both")
	}
}

func checkServerIDs(v *VIP, list *at, f *faults) {
	bits, seen := v.idBits(), map[uint32]int{}
	ids := "quic: " + v.QUIC.String()
	if v.IDIn != IDNowhere {
		ids = "id_in: " + v.IDIn.String()
	}
	for i, b := range v.Backends {
		here, id := list.item(i), v.ServerID(b)
		if uint64(id)>>bits != 0 {
			f.wrong(here.field("id"), "%d is not within 1 to %d, the ids of %s", id, uint64(1)<<bits-1, ids)
			continue
		}
		first, taken := seen[id]
		switch {
		case taken && b.ID == 0:
			f.wrong(here, "its server id by its address, %d, is that of backends[%d] already: write an id", id, first)
		case taken:
			f.wrong(here.field("id"), "%d is the server id of backends[%d] already", id, first)
		default:
			seen[id] = i
		}
	}
}
