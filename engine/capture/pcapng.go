package capture

import (
	"encoding/binary"
	"io"
)

// Writer writes records as pcapng (draft-ietf-opsawg-pcapng), each place as an interface of its own, with what became of
// the packet as a comment, the verdict, and a number that the records of one packet share.
type Writer struct {
	out    io.Writer
	places map[string]uint32
	buffer []byte
	err    error
}

// Blocks and options of pcapng.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 6

	optionComment     = 1
	sectionProgram    = 4
	interfaceName     = 2
	interfaceAbout    = 3
	interfaceUnit     = 9
	packetFlags       = 2
	packetNumber      = 5
	packetVerdict     = 7
	verdictOfTC       = 1
	verdictOfXDP      = 2
	flagsInbound      = 1
	flagsOutbound     = 2
	linkEthernet      = 1
	nanoseconds       = 9
	byteOrder         = 0x1a2b3c4d
	sectionLengthOpen = ^uint64(0)
)

// NewWriter begins a file that a program wrote.
func NewWriter(out io.Writer, program string) (*Writer, error) {
	w := &Writer{out: out, places: map[string]uint32{}}
	w.begin(blockSection)
	w.buffer = binary.LittleEndian.AppendUint32(w.buffer, byteOrder)
	w.buffer = append(w.buffer, 1, 0, 0, 0) // version 1.0
	w.buffer = binary.LittleEndian.AppendUint64(w.buffer, sectionLengthOpen)
	w.option(sectionProgram, []byte(program))
	w.end()
	return w, w.err
}

// Write adds a record. After an error every further one is the same.
func (w *Writer) Write(r *Record) error {
	place, known := w.places[r.Place()]
	if !known {
		place = uint32(len(w.places))
		w.places[r.Place()] = place
		w.newInterface(r)
	}
	at := uint64(r.Time.UnixNano())
	w.begin(blockPacket)
	for _, n := range []uint32{place, uint32(at >> 32), uint32(at), uint32(len(r.Frame)), uint32(r.Bytes)} {
		w.buffer = binary.LittleEndian.AppendUint32(w.buffer, n)
	}
	w.padded(r.Frame)
	if text := r.Comment(); text != "" {
		w.option(optionComment, []byte(text))
	}
	flags := uint32(flagsInbound)
	if r.Point == Left && r.Verdict == "forward" {
		flags = flagsOutbound
	}
	w.option(packetFlags, binary.LittleEndian.AppendUint32(nil, flags))
	w.option(packetNumber, binary.LittleEndian.AppendUint64(nil, r.Packet))
	if r.Verdict != "" {
		kind := byte(verdictOfXDP)
		if r.Hook != "xdp" {
			kind = verdictOfTC
		}
		w.option(packetVerdict, binary.LittleEndian.AppendUint64([]byte{kind}, uint64(int64(r.Code))))
	}
	w.end()
	return w.err
}

func (w *Writer) newInterface(r *Record) {
	w.begin(blockInterface)
	w.buffer = append(w.buffer, linkEthernet, 0, 0, 0, 0, 0, 0, 0) // no snap length
	w.option(interfaceName, []byte(r.Place()))
	w.option(interfaceAbout, []byte(r.Hook+" of "+r.NIC))
	w.option(interfaceUnit, []byte{nanoseconds})
	w.end()
}

func (w *Writer) begin(block uint32) {
	w.buffer = binary.LittleEndian.AppendUint32(w.buffer[:0], block)
	w.buffer = append(w.buffer, 0, 0, 0, 0)
}

// end closes the options and the block, and writes it.
func (w *Writer) end() {
	w.buffer = append(w.buffer, 0, 0, 0, 0)
	size := uint32(len(w.buffer) + 4)
	binary.LittleEndian.PutUint32(w.buffer[4:], size)
	w.buffer = binary.LittleEndian.AppendUint32(w.buffer, size)
	if w.err == nil {
		_, w.err = w.out.Write(w.buffer)
	}
}

func (w *Writer) option(code uint16, value []byte) {
	w.buffer = binary.LittleEndian.AppendUint16(w.buffer, code)
	w.buffer = binary.LittleEndian.AppendUint16(w.buffer, uint16(len(value)))
	w.padded(value)
}

// padded adds bytes up to a whole word.
func (w *Writer) padded(b []byte) {
	w.buffer = append(w.buffer, b...)
	for range -len(b) & 3 {
		w.buffer = append(w.buffer, 0)
	}
}
