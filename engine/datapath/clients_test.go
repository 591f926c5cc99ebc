package datapath

import "testing"

// later makes every SYN that is remembered older by some ticks of 2^27 ns.
func (n *node) later(t *testing.T, ticks uint64) {
	t.Helper()
	const mask = 1<<24 - 1
	for i := range uint32(seenSYNs) {
		var seen uint64
		if err := n.maps["seen_syns"].Lookup(i, &seen); err != nil {
			t.Fatal(err)
		}
		if seen == 0 {
			continue
		}
		if err := n.maps["seen_syns"].Put(i, seen&^mask|(seen-ticks)&mask); err != nil {
			t.Fatal(err)
		}
	}
}

// TestClients: what clients send is told apart and counted while somebody looks, and not otherwise.
func TestClients(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	all := n.clients("web", 60)
	send := func(what string, want Clients, flags string, list []*client, seqs ...uint32) {
		t.Helper()
		before := n.Clients()
		for i, c := range list {
			seq := uint32(i) << 20
			for _, s := range seqs {
				seq += s
			}
			if !n.deliver(t, c.frame(flags, seq)).IsValid() {
				t.Fatalf("%s: %v is not forwarded", what, c)
			}
		}
		if got := n.Clients().Since(before); got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	send("nobody looks", Clients{}, "S", all)
	n.later(t, 8)
	n.Watch(true)
	send("SYNs that come first", Clients{Packets: 60, SYNs: 60}, "S", all)
	send("doubled on their way", Clients{Packets: 60, SYNs: 60}, "S", all)
	n.later(t, 8) // 1.07 s
	send("after a second", Clients{Packets: 60, SYNs: 60, Repeats: 60}, "S", all)
	send("with a tag that was renewed", Clients{Packets: 60, SYNs: 60}, "S", all)
	n.later(t, 24) // 3.2 s
	send("another connection by the same ports", Clients{Packets: 20, SYNs: 20}, "S", all[:20], 1<<19)
	send("after three seconds", Clients{Packets: 40, SYNs: 40, Repeats: 40}, "S", all[:40])
	n.later(t, 75) // 10.07 s
	send("long after", Clients{Packets: 60, SYNs: 60}, "S", all)
	n.later(t, 8)
	send("no SYNs of clients", Clients{Packets: 60}, "SA", all)
	send("resets", Clients{Packets: 60, Resets: 60}, "R", all)
	send("resets with an ACK", Clients{Packets: 60, Resets: 60}, "RA", all)
	send("data", Clients{Packets: 60}, "PA", all)
	send("ends", Clients{Packets: 60}, "FA", all)
	send("datagrams", Clients{}, "", n.clients("game", 20))
	n.Watch(false)
	send("nobody looks any more", Clients{}, "S", all)
	send("nor at resets", Clients{}, "R", all)
}
