package engine

import (
	"os"
	"strings"
	"testing"

	"hairpin/engine/datapath"
	"hairpin/engine/nicstats"
)

// TestGap: whatever the counters say, what was received is what the chain saw and what was lost in front of it.
func TestGap(t *testing.T) {
	link := func(rx, missed uint64) nicstats.Link { return nicstats.Link{RxPackets: rx, RxMissed: missed} }
	driver := func(drops uint64) nicstats.Driver {
		return nicstats.Driver{Name: "veth", Counters: map[string]uint64{"rx_queue_0_drops": drops}}
	}
	for _, row := range []struct {
		name                         string
		in                           uint64
		before, after                nicstats.Link
		drops                        uint64
		received, unknown, uncounted uint64
	}{
		{"the chain saw all", 150, link(1050, 0), link(1050, 0), 0, 150, 0, 0},
		{"some came between the readings", 155, link(1050, 0), link(1060, 0), 0, 155, 0, 0},
		{"the ring was full", 150, link(1050, 7), link(1050, 7), 0, 157, 0, 0},
		{"the driver had no memory", 147, link(1050, 0), link(1050, 0), 3, 150, 0, 0},
		{"nobody says why", 140, link(1050, 0), link(1050, 0), 0, 150, 10, 0},
		{"the NIC leaves out what XDP took", 180, link(1050, 0), link(1050, 0), 0, 150, 0, 30},
	} {
		a := account{In: 100, Link: link(1000, 0), Losses: map[string]uint64{}}
		g := a.gap(row.in, row.before, row.after, nicstats.Losses(row.after, driver(row.drops)))
		if g.Received != row.received || g.Unknown != row.unknown || g.Uncounted != row.uncounted {
			t.Errorf("%s: %+v", row.name, g)
		}
		a.Slack = 40 // the accounts began between readings that far apart
		if g := a.gap(row.in, row.before, row.after, nil); g.Unknown != 0 || g.Uncounted != 0 {
			t.Errorf("%s, within the slack: %+v", row.name, g)
		}
	}
}

// TestAccountBeginsAnew: readings of another NIC of the same name, or of one whose counters went back, are not compared.
func TestAccountBeginsAnew(t *testing.T) {
	losses := nicstats.Losses(nicstats.Link{RxMissed: 5}, nicstats.Driver{})
	a := account{Index: 3, In: 10, Link: nicstats.Link{RxPackets: 100}, Losses: map[string]uint64{}}
	for _, l := range losses {
		a.Losses[l.Name] = l.Packets
	}
	fewer := nicstats.Losses(nicstats.Link{RxMissed: 4}, nicstats.Driver{})
	for _, row := range []struct {
		name   string
		index  int
		in, rx uint64
		losses []nicstats.Loss
		want   bool
	}{
		{"later", 3, 11, 101, losses, true},
		{"another NIC", 4, 11, 101, losses, false},
		{"the chain counts anew", 3, 9, 101, losses, false},
		{"the NIC counts anew", 3, 11, 99, losses, false},
		{"a loss went back", 3, 11, 101, fewer, false},
	} {
		if got := a.goesOn(datapath.Chain{Ifindex: row.index}, row.in, nicstats.Link{RxPackets: row.rx}, row.losses); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}

func nicOf(s *State, name string) NIC {
	for _, n := range s.NICs {
		if n.Name == name {
			return n
		}
	}
	return NIC{}
}

// TestReceived: at rest the ledger adds up to what the NIC itself has counted since the chain was attached, also for the
// next engine and without one; and what is lost behind the chain is shown by the driver's own name for it.
func TestReceived(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	w.send(t, "eth0", "10.99.0.1", 30) // before there is a chain
	o := running(t, p)
	mustForce(t, o, parse(t, lbSpec+"  - {name: none, addresses: [10.99.0.2], port: 80, protocol: tcp}\n"), 0)
	whole := func(s *State) bool {
		n := nicOf(s, "eth0")
		left := n.Forward.Packets + n.Pass.Packets
		for _, d := range s.Drops {
			if d.NIC == "eth0" && d.Stage == "balancer" && d.VIP == "none" && d.Reason == "no_backend" {
				left += d.Packets
			}
		}
		return n.Drop.Packets == 7 && n.In.Packets >= 20 && n.Received.Packets == left && n.Uncounted == 0
	}
	w.send(t, "eth0", "10.99.0.2", 7) // nobody takes them
	forwards(t, p, w)                 // the NIC at the other end has no XDP program: it refuses them
	st := until(t, o, "the ledger adds up and shows what was refused", func(s *State) bool { return whole(s) && len(nicOf(s, "eth0").Lost) > 0 })
	if n := nicOf(st, "eth0"); n.Unread != "" || n.Lost[0].Name != "rx_queue_*_xdp_tx_errors" || n.Lost[0].Where != "after" {
		t.Errorf("%d forwarded, lost %+v %s", n.Forward.Packets, n.Lost, n.Unread)
	}
	until(t, o, "all that was refused is shown", func(s *State) bool {
		n := nicOf(s, "eth0")
		return len(n.Lost) == 1 && n.Lost[0].Packets == n.Forward.Packets
	})
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	forwards(t, p, w) // nobody looks
	if st, err := Observe(p); err != nil || !whole(st) || nicOf(st, "eth0").In.Packets < 40 {
		t.Errorf("from the pins: %+v, %v", nicOf(st, "eth0"), err)
	}
	if data, err := os.ReadFile(p.State + "/received.json"); err != nil || !strings.Contains(string(data), "eth0 xdp") {
		t.Errorf("%s, %v", data, err)
	}
	o = running(t, p)
	forwards(t, p, w)
	until(t, o, "it adds up for the next engine", func(s *State) bool { return whole(s) && nicOf(s, "eth0").In.Packets >= 60 })
	if err := o.Detach(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	o.Close()
	w.send(t, "eth0", "10.99.0.1", 30) // there is no chain: nobody has lost them
	o = running(t, p)
	w.send(t, "eth0", "10.99.0.2", 7)
	forwards(t, p, w)
	until(t, o, "it begins anew with other maps", whole)
}
