// Package agents is how the agents of backends tell load balancers how many connections are open: signed datagrams, and the
// book of what was said last by whom.
package agents

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Bounds of a report.
const (
	MaxNode      = 64   // bytes of a node's name
	MaxAddresses = 16   // of a node
	MaxServices  = 4096 // with a count
	maxDatagram  = 1200 // bytes, which every path carries
)

// Service is where connections end: an address and a TCP port.
type Service struct {
	Address netip.Addr
	Port    uint16
}

// Count is the connections to one service.
type Count struct {
	Service
	Open   uint32
	Opened uint32 // since the node counts, modulo 2^32
}

// Report is what one agent says of one instant.
type Report struct {
	Node      string
	Session   uint64 // when the sender began, in ns since 1970: a later one is another sender on the same node
	Seq       uint64 // of the report in the session
	Time      time.Time
	Every     time.Duration // until the next one
	To        uint8         // load balancers that it goes to
	Cut       bool          // there are more services than Counts has
	Uncounted uint32        // connections that the node has and could not count
	Addresses []netip.Addr  // of the node, by which it may be a backend
	Counts    []Count
}

// Part is one datagram of a report: Counts are those that it carries.
type Part struct {
	Report
	Index, Parts uint8
}

// Errors of what is no part of a report by this secret.
var (
	ErrForged    = errors.New("not signed by this key")
	ErrMalformed = errors.New("signed, and not understood: is it of another version of hairpin?")
)

// A datagram, all numbers most significant byte first:
//
//	magic 4, version 1, flags 1, index 1, parts 1, session 8, seq 8, time 8 (ns since 1970), every 4 (µs), uncounted 4,
//	to 1, length of the name 1, name, number of addresses 1, addresses 16 each, number of counts 2,
//	counts: address 16, port 2, open 4, opened 4;  HMAC-SHA256 of all that, 32
const (
	magic     = "hpag"
	version   = 1
	flagCut   = 1
	fixed     = 43
	countSize = 26
	sealSize  = sha256.Size
)

// Sign is the report as datagrams. More services than may be are left out, those with the fewest connections first, and it
// says so.
func (r Report) Sign(k Key) ([][]byte, error) {
	if r.Node == "" || len(r.Node) > MaxNode {
		return nil, fmt.Errorf("report: the name of this node has %d bytes: 1 to %d are possible", len(r.Node), MaxNode)
	}
	if len(r.Addresses) > MaxAddresses {
		r.Addresses = r.Addresses[:MaxAddresses]
	}
	if len(r.Counts) > MaxServices {
		r.Cut, r.Counts = true, slices.Clone(r.Counts)
		slices.SortFunc(r.Counts, func(a, b Count) int { return cmp.Compare(b.Open, a.Open) })
		r.Counts = r.Counts[:MaxServices]
	}
	each := (maxDatagram - fixed - 1 - 2 - len(r.Node) - 16*len(r.Addresses) - sealSize) / countSize
	parts := max(1, (len(r.Counts)+each-1)/each)
	var all [][]byte
	for i := range parts {
		part := Part{r, uint8(i), uint8(parts)}
		part.Counts = r.Counts[i*each : min((i+1)*each, len(r.Counts))]
		b := part.append(make([]byte, 0, maxDatagram))
		all = append(all, append(b, k.sign(b)...))
	}
	return all, nil
}

func (p Part) append(b []byte) []byte {
	flags := byte(0)
	if p.Cut {
		flags |= flagCut
	}
	b = append(append(b, magic...), version, flags, p.Index, p.Parts)
	b = binary.BigEndian.AppendUint64(b, p.Session)
	b = binary.BigEndian.AppendUint64(b, p.Seq)
	b = binary.BigEndian.AppendUint64(b, uint64(p.Time.UnixNano()))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Every.Microseconds()))
	b = binary.BigEndian.AppendUint32(b, p.Uncounted)
	b = append(append(b, p.To, byte(len(p.Node))), p.Node...)
	b = append(b, byte(len(p.Addresses)))
	for _, a := range p.Addresses {
		b = appendAddress(b, a)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(p.Counts)))
	for _, c := range p.Counts {
		b = binary.BigEndian.AppendUint16(appendAddress(b, c.Address), c.Port)
		b = binary.BigEndian.AppendUint32(b, c.Open)
		b = binary.BigEndian.AppendUint32(b, c.Opened)
	}
	return b
}

func appendAddress(b []byte, a netip.Addr) []byte {
	raw := a.As16()
	return append(b, raw[:]...)
}

// Open reads a datagram. Nothing of it is looked at before its seal.
func Open(b []byte, k Key) (Part, error) {
	if len(b) < sealSize {
		return Part{}, ErrForged
	}
	b, seal := b[:len(b)-sealSize], b[len(b)-sealSize:]
	if !hmac.Equal(seal, k.sign(b)) {
		return Part{}, ErrForged
	}
	c := cursor{left: b}
	if string(c.take(len(magic))) != magic || c.byte() != version {
		return Part{}, ErrMalformed
	}
	p := c.part()
	if c.short || len(c.left) != 0 || p.Node == "" || p.Index >= p.Parts || p.Every <= 0 {
		return Part{}, ErrMalformed
	}
	return p, nil
}

// cursor reads a message from its front. What is not there any more is zero, and short.
type cursor struct {
	left  []byte
	short bool
}

func (c *cursor) part() (p Part) {
	p.Cut = c.byte()&flagCut != 0
	p.Index, p.Parts = c.byte(), c.byte()
	p.Session, p.Seq = c.uint64(), c.uint64()
	p.Time = time.Unix(0, int64(c.uint64()))
	p.Every = time.Duration(c.uint32()) * time.Microsecond
	p.Uncounted, p.To = c.uint32(), c.byte()
	p.Node = string(c.take(int(c.byte())))
	for range c.byte() {
		p.Addresses = append(p.Addresses, c.address())
	}
	for range c.uint16() {
		n := Count{Service: Service{c.address(), c.uint16()}, Open: c.uint32(), Opened: c.uint32()}
		if c.short {
			break
		}
		p.Counts = append(p.Counts, n)
	}
	return p
}

func (c *cursor) take(n int) []byte {
	if c.short = c.short || n > len(c.left); c.short {
		return make([]byte, n)
	}
	taken := c.left[:n]
	c.left = c.left[n:]
	return taken
}

func (c *cursor) byte() uint8         { return c.take(1)[0] }
func (c *cursor) uint16() uint16      { return binary.BigEndian.Uint16(c.take(2)) }
func (c *cursor) uint32() uint32      { return binary.BigEndian.Uint32(c.take(4)) }
func (c *cursor) uint64() uint64      { return binary.BigEndian.Uint64(c.take(8)) }
func (c *cursor) address() netip.Addr { return netip.AddrFrom16([16]byte(c.take(16))).Unmap() }
