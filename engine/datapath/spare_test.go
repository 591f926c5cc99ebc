package datapath

import (
	"os"
	"testing"
	"time"
)

const largeRings = `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips: [{name: web, addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 131071, backends: [{address: 10.1.1.1}, {address: 10.1.1.2}]}]
`

// TestSpareSegment: while changes are made a segment is ready before it is needed, where only this process knows of it, and
// it is given back when they end.
func TestSpareSegment(t *testing.T) {
	t.Parallel()
	n := newNode(t, largeRings)
	weight := uint32(1)
	change := func() {
		weight++
		n.setWeight(t, "web", "10.1.1.2", weight)
		if err := n.Spare(); err != nil {
			t.Fatal(err)
		}
	}
	untilReady := func() {
		t.Helper()
		for range 10 * SegmentSlots / 131071 {
			if change(); n.spare != nil {
				return
			}
		}
		t.Fatal("no segment is ready")
	}
	untilReady()
	there, id := n.there(), n.spare.id
	if _, err := os.Stat(n.pin("maps", segmentPin(there))); !os.IsNotExist(err) {
		t.Errorf("the spare segment is pinned: %v", err)
	}
	if n.inStore("rings", there, id) {
		t.Error("packets find the spare segment")
	}
	for range 10 {
		if change(); n.there() > there {
			break
		}
	}
	if !n.inStore("rings", there, id) {
		t.Errorf("%d segments, were %d, and the spare one is none of them", n.there(), there)
	}
	n.forwards(t, n.clients("web", 100))

	untilReady()
	n.Retire()
	if n.spare == nil {
		t.Error("it is given back while changes are made")
	}
	n.staged -= uint64(spareFor + time.Second)
	n.Retire()
	if n.spare != nil {
		t.Error("it is kept at rest")
	}
	n.forwards(t, n.clients("web", 200)[100:])
}

// forwards sends packets of new flows, each of which must reach the backend that the plan says.
func (n *node) forwards(t *testing.T, all []*client) {
	t.Helper()
	for _, c := range all {
		if got := c.connect(t); got != c.ring(t) {
			t.Errorf("%v went to %v, want %v", c, got, c.ring(t))
		}
	}
}

// TestFailedChangesHoldNoRings: what was taken for a change that came to nothing is free for others.
func TestFailedChangesHoldNoRings(t *testing.T) {
	t.Parallel()
	n := newNode(t, largeRings)
	there := n.there()
	n.setWeight(t, "web", "10.1.1.2", 7)
	for range 100 * SegmentSlots / 131071 {
		n.beginRings()
		if _, err := n.putRing(make([]uint16, 131071)); err != nil {
			t.Fatal(err)
		}
	}
	if n.there() != there {
		t.Errorf("%d segments, were %d", n.there(), there)
	}
	n.forwards(t, n.clients("web", 100))
}
