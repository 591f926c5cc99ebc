package datapath

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"hairpin/engine/spec"
)

// TestOldFlowsStay: flows from before the first change, and from between the changes, after each of three.
func TestOldFlowsStay(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	all := n.clients("web", 400)
	homes := connected(t, all[:100])
	for i, change := range []func(){
		func() { n.add(t, "web", "10.1.1.4") },
		func() { n.setState(t, "web", "10.1.1.1", spec.Drain) },
		func() { n.setWeight(t, "web", "10.1.1.2", 300) },
	} {
		change()
		stay(t, []string{"after the first change", "after the second", "after the third"}[i], homes)
		maps.Copy(homes, connected(t, all[100*(i+1):100*(i+2)]))
	}
	stay(t, "in the end", homes)
}

// TestHandshakeAcrossChange: a SYN before the change, its ACK after.
func TestHandshakeAcrossChange(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	homes := map[*client]netip.Addr{}
	for _, c := range n.clients("web", 100) {
		homes[c] = c.send(t, "S")
	}
	n.add(t, "web", "10.1.1.4")
	stay(t, "after the change", homes)
}

// TestNewFlowsFollowTheRing: a SYN after the change goes where the ring says, and the flow stays there.
func TestNewFlowsFollowTheRing(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	these, _ := moved(t, n.clients("web", 200), func() { n.add(t, "web", "10.1.1.4") })
	homes := connected(t, these)
	for c, home := range homes {
		if want := c.ring(t); home != want {
			t.Errorf("%v went to %v, the ring says %v", c, home, want)
		}
	}
	stay(t, "later", homes)
	if got := n.entries(); got != len(these) {
		t.Errorf("%d flows are remembered, %d began on moved slots", got, len(these))
	}
}

// TestUnmarkedSlotAsksNothing: where the rings agree no flow is remembered.
func TestUnmarkedSlotAsksNothing(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	all := n.clients("web", 200)
	these, _ := moved(t, all, func() { n.add(t, "web", "10.1.1.4") })
	before := n.ledger(t)
	for _, c := range all {
		if !slices.Contains(these, c) {
			if got, want := c.connect(t), c.ring(t); got != want {
				t.Errorf("%v went to %v, both rings say %v", c, got, want)
			}
		}
	}
	if got := n.entries(); got != 0 {
		t.Errorf("%d flows are remembered", got)
	}
	if after := n.ledger(t); after["stray web"] != before["stray web"] {
		t.Errorf("stray packets: %v", after["stray web"])
	}
}

// TestSYNWithoutRoom: what cannot be remembered goes where it needs no memory.
func TestSYNWithoutRoom(t *testing.T) {
	t.Parallel()
	full := func(n *node) {
		tick := coarse() >> tickShift & entryAgeMask
		for i := range n.connections.all {
			for j := range n.connections.all[i] {
				n.connections.all[i][j] = uint64(j+1)<<36 | tick<<entryAgeShift | entryConfirmed | 1
			}
		}
	}
	spent := func(n *node) {
		for i := range n.counters.all {
			n.counters.all[i].BudgetTick = coarse() >> tickShift & entryAgeMask
			n.counters.all[i].BudgetUsed = 1 << 32
		}
	}
	n := newNode(t, settleSpec)
	these, old := moved(t, n.clients("web", 300), func() { n.add(t, "web", "10.1.1.4") })
	n.setState(t, "web", "10.1.1.1", spec.Drain)
	kept := n.connections.all
	for why, fill := range map[string]func(*node){"no room": full, "budget spent": spent} {
		for i := range n.counters.all {
			n.counters.all[i].BudgetUsed = 0
		}
		for _, c := range these {
			if c.ring(t) == old[c] {
				continue // the drain moved it back
			}
			tick := coarse() >> tickShift
			fill(n)
			before := n.ledger(t)
			got := c.send(t, "S")
			if why == "budget spent" && coarse()>>tickShift != tick {
				continue // a new tick brought a new budget
			}
			want := old[c]
			if want == addr("10.1.1.1") {
				want = c.ring(t) // it takes no new flows
			}
			if got != want {
				t.Errorf("%s: %v: the SYN went to %v, want %v", why, c, got, want)
			}
			if after := n.ledger(t); after["unheld web"].Packets != before["unheld web"].Packets+1 {
				t.Errorf("%s: %v: not counted as unheld", why, c)
			}
			if got := c.send(t, "A"); got != old[c] {
				t.Errorf("%s: %v: the ACK went to %v, want %v", why, c, got, old[c])
			}
			clear(kept)
		}
	}
}

// TestDNSOnMovedSlot: a VIP without flows follows its ring at once and remembers nothing.
func TestDNSOnMovedSlot(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	these, _ := moved(t, n.clients("dns", 200), func() { n.add(t, "dns", "10.1.1.4") })
	for _, c := range these {
		if got, want := c.send(t, ""), c.ring(t); got != want {
			t.Errorf("%v went to %v, the ring says %v", c, got, want)
		}
	}
	if got := n.entries(); got != 0 {
		t.Errorf("%d flows are remembered", got)
	}
	if list := n.Settlings(); len(list) != 0 {
		t.Errorf("the VIP settles: %+v", list)
	}
}

// TestStickyUDPOnMovedSlot: for 30 s an unknown flow is taken for an old one, and one that was seen then stays.
func TestStickyUDPOnMovedSlot(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	these, old := moved(t, n.clients("game", 300), func() { n.add(t, "game", "10.1.1.4") })
	settling := &n.settlings.all[n.vip(t, "game").Num]
	if left := settling.StickyUntil - Monotonic(); left > uint64(30*time.Second) || left < uint64(20*time.Second) {
		t.Errorf("unknown flows follow the ring before for another %v", time.Duration(left))
	}
	early, late := these[:len(these)/2], these[len(these)/2:]
	for _, c := range early {
		for range 2 {
			if got := c.send(t, ""); got != old[c] {
				t.Errorf("soon after the change %v went to %v, was at %v", c, got, old[c])
			}
		}
	}
	if got := n.entries(); got != len(early) {
		t.Errorf("%d flows are remembered, %d were seen", got, len(early))
	}
	settling.StickyUntil = Monotonic() - uint64(time.Second) // the data path's clock is coarse
	for _, c := range early {
		if got := c.send(t, ""); got != old[c] {
			t.Errorf("a known flow went to %v when the 30 s were over, was at %v", got, old[c])
		}
	}
	for _, c := range late {
		if got, want := c.send(t, ""), c.ring(t); got != want {
			t.Errorf("after 30 s the new %v went to %v, the ring says %v", c, got, want)
		}
	}
	if got := n.entries(); got != len(early) {
		t.Errorf("%d flows are remembered, flows after the 30 s need no memory", got)
	}
}

// TestSpoofedSYN: somebody sends a SYN with the addresses and ports of a live flow.
func TestSpoofedSYN(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	all := n.clients("web", 300)
	oldFlows := connected(t, all[:150])
	these, _ := moved(t, all, func() { n.add(t, "web", "10.1.1.4") })
	newFlows := map[*client]netip.Addr{}
	for _, c := range these {
		if oldFlows[c] == (netip.Addr{}) {
			newFlows[c] = c.connect(t)
		}
	}
	if len(newFlows) == 0 {
		t.Fatal("no flow began on a moved slot")
	}
	for range 3 {
		for c, home := range newFlows {
			if got := n.deliver(t, c.frame("S", c.next+0x4a000000)); got != home {
				t.Errorf("the spoofed SYN of %v went to %v, its flow is at %v", c, got, home)
			}
		}
		for c := range oldFlows {
			n.deliver(t, c.frame("S", c.next+0x00800000)) // half the space of what an entry keeps of it
		}
		stay(t, "flows of before the change", oldFlows)
		stay(t, "flows of after the change", newFlows)
	}
}

// TestSpoofedRST: a RST or FIN shortens what is known of a flow and ends nothing.
func TestSpoofedRST(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	all := n.clients("web", 300)
	oldFlows := connected(t, all[:150])
	these, _ := moved(t, all, func() { n.add(t, "web", "10.1.1.4") })
	newFlows := map[*client]netip.Addr{}
	for _, c := range these {
		if oldFlows[c] == (netip.Addr{}) {
			newFlows[c] = c.connect(t)
		}
	}
	for _, flags := range []string{"R", "RA", "FA"} {
		for _, flows := range []map[*client]netip.Addr{oldFlows, newFlows} {
			for c, home := range flows {
				if got := n.deliver(t, c.frame(flags, c.next+0x5000)); got != home {
					t.Errorf("%s of %v went to %v, the flow is at %v", flags, c, got, home)
				}
			}
		}
		n.age(lifeClosing - 5) // the test itself may take a tick or two
		stay(t, "flows of before the change, after "+flags, oldFlows)
		stay(t, "flows of after the change, after "+flags, newFlows)
		n.age(lifeClosing + 1) // data has shown that they live: they are remembered for the whole time again
		stay(t, "later, after "+flags, newFlows)
	}
	if got := n.entries(); got != len(newFlows) {
		t.Errorf("%d flows are remembered, want %d: a RST or FIN of an unknown flow is not", got, len(newFlows))
	}
}

// TestPortUsedAgain: a handshake that came to nothing, and another one from the same port soon after.
func TestPortUsedAgain(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	these, _ := moved(t, n.clients("web", 200), func() { n.add(t, "web", "10.1.1.4") })
	homes := map[*client]netip.Addr{}
	for _, c := range these {
		c.send(t, "S")
		c.next += 0x00700000
		homes[c] = c.connect(t)
	}
	stay(t, "after the second handshake", homes)
}

// TestRetransmittedSYN goes where the first one went.
func TestRetransmittedSYN(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	these, _ := moved(t, n.clients("web", 200), func() { n.add(t, "web", "10.1.1.4") })
	for _, c := range these {
		first := c.send(t, "S")
		c.next--
		if again := c.connect(t); again != first {
			t.Errorf("%v: the SYN went to %v, then to %v", c, first, again)
		}
	}
}

// TestPortUsedAgainAfterFIN: the next connection of a closed flow goes to its backend only while that takes new flows.
func TestPortUsedAgainAfterFIN(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	these, _ := moved(t, n.clients("web", 300), func() { n.add(t, "web", "10.1.1.4") })
	homes := connected(t, these)
	for c := range homes {
		c.send(t, "FA")
		c.next += 0x00600000
		if got := c.connect(t); got != homes[c] {
			t.Errorf("%v: the next connection went to %v, the last was at %v", c, got, homes[c])
		}
		c.send(t, "FA")
	}
	n.setState(t, "web", "10.1.1.4", spec.Drain)
	for c := range homes {
		c.next += 0x00600000
		if got := c.connect(t); got == addr("10.1.1.4") {
			t.Errorf("%v: a new connection went to a draining backend", c)
		}
	}
}
