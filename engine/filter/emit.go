package filter

import "github.com/cilium/ebpf/asm"

// code is a function that is being written: R1 points to the scratch and stays, as do the other arguments, R2 is for what is compared.
type code struct {
	asm.Instructions
	places []int // of each label; -1 = not yet
	jumps  []jump
	loaded bool // R2 holds what the next comparison asks for
}

type jump struct{ from, to int } // instruction, label

func (c *code) label() int {
	c.places = append(c.places, -1)
	return len(c.places) - 1
}

// place puts a label before the next instruction.
func (c *code) place(label int) { c.places[label] = len(c.Instructions) }

func (c *code) add(i ...asm.Instruction) { c.Instructions = append(c.Instructions, i...) }

// branch adds a jump to a label.
func (c *code) branch(i asm.Instruction, label int) {
	c.jumps = append(c.jumps, jump{len(c.Instructions), label})
	c.add(i)
}

// finish gives all jumps their distances; each instruction is one slot long, because none loads 64 bits.
func (c *code) finish() asm.Instructions {
	for _, j := range c.jumps {
		c.Instructions[j.from].Offset = int16(c.places[j.to] - j.from - 1)
	}
	return c.Instructions
}

// test adds code that goes to yes or no. The one of the two that is next will be placed right behind it.
func (c *code) test(n node, yes, no, next int) {
	switch n.op {
	case opTerm:
		c.load(n.load)
		c.decide(n, yes, no, next)
	case opNot:
		c.test(n.kids[0], no, yes, next)
	case opAnd:
		c.each(n.kids, yes, no, next, func(n node, behind int) { c.test(n, behind, no, behind) })
	case opOr:
		c.each(n.kids, yes, no, next, func(n node, behind int) { c.test(n, yes, behind, behind) })
	}
}

// each tests all but the last kid with step, which goes on behind it unless the kid decides, and then the last.
func (c *code) each(kids []node, yes, no, next int, step func(n node, behind int)) {
	last := len(kids) - 1
	for i, k := range kids {
		if i > 0 && k.op == opTerm && kids[i-1].op == opTerm && k.load == kids[i-1].load {
			c.loaded = true
		}
		if i == last {
			c.test(k, yes, no, next)
			return
		}
		behind := c.label()
		step(k, behind)
		c.place(behind)
	}
}

// load fetches a number into R2, unless it is there.
func (c *code) load(l load) {
	if c.loaded {
		c.loaded = false
		return
	}
	c.add(asm.LoadMem(asm.R2, l.base.register(), l.offset, l.size))
	if l.swapped {
		c.add(asm.HostTo(asm.BE, asm.R2, l.size))
	}
	if l.mask != 0 {
		c.add(asm.And.Imm32(asm.R2, int32(l.mask)))
	}
}

var (
	ifTrue  = [...]asm.JumpOp{equal: asm.JEq, unequal: asm.JNE, below: asm.JLT, atMost: asm.JLE, above: asm.JGT, atLeast: asm.JGE}
	ifFalse = [...]asm.JumpOp{equal: asm.JNE, unequal: asm.JEq, below: asm.JGE, atMost: asm.JGT, above: asm.JLE, atLeast: asm.JLT}
)

// decide compares R2 and jumps.
func (c *code) decide(n node, yes, no, next int) {
	if next == yes {
		c.branch(ifFalse[n.is].Imm32(asm.R2, int32(n.to), ""), no)
		return
	}
	c.branch(ifTrue[n.is].Imm32(asm.R2, int32(n.to), ""), yes)
	if next != no {
		c.branch(asm.Ja.Label(""), no)
	}
}
