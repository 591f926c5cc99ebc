package filter

import (
	"fmt"

	"github.com/cilium/ebpf/asm"
)

// Captured are the bodies of two BPF functions, by which a captor decides. int may(struct scratch *came) is 0 when e cannot
// become true of a packet that comes; it is asked before the chain. int wants(struct scratch *came, u64, struct scratch
// *outer, struct scratch *inner, struct ending *) is 1 when e is true of one that left. A nil e is true of every packet.
func Captured(e *Expr, l Layout) (may, wants asm.Instructions, err error) {
	one := func(int) asm.Instructions { return asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()} }
	if may, wants = one(0), one(0); e == nil {
		return may, wants, nil
	}
	if wants, err = l.compile([]*Expr{e}, one, ofOuter, ofInner, ofEnding); err != nil {
		return nil, nil, err
	}
	if p := e.bound(true); p.expr != nil {
		may, err = l.compile([]*Expr{p.expr}, one)
	} else if !p.always {
		may = asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}
	}
	return may, wants, err
}

// Early tells whether e can be decided by what a frame says as it comes.
func (e *Expr) Early() bool {
	early := true
	e.each(func(t *term) { early = early && t.early() })
	return early
}

func (t *term) early() bool {
	return t.layer == first && t.kind != kindBackend && t.kind != kindStage && t.kind != kindVerdict && t.kind != kindReason
}

// bound is an expression without what cannot be known early; a nil one is a constant.
type bound struct {
	expr   *Expr
	always bool
}

// bound is true wherever e may become true, or, where it is not the upper one, only where e must.
func (e *Expr) bound(upper bool) bound {
	switch e.op {
	case opTerm:
		if e.term.early() {
			return bound{expr: e}
		}
		return bound{always: upper}
	case opNot:
		b := e.kids[0].bound(!upper)
		if b.expr == nil {
			return bound{always: !b.always}
		}
		return bound{expr: negate(b.expr)}
	}
	all := bound{always: e.op == opAnd}
	for _, k := range e.kids {
		switch b := k.bound(upper); {
		case b.expr == nil && b.always != (e.op == opAnd):
			return b // decides
		case b.expr != nil && all.expr == nil:
			all.expr = b.expr
		case b.expr != nil:
			all.expr = join(e.op, all.expr, b.expr)
		}
	}
	return all
}

// lowerLayered is a term about one of the headers of an encapsulated packet.
func (l *Layout) lowerLayered(t term) (node, error) {
	if !l.ending.known {
		return node{}, fmt.Errorf("%v: only captures know the headers around a packet and within it", t)
	}
	of, bit := ofOuter, uint32(1)
	if t.layer == inner {
		of, bit = ofInner, 2
	}
	t.layer = first
	n, err := l.of(of).lowerTerm(&t)
	there := node{load: load{field: l.ending.layers, mask: bit}, is: unequal}
	return allOf(there, n), err
}

// lowerEnding is a term about how a packet left.
func (l *Layout) lowerEnding(t *term) (node, error) {
	switch t.kind {
	case kindVerdict:
		for i, name := range verdicts {
			if name == t.name {
				return compare(l.ending.verdict, equal, uint32(i+1)), nil
			}
		}
	case kindReason:
		if n, ok := l.Reasons[t.name]; ok {
			return compare(l.ending.reason, equal, uint32(n)), nil
		}
		return node{}, fmt.Errorf("reason %s: there is no reason of this name", t.name)
	case kindStage:
		var places []node
		for _, n := range l.Stages[t.name] {
			places = append(places, compare(l.ending.stage, equal, uint32(n)))
		}
		if places == nil {
			return node{}, fmt.Errorf("stage %s: no stage of this name stands in a chain", t.name)
		}
		return anyOf(places...), nil
	case kindBackend: // where the packet is sent is what stands in the header around it
		return l.lowerLayered(term{kind: kindHost, layer: outer, direction: dst, prefix: t.prefix})
	}
	return node{}, fmt.Errorf("%v: the data path does not know this of a packet", t)
}
