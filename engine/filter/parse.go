package filter

import (
	"maps"
	"slices"
)

// Parse reads an expression about something that has these facts. What is wrong with it is a *SyntaxError.
func Parse(text string, facts Words) (*Expr, error) {
	if len(text) > MaxText {
		return nil, &SyntaxError{MaxText, "the filter is longer than 16384 bytes: put long lists of addresses in a file of prefixes"}
	}
	tokens, err := scan(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, facts: facts}
	e, err := p.expr()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != end {
		return nil, p.loose(t, "the end")
	}
	return e, nil
}

// loose is the error of a token behind an operand, where only and, or, and what closes may stand.
func (p *parser) loose(t token, closes string) error {
	if slices.Contains(p.facts.has(), t.text) && !t.escaped {
		return faultf(t, "read %v, expected and, or, or %s: between two terms stands and or or", t, closes)
	}
	return unexpected(t, "and, or, or "+closes, slices.Sorted(maps.Keys(keywords)))
}

// parser reads tokens from left to right, looking at most two ahead.
type parser struct {
	tokens []token
	at     int
	facts  Words
	layer  layer // of the term that is read
	head   *term // what a value without words in front of it is taken as; nil = it cannot stand here
	heads  int   // how often head was set
	only   int   // above 0, only values of head may stand here
	depth  int
	terms  int
}

func (p *parser) peek() token { return p.tokens[p.at] }

// after is the token that is n behind the next one.
func (p *parser) after(n int) token { return p.tokens[min(p.at+n, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != end {
		p.at++
	}
	return t
}

// take reads the next token if it is this one.
func (p *parser) take(text string) bool {
	if p.peek().is(text) {
		p.at++
		return true
	}
	return false
}

// expr is operands between which stand and or or.
func (p *parser) expr() (*Expr, error) {
	left, err := p.operand()
	for err == nil {
		op := opAnd
		if p.take("or") {
			op = opOr
		} else if !p.take("and") {
			return left, nil
		}
		var right *Expr
		if right, err = p.operand(); err == nil {
			left = join(op, left, right)
		}
	}
	return nil, err
}

// operand is a term, a value, a group or the negation of one of them.
func (p *parser) operand() (*Expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, faultf(p.peek(), "more than %d parentheses and nots inside each other", maxDepth)
	}
	defer func() { p.depth-- }()
	switch t := p.peek(); {
	case p.take("not"):
		e, err := p.operand()
		if err != nil {
			return nil, err
		}
		return negate(e), nil
	case p.take("("):
		return p.group(t)
	case p.only > 0 || p.head != nil && t.kind == word && !t.keyword():
		return p.value()
	}
	return p.primary()
}

// group is what stands between parentheses, the first of which was read.
func (p *parser) group(open token) (*Expr, error) {
	heads := p.heads
	e, err := p.expr()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); !p.take(")") {
		if t.kind == end {
			return nil, faultf(open, "this parenthesis is never closed")
		}
		return nil, p.loose(t, "a closing parenthesis")
	}
	if p.heads != heads {
		p.head = nil
	}
	return e, nil
}

// value is one more value of the head.
func (p *parser) value() (*Expr, error) {
	t := p.next()
	if t.kind != word {
		return nil, unexpected(t, valueOf[p.head.kind], nil)
	}
	term := *p.head
	if err := p.read(&term, t); err != nil {
		return nil, err
	}
	return p.made(t, term)
}

// made counts a term that begins with t.
func (p *parser) made(t token, term term) (*Expr, error) {
	if term.layer == first {
		term.layer = p.layer
	}
	if p.terms++; p.terms > MaxTerms {
		return nil, faultf(t, "more than %d terms: put long lists of addresses in a file of prefixes", MaxTerms)
	}
	return term.expr(), nil
}

// primary is a term that begins with its own words.
func (p *parser) primary() (*Expr, error) {
	t := p.peek()
	if facts, ok := keywords[t.text]; !ok || !t.keyword() || t.is("and") || t.is("or") || t.is("mask") {
		if slices.Contains(foreign, t.text) && t.kind == word {
			return nil, faultf(t, "%s is a word of tcpdump that is not in this language", t.text)
		}
		return nil, unexpected(t, "a term such as host, net, port, tcp or not", p.facts.has())
	} else if facts&^p.facts != 0 {
		return nil, faultf(t, "%s cannot be asked for here", t.text)
	}
	p.head, p.heads = nil, p.heads+1
	switch t.text {
	case "outer", "inner":
		return p.layered()
	case "src", "dst", "host", "net", "port", "portrange", "proto":
		return p.qualified(term{})
	case "ip", "ip6", "tcp", "udp", "icmp", "icmp6":
		return p.protocol()
	case "vip", "backend", "stage", "verdict", "reason":
		return p.named()
	case "vlan":
		return p.vlan()
	case "fragment":
		return p.made(p.next(), term{kind: kindFragment})
	case "flags":
		return p.flags()
	}
	return p.number()
}
