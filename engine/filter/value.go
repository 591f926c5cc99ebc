package filter

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"hairpin/engine/near"
)

// read fills in the value of a term, which begins with the token v.
func (p *parser) read(h *term, v token) error {
	var err error
	switch h.kind {
	case kindHost, kindBackend:
		return p.address(h, v)
	case kindNet:
		return p.net(h, v)
	case kindPort:
		h.low, err = port(v)
		h.high = h.low
	case kindPortRange:
		h.kind = kindPort
		h.low, h.high, err = portRange(v)
	case kindProto:
		h.proto, err = protocolNumber(v)
	case kindVerdict:
		h.name = v.text
		if !slices.Contains(verdicts, v.text) {
			return unexpected(v, valueOf[kindVerdict], verdicts)
		}
	default:
		h.name = v.text
		if v.is("and") || v.is("or") {
			return unexpected(v, valueOf[h.kind], nil)
		}
	}
	return err
}

func (p *parser) address(h *term, v token) error {
	a, err := netip.ParseAddr(v.text)
	if err != nil {
		return p.notAddress(*h, v, "an address")
	}
	if slash := p.peek(); slash.is("/") {
		return faultf(slash, "a prefix follows the word net")
	}
	h.prefix = netip.PrefixFrom(a, a.BitLen())
	return h.fit(v)
}

// notAddress says what is wrong with a value of which an address was expected.
func (p *parser) notAddress(h term, v token, want string) error {
	if meant := near.Word(v.text, p.facts.has()); meant != "" {
		return unexpected(v, valueOf[h.kind], []string{meant})
	}
	if strings.ContainsFunc(v.text, func(r rune) bool { return r > 'f' && r <= 'z' }) {
		return faultf(v, "%s is not %s: names are not looked up", quote(v.text), want)
	}
	return faultf(v, "%s is not %s", quote(v.text), want)
}

// fit checks that an address is of the family that was asked for, which the term then needs no more.
func (h *term) fit(v token) error {
	family := uint8(6)
	if h.prefix.Addr().Is4() {
		family = 4
	}
	if h.family != 0 && h.family != family {
		return faultf(v, "%s is no address of %s", v.text, familyName(h.family))
	}
	h.family = 0
	return nil
}

// net reads A/length, A mask M, or A alone, where an IPv4 A may lack its last numbers.
func (p *parser) net(h *term, v token) error {
	a, bits, err := p.netAddress(*h, v)
	if err != nil {
		return err
	}
	switch {
	case p.take("/"):
		t := p.next()
		n, err := number(t, uint64(a.BitLen()), "a prefix length")
		if err != nil {
			return err
		}
		bits = int(n)
	case p.take("mask"):
		if bits, err = maskBits(a, p.next()); err != nil {
			return err
		}
	}
	h.prefix = netip.PrefixFrom(a, bits)
	if masked := h.prefix.Masked(); masked != h.prefix {
		return faultf(v, "%v has bits set behind its first %d: did you mean %v?", a, bits, masked)
	}
	return h.fit(v)
}

// netAddress is the address of a net, and how many of its bits were written.
func (p *parser) netAddress(h term, v token) (netip.Addr, int, error) {
	if a, err := netip.ParseAddr(v.text); err == nil && a.Zone() == "" {
		return a, a.BitLen(), nil
	}
	parts := strings.Split(v.text, ".")
	var b [4]byte
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || len(parts) > 3 || len(part) > 1 && part[0] == '0' {
			return netip.Addr{}, 0, p.notAddress(h, v, "a net")
		}
		b[i] = byte(n)
	}
	return netip.AddrFrom4(b), 8 * len(parts), nil
}

// maskBits is the length of a prefix that is written as the mask of an address.
func maskBits(a netip.Addr, t token) (int, error) {
	m, err := netip.ParseAddr(t.text)
	if t.kind != word || err != nil || !m.Is4() || !a.Is4() {
		return 0, faultf(t, "read %v, expected an IPv4 mask such as 255.255.255.0", t)
	}
	for bits := range 33 {
		if p := netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), bits).Masked(); p.Addr() == m {
			return bits, nil
		}
	}
	return 0, faultf(t, "mask %v has a gap", m)
}

func port(v token) (uint16, error) {
	if n, ok := services[v.text]; ok {
		return n, nil
	}
	if low, high, ok := strings.Cut(v.text, "-"); ok && digits(low) && digits(high) {
		return 0, faultf(v, "%s is a range: did you mean portrange %s?", v.text, v.text)
	}
	if !digits(v.text) {
		return 0, unexpected(v, "a port: a number up to 65535 or a name like https", slices.Sorted(maps.Keys(services)))
	}
	n, err := number(v, 65535, "a port")
	return uint16(n), err
}

// portRange is low-high in either order, or one port.
func portRange(v token) (low, high uint16, err error) {
	first, last, ok := strings.Cut(v.text, "-")
	if !ok {
		low, err = port(v)
		return low, low, err
	}
	from, err := number(token{kind: word, text: first, column: v.column}, 65535, "a port")
	if err != nil {
		return 0, 0, err
	}
	to, err := number(token{kind: word, text: last, column: v.column + len(first) + 1}, 65535, "a port")
	return uint16(min(from, to)), uint16(max(from, to)), err
}

func protocolNumber(v token) (uint8, error) {
	if n, ok := protocols[v.text]; ok {
		return n, nil
	}
	if !digits(v.text) {
		return 0, unexpected(v, "a protocol: a number up to 255 or a name like tcp", slices.Sorted(maps.Keys(protocols)))
	}
	n, err := number(v, 255, "a protocol")
	return uint8(n), err
}

func digits(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// number reads a decimal or hexadecimal number up to most.
func number(t token, most uint64, what string) (uint64, error) {
	if t.kind != word {
		return 0, unexpected(t, fmt.Sprintf("%s: a number from 0 to %d", what, most), nil)
	}
	text, base := t.text, 10
	if hex, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		text, base = hex, 16
	} else if len(text) > 1 && text[0] == '0' {
		return 0, faultf(t, "%s begins with a zero, which makes it octal for tcpdump: leave out the zero", quote(t.text))
	}
	n, err := strconv.ParseUint(text, base, 64)
	if err != nil || n > most {
		return 0, faultf(t, "%v is not %s: a number from 0 to %d", t, what, most)
	}
	return n, nil
}
