package trace

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"hairpin/engine/packet"
)

// Example is a packet as Parse reads it.
const Example = "tcp 198.51.100.7:40000 > 10.99.0.1:80 S"

// maxPayload bounds what is made up behind the headers, in bytes.
const maxPayload = 3000

// Parse makes the frame that a line of text describes, as packet.Summary prints it and people type it:
//
//	[vlan N] tcp|udp SRC:PORT > DST:PORT [FLAGS] [len N] [ttl N] [seq N] [ack N] [frag N[+]]
//	icmp|icmp6 SRC > DST [TYPE/CODE] [mtu N] … [ the packet that an error quotes, in brackets ]
//	gue|ipip SRC[:PORT] > DST[:PORT] [ a packet in brackets ]
//
// or the frame itself in hexadecimal, also as tcpdump -x and -xx print it: what begins with an IP header gets one of Ethernet. A
// TCP packet without flags is a SYN.
func Parse(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if frame, ok, err := parseHex(text); ok {
		return frame, err
	}
	l, err := parseLayers(text, 0)
	if err != nil {
		return nil, fmt.Errorf("packet %q: %w", text, err)
	}
	return packet.Build(append([]packet.Layer{packet.Eth{}}, l...)...), nil
}

// minFrame is an Ethernet header.
const minFrame = 14

// dumped is a line of bytes as tcpdump and others print them: an offset, groups of digits, and perhaps the same as letters.
var dumped = regexp.MustCompile(`0x[0-9a-fA-F]{4,}:\s+((?:[0-9a-fA-F]{2,4} ?)+)`)

// parseHex reads what consists of hexadecimal digits, or begins with the word hex, or has lines of bytes with offsets.
func parseHex(text string) (frame []byte, ok bool, err error) {
	digits, named := strings.CutPrefix(text, "hex ")
	if lines := dumped.FindAllStringSubmatch(digits, -1); lines != nil {
		digits, named = "", true
		for _, l := range lines {
			digits += l[1]
		}
	}
	digits = strings.NewReplacer(" ", "", ":", "", "\n", "", "\t", "").Replace(digits)
	frame, err = hex.DecodeString(digits)
	if !named && (err != nil || len(digits) < 2*minFrame) {
		return nil, false, nil
	}
	if err == nil && len(frame) < minFrame {
		err = fmt.Errorf("%d bytes, an Ethernet header has %d", len(frame), minFrame)
	}
	if err != nil {
		return nil, true, fmt.Errorf("packet in hexadecimal: %w", err)
	}
	return framed(frame), true, nil
}

// framed puts an Ethernet header in front of what is exactly an IP packet.
func framed(b []byte) []byte {
	const four, six = 20, 40 // bytes of the headers
	is4 := len(b) >= four && b[0]>>4 == 4 && int(binary.BigEndian.Uint16(b[2:])) == len(b)
	is6 := len(b) >= six && b[0]>>4 == 6 && int(binary.BigEndian.Uint16(b[4:]))+six == len(b)
	if !is4 && !is6 {
		return b
	}
	return packet.Build(packet.Eth{}, packet.Inner(b))
}

// reader is the words of one packet that are still to be read.
type reader struct {
	words  []string
	inside []packet.Layer // what stood in brackets
	layers []packet.Layer
	ip     packet.IPv4 // the source, destination and TTL of either family
	length int
}

// mostNested is how many packets may be inside each other.
const mostNested = 3

// bracket begins a packet inside another. Those of IPv6 addresses begin otherwise.
var bracket = regexp.MustCompile(`\[\s*(?:vlan|tcp|udp|icmp|icmp6|gue|ipip)\s`)

func parseLayers(text string, nested int) ([]packet.Layer, error) {
	if nested > mostNested {
		return nil, fmt.Errorf("more than %d packets inside each other", mostNested)
	}
	r := &reader{}
	if at := bracket.FindStringIndex(text); at != nil {
		inside, closed := strings.CutSuffix(strings.TrimSpace(text[at[0]+1:]), "]")
		if !closed {
			return nil, errors.New("a bracket is not closed")
		}
		var err error
		if r.inside, err = parseLayers(inside, nested+1); err != nil {
			return nil, fmt.Errorf("inside: %w", err)
		}
		text = text[:at[0]]
	}
	r.words = strings.Fields(strings.ReplaceAll(text, ">", " > "))
	if err := r.tags(); err != nil {
		return nil, err
	}
	return r.layers, r.packet()
}

func (r *reader) next() string {
	if len(r.words) == 0 {
		return ""
	}
	word := r.words[0]
	r.words = r.words[1:]
	return word
}

func (r *reader) tags() error {
	for len(r.words) > 0 && strings.EqualFold(r.words[0], "vlan") {
		r.next()
		id, err := r.number("vlan", 4095)
		if err != nil {
			return err
		}
		r.layers = append(r.layers, packet.VLAN{ID: packet.Is(uint16(id))})
	}
	return nil
}

// number is the number that follows a word.
func (r *reader) number(of string, most uint64) (uint64, error) {
	word := r.next()
	n, err := strconv.ParseUint(word, 0, 64)
	if err != nil || n > most {
		return 0, fmt.Errorf("%s %q: a number up to %d follows it", of, word, most)
	}
	return n, nil
}

// packet reads what follows the tags.
func (r *reader) packet() error {
	kind := strings.ToLower(r.next())
	switch kind {
	case "tcp", "udp", "icmp", "icmp6", "gue", "ipip":
	case "":
		return errors.New("is empty; for example: " + Example)
	default:
		return fmt.Errorf("%q: one of tcp, udp, icmp, icmp6, gue, ipip; for example: %s", kind, Example)
	}
	src, err := r.end("source", kind)
	if err != nil {
		return err
	}
	if arrow := r.next(); arrow != ">" {
		return fmt.Errorf("%q follows the source, where > stands; for example: %s", arrow, Example)
	}
	dst, err := r.end("destination", kind)
	if err != nil {
		return err
	}
	if src.Addr().Is4() != dst.Addr().Is4() {
		return errors.New("one address is IPv4 and the other IPv6")
	}
	if tunnel := kind == "gue" || kind == "ipip"; tunnel != (r.inside != nil) && !strings.HasPrefix(kind, "icmp") {
		return fmt.Errorf("%s: gue and ipip have a packet in brackets behind them, errors of icmp may have, and nothing else has", kind)
	}
	r.ip.Src, r.ip.Dst = src.Addr(), dst.Addr()
	return r.transport(kind, src.Port(), dst.Port())
}

// later tells whether what follows describes a fragment that is not the first: such have no ports.
func (r *reader) later() bool {
	at := slices.Index(r.words, "frag")
	return at >= 0 && at+1 < len(r.words) && strings.TrimSuffix(r.words[at+1], "+") != "0"
}

// end is one end of a packet. TCP and UDP need a port, GUE may have one.
func (r *reader) end(what, kind string) (netip.AddrPort, error) {
	word := r.next()
	if p, err := netip.ParseAddrPort(word); err == nil {
		if kind != "tcp" && kind != "udp" && kind != "gue" {
			return p, fmt.Errorf("%s %s: %s has no ports", what, word, kind)
		}
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port()), nil
	}
	a, err := netip.ParseAddr(strings.Trim(word, "[]"))
	switch {
	case err != nil:
		return netip.AddrPort{}, fmt.Errorf("%s %q: not an address and port, such as 198.51.100.7:40000 or [2001:db8::7]:40000", what, word)
	case (kind == "tcp" || kind == "udp") && !r.later():
		return netip.AddrPort{}, fmt.Errorf("%s %s: has no port; write %s", what, word, netip.AddrPortFrom(a, 80))
	}
	return netip.AddrPortFrom(a.Unmap(), 0), nil
}
