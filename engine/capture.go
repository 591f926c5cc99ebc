package engine

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"hairpin/engine/capture"
	"hairpin/engine/datapath"
	"hairpin/engine/filter"
)

// CaptureRequest asks for copies of packets. What is zero has a default.
type CaptureRequest struct {
	NIC    string // and its hook; empty = every chain
	Hook   string
	Filter string        // in the language of package filter, with outer, inner, backend, stage, verdict and reason; empty = every packet
	Came   bool          // frames as they come into the chain
	Left   bool          // and as they leave it. Neither, and no After: both
	After  string        // and as they are behind this stage, where they pass it
	OneIn  int           // of so many packets one is looked at; default all
	Snap   int           // bytes of a frame, up to MaxSnap; default the headers alone
	Most   uint64        // packets; default DefaultCapture
	Bytes  uint64        // of what is kept of them; default DefaultCaptureBytes
	For    time.Duration // default DefaultCaptureTime
}

// Bounds of a capture, and what they are unless somebody says otherwise.
const (
	MaxSnap             = datapath.CaptureSnap
	DefaultCapture      = 10_000
	MaxCapture          = 10_000_000
	DefaultCaptureBytes = 16 << 20
	MaxCaptureBytes     = 256 << 20
	DefaultCaptureTime  = time.Minute
	MaxCaptureTime      = time.Hour
	maxOneIn            = 1_000_000

	// CaptureLease is how long a capture goes on after it was read last. The kernel ends it then, whoever else is gone.
	CaptureLease = 5 * time.Second
)

// CaptureRecord is one frame that was captured; see package capture.
type CaptureRecord = capture.Record

// Captured is what a capture took since it was asked last.
type Captured struct {
	Status  CaptureStatus
	Records []CaptureRecord
}

// CaptureStatus is a capture as all see it.
type CaptureStatus struct {
	ID      int
	Who     string
	Filter  string // in its canonical form; empty = every packet
	Where   string // NIC, hook and points, in words
	OneIn   int
	Snap    int // 0 = the headers
	Began   time.Time
	Until   time.Time // at the latest
	Most    uint64
	MostOf  uint64  // bytes
	Packets uint64  // records that were taken
	Bytes   uint64  // of what is kept of them
	Lost    uint64  // records for which there was no room in the ring buffer, or with its reader
	Torn    uint64  // packets that another one overtook on the same CPU, and that are in no capture
	Seen    uint64  // packets that came by
	NS      float64 // that looking costs a packet that comes by, the mean so far; 0 = not known yet
	Over    string  // why nothing more will come; empty: it goes on
}

const captureWords = filter.Packet | filter.VIP | filter.Backend | filter.Stage | filter.Verdict | filter.Reason | filter.Layers

// CheckCaptureFilter says what is wrong with a filter, as far as that can be said without a node.
func CheckCaptureFilter(text string) error {
	if text == "" {
		return nil
	}
	_, err := filter.Parse(text, captureWords)
	return err
}

// Check says what is wrong with a request, as far as that can be said without a node.
func (r CaptureRequest) Check() error {
	_, _, err := r.complete()
	return err
}

// complete is r with its defaults, and its filter; nil = every packet.
func (r CaptureRequest) complete() (CaptureRequest, *filter.Expr, error) {
	for _, n := range []struct {
		name       string
		is, from   uint64
		most, just uint64
	}{
		{"packets", r.Most, 1, MaxCapture, DefaultCapture},
		{"bytes", r.Bytes, 1, MaxCaptureBytes, DefaultCaptureBytes},
		{"snap length", uint64(r.Snap), 1, MaxSnap, 0},
		{"sample, one in", uint64(r.OneIn), 1, maxOneIn, 1},
		{"time", uint64(r.For), uint64(time.Millisecond), uint64(MaxCaptureTime), uint64(DefaultCaptureTime)},
	} {
		if n.is != 0 && (n.is < n.from || n.is > n.most) {
			if n.name == "time" {
				return r, nil, fmt.Errorf("time: %v, and at most %v go", r.For, MaxCaptureTime)
			}
			return r, nil, fmt.Errorf("%s: %d is not from %d to %d", n.name, int64(n.is), n.from, n.most)
		}
	}
	if hooks := []string{"", "xdp", "tcx_ingress", "tcx_egress", "clsact_ingress", "clsact_egress"}; !slices.Contains(hooks, r.Hook) {
		return r, nil, fmt.Errorf("hook: %q is none: xdp, tcx_ingress, tcx_egress", r.Hook)
	}
	r.Most, r.Bytes = cmp.Or(r.Most, DefaultCapture), cmp.Or(r.Bytes, DefaultCaptureBytes)
	r.OneIn, r.For = cmp.Or(r.OneIn, 1), cmp.Or(r.For, DefaultCaptureTime)
	if !r.Came && !r.Left && r.After == "" {
		r.Came, r.Left = true, true
	}
	if r.Filter == "" {
		return r, nil, nil
	}
	e, err := filter.Parse(r.Filter, captureWords)
	if err != nil {
		return r, nil, fmt.Errorf("filter: %w", err)
	}
	if r.After != "" && !e.Early() {
		return r, nil, fmt.Errorf("filter: what it asks for is known only when a packet has left the chain, and after %s it has not: "+
			"leave out outer, inner, backend, stage, verdict and reason, or the point after a stage", r.After)
	}
	r.Filter = e.String()
	return r, e, nil
}

// where is the points in words.
func (r CaptureRequest) where() string {
	text := cmp.Or(r.NIC, "all NICs")
	if r.Hook != "" {
		text += " " + r.Hook
	}
	switch {
	case r.Came && r.Left:
		text += ", before and after"
	case r.Came:
		text += ", before"
	case r.Left:
		text += ", after"
	}
	if r.After != "" {
		text += ", after " + r.After
	}
	return text
}
