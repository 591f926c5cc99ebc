package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"hairpin/engine/capture"
)

// captureSome begins a capture, sends packets through it, and returns what came of it until it has as many records.
func captureSome(t *testing.T, n Node, r CaptureRequest, records int, send func()) []CaptureRecord {
	t.Helper()
	id, err := n.Capture(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	send()
	var list []CaptureRecord
	until(t, n, "everything was captured", func(*State) bool {
		c, err := n.Captured(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c.Records...)
		return len(list) >= records
	})
	if err := n.EndCapture(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Captured(t.Context(), id); !errors.Is(err, ErrInvalid) {
		t.Errorf("a capture that was ended: %v", err)
	}
	return list
}

// TestCapture: both frames of what the filter says are captured, with what became of them, also of generations that come,
// and of an observer's; nothing is left behind.
func TestCapture(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), 0)
	const packets = 5
	list := captureSome(t, o, CaptureRequest{Filter: "vip web and tcp port 80"}, 4*packets, func() {
		w.send(t, "eth0", "10.99.0.1", packets)
		mustApply(t, o, setWeightOn(t, o, 50), 0)
		w.send(t, "eth0", "10.99.0.2", packets) // no VIP
		w.send(t, "eth0", "10.99.0.1", packets)
	})
	byPacket := map[uint64][]CaptureRecord{}
	for _, r := range list {
		byPacket[r.Packet] = append(byPacket[r.Packet], r)
	}
	if len(byPacket) != 2*packets {
		t.Errorf("%d packets, want %d", len(byPacket), 2*packets)
	}
	for _, pair := range byPacket {
		if len(pair) != 2 || pair[0].Point != capture.Came || pair[1].Point != capture.Left {
			t.Fatalf("%+v", pair)
		}
		came, left := pair[0], pair[1]
		if came.NIC != "eth0" || came.Hook != "xdp" || came.VIP != "web" || came.Verdict != "forward" || came.Reason != "forwarded" || came.Stage != "balancer" ||
			time.Since(came.Time).Abs() > time.Hour {
			t.Errorf("%+v", came)
		}
		if len(came.Frame) > came.Bytes || len(left.Frame)-len(came.Frame) != left.Bytes-came.Bytes || !strings.HasPrefix(left.Line(), "gue ") {
			t.Errorf("came %d of %d bytes, left %d of %d: %s", len(came.Frame), came.Bytes, len(left.Frame), left.Bytes, left.Line())
		}
	}
	until(t, o, "no capture is shown", func(s *State) bool { return len(s.Captures) == 0 })
	inside(t, o, func() {
		if o.captures.any() {
			t.Error("captures are left behind")
		}
	})
}

// TestCaptureEnds: by its bounds, when nobody reads it, and with the party that began it.
func TestCaptureEnds(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), 0)
	list := captureSome(t, o, CaptureRequest{Most: 3, Came: true}, 3, func() { w.send(t, "eth0", "10.99.0.1", 10) })
	if len(list) != 3 {
		t.Errorf("%d records, at most 3 were wanted", len(list))
	}
	id, err := o.Capture(t.Context(), CaptureRequest{})
	if err != nil {
		t.Fatal(err)
	}
	other := seat{o, ownConsole()}
	other.party.ID = 99
	if _, err := other.Captured(t.Context(), id); !errors.Is(err, ErrRefused) {
		t.Errorf("another party reads it: %v", err)
	}
	if err := other.EndCapture(t.Context(), id); !errors.Is(err, ErrInvalid) {
		t.Errorf("another party ends it: %v", err)
	}
	until(t, o, "it is shown", func(s *State) bool { return len(s.Captures) == 1 && s.Captures[0].ID == id })
	inside(t, o, func() { o.captures.at[0].read = time.Now().Add(-3 * CaptureLease) })
	until(t, o, "it ended, since nobody read it", func(s *State) bool { return len(s.Captures) == 0 })
}

// TestCaptureRefused: what cannot be is said before anything is done.
func TestCaptureRefused(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), 0)
	for _, row := range []struct {
		r    CaptureRequest
		says string
	}{
		{CaptureRequest{Filter: "tcp prot 80"}, "filter: column"},
		{CaptureRequest{Filter: "vip none"}, "vip none: there is no VIP of this name"},
		{CaptureRequest{Filter: "stage none"}, "stage none: no stage of this name"},
		{CaptureRequest{Filter: "reason none"}, "reason none: there is no reason of this name"},
		{CaptureRequest{NIC: "eth9"}, "nic eth9  has no chain"},
		{CaptureRequest{After: "none"}, "no stage none stands there"},
		{CaptureRequest{After: "balancer", Filter: "verdict drop"}, "filter: what it asks for is known only when"},
		{CaptureRequest{Snap: 5000}, "snap length: 5000 is not from 1 to 2048"},
		{CaptureRequest{For: 2 * time.Hour}, "time: 2h0m0s"},
	} {
		if _, err := o.Capture(t.Context(), row.r); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%+v: %v", row.r, err)
		}
	}
	looker := seat{o, ownConsole()}
	looker.party.Barred = "it may only look"
	if _, err := looker.Capture(t.Context(), CaptureRequest{}); !errors.Is(err, ErrRefused) {
		t.Errorf("one who may only look captures: %v", err)
	}
	for range peoplesCaptures {
		if _, err := o.Capture(t.Context(), CaptureRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.Capture(t.Context(), CaptureRequest{}); !errors.Is(err, ErrRefused) {
		t.Errorf("one too many: %v", err)
	}
}

// TestRemoteCapture: it is the same over the socket, for those who may be armed.
func TestRemoteCapture(t *testing.T) {
	node, path := newFake(), socketPath(t)
	serve(t, path, node, uid(0))
	c := dial(t, path)
	if id, err := c.Capture(t.Context(), CaptureRequest{Filter: "tcp"}); id != 7 || err != nil {
		t.Errorf("%d %v", id, err)
	}
	got, err := c.Captured(t.Context(), 7)
	want, _ := node.Captured(t.Context(), 7)
	if err != nil || len(got.Records) != 1 || got.Status.Packets != 1 || got.Records[0].Comment() != want.Records[0].Comment() ||
		!slices.Equal(got.Records[0].Frame, want.Records[0].Frame) || !got.Records[0].Time.Equal(want.Records[0].Time) {
		t.Errorf("%+v %v", got, err)
	}
	if err := c.EndCapture(t.Context(), 7); err != nil {
		t.Error(err)
	}
	others := socketPath(t)
	serve(t, others, node, uid(stranger))
	node.forget()
	if _, err := dial(t, others).Capture(t.Context(), CaptureRequest{}); !errors.Is(err, ErrRefused) {
		t.Errorf("one who may only look: %v", err)
	}
	if calls := node.all(); len(calls) > 0 {
		t.Errorf("the node was asked %v", calls)
	}
}
