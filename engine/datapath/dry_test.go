package datapath

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"hairpin/engine/packet"
	"hairpin/engine/reason"
	"hairpin/engine/spec"
)

// memories are the bytes of every map that packets of the data path write or read, but for what belongs to dry runs.
func (n *node) memories(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{
		"control": n.control.raw, "generations": n.generations.raw,
		"backends": n.backends.raw, "connections": n.connections.raw, "settlings": n.settlings.raw,
		"counters": n.counters.raw, "chains": n.chains.raw,
	}
	for i := range n.vips4 {
		all[partPin(vips4Pin)(i)], all[partPin(vips6Pin)(i)] = n.vips4[i].raw, n.vips6[i].raw
	}
	for i := range n.segments {
		if raw := n.segments[i].raw; raw != nil {
			all[segmentPin(i)] = raw
		}
	}
	for name, raw := range all {
		all[name] = slices.Clone(raw)
	}
	for _, name := range []string{"entry", "scratch"} {
		var perCPU [][]byte
		if err := n.maps[name].Lookup(uint32(0), &perCPU); err != nil {
			t.Fatal(err)
		}
		all[name] = bytes.Join(perCPU, nil)
	}
	for _, name := range []string{"rows_xdp", "rows_tc", "rows_dry"} {
		var at, id uint32
		for list := n.maps[name].Iterate(); list.Next(&at, &id); {
			all[name] = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(all[name], at), id)
		}
	}
	all["events"] = n.produced(t)
	return all
}

// produced is how far the ring buffer was written: the word at the begin of its third page.
func (n *node) produced(t testing.TB) []byte {
	t.Helper()
	page := unix.Getpagesize()
	raw, err := unix.Mmap(n.maps["events"].FD(), int64(page), page, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(raw) }()
	return slices.Clone(raw[:8])
}

func unchanged(t *testing.T, before, after map[string][]byte) {
	t.Helper()
	for name := range before {
		if !bytes.Equal(before[name], after[name]) {
			t.Errorf("map %s was changed", name)
		}
	}
}

// dryEqualsReal runs a frame dry and then for real, and demands one answer.
func (n *node) dryEqualsReal(t *testing.T, chain int, in []byte) DryResult {
	t.Helper()
	dry, err := n.Dry(int(n.Control().Active), chain, in)
	if err != nil {
		t.Fatal(err)
	}
	before := n.ledger(t)
	verdict, out := n.run(t, chain, in, 0)
	name := reasonName(int(dry.Note.Reason))
	if dry.Verdict != verdict {
		t.Errorf("verdict %d dry, %d real", dry.Verdict, verdict)
	}
	if diff := packet.Diff(dry.Frame, out); diff != "" {
		t.Errorf("dry, then real: %s", diff)
	}
	if after := n.ledger(t); after[fmt.Sprintf("chain %d %s", chain, name)] == before[fmt.Sprintf("chain %d %s", chain, name)] {
		t.Errorf("reason %s dry, counted %s", name, after.since(before))
	}
	return dry
}

// TestDryRows runs every row of the tables dry: nothing changes, and the real packet has the same fate afterwards.
func TestDryRows(t *testing.T) {
	t.Parallel()
	for _, table := range []struct {
		spec string
		rows []row
	}{{balancerSpec, balancerRows()}, {decapSpec, decapRows}} {
		n := newNode(t, table.spec)
		chain, active := n.chain(t, "eth0", XDP), int(n.Control().Active)
		before := n.memories(t)
		for _, r := range table.rows {
			result, err := n.Dry(active, chain, r.in)
			if err != nil {
				t.Fatalf("%s: %v", r.sentence, err)
			}
			if got := reasonName(int(result.Note.Reason)); got != r.want.reason {
				t.Errorf("%s: reason %s, want %s", r.sentence, got, r.want.reason)
			}
		}
		unchanged(t, before, n.memories(t))
		for _, r := range table.rows {
			dry := n.dryEqualsReal(t, chain, r.in)
			if t.Failed() {
				t.Fatal(r.sentence)
			}
			if r.want.reason == "forwarded" {
				backend := n.backends.all[dry.Note.Backend]
				if _, want := r.want.out(t, n, r.in); backend.destination() != want || n.vipName(int(dry.Note.VIP)) != r.want.vip {
					t.Errorf("%s: the note says %+v", r.sentence, dry.Note)
				}
			}
		}
	}
}

// TestDryWhileSettling asks for every way in which a settling VIP finds a backend, and changes nothing.
func TestDryWhileSettling(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	all := n.clients("web", 300)
	connected(t, all[:100])
	games := n.clients("game", 300)
	these, _ := moved(t, all, func() { n.add(t, "web", "10.1.1.4") })
	n.add(t, "game", "10.1.1.4")
	fresh := slices.DeleteFunc(slices.Clone(these), func(c *client) bool { return slices.Contains(all[:100], c) })
	known, unknown := fresh[0], fresh[1]
	known.connect(t)
	chain, active := n.chain(t, "eth0", XDP), int(n.Control().Active)
	steady := all[slices.IndexFunc(all, func(c *client) bool { return !slices.Contains(these, c) })]
	before, found := n.memories(t), map[Settled]bool{}
	ask := func(sentence string, in []byte, want Settled) {
		t.Helper()
		result, err := n.Dry(active, chain, in)
		if err != nil || result.Verdict != xdpTX {
			t.Errorf("%s: verdict %d, %v", sentence, result.Verdict, err)
		}
		if found[want] = true; result.Note.Settled != want {
			t.Errorf("%s: settled by way %d, want %d", sentence, result.Note.Settled, want)
		}
	}
	ask("a slot on which the rings agree", steady.frame("S", 1), Unmarked)
	ask("a known flow", known.frame("A", known.next), Known)
	ask("the end of a known flow", known.frame("R", known.next), Known)
	ask("a new flow", unknown.frame("S", 1), New)
	ask("an unknown packet", unknown.frame("A", 1), Before)
	for range 100 {
		ask("a new flow again, since nothing remembers it", unknown.frame("S", 1), New)
	}
	for _, c := range games {
		if result, err := n.Dry(active, chain, c.frame("", 0)); err != nil || result.Verdict != xdpTX {
			t.Errorf("%v: verdict %d, %v", c, result.Verdict, err)
		} else {
			found[result.Note.Settled] = true
		}
	}
	ask("a VIP that does not settle", n.clients("dns", 1)[0].frame("", 0), Quiet)
	unchanged(t, before, n.memories(t))
	for way := Quiet; way < Unheld; way++ {
		if !found[way] {
			t.Errorf("way %d was not asked for", way)
		}
	}
	for _, c := range append(all, games...) {
		n.dryEqualsReal(t, chain, c.frame("PA", c.next))
	}
}

// TestDryOfStagedGeneration: what is not live yet can be asked.
func TestDryOfStagedGeneration(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	s, err := spec.SetState(n.spec, "dns", addr("10.1.1.1"), spec.Drain)
	if err != nil {
		t.Fatal(err)
	}
	_, staged := stageSpec(t, n.Kernel, n.spec, s)
	chain, active := n.chain(t, "eth0", XDP), int(n.Control().Active)
	before, differ := n.memories(t), 0
	for _, c := range n.clients("dns", 100) {
		now, err := n.Dry(active, chain, c.frame("", 0))
		if err != nil {
			t.Fatal(err)
		}
		then, err := n.Dry(staged, chain, c.frame("", 0))
		if err != nil {
			t.Fatal(err)
		}
		if n.backends.all[now.Note.Backend].destination() != c.ring(t) {
			t.Errorf("%v: the note says %+v, the ring %v", c, now.Note, c.ring(t))
		}
		if n.backends.all[then.Note.Backend].destination() == addr("10.1.1.1") {
			t.Errorf("%v would go to the drained backend", c)
		}
		if now.Note.Backend != then.Note.Backend {
			differ++
		}
	}
	if differ == 0 {
		t.Error("both generations answer the same")
	}
	empty, err := n.Dry(9, chain, frame(ip4{}, syn))
	if err != nil || reasonName(int(empty.Note.Reason)) != "no_generation" || empty.Verdict != xdpPass {
		t.Errorf("a generation that is not there answers %+v, %v", empty, err)
	}
	unchanged(t, before, n.memories(t))
}

// TestDryNotesAreOfTheirRun: a note that another process left on another CPU, under the same number of a run, is not taken
// for this one's.
func TestDryNotesAreOfTheirRun(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	other, err := Open(n.dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.LoadPrograms(); err != nil {
		t.Fatal(err)
	}
	chain, active := n.chain(t, "eth0", XDP), int(n.Control().Active)
	for _, run := range []struct {
		k      *Kernel
		cpu    int
		in     []byte
		reason string
	}{
		{n.Kernel, 0, frame(ip4{}, syn), "forwarded"},
		{other, 1, frame(packet.ARP{}), "not_ip"},
	} {
		on(t, run.cpu)
		result, err := run.k.Dry(active, chain, run.in)
		if err != nil {
			t.Fatal(err)
		}
		if r, _ := reason.ByID(int(result.Note.Reason)); r.Name != run.reason {
			t.Errorf("on cpu %d the note says %s, want %s", run.cpu, r.Name, run.reason)
		}
	}
}

// on moves the test's thread to a CPU, if there is such a one.
func on(t *testing.T, cpu int) {
	t.Helper()
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil && cpu == 0 {
		t.Fatal(err)
	}
}
