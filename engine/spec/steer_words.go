package spec

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Otherwise is what becomes of a packet that no path takes.
type Otherwise uint8

// OtherwisePass leaves it to the ordinary way, OtherwiseDrop drops it.
const (
	OtherwisePass Otherwise = iota
	OtherwiseDrop
)

var otherwises = []word[Otherwise]{{"pass", OtherwisePass}, {"drop", OtherwiseDrop}}

// String is the name in the document, or otherwise(N) for a value that has none.
func (o Otherwise) String() string { return nameOf(otherwises, o, "otherwise", int(o)) }

// MarshalText is String for encoders such as JSON; a value without a name is an error.
func (o Otherwise) MarshalText() ([]byte, error) { return marshalWord("otherwise", otherwises, o) }

// UnmarshalText is the reverse of MarshalText.
func (o *Otherwise) UnmarshalText(b []byte) error {
	return unmarshalWord("otherwise", otherwises, o, b)
}

// DSCP is a code point of differentiated services (RFC 2474), 0 to 63.
type DSCP uint8

// parseDSCP reads a number, or a name of RFC 2474, 2597, 3246 or 5865.
func parseDSCP(s string) (DSCP, string) {
	words := map[string]DSCP{"default": 0, "ef": 46, "va": 44, "le": 1}
	for class := range DSCP(8) {
		words[fmt.Sprintf("cs%d", class)] = class << 3
		for drop := DSCP(1); class >= 1 && class <= 4 && drop <= 3; drop++ {
			words[fmt.Sprintf("af%d%d", class, drop)] = class<<3 | drop<<1
		}
	}
	if d, known := words[strings.ToLower(s)]; known {
		return d, ""
	}
	n, why := wholeNumber(s, 0, 63)
	if why != "" {
		why += ", nor a name such as ef, af41 or cs1"
	}
	return DSCP(n), why
}

// PacketMark is the mark of a packet, as far as the mask goes. A mask of 0 asks for none.
type PacketMark struct{ Value, Mask uint32 }

// ourMarks are those of what the engine itself sends.
const (
	ourMarks     = 0x68700000
	ourMarksMask = 0xfffc0000
)

func parseMark(s string) (PacketMark, string) {
	value, mask, masked := strings.Cut(s, "/")
	m := PacketMark{Mask: 1<<32 - 1}
	for _, p := range []struct {
		text string
		into *uint32
	}{{value, &m.Value}, {mask, &m.Mask}} {
		if p.text == "" && !masked {
			continue
		}
		n, err := strconv.ParseUint(p.text, 0, 32)
		if err != nil {
			return m, fmt.Sprintf("%s is no mark: write it as 0x10, or 0x10/0xff with a mask", quote(s))
		}
		*p.into = uint32(n)
	}
	return m, ""
}

// String is how it is written; empty for none.
func (m PacketMark) String() string {
	switch m.Mask {
	case 0:
		return ""
	case 1<<32 - 1:
		return fmt.Sprintf("%#x", m.Value)
	}
	return fmt.Sprintf("%#x/%#x", m.Value, m.Mask)
}

// String is the way in a few words: "eth1 via 10.9.0.1", "table 100".
func (w Way) String() string {
	switch {
	case w.Table != 0:
		return fmt.Sprintf("table %d", w.Table)
	case w.Via.IsValid():
		return w.NIC + " via " + w.Via.String()
	}
	return w.NIC
}

// write adds the way as fields of a document.
func (w Way) write(b *bytes.Buffer) {
	if w.NIC != "" {
		b.WriteString(", nic: " + plain(w.NIC))
	}
	if w.Via.IsValid() {
		fmt.Fprintf(b, ", via: %q", w.Via.String())
	}
	if w.Table != 0 {
		fmt.Fprintf(b, ", table: %d", w.Table)
	}
}

func writtenPrefixes(b *bytes.Buffer, name string, list []netip.Prefix) {
	if len(list) == 0 {
		return
	}
	all := make([]string, len(list))
	for i, p := range list {
		all[i] = strconv.Quote(p.String())
	}
	fmt.Fprintf(b, ", %s: [%s]", name, strings.Join(all, ", "))
}

func (u SteerRule) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "  - {name: %s", plain(u.Name))
	writtenPrefixes(b, "from", u.From)
	writtenPrefixes(b, "to", u.To)
	if u.VIP != "" {
		b.WriteString(", vip: " + plain(u.VIP))
	}
	if len(u.DSCP) > 0 {
		all := make([]string, len(u.DSCP))
		for i, d := range u.DSCP {
			all[i] = strconv.Itoa(int(d))
		}
		fmt.Fprintf(b, ", dscp: [%s]", strings.Join(all, ", "))
	}
	if m := u.Mark.String(); m != "" {
		fmt.Fprintf(b, ", mark: %q", m)
	}
	if u.Cgroup != "" {
		b.WriteString(", cgroup: " + strconv.Quote(u.Cgroup))
	}
	if u.Paths != "" {
		b.WriteString(", paths: " + plain(u.Paths))
	}
	u.Way.write(b)
	fmt.Fprintf(b, ", otherwise: %s}\n", u.Otherwise)
}

func (x *Steering) write(b *bytes.Buffer) {
	b.WriteString("rules:\n")
	for _, u := range x.Rules {
		u.write(b)
	}
	if len(x.Groups) > 0 {
		b.WriteString("groups:\n")
	}
	for _, g := range x.Groups {
		fmt.Fprintf(b, "  - name: %s\n    paths:\n", plain(g.Name))
		for _, p := range g.Paths {
			fmt.Fprintf(b, "      - {name: %s, weight: %d", plain(p.Name), p.Weight)
			p.Way.write(b)
			b.WriteString("}\n")
		}
		if p := g.Probe; p.To.IsValid() {
			fmt.Fprintf(b, "    probe: {to: %q", p.To.String())
			if p.Port != 0 {
				fmt.Fprintf(b, ", port: %d", p.Port)
			}
			fmt.Fprintf(b, ", interval: %s, timeout: %s, fall: %d, rise: %d}\n", duration(p.Interval), duration(p.Timeout), p.Fall, p.Rise)
		}
	}
	fmt.Fprintf(b, "hot: %d\n", x.Hot)
}
