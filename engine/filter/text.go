package filter

import (
	"fmt"
	"math/bits"
	"strings"
)

// String is the expression in its one canonical form, which parses back to an equal one.
func (e *Expr) String() string {
	switch e.op {
	case opTerm:
		return e.term.String()
	case opNot:
		return "not " + e.kids[0].grouped()
	}
	between := " and "
	if e.op == opOr {
		between = " or "
	}
	var parts []string
	for _, k := range e.kids {
		parts = append(parts, k.grouped())
	}
	return strings.Join(parts, between)
}

// grouped is the expression as one operand.
func (e *Expr) grouped() string {
	if e.op == opAnd || e.op == opOr {
		return "(" + e.String() + ")"
	}
	return e.String()
}

// String is the term in its canonical form.
func (t term) String() string { return t.layer.String() + t.question() }

// question is what the term asks of its header.
func (t term) question() string {
	switch t.kind {
	case kindFamily:
		return familyName(t.family)
	case kindProto:
		return t.protoText()
	case kindHost:
		return t.direction.String() + "host " + t.prefix.Addr().String()
	case kindNet:
		return t.direction.String() + "net " + t.prefix.String()
	case kindPort:
		return t.portText()
	case kindFlags:
		return t.flagsText()
	case kindTTL, kindLength:
		return t.kind.String() + t.maskText() + fmt.Sprintf(" %v %d", t.relation, t.value)
	case kindVLAN:
		if t.low != t.high {
			return "vlan"
		}
		return fmt.Sprintf("vlan %d", t.low)
	case kindFragment:
		return "fragment"
	case kindBackend:
		return "backend " + t.prefix.Addr().String()
	}
	if keywordBetween(t.name) {
		return t.kind.String() + ` \` + t.name
	}
	return t.kind.String() + " " + t.name
}

// keywordBetween tells whether a word stands between terms, so that a name like it must be escaped.
func keywordBetween(name string) bool { return name == "and" || name == "or" || name == "not" }

func familyName(family uint8) string {
	if family == 6 {
		return "ip6"
	}
	return "ip"
}

func (t term) protoText() string {
	switch {
	case t.family == 0 && t.proto == tcp:
		return "tcp"
	case t.family == 0 && t.proto == udp:
		return "udp"
	case t.family == 4 && t.proto == icmp:
		return "icmp"
	case t.family == 6 && t.proto == icmp6:
		return "icmp6"
	case t.family == 0:
		return fmt.Sprintf("proto %d", t.proto)
	}
	return fmt.Sprintf("%s proto %d", familyName(t.family), t.proto)
}

func (t term) portText() string {
	text := map[uint8]string{tcp: "tcp ", udp: "udp "}[t.proto] + t.direction.String()
	if t.low == t.high {
		return text + fmt.Sprintf("port %d", t.low)
	}
	return text + fmt.Sprintf("portrange %d-%d", t.low, t.high)
}

func (t term) flagsText() string {
	if t.relation == equal && t.mask == usualFlags|t.value {
		return "flags " + letters(t.value)
	}
	return "tcp[tcpflags]" + t.maskText() + " " + t.relation.String() + " " + flagText(t.value)
}

// maskText is the mask as it stands behind a field, nothing when it is all of the field's bits.
func (t term) maskText() string {
	switch {
	case uint64(t.mask) == t.kind.most():
		return ""
	case t.kind != kindFlags:
		return fmt.Sprintf(" & %#x", t.mask)
	case bits.OnesCount32(t.mask) > 1:
		return " & (" + flagText(t.mask) + ")"
	}
	return " & " + flagText(t.mask)
}

// flagText is a set of flags by tcpdump's names.
func flagText(set uint32) string {
	var parts []string
	for i, name := range flagNames {
		if set>>i&1 == 1 {
			parts = append(parts, name)
		}
	}
	if parts == nil {
		return "0"
	}
	return strings.Join(parts, "|")
}

// letters is a set of flags by their letters.
func letters(set uint32) string {
	var b []byte
	for i := range flagLetters {
		if set>>i&1 == 1 {
			b = append(b, flagLetters[i])
		}
	}
	if b == nil {
		return "none"
	}
	return string(b)
}
