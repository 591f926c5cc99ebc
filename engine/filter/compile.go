package filter

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf/asm"
)

// Bounds of one function. The verifier keeps no more than 8192 jumps in mind; some are for the program around it.
const (
	MaxRules = 512
	MaxMarks = 64
	MaxJumps = 7 << 10
)

// Compile is the body of a BPF function int match(struct scratch *s): 1 when e is true of the packet, else 0. It reads
// nothing but the scratch, and has no loop and no call.
func Compile(e *Expr, l Layout) (asm.Instructions, error) { return Rules([]*Expr{e}, l) }

// Rules is the body of a BPF function int rules(struct scratch *s): the place, counted from 1, of the first of the
// expressions that is true of the packet, else 0. A nil scratch is no packet.
func Rules(list []*Expr, l Layout) (asm.Instructions, error) {
	if len(list) > MaxRules {
		return nil, fmt.Errorf("compile: %d rules, there may be %d", len(list), MaxRules)
	}
	return l.compile(list, func(i int) asm.Instructions {
		return asm.Instructions{asm.Mov.Imm(asm.R0, int32(i+1)), asm.Return()}
	})
}

// Marks is the body of a BPF function u64 marks(struct scratch *s): bit i is set when expression i, counted from 0, is true
// of the packet. Behind the first one that is true and decides, none is asked any more. A nil scratch is no packet.
func Marks(list []*Expr, decides func(i int) bool, l Layout) (asm.Instructions, error) {
	if len(list) > MaxMarks {
		return nil, fmt.Errorf("compile: %d rules, there may be %d", len(list), MaxMarks)
	}
	return l.compile(list, func(i int) asm.Instructions {
		mark := asm.Instructions{asm.Mov.Imm(asm.R2, 1), asm.LSh.Imm(asm.R2, int32(i)), asm.Or.Reg(asm.R0, asm.R2)}
		if decides(i) {
			mark = append(mark, asm.Return())
		}
		return mark
	})
}

// compile tests each expression in turn. Where one is true, what is done with R0 and where it goes on is up to found; R0 is
// 0 before.
func (l *Layout) compile(list []*Expr, found func(i int) asm.Instructions, more ...base) (asm.Instructions, error) {
	var c code
	c.add(asm.Mov.Imm(asm.R0, 0))
	for _, b := range append([]base{ofPacket}, more...) {
		some := c.label()
		c.branch(asm.JNE.Imm(b.register(), 0, ""), some)
		c.add(asm.Return())
		c.place(some)
	}
	for i, e := range list {
		n, err := l.lower(e)
		if err != nil {
			return nil, fmt.Errorf("compile rule %d: %w", i+1, err)
		}
		yes, no := c.label(), c.label()
		c.test(n, yes, no, yes)
		c.place(yes)
		c.add(found(i)...)
		c.place(no)
	}
	c.add(asm.Return())
	if len(c.jumps) > MaxJumps {
		return nil, fmt.Errorf("compile: the rules need %d comparisons, there may be %d: put lists of addresses in a file of prefixes",
			len(c.jumps), MaxJumps)
	}
	return c.finish(), nil
}

// Splice is the program with body in the place of its function of this name, which keeps what the object says of its type.
// The compiler must not have looked into the function: it is weak there.
func Splice(program asm.Instructions, function string, body asm.Instructions) (asm.Instructions, error) {
	from := slices.IndexFunc(program, func(i asm.Instruction) bool { return i.Symbol() == function })
	if from < 0 || len(body) == 0 {
		return nil, errors.New("splice: no function " + function + ", or nothing to put in its place")
	}
	to := from + 1
	for to < len(program) && program[to].Symbol() == "" {
		to++
	}
	body = slices.Clone(body)
	body[0].Metadata = program[from].Metadata
	return slices.Concat(program[:from], body, program[to:]), nil
}
