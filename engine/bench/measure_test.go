package bench

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"hairpin/engine/datapath"
	"hairpin/engine/reason"
)

// load makes a path ready to be measured.
func (p *path) load(t *testing.T) {
	t.Helper()
	p.calls = cmp.Or(p.calls, twoTails)
	p.reason = cmp.Or(p.reason, "forwarded")
	if p.node.Kernel != nil {
		p.target = p.node.root(t)
	}
	p.wrapper = newWrapper(t, p.target, p.flows, p.calls)
}

// warmup is how many packets it takes to bring what a path reads into the caches: as many as it has flows, and of new ones
// as fill the ring and the connection table.
func (p *path) warmup() int {
	if p.settled == datapath.New {
		return 3 * insertBudget
	}
	return int(min(max(p.flows.count, 4096), 65536))
}

// measure sends packets on a path, first some to warm up, then those that count. It says when they did not go the way that
// is meant.
func (p *path) measure(warmup, packets int) error {
	before, err := p.node.ledger()
	if err != nil {
		return err
	}
	sent := p.wrapper.sent()
	for ; warmup > 0; warmup -= insertBudget {
		if _, err := p.send(min(warmup, insertBudget)); err != nil {
			return err
		}
	}
	ns, err := p.send(packets)
	if err != nil {
		return err
	}
	p.ns = append(p.ns, ns)
	after, err := p.node.ledger()
	if err != nil {
		return err
	}
	return p.check(after.minus(before), uint64(p.wrapper.sent()-sent))
}

// send sends packets, at most as many as may all be remembered, and returns the ns of each.
func (p *path) send(packets int) (float64, error) {
	if err := p.node.refill(); err != nil {
		return 0, err
	}
	return p.wrapper.run(packets / p.calls)
}

// check tells whether the ledger moved as so many packets on this path move it.
func (p *path) check(moved ledger, packets uint64) error {
	if p.node.Kernel == nil {
		return nil
	}
	if packets == 0 {
		return fmt.Errorf("%s: no packet was sent", p.name)
	}
	var errs []error
	expect := func(what string, got, want, slack uint64) {
		if got < want-min(slack, want) || got > want+slack {
			errs = append(errs, fmt.Errorf("%s: %d %s, want %d of %d packets", p.name, got, what, want, packets))
		}
	}
	r, _ := reason.ByName(p.reason)
	for id, n := range moved.exits {
		if id == int(r.ID) {
			expect("packets left as "+p.reason, n, packets, 0)
		} else {
			expect(fmt.Sprintf("packets left by reason %d", id), n, 0, 0)
		}
	}
	forwarded, stray := uint64(0), uint64(0)
	if p.reason == "forwarded" {
		forwarded = packets
	}
	if p.settled == datapath.Before {
		stray = packets
	}
	expect("packets are counted for backends", moved.backends, forwarded, 0)
	expect("packets went elsewhere than the ring says", moved.stray, stray, packets/1000) // of known flows, a few found no room
	expect("SYNs were not remembered", moved.unheld, 0, 0)
	expect("SYNs passed windows", moved.rated, uint64(p.rated)*packets, 0)
	expect("SYNs passed limits of connections", moved.admitted, uint64(p.admitted)*packets, 0)
	return errors.Join(errs...)
}

// dry runs one packet of a path and compares what decided about it.
func (p *path) dry() error {
	if p.node.Kernel == nil {
		return nil
	}
	frame := slices.Clone(p.flows.frame)
	at := 26
	if family(frame) == 6 {
		at = 34
	}
	if inward(frame) != 0 {
		at += 28
	}
	binary.BigEndian.PutUint32(frame[at:], p.flows.first)
	result, err := p.node.Dry(int(p.node.Control().Active), 0, frame)
	if err != nil {
		return err
	}
	if r, _ := reason.ByID(int(result.Note.Reason)); r.Name != p.reason || result.Note.Settled != p.settled {
		return fmt.Errorf("%s: a dry packet leaves as %s, decided by %d, want %s by %d", p.name, r.Name, result.Note.Settled, p.reason, p.settled)
	}
	return nil
}

// ledger is what a node has counted.
type ledger struct {
	exits                   [datapath.Reasons]uint64
	backends, stray, unheld uint64
	rated, admitted         uint64
}

func (n *node) ledger() (ledger, error) {
	var l ledger
	if n.Kernel == nil {
		return l, nil
	}
	if err := n.Snapshot(&n.snapshot); err != nil {
		return l, err
	}
	for id, c := range n.snapshot.Exits[0] {
		l.exits[id] = c.Packets
	}
	for _, c := range n.snapshot.Backend {
		l.backends += c.Packets
	}
	for _, s := range n.Settlings() {
		l.stray += s.Stray
		l.unheld += s.Unheld
	}
	for _, w := range n.Judged() {
		l.rated += w.Passed
	}
	for _, c := range n.ConnLimits() {
		l.admitted += c.Passed.Packets
	}
	return l, nil
}

func (l ledger) minus(before ledger) ledger {
	for id := range l.exits {
		l.exits[id] -= before.exits[id]
	}
	l.backends -= before.backends
	l.stray -= before.stray
	l.unheld -= before.unheld
	l.rated -= before.rated
	l.admitted -= before.admitted
	return l
}

// insertBudget is how many entries a CPU may add to the connection table in one tick. More handshakes than twice as many
// are not counted one by one.
const insertBudget = 32768

// words are one member of some elements of a map, 32 or 64 bits.
type words struct {
	memory *ebpf.Memory
	size   int
	at     []int64
}

// words finds a member of the first elements of a map of the node.
func (n *node) words(t *testing.T, load func() (*ebpf.CollectionSpec, error), pin, member string, elements uint32) words {
	t.Helper()
	spec, err := load()
	if err != nil {
		t.Fatal(err)
	}
	m := n.pinned(t, pin)
	w := words{}
	if w.memory, err = m.Memory(); err != nil {
		t.Fatal(err)
	}
	members := spec.Maps[pin].Value.(*btf.Struct).Members
	i := slices.IndexFunc(members, func(m btf.Member) bool { return m.Name == member })
	if i < 0 {
		t.Fatalf("an element of %s has no %s", pin, member)
	}
	if w.size, err = btf.Sizeof(members[i].Type); err != nil {
		t.Fatal(err)
	}
	for element := range min(elements, m.MaxEntries()) {
		w.at = append(w.at, int64(element*m.ValueSize()+members[i].Offset.Bytes()))
	}
	return w
}

func (w words) set(value uint64) error {
	var bytes [8]byte
	binary.LittleEndian.PutUint64(bytes[:], value)
	for _, at := range w.at {
		if _, err := w.memory.WriteAt(bytes[:w.size], at); err != nil {
			return fmt.Errorf("set back what is counted: %w", err)
		}
	}
	return nil
}

// refill lets as much be remembered and begun again as if time had passed.
func (n *node) refill() error {
	for _, again := range n.refills {
		if err := again(); err != nil {
			return err
		}
	}
	return nil
}
