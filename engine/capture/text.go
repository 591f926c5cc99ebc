package capture

import (
	"fmt"
	"strings"

	"hairpin/engine/packet"
)

// Line is the packet in a few words: protocol, ends, flags; a tunnel with what is in it.
func (r *Record) Line() string {
	s, err := packet.ParseCut(r.Frame)
	if err != nil && s.Version == 0 {
		return fmt.Sprintf("%d bytes: %v", r.Bytes, err)
	}
	text := s.String()
	if err != nil {
		text += " (cut)"
	}
	return text
}

// Whole is the frame as a trace takes it, in hexadecimal, with zeros for what was not copied; empty when not even its Ethernet
// header was.
func (r *Record) Whole() string {
	const ethernet = 14
	if len(r.Frame) < ethernet {
		return ""
	}
	return fmt.Sprintf("hex %x", packet.Pad(r.Frame, r.Bytes))
}

// Describe is everything that is known of the packet, a line each.
func (r *Record) Describe() []string {
	lines := []string{
		r.Time.Format("2006-01-02 15:04:05.000000") + "  " + r.Place() + fmt.Sprintf("  packet %d", r.Packet),
		r.Comment(),
		fmt.Sprintf("%d bytes of %d", len(r.Frame), r.Bytes),
	}
	s, err := packet.ParseCut(r.Frame)
	lines = append(lines, fmt.Sprintf("ethernet %v > %v type %#04x", s.SrcMAC, s.DstMAC, s.EtherType))
	for _, id := range s.VLANs {
		lines = append(lines, fmt.Sprintf("vlan %d", id))
	}
	for p := &s; p != nil && p.Version != 0; p = p.Inner {
		lines = append(lines, headers(p)...)
	}
	if err != nil {
		lines = append(lines, err.Error())
	}
	return append(append(lines, ""), Hex(r.Frame)...)
}

// headers are the IP header and the one behind it.
func headers(s *packet.Summary) []string {
	ip := fmt.Sprintf("ip%d %v > %v ttl %d tos %#02x length %d", s.Version, s.Src, s.Dst, s.TTL, s.TOS, s.Length)
	if s.Version == 4 {
		ip += fmt.Sprintf(" id %d", s.ID)
	}
	if s.DF {
		ip += " df"
	}
	lines := []string{ip}
	if s.Fragmented() {
		lines = append(lines, fmt.Sprintf("fragment at %d, more %t", s.Offset, s.More))
	}
	switch {
	case s.HasPorts && s.Flags != "":
		lines = append(lines, fmt.Sprintf("tcp %d > %d %s seq %d ack %d", s.SrcPort, s.DstPort, s.Flags, s.Seq, s.Ack))
	case s.HasPorts:
		lines = append(lines, fmt.Sprintf("ports %d > %d", s.SrcPort, s.DstPort))
	case s.Protocol == packet.ProtoICMP || s.Protocol == packet.ProtoICMPv6:
		lines = append(lines, fmt.Sprintf("icmp type %d code %d", s.Type, s.Code))
	}
	if s.Quote != nil {
		lines = append(lines, "quotes "+s.Quote.String())
	}
	return lines
}

// Hex is bytes as a dump, 16 a line.
func Hex(b []byte) []string {
	var lines []string
	for at := 0; at < len(b); at += 16 {
		row := b[at:min(at+16, len(b))]
		var hex, text strings.Builder
		for i := range 16 {
			if i == 8 {
				hex.WriteByte(' ')
			}
			if i >= len(row) {
				hex.WriteString("   ")
				continue
			}
			fmt.Fprintf(&hex, "%02x ", row[i])
			if row[i] >= ' ' && row[i] < 0x7f {
				text.WriteByte(row[i])
			} else {
				text.WriteByte('.')
			}
		}
		lines = append(lines, fmt.Sprintf("%04x  %s %s", at, hex.String(), text.String()))
	}
	return lines
}
