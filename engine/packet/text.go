package packet

import (
	"fmt"
	"net/netip"
	"strings"
)

// String is the summary in one line, inner packets in brackets.
func (s Summary) String() string {
	var words []string
	for _, id := range s.VLANs {
		words = append(words, fmt.Sprintf("vlan %d", id))
	}
	switch {
	case s.ARP != 0:
		words = append(words, s.arpText())
	case s.Version == 0:
		words = append(words, fmt.Sprintf("type %#04x len %d", s.EtherType, len(s.Payload)))
	default:
		words = append(words, s.kind(), s.end(s.Src, s.SrcPort), ">", s.end(s.Dst, s.DstPort))
		words = append(words, s.detail()...)
	}
	for _, fault := range s.Faults {
		words = append(words, "("+fault+")")
	}
	if s.Inner != nil {
		words = append(words, "["+s.Inner.String()+"]")
	}
	if s.Quote != nil {
		words = append(words, "["+s.Quote.String()+"]")
	}
	return strings.Join(words, " ")
}

func (s Summary) arpText() string {
	if s.ARP == 1 {
		return fmt.Sprintf("arp who has %v tell %v", s.Dst, s.Src)
	}
	return fmt.Sprintf("arp op %d %v > %v", s.ARP, s.Src, s.Dst)
}

// kind names what the packet is: the transport, or the tunnel.
func (s Summary) kind() string {
	switch s.Protocol {
	case ProtoTCP:
		return "tcp"
	case ProtoUDP:
		if s.Inner != nil {
			return "gue"
		}
		return "udp"
	case ProtoICMP:
		return "icmp"
	case ProtoICMPv6:
		return "icmp6"
	case ProtoIPv4, ProtoIPv6:
		return "ipip"
	}
	return fmt.Sprintf("ipv%d proto %d", s.Version, s.Protocol)
}

// end is one end of the packet, with its port where the packet has ports.
func (s Summary) end(a netip.Addr, port uint16) string {
	if s.HasPorts {
		return netip.AddrPortFrom(a, port).String()
	}
	return a.String()
}

// detail is what distinguishes the packet; a tunnel is told by what it carries.
func (s Summary) detail() []string {
	if s.Inner != nil {
		return nil
	}
	var words []string
	if s.Flags != "" {
		words = append(words, s.Flags)
	}
	if s.Protocol == ProtoICMP || s.Protocol == ProtoICMPv6 {
		words = append(words, fmt.Sprintf("%d/%d", s.Type, s.Code))
		if s.Version == 4 && s.Type == 3 && s.Code == 4 || s.Version == 6 && s.Type == 2 {
			words = append(words, fmt.Sprintf("mtu %d", s.Rest))
		}
	}
	if s.Fragmented() {
		words = append(words, fmt.Sprintf("frag %d", s.Offset))
		if s.More {
			words[len(words)-1] += "+"
		}
	}
	if len(s.Payload) > 0 && s.Quote == nil {
		words = append(words, fmt.Sprintf("len %d", len(s.Payload)))
	}
	return append(words, fmt.Sprintf("ttl %d", s.TTL))
}
