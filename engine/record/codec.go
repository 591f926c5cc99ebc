package record

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"time"
)

// encoder writes values of one type, each as what is different from the one before.
type encoder struct {
	schema  *node
	before  []leaves // by section: a field of the type; empty before the first value
	at      time.Time
	now     leaves
	plain   []byte
	packed  bytes.Buffer
	deflate *flate.Writer
}

func newEncoder(schema *node) *encoder {
	w, _ := flate.NewWriter(io.Discard, flate.BestSpeed) // a level that exists
	return &encoder{schema: schema, before: make([]leaves, len(schema.Parts)), deflate: w}
}

// forget makes the next value stand for itself.
func (e *encoder) forget() { e.before, e.at = make([]leaves, len(e.schema.Parts)), time.Time{} }

// encode is v, as it was at a time, in bytes that are good until the next call.
func (e *encoder) encode(at time.Time, v reflect.Value) ([]byte, error) {
	elapsed := time.Duration(0)
	if !e.at.IsZero() {
		elapsed = at.Sub(e.at)
	}
	e.plain = binary.AppendVarint(e.plain[:0], int64(elapsed))
	for i, section := range e.schema.Parts {
		e.now.reset()
		if err := e.now.take(section, v.FieldByIndex(section.index)); err != nil {
			return nil, fmt.Errorf("%s: %w", section.Name, err)
		}
		old := &e.before[i]
		before := old.numbers
		if bytes.Equal(old.shape, e.now.shape) {
			e.plain = append(e.plain, 0)
		} else {
			before = nil
			e.plain = binary.AppendUvarint(e.plain, uint64(len(e.now.shape)))
			e.plain = append(e.plain, e.now.shape...)
		}
		for j, n := range e.now.numbers {
			e.plain = binary.AppendVarint(e.plain, difference(n, expect(e.now.numbers[:j], before, e.now.kinds[j], elapsed), e.now.kinds[j]))
		}
		e.now, *old = *old, e.now
	}
	e.at = at
	e.packed.Reset()
	e.deflate.Reset(&e.packed)
	_, err := e.deflate.Write(e.plain)
	err = errors.Join(err, e.deflate.Close())
	return e.packed.Bytes(), err
}

// expect is what the next number after those of now will most likely be.
func expect(now, before []uint64, k int16, elapsed time.Duration) uint64 {
	i := len(now)
	if i >= len(before) {
		return 0
	}
	if k <= real {
		return before[i]
	}
	grown := int64(now[i-int(k)] - before[i-int(k)])
	if grown < 0 || elapsed <= 0 {
		return 0
	}
	return uint64(math.Float32bits(float32(float64(grown) / elapsed.Seconds())))
}

// difference is what restore makes n of again.
func difference(n, expected uint64, k int16) int64 {
	if k == whole {
		return int64(n - expected)
	}
	return int64(n) - int64(expected) // both are 32 bits long
}

// decoder reads what an encoder wrote, from its first value on.
type decoder struct {
	schema *node // as it was written by, bound to the reader's type
	before []leaves
	first  bool
}

func newDecoder(schema *node) *decoder {
	return &decoder{schema: schema, before: make([]leaves, len(schema.Parts)), first: true}
}

// maxValue bounds a value in bytes, before it is packed.
const maxValue = 64 << 20

// decode reads the next value into v, or only past it where v is invalid.
func (d *decoder) decode(packed []byte, v reflect.Value) error {
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxValue+1))
	switch {
	case err != nil:
		return fmt.Errorf("unpack: %w", err)
	case len(plain) > maxValue:
		return fmt.Errorf("a value of more than %d bytes", maxValue)
	}
	elapsed, n := binary.Varint(plain)
	if n <= 0 {
		return errShort
	}
	plain = plain[n:]
	for i, section := range d.schema.Parts {
		var to reflect.Value
		if v.IsValid() && section.index != nil {
			to = v.FieldByIndex(section.index)
		}
		if plain, err = d.section(section, &d.before[i], plain, time.Duration(elapsed), to); err != nil {
			return fmt.Errorf("%s: %w", section.Name, err)
		}
	}
	if len(plain) > 0 {
		return errors.New("a value goes on after its parts")
	}
	return nil
}

// section reads one section and leaves what follows it.
func (d *decoder) section(n *node, old *leaves, plain []byte, elapsed time.Duration, to reflect.Value) (rest []byte, err error) {
	size, k := binary.Uvarint(plain)
	if k <= 0 || size > uint64(len(plain)-k) {
		return nil, errShort
	}
	plain = plain[k:]
	before := old.numbers
	if size > 0 {
		old.shape, before, plain = slices.Clone(plain[:size]), nil, plain[size:]
	}
	now := make([]uint64, 0, len(old.numbers))
	g := gather{shape: old.shape, left: func() int { return len(plain) }}
	g.numbers = func(kind int16) uint64 {
		diff, k := binary.Varint(plain)
		if k <= 0 || int(kind) > len(now) {
			g.fail(errShort)
			return 0
		}
		plain = plain[k:]
		v := uint64(diff) + expect(now, before, kind, elapsed)
		if kind != whole {
			v &= math.MaxUint32
		}
		now = append(now, v)
		return v
	}
	g.put(n, to)
	if g.err == nil && len(g.shape) > 0 {
		g.err = errors.New("a shape goes on after its parts")
	}
	old.numbers = now
	return plain, g.err
}
