package record

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"time"
)

// Head is what can be told of a value without reading it.
type Head struct {
	Time    time.Time
	Span    time.Duration // of time that the value stands for
	Numbers [4]float32    // for whoever draws an axis
}

// A frame is the length and the CRC-32C of what follows, four bytes each, and then a kind, the head, and what is in it.
// Numbers are least significant byte first.
const (
	frameStart = 8
	headSize   = 1 + 8 + 8 + 4*4
	maxFrame   = maxValue
)

// Kinds of frames. A segment is an opening, and then values, of which the first stands for itself, or notes.
const (
	opening = 'B'
	value   = 'V'
	note    = 'E'
)

var table = crc32.MakeTable(crc32.Castagnoli)

// frameOf is one frame.
func frameOf(kind byte, h Head, content []byte) ([]byte, error) {
	if len(content) > maxFrame-headSize {
		return nil, fmt.Errorf("%d bytes for one value, the limit is %d", len(content), maxFrame-headSize)
	}
	b := make([]byte, frameStart, frameStart+headSize+len(content))
	b = append(b, kind)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.Time.UnixNano()))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.Span))
	for _, n := range h.Numbers {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(n))
	}
	b = append(b, content...)
	binary.LittleEndian.PutUint32(b, uint32(len(b)-frameStart))
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[frameStart:], table))
	return b, nil
}

// errTorn says that a frame ends before it should, or is not what was written.
var errTorn = errors.New("torn")

// place is where a frame lies, by what its start says.
type place struct {
	Head
	kind byte
	at   int64
	size int64 // with its start
	sum  uint32
}

// look reads the start of the frame at an offset of a file of a size. io.EOF at the end.
func look(r io.ReaderAt, at, size int64) (p place, err error) {
	if at == size {
		return p, io.EOF
	}
	var b [frameStart + headSize]byte
	if _, err := r.ReadAt(b[:], at); err != nil {
		return p, errTorn
	}
	n := int64(binary.LittleEndian.Uint32(b[:]))
	if n < headSize || n > maxFrame || at+frameStart+n > size {
		return p, errTorn
	}
	p = place{at: at, size: frameStart + n, sum: binary.LittleEndian.Uint32(b[4:]), kind: b[frameStart]}
	p.Time = time.Unix(0, int64(binary.LittleEndian.Uint64(b[frameStart+1:])))
	p.Span = time.Duration(binary.LittleEndian.Uint64(b[frameStart+9:]))
	for i := range p.Numbers {
		p.Numbers[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[frameStart+17+4*i:]))
	}
	return p, nil
}

// content reads what is in a frame, if all of it is as it was written.
func (p place) content(r io.ReaderAt) ([]byte, error) {
	b := make([]byte, p.size-frameStart)
	if _, err := r.ReadAt(b, p.at+frameStart); err != nil {
		return nil, fmt.Errorf("%w: %w", errTorn, err)
	}
	if crc32.Checksum(b, table) != p.sum {
		return nil, errTorn
	}
	return b[headSize:], nil
}

// format is the number of what this file and codec.go write. Another schema is not another format.
const format = 1

// magic is how an opening begins, in front of its format's number.
const magic = "hairpin record "

// Origin says where a record is from.
type Origin struct {
	Node    string
	Version string // of the program that wrote it
}

// begin is what is in an opening.
type begin struct {
	Origin
	Schema *node
}

func (b begin) encode() ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s%d\n", magic, format)
	w, _ := flate.NewWriter(&out, flate.BestSpeed) // a level that exists
	err := errors.Join(json.NewEncoder(w).Encode(b), w.Close())
	return out.Bytes(), err
}

// Errors of a file that cannot be read as a record at all.
var (
	ErrNotRecord = errors.New("this is no record of hairpin's")
	ErrNewer     = errors.New("a later version of hairpin wrote this record")
)

const maxSchema = 1 << 20

func readBegin(content []byte) (b begin, err error) {
	line, rest, _ := bytes.Cut(content, []byte("\n"))
	number, ours := bytes.CutPrefix(line, []byte(magic))
	var n int
	if _, err := fmt.Sscanf(string(number), "%d", &n); !ours || err != nil {
		return b, ErrNotRecord
	}
	if n > format {
		return b, fmt.Errorf("%w: its format is %d, this version reads up to %d", ErrNewer, n, format)
	}
	if err := json.NewDecoder(io.LimitReader(flate.NewReader(bytes.NewReader(rest)), maxSchema)).Decode(&b); err != nil {
		return b, fmt.Errorf("%w: %w", ErrNotRecord, err)
	}
	if b.Schema == nil || b.Schema.Kind != group {
		return b, fmt.Errorf("%w: it has no schema", ErrNotRecord)
	}
	if err := b.Schema.check(0); err != nil {
		return b, fmt.Errorf("%w: %w", ErrNotRecord, err)
	}
	return b, nil
}
