package filter

import (
	"slices"
	"strings"
)

// usualFlags are those that "flags" looks at unless it is told others: all but the two of congestion control.
const usualFlags = 0x3f

// flagNames are tcpdump's names of the TCP flags from bit 0 up.
var flagNames = []string{"tcp-fin", "tcp-syn", "tcp-rst", "tcp-push", "tcp-ack", "tcp-urg", "tcp-ece", "tcp-cwr"}

// flags reads flags SET or flags SET/MASK.
func (p *parser) flags() (*Expr, error) {
	t := p.next()
	set, err := flagSet(p.next())
	if err != nil {
		return nil, err
	}
	mask := usualFlags | set
	if p.take("/") {
		m := p.next()
		if mask, err = flagSet(m); err != nil {
			return nil, err
		}
		if set&^mask != 0 {
			return nil, faultf(m, "%s lacks %s, so that the term is never true", quote(m.text), letters(set&^mask))
		}
	}
	return p.made(t, term{kind: kindFlags, relation: equal, mask: mask, value: set})
}

// flagSet reads letters of flags, or none.
func flagSet(t token) (uint32, error) {
	if t.kind != word || t.keyword() {
		return 0, unexpected(t, "TCP flags: letters of "+flagLetters+", or none", nil)
	}
	if t.is("none") {
		return 0, nil
	}
	var set uint32
	for _, letter := range strings.ToUpper(t.text) {
		bit := strings.IndexRune(flagLetters, letter)
		if bit < 0 {
			return 0, faultf(t, "%s are not TCP flags: write letters of %s, or none", quote(t.text), flagLetters)
		}
		set |= 1 << bit
	}
	return set, nil
}

// number reads a term that compares ttl or the length.
func (p *parser) number() (*Expr, error) {
	t := p.next()
	switch t.text {
	case "ttl":
		return p.compare(t, term{kind: kindTTL})
	case "len":
		return p.compare(t, term{kind: kindLength})
	}
	n, err := number(p.next(), kindLength.most(), "a length")
	if err != nil {
		return nil, err
	}
	h := term{kind: kindLength, relation: atLeast, mask: ^uint32(0), value: uint32(n)}
	if t.is("less") {
		h.relation = atMost
	}
	return p.made(t, h)
}

// bytes reads a term that compares a byte of the header of protocol, behind which a bracket follows.
func (p *parser) bytes(protocol token) (*Expr, error) {
	p.next()
	at := p.next()
	if t := p.peek(); !p.take("]") {
		return nil, unexpected(t, "a closing bracket", nil)
	}
	field := protocol.text + "[" + at.text + "]"
	h := term{kind: kindTTL}
	switch field {
	case "tcp[tcpflags]", "tcp[13]":
		h.kind = kindFlags
	case "ip[8]":
		h.family = 4
	case "ip6[7]":
		h.family = 6
	default:
		return nil, faultf(protocol, "%s cannot be read: there are tcp[tcpflags], ip[8] and ip6[7]", quote(field))
	}
	if keywords[h.kind.String()]&^p.facts != 0 {
		return nil, faultf(protocol, "%s cannot be asked for here", field)
	}
	family := h.family
	h.family = 0
	e, err := p.compare(protocol, h)
	if err != nil || family == 0 {
		return e, err
	}
	return join(opAnd, term{kind: kindFamily, family: family}.expr(), e), nil
}

// most is the largest number that a field can hold.
func (k kind) most() uint64 {
	if k == kindLength {
		return 1<<32 - 1
	}
	return 255
}

// compare reads what a field, which begins with t, is compared with: perhaps a mask, a relation and a number.
func (p *parser) compare(t token, h term) (*Expr, error) {
	most := h.kind.most()
	h.mask = uint32(most)
	if p.take("&") {
		mask, err := p.operandNumber(most)
		if err != nil {
			return nil, err
		}
		h.mask = uint32(mask)
		if t := p.peek(); t.is("|") || t.is("&") {
			return nil, faultf(t, "the mask must stand in parentheses")
		}
	}
	r := p.next()
	relation, ok := relations[r.text]
	if !ok || r.kind != mark {
		return nil, unexpected(r, "a comparison such as == 0 or != 0", nil)
	}
	h.relation = relation
	value, err := p.constant(most)
	h.value = uint32(value)
	if err != nil {
		return nil, err
	}
	return p.made(t, h)
}

// constant is numbers between which stands |.
func (p *parser) constant(most uint64) (uint64, error) {
	n, err := p.operandNumber(most)
	for err == nil && p.take("|") {
		var more uint64
		more, err = p.operandNumber(most)
		n |= more
	}
	return n, err
}

// operandNumber is a number, the name of a flag, or a constant in parentheses.
func (p *parser) operandNumber(most uint64) (uint64, error) {
	if p.depth++; p.depth > maxDepth {
		return 0, faultf(p.peek(), "more than %d parentheses inside each other", maxDepth)
	}
	defer func() { p.depth-- }()
	t := p.next()
	if t.is("(") {
		n, err := p.constant(most)
		if closing := p.peek(); err == nil && !p.take(")") {
			return 0, unexpected(closing, "| or a closing parenthesis", nil)
		}
		return n, err
	}
	if bit := slices.Index(flagNames, t.text); bit >= 0 && t.kind == word {
		return 1 << bit, nil
	}
	if t.kind == word && !digits(t.text) {
		if name := "tcp-" + strings.ToLower(t.text); slices.Contains(flagNames, name) {
			return 0, faultf(t, "read %v, expected a number or the name of a flag; did you mean %s?", t, name)
		}
		return 0, unexpected(t, "a number or the name of a flag", flagNames)
	}
	return number(t, most, "a value here")
}
