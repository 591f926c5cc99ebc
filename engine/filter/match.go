package filter

// Match tells whether the expression is true of f. It is what compiled code is compared with.
func (e *Expr) Match(f *Fields) bool {
	switch e.op {
	case opTerm:
		return e.term.match(f)
	case opNot:
		return !e.kids[0].Match(f)
	}
	for _, k := range e.kids {
		if k.Match(f) == (e.op == opOr) {
			return e.op == opOr
		}
	}
	return e.op == opAnd
}

func (t *term) match(f *Fields) bool {
	switch t.layer {
	case outer:
		f = f.Outer
	case inner:
		f = f.Inner
	}
	if f == nil {
		return false
	}
	family := f.family()
	switch t.kind {
	case kindFamily:
		return family == t.family
	case kindProto:
		return family != 0 && f.Proto == t.proto && (t.family == 0 || t.family == family)
	case kindHost, kindNet:
		return t.direction.of(t.prefix.Contains(f.Src), t.prefix.Contains(f.Dst))
	case kindPort:
		return f.ported() && (t.proto == 0 || t.proto == f.Proto) && t.direction.of(t.within(f.SrcPort), t.within(f.DstPort))
	case kindFlags:
		return f.ported() && f.Proto == tcp && t.relation.holds(uint32(f.TCPFlags)&t.mask, t.value)
	case kindTTL:
		return family != 0 && t.relation.holds(uint32(f.TTL)&t.mask, t.value)
	case kindLength:
		return t.relation.holds(f.Bytes&t.mask, t.value)
	case kindVLAN:
		return f.Tagged && t.within(f.VLAN)
	case kindFragment:
		return f.Fragment
	case kindVIP:
		return f.VIP == t.name
	case kindBackend:
		return f.Backend == t.prefix.Addr()
	case kindStage:
		return f.Stage == t.name
	case kindVerdict:
		return f.Verdict == t.name
	}
	return f.Reason == t.name
}

// of joins what is true of the two ends of a packet.
func (d direction) of(atSrc, atDst bool) bool {
	switch d {
	case src:
		return atSrc
	case dst:
		return atDst
	case both:
		return atSrc && atDst
	}
	return atSrc || atDst
}

func (t *term) within(n uint16) bool { return t.low <= n && n <= t.high }
