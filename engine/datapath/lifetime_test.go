package datapath

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

// TestChangedRingSize: the rings are compared by hashes, not by slots.
func TestChangedRingSize(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	all := n.clients("web", 600)
	homes := connected(t, all[:200])
	resize := func(slots uint32) func(*spec.Spec) (*spec.Spec, error) {
		return func(s *spec.Spec) (*spec.Spec, error) {
			s = s.Clone()
			s.VIP("web").Ring = slots
			return s, nil
		}
	}
	for i, slots := range []uint32{1021, 509} {
		these, _ := moved(t, all, func() { n.edit(t, 0, resize(slots)) })
		stay(t, "flows of before", homes)
		for _, c := range these {
			if homes[c] != (netip.Addr{}) {
				continue
			}
			if homes[c] = c.connect(t); homes[c] != c.ring(t) {
				t.Errorf("size %d: the new %v went to %v, the ring says %v", slots, c, homes[c], c.ring(t))
			}
		}
		n.setWeight(t, "web", "10.1.1.2", uint32(200+100*i))
		stay(t, "flows after a change of weights", homes)
	}
}

// TestFlap: a backend goes down and comes up again. Its flows stay, and those that began elsewhere stay there.
func TestFlap(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	all := n.clients("web", 400)
	homes := connected(t, all[:200])
	n.setState(t, "web", "10.1.1.1", spec.Down)
	stay(t, "while it is down", homes)
	for _, c := range all[200:] {
		if homes[c] = c.connect(t); homes[c] == addr("10.1.1.1") {
			t.Errorf("the new %v went to a backend that is down", c)
		}
	}
	n.setState(t, "web", "10.1.1.1", spec.Up)
	stay(t, "when it is up again", homes)
	for range 2 {
		n.setState(t, "web", "10.1.1.1", spec.Down)
		n.setState(t, "web", "10.1.1.1", spec.Up)
	}
	stay(t, "after two more", homes)
}

// TestDrain: old flows stay, new ones go elsewhere, also those of clients that were there.
func TestDrain(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	all := n.clients("web", 400)
	homes := connected(t, all[:200])
	n.setState(t, "web", "10.1.1.2", spec.Drain)
	stay(t, "while it drains", homes)
	for _, c := range all[200:] {
		if got := c.connect(t); got == addr("10.1.1.2") {
			t.Errorf("the new %v went to the draining backend", c)
		}
	}
	n.setState(t, "web", "10.1.1.1", spec.Drain)
	n.setWeight(t, "web", "10.1.1.3", 0)
	stay(t, "when all drain", homes)
	if got := n.clients("web", 401)[400].send(t, "S"); got.IsValid() {
		t.Errorf("a new flow went to %v when all drain", got)
	}
}

// TestRemovedBackendGetsNothing: neither old flows nor new ones, whether they are in the table or not.
func TestRemovedBackendGetsNothing(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	all := n.clients("web", 600)
	homes := connected(t, all[:200])
	n.add(t, "web", "10.1.1.4")
	for c, home := range connected(t, all[200:400]) {
		homes[c] = home
	}
	gone := map[netip.Addr]bool{}
	for _, backend := range []string{"10.1.1.4", "10.1.1.1"} {
		n.remove(t, "web", backend)
		gone[addr(backend)] = true
		for c, home := range homes {
			got := c.send(t, "PA")
			if gone[got] || !got.IsValid() {
				t.Errorf("%v went to %v", c, got)
			}
			if !gone[home] && got != home {
				t.Errorf("%v was at %v and was moved to %v", c, home, got)
			}
		}
		for _, c := range all[400:] {
			if got := c.send(t, "S"); gone[got] || !got.IsValid() {
				t.Errorf("the new %v went to %v", c, got)
			}
		}
	}
	n.setState(t, "web", "10.1.1.2", spec.Maintenance)
	for _, c := range all {
		if got := c.send(t, "A"); got != addr("10.1.1.3") {
			t.Errorf("%v went to %v with one backend left", c, got)
		}
	}
}

// TestEmptiedVIP: an empty list empties the ring at once.
func TestEmptiedVIP(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	all := n.clients("web", 60)
	connected(t, all[:30])
	for _, backend := range []string{"10.1.1.1", "10.1.1.2", "10.1.1.3"} {
		n.remove(t, "web", backend)
	}
	chain := n.chain(t, "eth0", XDP)
	for _, c := range all {
		n.check(t, chain, row{in: c.frame("S", 0), want: dropped("no_backend", "web")}, 0)
		n.check(t, chain, row{in: c.frame("A", 1), want: dropped("no_backend", "web")}, 0)
	}
	n.add(t, "web", "10.1.1.4")
	for _, c := range all {
		if got := c.connect(t); got != addr("10.1.1.4") {
			t.Errorf("%v went to %v, the only backend is 10.1.1.4", c, got)
		}
	}
}

// TestExpiredEntry: an entry that is too old is a miss though nobody has swept it.
func TestExpiredEntry(t *testing.T) {
	t.Parallel()
	life := uint64(ticks(15 * time.Minute))
	n := newNode(t, settleSpec)
	these, old := moved(t, n.clients("web", 200), func() { n.add(t, "web", "10.1.1.4") })
	for _, row := range []struct {
		sentence string
		packets  []string
		life     uint64
	}{
		{"a flow of one packet", []string{"S"}, lifeUnconfirmed},
		{"a confirmed flow", []string{"S", "A"}, life},
		{"a flow that was closed", []string{"S", "A", "FA"}, lifeClosing},
		{"a flow that was reset", []string{"S", "A", "PA", "R"}, lifeClosing},
	} {
		kept, expired := these[:len(these)/2], these[len(these)/2:]
		for i, half := range [][]*client{kept, expired} {
			var got map[*client]netip.Addr
			inOneTick(func() {
				clear(n.connections.all)
				for _, c := range half {
					for _, flags := range row.packets {
						c.send(t, flags)
					}
				}
				n.age(row.life + uint64(i))
				got = map[*client]netip.Addr{}
				for _, c := range half {
					got[c] = c.send(t, "A")
				}
			})
			for _, c := range half {
				want := c.ring(t)
				if i == 1 {
					want = old[c]
				}
				if got[c] != want {
					t.Errorf("%s, %d ticks old: %v went to %v, want %v", row.sentence, row.life+uint64(i), c, got[c], want)
				}
			}
		}
		n.age(life + 1)
		if kept := n.Sweep(nil); kept != 0 || n.entries() != 0 {
			t.Errorf("%s: %d entries outlive a sweep, %d by its word", row.sentence, n.entries(), kept)
		}
	}
}

// coarse is the clock by which the data path tells ticks, in ns: it is up to a tick of the kernel behind Monotonic.
func coarse() uint64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC_COARSE, &t) // cannot fail for this clock
	return uint64(t.Nano())
}

// inOneTick repeats f until no tick ended meanwhile, so that entries are as old as f made them.
func inOneTick(f func()) {
	for {
		began := coarse() >> tickShift
		if f(); coarse()>>tickShift == began {
			return
		}
	}
}

// TestClockAhead: where a tick ends, one CPU is in the next for a moment while another is not. What the one wrote is young
// for the other, and for a sweep that began before.
func TestClockAhead(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	all := n.clients("web", 400)
	these, _ := moved(t, all[:200], func() { n.add(t, "web", "10.1.1.4") })
	homes := connected(t, these)
	ahead := func() { n.age(entryAgeMask) } // a whole turn but one tick
	ahead()
	if kept := n.Sweep(nil); kept != len(homes) {
		t.Errorf("a sweep keeps %d of %d flows", kept, len(homes))
	}
	stay(t, "of the next tick", homes)
	ahead()
	for c, home := range homes {
		if got := n.deliver(t, c.frame("S", c.next+0x4a000000)); got != home {
			t.Errorf("the spoofed SYN of %v went to %v, its flow is at %v", c, got, home)
		}
	}
	tick := (coarse()>>tickShift + 1) & entryAgeMask
	for i := range n.connections.all {
		for j := range n.connections.all[i] {
			n.connections.all[i][j] = uint64(j+1)<<36 | tick<<entryAgeShift | entryConfirmed | 1
		}
	}
	before := slices.Clone(n.connections.raw)
	for _, c := range all[200:] {
		c.send(t, "S")
	}
	if !slices.Equal(before, n.connections.raw) {
		t.Error("new flows took the places of live ones")
	}
}

// TestSweepKeepsTheLiving, and forgets what leads to backends that are to be dropped.
func TestSweepKeepsTheLiving(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	these, _ := moved(t, n.clients("web", 200), func() { n.add(t, "web", "10.1.1.4") })
	homes := connected(t, these)
	if kept := n.Sweep(nil); kept != len(these) {
		t.Errorf("%d entries stay, want %d", kept, len(these))
	}
	stay(t, "after a sweep", homes)
	maps.DeleteFunc(homes, func(_ *client, home netip.Addr) bool { return home == addr("10.1.1.4") })
	if kept := n.Sweep(map[uint16]bool{n.id(t, "web", "10.1.1.4"): true}); kept != len(homes) || n.entries() != len(homes) {
		t.Errorf("%d entries stay, %d lead to other backends than the dropped one", kept, len(homes))
	}
	stay(t, "after the others were forgotten", homes)
}

// TestIDReuse: the id of a removed backend goes to another VIP's, and no flow of the old one follows it there.
func TestIDReuse(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	all := n.clients("web", 400)
	connected(t, all[:200])
	n.add(t, "web", "10.1.1.4")
	connected(t, all[200:])
	id := n.id(t, "web", "10.1.1.4")
	n.remove(t, "web", "10.1.1.4")
	wanted := map[uint16]bool{}
	for _, c := range n.plan.VIPs {
		for _, used := range c.IDs {
			wanted[used] = true
		}
	}
	if freed := n.FreeBackends(wanted); freed != 0 {
		t.Errorf("%d ids came free while a generation of a moment ago still names them", freed)
	}
	await(t, "the id comes free", func() bool { n.Retire(); return n.FreeBackends(wanted) == 1 })
	n.add(t, "dns", "10.1.1.5")
	if got := n.id(t, "dns", "10.1.1.5"); got != id {
		t.Fatalf("the new backend has id %d, %d was free", got, id)
	}
	if got := n.ledger(t)["backend dns 10.1.1.5"]; got != (Count{}) {
		t.Errorf("the new backend begins with the counters of the old: %+v", got)
	}
	for _, c := range all {
		for _, flags := range []string{"A", "S", "A"} {
			if got := c.send(t, flags); got == addr("10.1.1.5") || !got.IsValid() {
				t.Errorf("%v %s of web went to %v", c, flags, got)
			}
		}
	}
}

// TestEndSettling: the ring alone decides at once, in every generation.
func TestEndSettling(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	these, _ := moved(t, n.clients("web", 200), func() { n.add(t, "web", "10.1.1.4") })
	list := n.Settlings()
	if len(list) != 1 || list[0].Num != n.vip(t, "web").Num || list[0].Slots != 251 {
		t.Fatalf("settling: %+v", list)
	}
	for _, c := range these {
		c.send(t, "A")
	}
	if got := n.Settlings()[0]; got.Stray != uint64(len(these)) || Monotonic()-got.StrayAt > uint64(5*time.Second) {
		t.Errorf("%d packets went elsewhere than the ring says: %+v", len(these), got)
	}
	n.EndSettling(list[0].Num)
	for _, c := range these {
		if got, want := c.send(t, "A"), c.ring(t); got != want {
			t.Errorf("%v went to %v, the ring says %v", c, got, want)
		}
	}
	if list := n.Settlings(); len(list) != 0 {
		t.Errorf("still settling: %+v", list)
	}
}

// await waits until done, at most for limit.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// TestComesBack: from the switch on, a backend that was gone keeps the flows that the switch sends to it. Nothing may have
// to be done for that after the switch.
func TestComesBack(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"removed", "in maintenance"} {
		n := newNode(t, settleSpec)
		all := n.clients("web", 600)
		connected(t, all[:100])
		back, err := spec.SetWeight(n.spec, "web", addr("10.1.1.2"), 300) // on slots that were another's before
		if err != nil {
			t.Fatal(err)
		}
		if how == "removed" {
			n.remove(t, "web", "10.1.1.2")
		} else {
			n.setState(t, "web", "10.1.1.2", spec.Maintenance)
		}
		connected(t, all[100:200])
		p, generation := stageSpec(t, n.Kernel, n.spec, back)
		n.Prepare(p, generation)
		if err := n.Activate(int(n.Control().Active), generation, 0); err != nil {
			t.Fatal(err)
		}
		there := 0
		for _, c := range all[200:] {
			if c.connect(t) == addr("10.1.1.2") {
				there++
			}
		}
		if there < 50 {
			t.Errorf("%s: only %d of 400 flows went to the backend that came back", how, there)
		}
	}
}
