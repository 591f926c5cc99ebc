package filter

import (
	"strings"

	"hairpin/engine/near"
)

// valueOf says what must stand behind the words of a term.
var valueOf = map[kind]string{
	kindHost: "an address", kindNet: "a net such as 198.51.100.0/24", kindPort: "a port", kindPortRange: "a range such as 80-90",
	kindProto: "a protocol", kindVIP: "the name of a VIP", kindBackend: "the address of a backend", kindStage: "the name of a stage",
	kindVerdict: "drop, pass or forward", kindReason: "the name of a reason",
}

// protocol is a term that begins with the name of a protocol.
func (p *parser) protocol() (*Expr, error) {
	t := p.next()
	var h term
	switch t.text {
	case "ip":
		h.family = 4
	case "ip6":
		h.family = 6
	default:
		h.kind, h.proto = kindProto, protocols[t.text]
		if strings.HasPrefix(t.text, "icmp") {
			h.family = map[string]uint8{"icmp": 4, "icmp6": 6}[t.text]
		}
	}
	switch what := p.peek(); {
	case what.is("["):
		return p.bytes(t)
	case what.is("src") || what.is("dst") || what.is("host") || what.is("net") || what.is("port") || what.is("portrange") || what.is("proto"):
		return p.qualified(h)
	}
	return p.made(t, h)
}

// qualified is the rest of a term that asks for an end of a packet, or for a protocol by number. The protocol that stood
// before it is in h.
func (p *parser) qualified(h term) (*Expr, error) {
	first := p.peek()
	directed := first.is("src") || first.is("dst")
	h.direction = p.direction()
	what, ends := p.peek(), []string{"host", "net", "port", "portrange"}
	switch {
	case p.take("host"):
		h.kind = kindHost
	case p.take("net"):
		h.kind = kindNet
	case p.take("port"):
		h.kind = kindPort
	case p.take("portrange"):
		h.kind = kindPortRange
	case p.take("proto"):
		h.kind = kindProto
	case !directed || what.keyword() && !what.is("not") || near.Word(what.text, ends) != "":
		return nil, unexpected(what, "host, net, port, portrange or an address", ends)
	default:
		h.kind, what.text = kindHost, "host"
	}
	transport := h.proto == tcp || h.proto == udp
	switch asksPort := h.kind == kindPort || h.kind == kindPortRange; {
	case h.kind == kindProto && (h.proto != 0 || directed):
		return nil, faultf(first, "proto stands alone or behind ip or ip6")
	case asksPort && (h.family != 0 || h.proto != 0 && !transport):
		return nil, faultf(first, "%s stands alone or behind tcp or udp: write the protocol as a term of its own, with and", what.text)
	case !asksPort && h.proto != 0:
		return nil, faultf(first, "%s stands alone or behind ip or ip6: write the protocol as a term of its own, with and", what.text)
	}
	return p.values(h)
}

// layered is a term about one of the headers of an encapsulated packet.
func (p *parser) layered() (*Expr, error) {
	t := p.next()
	p.layer = map[string]layer{"outer": outer, "inner": inner}[t.text]
	defer func() { p.layer = first }()
	switch what := p.peek(); {
	case !what.keyword(), what.is("and"), what.is("or"), what.is("not"), what.is("mask"), what.is("outer"), what.is("inner"):
		return nil, unexpected(what, "a term such as host, net, port or tcp behind "+t.text, nil)
	case keywords[what.text]&(VIP|Backend|Stage|Verdict|Reason|VLAN|Length) != 0:
		return nil, faultf(what, "%s is no matter of one header: write it without %s", what.text, t.text)
	}
	return p.primary()
}

// values are what stands behind the words of a term: one value, a negated one, or several in parentheses.
func (p *parser) values(h term) (*Expr, error) {
	h.layer = p.layer
	p.head = &h
	p.only++
	defer func() { p.only-- }()
	return p.operand()
}

// direction is src, dst, src or dst, src and dst, or nothing.
func (p *parser) direction() direction {
	first, between, second := p.peek(), p.after(1), p.after(2)
	if !first.is("src") && !first.is("dst") {
		return either
	}
	p.next()
	if (second.is("src") || second.is("dst")) && second.text != first.text {
		if between.is("or") || between.is("and") {
			p.next()
			p.next()
			if between.is("and") {
				return both
			}
			return either
		}
	}
	if first.is("src") {
		return src
	}
	return dst
}

// named is a term about hairpin's own things.
func (p *parser) named() (*Expr, error) {
	kinds := map[string]kind{"vip": kindVIP, "backend": kindBackend, "stage": kindStage, "verdict": kindVerdict, "reason": kindReason}
	return p.values(term{kind: kinds[p.next().text]})
}

// vlan is the word, and perhaps the number of one.
func (p *parser) vlan() (*Expr, error) {
	t := p.next()
	h := term{kind: kindVLAN, high: everyVLAN}
	if id := p.peek(); id.kind == word && !id.keyword() {
		p.next()
		n, err := number(id, everyVLAN, "a VLAN")
		if err != nil {
			return nil, err
		}
		h.low, h.high = uint16(n), uint16(n)
	}
	return p.made(t, h)
}
