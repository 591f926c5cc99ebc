package bench

import (
	"errors"
	"os"
	"testing"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/filter"
	"hairpin/engine/packet"
)

// What somebody looks at, by the places of captures: samples of all packets and of those that begin a connection, as the engine takes
// them at 4,000,000 packets a second, and a capture of a flow that does not come by.
var seen = [...]struct {
	filter string
	oneIn  int
}{{"", 1000}, {"tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn", 1000}, {"host 192.0.2.77 and tcp port 9", 1}}

// newSeen is a node with the whole chain on which everything is looked at at once: who talks, a capture, what stages cost, how clients
// fare, and which packets are dropped.
func newSeen(t *testing.T, bpffs, name string) *node {
	n := newWhole(t, bpffs, name, vipRate)
	n.Watch(true)
	drops, err := n.Events()
	if err != nil {
		t.Fatal(err)
	}
	go func() { // until it is closed
		for err := error(nil); err == nil; {
			_, err = drops.Read()
		}
	}()
	var captor *datapath.Captor
	for place, s := range seen {
		c := datapath.Capture{Points: datapath.PointCame | datapath.PointLeft, OneIn: s.oneIn, Most: 1 << 40, MostBytes: 1 << 60,
			Until: datapath.Monotonic() + uint64(time.Hour)}
		if s.filter != "" {
			if c.Filter, err = filter.Parse(s.filter, filter.Packet); err != nil {
				t.Fatal(err)
			}
		}
		if captor, err = n.StartCapture(place, c, nil); err != nil {
			t.Fatal(err)
		}
	}
	go func() {
		for err := error(nil); !errors.Is(err, os.ErrClosed); {
			_, _, err = captor.Read(time.Second)
		}
	}()
	t.Cleanup(func() {
		n.mustHaveLooked(t, captor)
		n.EndCaptures()
		if err := drops.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// mustHaveLooked fails where a row has measured less than it says.
func (n *node) mustHaveLooked(t *testing.T, captor *datapath.Captor) {
	cost, err := captor.Cost()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Snapshot(&n.snapshot); err != nil {
		t.Fatal(err)
	}
	sampled, none := captor.Count(0), captor.Count(2)
	if cost.Seen == 0 || cost.NS == 0 || sampled.Taken == 0 || none.Taken > 0 || n.snapshot.Clock.Packets == 0 {
		t.Errorf("looked at %+v, sampled %+v, captured %+v, timed %+v", cost, sampled, none, n.snapshot.Clock)
	}
}

// seenPaths are ways through the whole chain while nobody looks, and while everything is looked at.
func seenPaths(t *testing.T, bpffs string, empty *path, unseen *node) []*path {
	all := newSeen(t, bpffs, "seen")
	ack := frame4(packet.TCP{Flags: "A"})
	far, listed := flows{ack, unlisted, 65536}, flows{ack, blocked, 65536}
	rows := []*path{
		{name: "the whole chain, 65,536 flows, nobody looks", node: unseen, flows: far},
		{name: "the same, everything is looked at", node: all, flows: far},
		{name: "dropped by its firewall, nobody looks", node: unseen, flows: listed, reason: "firewall_source"},
		{name: "the same, everything is looked at", node: all, flows: listed, reason: "firewall_source"},
	}
	for _, p := range rows {
		p.calls, p.base = sevenTails, empty
	}
	return rows
}
