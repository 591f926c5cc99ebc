package datapath

import (
	"fmt"
	"slices"
)

// prefixBlocks is how many blocks the prefix store has.
const prefixBlocks = PrefixSegments * PrefixNodes / PrefixBlock

func prefixPin(n int) string { return fmt.Sprintf("prefixes_%03d", n) }

// heldTables are the tables of prefixes that live generations name, by digest, and the first node of each.
func (k *Kernel) heldTables() map[uint64]uint32 {
	held := map[uint64]uint32{}
	for i := range k.usedSettings(stageFirewall) {
		f := &k.firewalls.all[i]
		for n, table := range []uint32{f.Src4, f.Src6, f.Dst4, f.Dst6} {
			if table != 0 {
				held[f.Digest[n]] = table
			}
		}
	}
	k.heldSources(held)
	return held
}

// putTable makes the table of a list with that digest, which then is held.
func (k *Kernel) putTable(list []prefix, of uint64, held map[uint64]uint32) (uint32, error) {
	next := 0
	m := tableMaker{more: func() (b block, err error) {
		b, next, err = k.takeBlock(next, of, held)
		return b, err
	}}
	first, err := m.make(list)
	if err != nil {
		return 0, err
	}
	held[of] = first + 1
	return first + 1, nil
}

// takeBlock gives a free block, from number next on, to a table. What nobody holds is free: also what a start that was
// killed has left.
func (k *Kernel) takeBlock(next int, of uint64, held map[uint64]uint32) (b block, after int, err error) {
	for ; next < prefixBlocks; next++ {
		if held[k.blocks.all[next]] != 0 {
			continue
		}
		n, first := next/(PrefixNodes/PrefixBlock), next%(PrefixNodes/PrefixBlock)*PrefixBlock
		if k.prefixes[n].all == nil {
			if k.prefixes[n], err = addSegment[prefixSegment](k, "prefixes", prefixPin(n), n); err != nil {
				return block{}, next, fmt.Errorf("prefix segment %d: %w", n, err)
			}
		}
		k.blocks.all[next] = of
		nodes := k.prefixes[n].all[0].Node[first : first+PrefixBlock]
		if k.aside != nil {
			k.aside.nodes = append(k.aside.nodes, heldNodes{nodes, slices.Clone(nodes)})
		}
		clear(nodes)
		return block{uint32(n*PrefixNodes + first), nodes}, next + 1, nil
	}
	return block{}, next, fmt.Errorf("the store of prefixes is full: it has room for %d MB of them, those of the specs of the last second "+
		"included; wait, or use shorter lists", PrefixSegments*PrefixNodes*nodeWords*4>>20)
}
