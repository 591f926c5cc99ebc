package packet

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// The functions below return a changed copy; positions beyond the packet panic as an index does.

// Truncate is the first n bytes of b.
func Truncate(b []byte, n int) []byte { return slices.Clone(b[:n]) }

// Flip is b with all bits of the byte at position at inverted.
func Flip(b []byte, at int) []byte { return Set(b, at, ^b[at]) }

// Set is b with the bytes at position at and after it replaced by values.
func Set(b []byte, at int, values ...byte) []byte {
	c := slices.Clone(b)
	copy(c[at:at+len(values)], values)
	return c
}

// Set16 is b with the two bytes at position at replaced by v, big endian.
func Set16(b []byte, at int, v uint16) []byte {
	return Set(b, at, binary.BigEndian.AppendUint16(nil, v)...)
}

// Pad is b followed by zeros up to n bytes, as Ethernet fills up frames shorter than 60 bytes. A longer b stays.
func Pad(b []byte, n int) []byte {
	return append(slices.Clone(b), make([]byte, max(0, n-len(b)))...)
}

// Diff is empty when got and want are the same bytes; else it says in a few lines where they differ and what both are.
func Diff(got, want []byte) string {
	if slices.Equal(got, want) {
		return ""
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d bytes, want %d; first difference at byte %d\n", len(got), len(want), at)
	fmt.Fprintf(&text, "got  %s\nwant %s\n", describe(got), describe(want))
	for row := at / 16 * 16; row < max(len(got), len(want)) && row < at+64; row += 16 {
		fmt.Fprintf(&text, "%04x got  % x\n     want % x\n", row, line(got, row), line(want, row))
	}
	return text.String()
}

// line is the up to 16 bytes of b from position from.
func line(b []byte, from int) []byte {
	return b[min(from, len(b)):min(from+16, len(b))]
}

// describe is the summary of a frame and what is wrong with it.
func describe(frame []byte) string {
	s, err := Parse(frame)
	if err != nil {
		return s.String() + " (" + err.Error() + ")"
	}
	return s.String()
}
