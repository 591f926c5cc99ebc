package record

import (
	"encoding"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"time"
)

// leaves is a part of a value taken apart: its shape, which is how long its lists are and all its texts, and its numbers
// in order. While time goes by, the shape stays most often, and of a number only the difference is worth a place.
type leaves struct {
	shape   []byte
	numbers []uint64
	kinds   []int16 // of each number: plain, or how far back the integer stands that it is the rate of
}

// Kinds of numbers that are no rates.
const (
	whole int16 = -1
	real  int16 = 0
)

// noTime stands for the zero time, which has no nanoseconds since 1970.
const noTime = math.MinInt64

func (l *leaves) reset() { l.shape, l.numbers, l.kinds = l.shape[:0], l.numbers[:0], l.kinds[:0] }

func (l *leaves) number(v uint64, k int16) {
	l.numbers, l.kinds = append(l.numbers, v), append(l.kinds, k)
}

// take takes v apart.
func (l *leaves) take(n *node, v reflect.Value) error {
	switch n.Kind {
	case integer:
		if v.CanUint() {
			l.number(v.Uint(), whole)
		} else {
			l.number(uint64(v.Int()), whole)
		}
	case float, rate:
		l.number(uint64(math.Float32bits(float32(v.Float()))), int16(n.Back))
	case instant:
		at := int64(noTime)
		if t := v.Interface().(time.Time); !t.IsZero() {
			at = t.UnixNano()
		}
		l.number(uint64(at), whole)
	case boolean:
		l.flag(v.Bool())
	case text:
		return l.text(v)
	case maybe:
		l.flag(!v.IsNil())
		if !v.IsNil() {
			return l.take(n.Parts[0], v.Elem())
		}
	case list:
		if v.IsNil() {
			l.shape = append(l.shape, 0)
			return nil
		}
		l.shape = binary.AppendUvarint(l.shape, uint64(v.Len())+1)
		for i := range v.Len() {
			if err := l.take(n.Parts[0], v.Index(i)); err != nil {
				return err
			}
		}
	case group:
		for _, p := range n.Parts {
			if err := l.take(p, v.FieldByIndex(p.index)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *leaves) flag(yes bool) {
	b := byte(0)
	if yes {
		b = 1
	}
	l.shape = append(l.shape, b)
}

func (l *leaves) text(v reflect.Value) error {
	if v.Kind() == reflect.String {
		l.shape = binary.AppendUvarint(l.shape, uint64(v.Len()))
		l.shape = append(l.shape, v.String()...)
		return nil
	}
	s, err := v.Interface().(encoding.TextMarshaler).MarshalText()
	l.shape = binary.AppendUvarint(l.shape, uint64(len(s)))
	l.shape = append(l.shape, s...)
	return err
}

var errShort = errors.New("a value ends before its parts do")

// gather puts a value together again. It trusts nothing of what it reads.
type gather struct {
	shape   []byte
	numbers func(kind int16) uint64
	left    func() int // numbers that there may still be
	err     error
}

func (g *gather) fail(err error) {
	if g.err == nil {
		g.err = err
	}
}

func (g *gather) uvarint() uint64 {
	v, n := binary.Uvarint(g.shape)
	if n <= 0 {
		g.fail(errShort)
		g.shape = nil
		return 0
	}
	g.shape = g.shape[n:]
	return v
}

// put reads what n says and, if v is valid, puts it there.
func (g *gather) put(n *node, v reflect.Value) {
	if g.err != nil {
		return
	}
	switch n.Kind {
	case integer, float, rate, instant:
		g.number(n, v)
	case boolean:
		if yes := g.uvarint() == 1; v.IsValid() {
			v.SetBool(yes)
		}
	case text:
		g.text(v)
	case maybe:
		switch yes := g.uvarint() == 1; {
		case yes && v.IsValid():
			v.Set(reflect.New(v.Type().Elem()))
			g.put(n.Parts[0], v.Elem())
		case yes:
			g.put(n.Parts[0], v)
		}
	case list:
		g.list(n.Parts[0], v)
	case group:
		for _, p := range n.Parts {
			if v.IsValid() && p.index != nil {
				g.put(p, v.FieldByIndex(p.index))
			} else {
				g.put(p, reflect.Value{})
			}
		}
	}
}

func (g *gather) number(n *node, v reflect.Value) {
	k := whole
	if n.Kind == float || n.Kind == rate {
		k = int16(n.Back)
	}
	bits := g.numbers(k)
	switch {
	case !v.IsValid():
	case n.Kind == instant:
		if int64(bits) != noTime {
			v.Set(reflect.ValueOf(time.Unix(0, int64(bits))))
		}
	case n.Kind != integer:
		v.SetFloat(float64(math.Float32frombits(uint32(bits))))
	case v.CanUint():
		v.SetUint(bits)
	default:
		v.SetInt(int64(bits))
	}
}

func (g *gather) text(v reflect.Value) {
	n := g.uvarint()
	if n > uint64(len(g.shape)) {
		g.fail(errShort)
		return
	}
	s := g.shape[:n]
	g.shape = g.shape[n:]
	switch {
	case !v.IsValid():
	case v.Kind() == reflect.String:
		v.SetString(string(s))
	default:
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(s); err != nil {
			g.fail(err)
		}
	}
}

// list takes memory as elements come, not as they are announced.
func (g *gather) list(elem *node, v reflect.Value) {
	n := g.uvarint()
	if n == 0 {
		return // nil
	}
	n--
	if n > uint64(len(g.shape)+g.left()) {
		g.fail(errShort)
		return
	}
	if v.IsValid() {
		v.Set(reflect.MakeSlice(v.Type(), 0, min(int(n), 64)))
	}
	for i := range int(n) {
		if g.err != nil {
			return
		}
		if !v.IsValid() {
			g.put(elem, v)
			continue
		}
		if i == v.Cap() {
			v.Grow(min(int(n)-i, i))
		}
		v.SetLen(i + 1)
		g.put(elem, v.Index(i))
	}
}
