package engine

import (
	"fmt"
	"io"
	"time"

	"hairpin/engine/packet"
	"hairpin/engine/spec"
	"hairpin/engine/trace"
)

// MostTraced is how many frames one request may have.
const MostTraced = 1000

// tracedWhole is how many packets of a request are shown with every step.
const tracedWhole = 64

// TraceRequest asks what becomes of packets in the chains of this node. Nothing is changed, counted or sent for it.
type TraceRequest struct {
	Packet  string   // one packet as text, such as TraceExample, or in hexadecimal; "ssh": the SSH sessions of whoever asks; "flows": what was sampled in the last minute
	Frames  [][]byte // instead of it: whole frames from the Ethernet header on, at most MostTraced
	NIC     string   // by which they come; empty: the one that such packets come by
	Hook    string   // xdp, tcx_ingress, tcx_egress; empty: what comes first, and where that lets them pass what comes behind
	On      TraceOn
	Against *TraceOn // also by this, to see what differs
	Brief   bool     // verdicts alone
}

// TraceOn is by what packets are judged. The zero value is what runs now. At most one of these is not zero.
type TraceOn struct {
	Spec      *spec.Spec // as if it were applied now; ErrRefused to those who may change nothing
	Change    int        // the spec of that change of the history, as if it were applied now; ErrRefused to the same
	Confirmed bool       // what the node goes back to if the running generation is not confirmed
}

// Trace is what becomes of packets.
type Trace struct {
	Time    time.Time `json:"time"`
	On      string    `json:"on"`                // by what, in words
	Against string    `json:"against,omitempty"` // empty: by nothing else
	Packets []Traced  `json:"packets"`
}

// Traced is one packet.
type Traced struct {
	Packet  string        `json:"packet"` // in a line
	Frame   []byte        `json:"frame,omitempty"`
	Now     TraceOutcome  `json:"outcome"`           // by Trace.On
	Then    *TraceOutcome `json:"against,omitempty"` // by Trace.Against
	Differs string        `json:"differs,omitempty"` // what is another then; empty = nothing
}

// What a trace tells of one packet by one spec; see package trace.
type (
	TraceOutcome = trace.Outcome
	TraceStep    = trace.Step
	TraceFact    = trace.Fact
)

// TraceExample is a packet as a TraceRequest names it.
const TraceExample = trace.Example

// CheckPacket says what is wrong with the text of a packet.
func CheckPacket(text string) error {
	if text == tracedSessions || text == tracedFlows {
		return nil
	}
	_, err := trace.Parse(text)
	return err
}

// Words that name several packets: of SSH sessions, and one of each connection that was sampled in the last minute.
const (
	tracedSessions = "ssh"
	tracedFlows    = "flows"
)

func (r TraceRequest) check() error {
	switch {
	case (r.Packet == "") == (len(r.Frames) == 0):
		return fmt.Errorf("%w: it names one packet, or has frames", ErrInvalid)
	case len(r.Frames) > MostTraced:
		return fmt.Errorf("%w: %d packets, at most %d at a time", ErrInvalid, len(r.Frames), MostTraced)
	}
	for _, on := range []*TraceOn{&r.On, r.Against} {
		if on != nil && (on.Spec != nil && (on.Change != 0 || on.Confirmed) || on.Change != 0 && on.Confirmed) {
			return fmt.Errorf("%w: a spec, a change and what is confirmed are three things: name one", ErrInvalid)
		}
	}
	return nil
}

// beside tells whether something must be written beside what runs.
func (on *TraceOn) beside() bool { return on != nil && (on.Spec != nil || on.Change != 0) }

// ReadFrames are the frames of a capture file, pcap or pcapng, for TraceRequest.Frames: at most that many, and whether there
// are more.
func ReadFrames(r io.Reader, most int) (frames [][]byte, more bool, err error) {
	return packet.ReadCapture(r, most)
}
