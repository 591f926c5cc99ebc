package packet

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Ports of a packet that says nothing else, and the port of GUE.
const (
	ClientPort = 40000
	HTTPPort   = 80
	EchoPort   = 7
	GUEPort    = 6080
)

// flagLetters are the TCP flags from bit 0 up.
const flagLetters = "FSRPAUEC"

// TCP is a TCP header, from port 40000 to 80 without any flag by default.
type TCP struct {
	Src, Dst Field
	Seq, Ack uint32
	Flags    string // letters of F S R P A U E C, in any order; Build panics on any other
	Window   Field
	Urgent   uint16
	Options  []byte // filled up with zeros to a multiple of 4
	Offset   Field  // of the data, in words of 4 bytes
	Checksum Field
}

func (h TCP) encode(p place, body []byte) []byte {
	size := 20 + (len(h.Options)+3)/4*4
	b := make([]byte, size, size+len(body))
	binary.BigEndian.PutUint16(b, h.Src.or(ClientPort))
	binary.BigEndian.PutUint16(b[2:], h.Dst.or(HTTPPort))
	binary.BigEndian.PutUint32(b[4:], h.Seq)
	binary.BigEndian.PutUint32(b[8:], h.Ack)
	b[12] = h.Offset.or8(uint8(size/4)) << 4
	for _, letter := range h.Flags {
		n := strings.IndexRune(flagLetters, letter)
		if n < 0 {
			panic(fmt.Sprintf("build tcp header: flag %q: not one of %s", letter, flagLetters))
		}
		b[13] |= 1 << n
	}
	binary.BigEndian.PutUint16(b[14:], h.Window.or(65535))
	binary.BigEndian.PutUint16(b[18:], h.Urgent)
	copy(b[20:], h.Options)
	b = append(b, body...)
	binary.BigEndian.PutUint16(b[16:], h.Checksum.or(Checksum(p.pseudo(ProtoTCP, len(b)), b)))
	return b
}

// UDP is a UDP header, from port 40000 to 7 by default, or to 6080 when an IP header follows: that is GUE variant 1.
type UDP struct {
	Src, Dst Field
	Len      Field // of header and data
	Checksum Field
}

func (h UDP) encode(p place, body []byte) []byte {
	dst := uint16(EchoPort)
	switch p.next().(type) {
	case IPv4, IPv6, Inner:
		dst = GUEPort
	}
	b := make([]byte, 8, 8+len(body))
	binary.BigEndian.PutUint16(b, h.Src.or(ClientPort))
	binary.BigEndian.PutUint16(b[2:], h.Dst.or(dst))
	binary.BigEndian.PutUint16(b[4:], h.Len.or(uint16(8+len(body))))
	b = append(b, body...)
	sum := Checksum(p.pseudo(ProtoUDP, len(b)), b)
	if sum == 0 { // which would say that there is none
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(b[6:], h.Checksum.or(sum))
	return b
}

// ICMPv4 is an ICMP header, an echo request by default. What an error quotes follows as Quote.
type ICMPv4 struct {
	Type     Field // 8 by default
	Code     uint8
	Rest     uint32 // identifier and sequence, or the MTU of type 3 code 4
	Checksum Field
}

func (h ICMPv4) encode(_ place, body []byte) []byte {
	return icmp(h.Type.or8(8), h.Code, h.Rest, h.Checksum, 0, body)
}

// ICMPv6 is an ICMPv6 header, an echo request by default. What an error quotes follows as Quote.
type ICMPv6 struct {
	Type     Field // 128 by default
	Code     uint8
	Rest     uint32 // identifier and sequence, or the MTU of type 2
	Checksum Field
}

func (h ICMPv6) encode(p place, body []byte) []byte {
	return icmp(h.Type.or8(128), h.Code, h.Rest, h.Checksum, p.pseudo(ProtoICMPv6, 8+len(body)), body)
}

// icmp is an ICMP message whose checksum begins with sum.
func icmp(kind, code uint8, rest uint32, checksum Field, sum uint32, body []byte) []byte {
	b := make([]byte, 8, 8+len(body))
	b[0], b[1] = kind, code
	binary.BigEndian.PutUint32(b[4:], rest)
	b = append(b, body...)
	binary.BigEndian.PutUint16(b[2:], checksum.or(Checksum(sum, b)))
	return b
}
