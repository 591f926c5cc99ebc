// Package capture is packets that a chain was seen to take: as records, as text and as a pcapng file.
package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Point is where a frame was copied.
type Point uint8

// Points.
const (
	Came  Point = iota + 1 // in front of the chain
	Left                   // behind it, as it went to wherever the verdict says
	After                  // behind one of its stages
)

// String is the point as a request names it.
func (p Point) String() string { return [...]string{"", "came", "left", "after"}[p] }

// MarshalText is String.
func (p Point) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Record is one frame at one point.
type Record struct {
	Time    time.Time `json:"time"`   // at which the packet came
	Packet  uint64    `json:"packet"` // names the packet: what is captured of it at other points has the same
	Point   Point     `json:"point"`
	NIC     string    `json:"nic"`
	Hook    string    `json:"hook"`
	Stage   string    `json:"stage,omitempty"` // that ended it, or after which it was copied
	VIP     string    `json:"vip,omitempty"`
	Verdict string    `json:"verdict,omitempty"` // drop, pass, forward; empty: not known yet
	Code    int32     `json:"code"`              // the same as the hook returned it
	Reason  string    `json:"reason,omitempty"`
	OneIn   int       `json:"one_in"` // of so many packets one was looked at
	Bytes   int       `json:"bytes"`  // of the frame
	Frame   []byte    `json:"frame"`  // as many of them as were copied
}

// Place names the point with its NIC, as interfaces of a capture are called.
func (r *Record) Place() string {
	where := r.NIC
	if r.Hook != "xdp" {
		where += " " + r.Hook
	}
	if r.Point == After {
		return where + " after " + r.Stage
	}
	return where + " " + r.Point.String()
}

// Comment says what became of the packet.
func (r *Record) Comment() string {
	text := ""
	if r.Verdict != "" {
		text = r.Verdict + " " + r.Reason
	}
	if r.Stage != "" {
		text = and(text, " ", "at "+r.Stage)
	}
	if r.Point == After {
		text = "after " + r.Stage
	}
	if r.VIP != "" {
		text = and(text, ", ", "vip "+r.VIP)
	}
	if r.OneIn > 1 {
		text = and(text, ", ", fmt.Sprintf("1 of %d packets", r.OneIn))
	}
	return text
}

func and(text, between, more string) string {
	if text == "" {
		return more
	}
	return text + between + more
}

// Append packs r behind b.
func Append(b []byte, r *Record) []byte {
	b = binary.AppendVarint(b, r.Time.UnixNano())
	b = binary.AppendUvarint(b, r.Packet)
	b = append(b, byte(r.Point))
	for _, s := range []string{r.NIC, r.Hook, r.Stage, r.VIP, r.Verdict, r.Reason} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	b = binary.AppendVarint(b, int64(r.Code))
	b = binary.AppendUvarint(b, uint64(r.OneIn))
	b = binary.AppendUvarint(b, uint64(r.Bytes))
	return append(binary.AppendUvarint(b, uint64(len(r.Frame))), r.Frame...)
}

// All unpacks what Append packed. The frames share memory with b.
func All(b []byte) ([]Record, error) {
	var list []Record
	for c := (unpacker{b: b}); len(c.b) > 0; {
		r := c.record()
		if c.short {
			return list, errors.New("records end in the middle of one")
		}
		list = append(list, r)
	}
	return list, nil
}

type unpacker struct {
	b     []byte
	short bool
}

func (c *unpacker) record() Record {
	r := Record{Time: time.Unix(0, c.signed()), Packet: c.number()}
	if p := c.take(1); len(p) == 1 {
		r.Point = Point(p[0])
	}
	if r.Point < Came || r.Point > After {
		c.short = true
	}
	for _, s := range []*string{&r.NIC, &r.Hook, &r.Stage, &r.VIP, &r.Verdict, &r.Reason} {
		*s = string(c.take(c.number()))
	}
	r.Code = int32(c.signed())
	r.OneIn, r.Bytes = int(c.number()), int(c.number())
	r.Frame = c.take(c.number())
	return r
}

func (c *unpacker) number() uint64 {
	v, n := binary.Uvarint(c.b)
	c.skip(n)
	return v
}

func (c *unpacker) signed() int64 {
	v, n := binary.Varint(c.b)
	c.skip(n)
	return v
}

func (c *unpacker) skip(n int) {
	if n <= 0 {
		c.short, c.b = true, nil
		return
	}
	c.b = c.b[n:]
}

func (c *unpacker) take(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.short, c.b = true, nil
		return nil
	}
	taken := c.b[:n:n]
	c.b = c.b[n:]
	return taken
}
