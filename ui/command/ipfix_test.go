package command

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/engine/capture"
	"hairpin/engine/ipfix"
	"hairpin/engine/packet"
)

// reign is the time of one engine: what it captures, and how that ends.
type reign struct {
	*fake
	records []engine.CaptureRecord
	over    func() error
	closed  bool
}

func (r *reign) Close() error {
	r.closed = true
	return nil
}

func (r *reign) Captured(_ context.Context, id int) (*engine.Captured, error) {
	c := &engine.Captured{Status: engine.CaptureStatus{ID: id}, Records: r.records}
	if r.records = nil; c.Records == nil {
		return c, r.over()
	}
	return c, nil
}

// line is the engines of a node, one after the other; nil: for a while there is none.
type line struct {
	*fake
	reigns []*reign
}

func (l *line) dial(context.Context, engine.Paths) (engine.Node, error) {
	r := l.reigns[0]
	if l.reigns = l.reigns[1:]; r == nil {
		return nil, engine.ErrNoOwner
	}
	return r, nil
}

// messages keeps what is written, by calls.
type messages [][]byte

func (m *messages) Write(b []byte) (int, error) {
	*m = append(*m, bytes.Clone(b))
	return len(b), nil
}

// ended is a flow of one packet that is over.
func ended(last byte) []engine.CaptureRecord {
	frame := packet.Build(packet.Eth{}, packet.IPv4{Src: netip.AddrFrom4([4]byte{198, 51, 100, last})}, packet.TCP{Flags: "FA"})
	return []engine.CaptureRecord{{Time: noon, Packet: 1, Point: capture.Came, NIC: "eth0", Hook: "xdp", OneIn: 1, Bytes: len(frame), Frame: frame}}
}

// TestFlowsGoOn: where an engine ends, its flows are told, and those of the next one with the sequence numbers behind them, so that a
// collector sees neither a loss nor a restart.
func TestFlowsGoOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	node, err := fakes("balanced", &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	first := &reign{fake: node, records: ended(1), over: func() error { return fmt.Errorf("captured: %w", engine.ErrNoOwner) }}
	second := &reign{fake: node, records: ended(2), over: func() error { cancel(); return nil }}
	var said bytes.Buffer
	now := noon
	x := &tree{Env: Env{Stderr: &said}, engines: &line{node, []*reign{first, nil, nil, second}},
		after: func(time.Duration) <-chan time.Time {
			c := make(chan time.Time, 1)
			c <- now
			return c
		},
		now: func() time.Time {
			now = now.Add(1100 * time.Millisecond)
			return now
		}}
	var sent messages
	if err := x.exportFlows(ctx, engine.CaptureRequest{Came: true, OneIn: 1}, ipfix.NewExporter(&sent, observationDomain, 1)); err != nil {
		t.Fatal(err)
	}
	var sequence []uint32
	for _, m := range sent {
		sequence = append(sequence, binary.BigEndian.Uint32(m[8:]))
	}
	if want := []uint32{0, 0, 3, 4}; fmt.Sprint(sequence) != fmt.Sprint(want) { // templates, three options, and a flow of each engine
		t.Errorf("messages with sequence numbers %d, want %d", sequence, want)
	}
	for i, last := range []byte{1, 2} {
		if m := sent[min(2+i, len(sent)-1)]; !bytes.Contains(m, []byte{198, 51, 100, last}) {
			t.Errorf("message %d is not of 198.51.100.%d", 2+i, last)
		}
	}
	if !first.closed || !second.closed || !strings.Contains(said.String(), "waiting for the next engine") || !strings.Contains(said.String(), "2 records in 4 messages; 0 records not sent") {
		t.Errorf("closed %t %t, said %s", first.closed, second.closed, &said)
	}
}

// TestFlowsRefused: an engine that begins no capture is no reason to wait for another.
func TestFlowsRefused(t *testing.T) {
	node, err := fakes("balanced", &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	x := &tree{Env: Env{Stderr: &bytes.Buffer{}}, engines: &line{node, []*reign{{fake: node}}}, after: time.After, now: time.Now}
	err = x.exportFlows(t.Context(), engine.CaptureRequest{Filter: "nonsense ("}, ipfix.NewExporter(&messages{}, observationDomain, 1))
	if err == nil || errors.Is(err, engine.ErrNoOwner) {
		t.Errorf("%v", err)
	}
}
