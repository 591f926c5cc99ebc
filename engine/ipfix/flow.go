// Package ipfix makes flow records of packets and sends them to a collector (RFC 7011, RFC 5103 for both directions).
package ipfix

import (
	"net/netip"
	"time"

	"hairpin/engine/packet"
)

// Key is a flow, exactly: two packets are of one flow when all of it is the same.
type Key struct {
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
	Protocol         uint8
	TOS              uint8
	ICMP             uint16 // type and code
	NIC              uint32 // ifindex, by which it came
}

// reverse is the key of the answers.
func (k Key) reverse() Key {
	k.Src, k.Dst, k.SrcPort, k.DstPort = k.Dst, k.Src, k.DstPort, k.SrcPort
	return k
}

// Packet is what is known of one packet.
type Packet struct {
	Key
	Time  time.Time
	Bytes int    // of the IP packet
	Flags uint8  // of TCP, as in its header
	OneIn uint32 // of so many packets it is one
}

// Of reads a frame, or as much of it as was copied: the innermost packet, so that both directions of a tunnelled flow have one
// key. false: it is no IP packet. Fragments behind the first have no ports.
func Of(frame []byte, gue ...uint16) (p Packet, ok bool) {
	s, _ := packet.ParseCut(frame, gue...) // what is cut off was not copied; what stands before it was read
	in := &s
	for in.Inner != nil && in.Inner.Dst.IsValid() {
		in = in.Inner
	}
	if in.Version == 0 || !in.Dst.IsValid() {
		return Packet{}, false
	}
	p.Src, p.Dst, p.Protocol, p.TOS, p.Bytes = in.Src, in.Dst, in.Protocol, in.TOS, in.Length
	if in.HasPorts {
		p.SrcPort, p.DstPort = in.SrcPort, in.DstPort
	}
	if in.Protocol == packet.ProtoICMP || in.Protocol == packet.ProtoICMPv6 {
		p.ICMP = uint16(in.Type)<<8 | uint16(in.Code)
	}
	for i, letter := range "FSRPAUEC" {
		for _, has := range in.Flags {
			if has == letter {
				p.Flags |= 1 << i
			}
		}
	}
	return p, true
}

// Counts are one direction of a flow.
type Counts struct {
	Packets, Bytes uint64
	First, Last    time.Time
	Flags          uint8
}

func (c *Counts) add(p *Packet) {
	if c.Packets == 0 || p.Time.Before(c.First) {
		c.First = p.Time
	}
	if p.Time.After(c.Last) {
		c.Last = p.Time
	}
	c.Packets++
	c.Bytes += uint64(p.Bytes)
	c.Flags |= p.Flags
}

// End is why a record was made: flowEndReason.
type End uint8

// Ends.
const (
	Idle   End = 1
	Active End = 2 // it goes on, and what comes next is another record
	Ended  End = 3 // FIN or RST
	Forced End = 4 // the exporter ends
	Full   End = 5 // there was no room for one more flow
)

// Record is what a flow did since its record before. Counts are of the packets that were looked at: one in OneIn.
type Record struct {
	Key
	Counts
	Back  Counts // the other direction; Packets is 0 where none was seen
	OneIn uint32
	End   End
}

// first is when the first packet of either direction came; zero when none did.
func (r *Record) first() time.Time {
	if r.Packets == 0 || r.Back.Packets > 0 && r.Back.First.Before(r.First) {
		return r.Back.First
	}
	return r.First
}

func (r *Record) last() time.Time {
	if r.Back.Last.After(r.Last) {
		return r.Back.Last
	}
	return r.Last
}
