package datapath

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"unsafe"
)

// prefix is one of either family, as a number: an IPv4 address stands in the upper 32 bits.
type prefix struct {
	high, low uint64
	bits      uint8
}

func prefixOf(p netip.Prefix) prefix {
	if p.Addr().Is4() {
		a := p.Addr().As4()
		return prefix{uint64(binary.BigEndian.Uint32(a[:])) << 32, 0, uint8(p.Bits())}
	}
	a := p.Addr().As16()
	return prefix{binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:]), uint8(p.Bits())}
}

// netip is p as its family writes it.
func (p prefix) netip(six bool) netip.Prefix {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], p.high)
	binary.BigEndian.PutUint64(b[8:], p.low)
	if six {
		return netip.PrefixFrom(netip.AddrFrom16(b), int(p.bits))
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte(b[:4])), int(p.bits))
}

// common is how many bits two addresses begin with alike.
func (p prefix) common(o prefix) int {
	if p.high != o.high {
		return bits.LeadingZeros64(p.high ^ o.high)
	}
	return 64 + bits.LeadingZeros64(p.low^o.low)
}

// after is the 64 bits behind the first n.
func (p prefix) after(n int) uint64 {
	if n >= 64 {
		return p.low << (n - 64)
	}
	return p.high<<n | p.low>>(64-n)
}

// disjoint sorts a list, and takes out what others in it cover.
func disjoint(list []prefix) []prefix {
	slices.SortFunc(list, func(a, b prefix) int {
		return cmp.Or(cmp.Compare(a.high, b.high), cmp.Compare(a.low, b.low), cmp.Compare(a.bits, b.bits))
	})
	kept := list[:0]
	for _, p := range list {
		if n := len(kept); n > 0 && kept[n-1].bits <= p.bits && kept[n-1].common(p) >= int(kept[n-1].bits) {
			continue
		}
		kept = append(kept, p)
	}
	return kept
}

// digest names what a list says: equal lists have equal ones, on every start. An empty list has 0.
func digest(list []prefix) uint64 {
	if len(list) == 0 {
		return 0
	}
	h := sha256.New()
	var text [17 * 256]byte
	for chunk := range slices.Chunk(list, 256) {
		for i, p := range chunk {
			at := text[17*i:]
			binary.BigEndian.PutUint64(at, p.high)
			binary.BigEndian.PutUint64(at[8:], p.low)
			at[16] = p.bits
		}
		h.Write(text[:17*len(chunk)])
	}
	return binary.BigEndian.Uint64(h.Sum(nil)) | 1
}

const (
	nodeWords = int(unsafe.Sizeof(prefixNode{}) / 4)
	maxSkip   = 7 // bytes of a path without a branch that one node skips
)

// block is a run of nodes of the prefix store, all zero when it is given out.
type block struct {
	number uint32 // of its first node
	nodes  []prefixNode
}

func (b block) words() []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(&b.nodes[0])), len(b.nodes)*nodeWords)
}

// tableMaker writes one table. Nodes fill a block from its front, words from its end.
type tableMaker struct {
	more      func() (block, error)
	at        block
	nextNode  int // of at
	firstWord int // of at that is taken
}

// make writes the table of a list and returns the number of its first node. The list is disjoint and sorted.
func (m *tableMaker) make(list []prefix) (uint32, error) {
	first, err := m.more()
	if err != nil {
		return 0, err
	}
	words := first.words()
	for len(list) > 0 {
		p := list[0]
		x := int(p.high >> 48)
		if p.bits <= 16 {
			for i := range 1 << (16 - p.bits) {
				words[x+i] = 1
			}
			list = list[1:]
			continue
		}
		n := together(list, 16)
		if words[x], err = m.word(list[:n], 16); err != nil {
			return 0, err
		}
		list = list[n:]
	}
	return first.number, nil
}

// together is how many at the head of a list begin with the same depth bits.
func together(list []prefix, depth int) int {
	n := 1
	for n < len(list) && list[n].common(list[0]) >= depth {
		n++
	}
	return n
}

// word is what stands for a list whose members have the first depth bits in common.
func (m *tableMaker) word(list []prefix, depth int) (uint32, error) {
	if int(list[0].bits) <= depth {
		return 1, nil
	}
	node, skip := prefixNode{}, skippable(list, depth)
	if skip > 0 {
		node.Skip, node.Skipped = uint32(skip), list[0].after(depth)>>(64-skip)<<(64-skip)
	}
	depth += skip
	var words [4][]uint32
	for len(list) > 0 {
		p, n, same := list[0], 1, 1
		word := uint32(1)
		if int(p.bits) <= depth+8 {
			same = 1 << (depth + 8 - int(p.bits))
		} else {
			n = together(list, depth+8)
			var err error
			if word, err = m.word(list[:n], depth+8); err != nil {
				return 0, err
			}
		}
		for x := int(p.after(depth) >> 56); same > 0; x, same = x+1, same-1 {
			node.Any[x/64] |= 1 << (x % 64)
			words[x/64] = append(words[x/64], word)
		}
		list = list[n:]
	}
	return m.place(node, words)
}

// skippable is how many bits a node at depth may skip, whole bytes: all of the list have them in common, and more behind.
func skippable(list []prefix, depth int) int {
	most := list[0].common(list[len(list)-1])
	for _, p := range list {
		most = min(most, int(p.bits)-1)
	}
	return min((most-depth)/8, maxSkip) * 8
}

// place writes a node, and the words below it where some are not simply "all of it".
func (m *tableMaker) place(node prefixNode, words [4][]uint32) (uint32, error) {
	whole := node.Skip == 0
	for i, list := range words {
		if !slices.ContainsFunc(list, func(w uint32) bool { return w != 1 }) {
			whole = whole && len(list) == 64
			continue
		}
		whole = false
		run, at, err := m.run(len(list))
		if err != nil {
			return 0, err
		}
		copy(run, list)
		node.Below[i] = at
	}
	if whole {
		return 1, nil
	}
	if err := m.room(nodeWords); err != nil {
		return 0, err
	}
	m.at.nodes[m.nextNode] = node
	m.nextNode++
	return m.at.number + uint32(m.nextNode-1) + 2, nil
}

// run is room for n words, and their place.
func (m *tableMaker) run(n int) ([]uint32, uint32, error) {
	if err := m.room(n); err != nil {
		return nil, 0, err
	}
	m.firstWord -= n
	return m.at.words()[m.firstWord : m.firstWord+n], m.at.number*uint32(nodeWords) + uint32(m.firstWord), nil
}

// room takes another block unless this one has n words left. The first node of each stays empty, since a word at place 0
// would be none.
func (m *tableMaker) room(n int) (err error) {
	if m.nextNode*nodeWords+n <= m.firstWord {
		return nil
	}
	if m.at, err = m.more(); err != nil {
		return err
	}
	m.nextNode, m.firstWord = 1, len(m.at.nodes)*nodeWords
	return nil
}
