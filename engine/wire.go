package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// protocol names the form of what follows. Both sides must speak the same: they come from the same binary, and one that
// was replaced on disk is the case in which they do not.
const protocol = 2

// Bounds of one frame, in bytes, and of the time in which its reader must take it or its writer complete it.
const (
	maxHello  = 4 << 10
	maxCall   = 8 << 20
	maxNews   = 64 << 20
	frameTime = 10 * time.Second
)

// A frame is the length of a JSON document, four bytes, most significant first, and the document.

// hello is the first frame in each direction.
type hello struct {
	Protocol int
	Refused  string `json:",omitempty"` // why the server hangs up

	Party  uint64 `json:",omitempty"` // the number of this connection; see Armed
	Barred string `json:",omitempty"` // why it may change nothing; empty = it may, once it is armed
}

// call is a frame from a client that asks for something.
type call struct {
	ID       uint64
	Verb     verb
	Spec     string        `json:",omitempty"` // YAML
	Revision string        `json:",omitempty"`
	Deadline time.Duration `json:",omitempty"`
	Why      string        `json:",omitempty"`
	Number   int           `json:",omitempty"` // of a change
	Force    bool          `json:",omitempty"`
	Share    bool          `json:",omitempty"`
	Binary   string        `json:",omitempty"`
	From     time.Time     `json:",omitzero"`
	To       time.Time     `json:",omitzero"`
	Socket   string        `json:",omitempty"`
	VIP      string        `json:",omitempty"`
	Back     bool          `json:",omitempty"`
	Trace    *wireTrace    `json:",omitempty"`

	Capture     *CaptureRequest     `json:",omitempty"`
	Connections *ConnectionsRequest `json:",omitempty"`
	Fleet       *FleetRequest       `json:",omitempty"`
}

// verb is what a call asks for. Whatever is not said in needs to ask for less, only the armed may call.
type verb string

const (
	verbArm     verb = "arm"
	verbDisarm  verb = "disarm"
	verbPlan    verb = "plan"
	verbApply   verb = "apply"
	verbWatch   verb = "watch costs"
	verbConfirm verb = "confirm"
	verbDetach  verb = "detach"
	verbHistory verb = "history"
	verbPast    verb = "past"
	verbHandoff verb = "hand over"
	verbDrain   verb = "drain"
	verbAccept  verb = "accept"

	verbAt       verb = "at"
	verbTimeline verb = "timeline"
	verbTrace    verb = "trace"

	verbCapture    verb = "capture"
	verbCaptured   verb = "captured"
	verbEndCapture verb = "end capture"

	verbConnections verb = "connections"

	verbFleet       verb = "fleet"
	verbFleetChange verb = "change the fleet"
)

// news is a frame from the server: one of its parts.
type news struct {
	Answer *answer      `json:",omitempty"`
	Spec   *string      `json:",omitempty"` // YAML of the spec in the pictures that follow; "" = none
	Shown  *shownState  `json:",omitempty"`
	Fault  *remoteFault `json:",omitempty"` // why there is no picture of the newest state
}

// answer belongs to the call of the same number.
type answer struct {
	ID      uint64
	Plan    *Plan        `json:",omitempty"`
	Applied *Applied     `json:",omitempty"`
	Changes []Change     `json:",omitempty"`
	Shown   *shownState  `json:",omitempty"` // of another time, with its Spec
	Axis    *Timeline    `json:",omitempty"`
	Trace   *Trace       `json:",omitempty"`
	Spec    string       `json:",omitempty"` // YAML
	Fault   *remoteFault `json:",omitempty"`

	Number   int       `json:",omitempty"` // of a capture
	Captured *Captured `json:",omitempty"` // with its records apart
	Packed   []byte    `json:",omitempty"`

	Connections *Connections `json:",omitempty"`
	Fleet       *FleetAnswer `json:",omitempty"`
}

// shownState is a State without its spec, which travels only when it changed, and with its histories apart: as text
// they would be most of it, and most of the work.
type shownState struct {
	State     State
	Histories []byte // of all that have one, in the order of histories: count and values, four bytes each
}

// show is s as it travels. What is no number is an error: nobody could draw it.
func show(s *State) (*shownState, error) {
	w := &shownState{State: *s}
	w.State.Spec = nil
	w.State.NICs, w.State.Reasons, w.State.VIPs = slices.Clone(s.NICs), slices.Clone(s.Reasons), slices.Clone(s.VIPs)
	for i := range s.NICs {
		w.State.NICs[i].Reasons = slices.Clone(s.NICs[i].Reasons)
	}
	for i := range s.VIPs {
		w.State.VIPs[i].Backends = slices.Clone(s.VIPs[i].Backends)
	}
	finite := true
	histories(&w.State, func(h *[]float64) {
		w.Histories = binary.LittleEndian.AppendUint32(w.Histories, uint32(len(*h)))
		for _, v := range *h {
			finite = finite && math.Abs(v) <= math.MaxFloat32
			w.Histories = binary.LittleEndian.AppendUint32(w.Histories, math.Float32bits(float32(v)))
		}
		*h = nil
	})
	if !finite {
		return nil, errors.New("a history holds what is not a number")
	}
	return w, nil
}

// state is what show was given, but for the spec.
func (w *shownState) state() (*State, error) {
	s, left, short := w.State, w.Histories, false
	next := func() (v uint32) {
		if len(left) < 4 {
			short = true
			return 0
		}
		v, left = binary.LittleEndian.Uint32(left), left[4:]
		return v
	}
	histories(&s, func(h *[]float64) {
		n := int(next())
		if n > len(left)/4 {
			short = true
			return
		}
		if n > 0 {
			*h = make([]float64, n)
		}
		for i := range *h {
			(*h)[i] = float64(math.Float32frombits(next()))
		}
	})
	if short || len(left) > 0 {
		return nil, errors.New("read state: its histories do not fit its rows")
	}
	return &s, nil
}

// histories calls f with each history in s, always in the same order.
func histories(s *State, f func(*[]float64)) {
	for i := range s.NICs {
		f(&s.NICs[i].History)
		for j := range s.NICs[i].Reasons {
			f(&s.NICs[i].Reasons[j].History)
		}
	}
	for i := range s.Reasons {
		f(&s.Reasons[i].History)
	}
	for i := range s.VIPs {
		f(&s.VIPs[i].History)
		for j := range s.VIPs[i].Backends {
			f(&s.VIPs[i].Backends[j].History)
		}
	}
}

// remoteFault is an error as it travels.
type remoteFault struct {
	Text string
	Is   []string `json:",omitempty"` // the sentinels that it wraps
}

// sentinels are the errors that keep their meaning on the way. The names are part of the protocol.
func sentinels() map[string]error {
	return map[string]error{
		"no owner": ErrNoOwner, "stale": ErrStale, "refused": ErrRefused, "unsafe": ErrUnsafe,
		"invalid": ErrInvalid, "late": ErrLate,
	}
}

func faultOf(err error) *remoteFault {
	if err == nil {
		return nil
	}
	f := &remoteFault{Text: err.Error()}
	for name, sentinel := range sentinels() {
		if errors.Is(err, sentinel) {
			f.Is = append(f.Is, name)
		}
	}
	return f
}

// remoteError is an error that came over the socket.
type remoteError struct {
	text string
	is   []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.is }

func (f *remoteFault) err() error {
	if f == nil {
		return nil
	}
	e := &remoteError{text: f.Text}
	for _, name := range f.Is {
		if sentinel, ok := sentinels()[name]; ok {
			e.is = append(e.is, sentinel)
		}
	}
	return e
}

// frame is v ready to be sent.
func frame(v any) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, 4))
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(b.Bytes(), uint32(b.Len()-4))
	return b.Bytes(), nil
}

// deadliner is the part of a connection that bounds a read.
type deadliner interface {
	io.Reader
	SetReadDeadline(time.Time) error
}

// receive waits for a frame of at most limit bytes and reads it into v. Once it has begun it must be complete in time.
// Memory is taken as bytes come, not as they are announced.
func receive(c deadliner, limit int, patience time.Duration, v any) error {
	var length [4]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(length[:])
	if int64(n) > int64(limit) {
		return fmt.Errorf("a message of %d bytes, the limit is %d", n, limit)
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, c, int64(n)); err != nil {
		return err
	}
	if err := json.Unmarshal(b.Bytes(), v); err != nil {
		return fmt.Errorf("a message that cannot be read: %w", err)
	}
	return c.SetReadDeadline(time.Time{})
}
