package ipfix

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	messageVersion = 10
	headerLength   = 16
	mostMessage    = 1400 // bytes: more may not fit into the path's MTU with IPv6 and a tunnel
	// templatesEvery is how often a collector is told again what records look like: it may have started later.
	templatesEvery = 30 * time.Second
)

// Exporter writes records as messages, a Write each, to a collector. It belongs to one goroutine.
type Exporter struct {
	out    io.Writer
	domain uint32
	oneIn  uint32
	told   time.Time // when templates were sent last
	next   uint32    // sequence number: of records sent before

	Messages uint64
	Records  uint64 // of flows
	Ignored  uint64 // packets that were no flow's, or of which no copy came; whoever has them adds
	Unsent   uint64 // records whose message could not be sent
}

// NewExporter writes to out for an observation domain, of one in oneIn packets.
func NewExporter(out io.Writer, domain, oneIn uint32) *Exporter {
	return &Exporter{out: out, domain: domain, oneIn: max(oneIn, 1)}
}

// Export sends records, and before them what they look like, where that is due. An error is that of the last message that
// could not be sent; the others are.
func (e *Exporter) Export(now time.Time, records []Record) error {
	var failed error
	if e.told.IsZero() || now.Sub(e.told) >= templatesEvery {
		if failed = e.tell(now); failed == nil {
			e.told = now
		}
	}
	for number := uint16(template4); number <= both6; number++ {
		if err := e.exportAll(now, number, records); err != nil {
			failed = err
		}
	}
	return failed
}

// exportAll sends those of one template, in as many messages as it takes.
func (e *Exporter) exportAll(now time.Time, number uint16, records []Record) (failed error) {
	list := elementsOf(number)
	var data []byte
	n := 0
	flush := func() {
		if n == 0 {
			return
		}
		if err := e.send(now, set(number, data), n); err != nil {
			failed, e.Unsent = err, e.Unsent+uint64(n)
		} else {
			e.Records += uint64(n)
		}
		data, n = nil, 0
	}
	for i := range records {
		if templateOf(&records[i]) != number {
			continue
		}
		if data, n = encode(data, list, &records[i]), n+1; len(data)+size(list) > mostMessage-headerLength-4 {
			flush()
		}
	}
	flush()
	return failed
}

func elementsOf(number uint16) []element {
	return elements(number == template6 || number == both6, number >= both4)
}

func size(list []element) (n int) {
	for _, e := range list {
		n += int(e.length)
	}
	return n
}

func encode(b []byte, list []element, r *Record) []byte {
	for _, e := range list {
		b = e.put(b, r)
	}
	return b
}

// tell sends all templates, and what the options say now.
func (e *Exporter) tell(now time.Time) error {
	var flows, about []byte
	for number := uint16(template4); number <= both6; number++ {
		flows = append(flows, describe(number, elementsOf(number), 0)...)
	}
	var data []byte
	for _, number := range []uint16{templateSampling, templateRate, templateCounts} {
		list := options(number, e)
		about = append(about, describe(number, list, 1)...)
		data = append(data, set(number, encode(nil, list, nil))...)
	}
	if err := e.send(now, append(set(setTemplates, flows), set(setOptions, about)...), 0); err != nil {
		return err
	}
	return e.send(now, data, 3)
}

// set is a set with its header.
func set(number uint16, content []byte) []byte {
	b := append(be16(number), be16(uint16(4+len(content)))...)
	return append(b, content...)
}

// send writes one message with that many data records.
func (e *Exporter) send(now time.Time, sets []byte, records int) error {
	b := make([]byte, headerLength, headerLength+len(sets))
	binary.BigEndian.PutUint16(b, messageVersion)
	binary.BigEndian.PutUint16(b[2:], uint16(headerLength+len(sets)))
	binary.BigEndian.PutUint32(b[4:], uint32(now.Unix()))
	binary.BigEndian.PutUint32(b[8:], e.next)
	binary.BigEndian.PutUint32(b[12:], e.domain)
	b = append(b, sets...)
	e.next += uint32(records) // also of what is lost, so that the collector sees that it is
	n, err := e.out.Write(b)
	if err == nil && n < len(b) {
		err = errors.New("short write")
	}
	if err != nil {
		return fmt.Errorf("send flows: %w", err)
	}
	e.Messages++
	return nil
}
