package engine

import (
	"testing"

	"hairpin/engine/datapath"
)

// TestCheckEnds: what drops the packets of checks is said from the first that is dropped until one is sent.
func TestCheckEnds(t *testing.T) {
	var e checkEnds
	for i, row := range []struct {
		now  datapath.CheckEnds
		want string
	}{
		{datapath.CheckEnds{}, ""},
		{datapath.CheckEnds{Sent: 3}, ""},
		{datapath.CheckEnds{Sent: 3, NoWay: 1}, "no way to the backend is known"},
		{datapath.CheckEnds{Sent: 3, NoWay: 1}, "no way to the backend is known"},
		{datapath.CheckEnds{Sent: 5, NoWay: 1, NoRoom: 2}, "with the tunnel around it a packet is longer than the NIC takes"},
		{datapath.CheckEnds{Sent: 6, NoWay: 1, NoRoom: 2}, ""},
		{datapath.CheckEnds{Sent: 6, NoWay: 1, NoRoom: 2}, ""},
	} {
		if got := e.read(row.now); got != row.want {
			t.Errorf("reading %d: %q, want %q", i, got, row.want)
		}
	}
}
