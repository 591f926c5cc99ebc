package packet

import (
	"errors"
	"net/netip"
)

// Summary is what a frame says of itself. The slices share memory with the frame.
type Summary struct {
	SrcMAC, DstMAC MAC
	VLANs          []uint16 // outermost first
	EtherType      uint16   // behind the tags; 0 when there was no Ethernet header

	Version     uint8 // 4 or 6; 0 = not IP
	Src, Dst    netip.Addr
	TTL         uint8
	TOS         uint8 // or traffic class
	ID          uint32
	DF          bool
	Length      int     // of the IP packet, as its header says
	Extensions  []uint8 // of IPv6, in their order
	Offset      int     // of a fragment, in bytes
	More        bool    // fragments
	Protocol    uint8   // behind the extensions
	NetworkAt   int     // position of the IP header in the frame
	TransportAt int     // position of what follows the IP headers

	HasPorts         bool // the ports were read: TCP or UDP, and not behind the first fragment
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            string // of TCP, letters in the order F S R P A U E C
	Type, Code       uint8  // of ICMP
	Rest             uint32 // of ICMP: identifier and sequence, or MTU

	ARP   uint16   // operation; Src and Dst are its addresses; 0 = not ARP
	Inner *Summary // the packet inside, of GUE or IP in IP
	Quote *Summary // what an ICMP error quotes, as far as it goes; nil when that is not even an IP header

	Payload []byte   // behind the last header that was read
	Trailer int      // bytes behind the end of the IP packet
	Faults  []string // checksums that are wrong, by header; those of Inner are in Inner
}

// Fragmented tells whether this is a part of a packet.
func (s *Summary) Fragmented() bool { return s.Offset > 0 || s.More }

// Check is an error that names every wrong checksum of s and of the packets inside; nil when all are right. Fragments
// and quotes bear no checksum that could be verified.
func (s *Summary) Check() error {
	var errs []error
	for ; s != nil; s = s.Inner {
		for _, fault := range s.Faults {
			errs = append(errs, errors.New(fault))
		}
	}
	return errors.Join(errs...)
}

// Innermost is the packet inside all tunnels, s itself when there is none.
func (s *Summary) Innermost() *Summary {
	for s.Inner != nil {
		s = s.Inner
	}
	return s
}
