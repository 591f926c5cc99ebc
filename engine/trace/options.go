package trace

import (
	"fmt"
	"slices"
	"strings"

	"hairpin/engine/packet"
)

// options are the words behind the addresses of a packet.
type options struct {
	flags    string
	seq, ack uint32
	kind     uint8 // of ICMP
	code     uint8
	typed    bool // kind and code were given
	mtu      uint32
	fragment bool
	more     bool
	offset   uint16 // in units of 8 bytes
}

// transport adds the headers from IP on, as the words that are left say.
func (r *reader) transport(kind string, src, dst uint16) error {
	var o options
	for len(r.words) > 0 {
		if err := r.option(kind, &o); err != nil {
			return err
		}
	}
	if r.length == 0 {
		r.length = o.filling(kind)
	}
	if quotes := o.typed && o.quotes(kind); r.inside != nil && strings.HasPrefix(kind, "icmp") && !quotes {
		return fmt.Errorf("%s: only errors quote a packet: write their type and code, such as 3/4 mtu 1400 of icmp, 2/0 mtu 1400 of icmp6", kind)
	}
	r.layers = append(r.layers, r.network(kind, o)...)
	switch {
	case o.offset > 0: // nothing but data, of a protocol that the IP header names
	case kind == "tcp":
		if o.flags == "" {
			o.flags = "S"
		}
		r.layers = append(r.layers, packet.TCP{Src: packet.Is(src), Dst: packet.Is(dst), Flags: o.flags, Seq: o.seq, Ack: o.ack})
	case kind == "udp":
		r.layers = append(r.layers, packet.UDP{Src: packet.Is(src), Dst: packet.Is(dst)})
	case kind == "gue":
		r.layers = append(r.layers, packet.UDP{Src: packet.Field(src), Dst: packet.Field(dst)}, packet.Inner(packet.Build(r.inside...)))
	case kind == "ipip":
		r.layers = append(r.layers, packet.Inner(packet.Build(r.inside...)))
	case r.ip.Src.Is6():
		r.layers = append(r.layers, packet.ICMPv6{Type: packet.Field(o.kind), Code: o.code, Rest: o.mtu})
	default:
		r.layers = append(r.layers, packet.ICMPv4{Type: packet.Field(o.kind), Code: o.code, Rest: o.mtu})
	}
	switch quote := packet.Build(r.inside...); {
	case strings.HasPrefix(kind, "icmp") && r.inside != nil:
		r.layers = append(r.layers, packet.Quote(quote, len(quote)))
	case r.length > 0:
		r.layers = append(r.layers, packet.Fill(r.length))
	}
	if want, icmp := map[bool]string{true: "icmp6", false: "icmp"}[r.ip.Src.Is6()], strings.HasPrefix(kind, "icmp"); icmp && kind != want {
		return fmt.Errorf("%s: these addresses have %s", kind, want)
	}
	return nil
}

// filling is the length of a payload of which none is said, in bytes: of UDP as short as a frame may be, of fragments a multiple
// of 8 with their headers.
func (o *options) filling(kind string) int {
	switch {
	case o.offset > 0 || o.more && kind == "udp":
		return 24
	case o.more && kind == "tcp":
		return 4
	case kind == "udp":
		return 18
	}
	return 0
}

// quotes tells whether an ICMP message is an error, which quotes the packet that it is about.
func (o *options) quotes(kind string) bool {
	if kind == "icmp6" {
		return o.kind >= 1 && o.kind <= 4
	}
	return slices.Contains([]uint8{3, 4, 5, 11, 12}, o.kind)
}

// protocols are those of later fragments, which have no header of their own.
var protocols = map[string]packet.Field{"tcp": packet.ProtoTCP, "udp": packet.ProtoUDP, "icmp": packet.ProtoICMP, "icmp6": packet.ProtoICMPv6,
	"gue": packet.ProtoUDP}

// network is the IP header, with that of a fragment.
func (r *reader) network(kind string, o options) []packet.Layer {
	protocol := packet.Field(0)
	if o.fragment && o.offset > 0 {
		protocol = protocols[kind]
	}
	if r.ip.Src.Is4() {
		ip := r.ip
		ip.MF, ip.Offset, ip.Protocol = o.more, o.offset, protocol
		return []packet.Layer{ip}
	}
	ip := []packet.Layer{packet.IPv6{Src: r.ip.Src, Dst: r.ip.Dst, TTL: r.ip.TTL}}
	if o.fragment {
		ip = append(ip, packet.Fragment{Offset: o.offset, MF: o.more, Next: protocol})
	}
	return ip
}

// option reads one word, and what belongs to it.
func (r *reader) option(kind string, o *options) error {
	word := r.next()
	var n uint64
	var err error
	switch strings.ToLower(word) {
	case "len":
		n, err = r.number("len", maxPayload)
		r.length = int(n)
	case "ttl":
		n, err = r.number("ttl", 255)
		if r.ip.TTL = packet.Field(n); n == 0 {
			r.ip.TTL = packet.Zero
		}
	case "seq":
		n, err = r.number("seq", 1<<32-1)
		o.seq = uint32(n)
	case "ack":
		n, err = r.number("ack", 1<<32-1)
		o.ack = uint32(n)
	case "mtu":
		n, err = r.number("mtu", 65535)
		o.mtu = uint32(n)
	case "df":
		r.ip.DF = true
	case "frag":
		err = r.fragment(o)
	default:
		err = r.other(kind, word, o)
	}
	return err
}

// fragment reads an offset in bytes, and + where more follow.
func (r *reader) fragment(o *options) error {
	o.fragment = true
	if len(r.words) > 0 {
		r.words[0], o.more = strings.CutSuffix(r.words[0], "+")
	}
	n, err := r.number("frag", 65528)
	if err == nil && n%8 != 0 {
		err = fmt.Errorf("frag %d: fragments begin at multiples of 8 bytes", n)
	}
	o.offset = uint16(n / 8)
	return err
}

// other is a word that is a value by its form: flags of TCP, type and code of ICMP.
func (r *reader) other(kind, word string, o *options) error {
	flags := strings.ToUpper(word)
	switch {
	case kind == "tcp" && o.flags == "" && strings.Trim(flags, "FSRPAUEC") == "":
		o.flags = flags
		return nil
	case strings.HasPrefix(kind, "icmp") && !o.typed:
		if n, err := fmt.Sscanf(word+"/0", "%d/%d", &o.kind, &o.code); err == nil && n == 2 {
			o.typed = true
			return nil
		}
	case kind == "tcp":
		return fmt.Errorf("%q: flags are letters of FSRPAUEC; else len, ttl, seq, ack, frag or df follow", word)
	}
	return fmt.Errorf("%q is not known behind %s: len, ttl, frag, df; seq and ack of tcp; type/code and mtu of icmp", word, kind)
}
