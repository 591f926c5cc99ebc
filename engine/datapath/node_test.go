package datapath

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"hairpin/engine/plan"
	"hairpin/engine/reason"
	"hairpin/engine/spec"
)

// Verdicts of the two hooks.
const (
	xdpDrop = 1
	xdpPass = 2
	xdpTX   = 3

	xdpRedirect = 4

	tcUnspec = 0xffffffff
	tcShot   = 2
)

// node is a data path that runs a spec, with the root of each chain to send packets into.
type node struct {
	*Kernel
	spec  *spec.Spec
	plan  *plan.Plan // that led to spec
	roots map[int]*ebpf.Program
}

// newNode is a node that runs the spec of text.
func newNode(t testing.TB, text string) *node {
	t.Helper()
	n := &node{Kernel: newKernel(t), roots: map[int]*ebpf.Program{}}
	n.apply(t, parse(t, text), 0)
	return n
}

func (n *node) apply(t testing.TB, s *spec.Spec, deadline time.Duration) {
	t.Helper()
	n.plan = apply(t, n.Kernel, n.spec, s, deadline)
	n.spec = s
	for _, c := range n.Chains() {
		if n.roots[c.Number] != nil {
			continue
		}
		root, err := n.loadRoot(c.Number)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = root.Close() })
		n.roots[c.Number] = root
	}
}

// chain is the number of the chain of a NIC and hook. Where the kernel has no tcx, clsact has taken its place.
func (n *node) chain(t testing.TB, nic string, hook Hook) int {
	t.Helper()
	for _, c := range n.Chains() {
		if c.NIC == nic && (c.Hook == hook || c.Hook == ClsactIngress && hook == TCXIngress) {
			return c.Number
		}
	}
	t.Fatalf("nic %s has no chain at %s", nic, hook)
	return 0
}

// run sends one frame into the root of a chain, with meta bytes of metadata in front of it.
func (n *node) run(t testing.TB, chain int, frame []byte, meta int) (verdict uint32, out []byte) {
	t.Helper()
	o := ebpf.RunOptions{Data: append(make([]byte, meta), frame...), DataOut: make([]byte, meta+len(frame)+256), Repeat: 1}
	if meta > 0 {
		o.Context = xdpContext{Data: uint32(meta), DataEnd: uint32(len(o.Data))}
	}
	verdict, err := n.roots[chain].Run(&o)
	if err != nil {
		t.Fatalf("run %d bytes: %v", len(frame), err)
	}
	return verdict, o.DataOut[meta:]
}

// ledger is every counter that is not zero, by the name of what it counts, summed over CPUs. One that counts no bytes has
// none.
type ledger map[string]Count

func (n *node) ledger(t testing.TB) ledger {
	t.Helper()
	l := ledger{}
	add := func(name string, c Count) {
		sum := l[name]
		l[name] = Count{sum.Packets + c.Packets, sum.Bytes + c.Bytes}
	}
	each := func(list []Count, name func(int) string) {
		for i, c := range list {
			if c != (Count{}) {
				add(name(i), c)
			}
		}
	}
	words := func(list []uint64, kind string) {
		for num, packets := range list {
			if packets != 0 {
				add(kind+" "+n.vipName(num), Count{Packets: packets})
			}
		}
	}
	for i := range n.counters.all {
		c := &n.counters.all[i]
		for chain := range c.Exit {
			each(c.Exit[chain][:], func(id int) string { return fmt.Sprintf("chain %d %s", chain, reasonName(id)) })
		}
		each(c.VIP[:], func(num int) string { return "vip " + n.vipName(num) })
		each(c.VIPDrop[:], func(num int) string { return "vip_drop " + n.vipName(num) })
		each(c.Backend[:], n.backendName)
		each(c.Rule[:], func(i int) string {
			return fmt.Sprintf("rule %s %s", cString(n.ruleNames.all[i].Stage[:]), cString(n.ruleNames.all[i].Rule[:]))
		})
		for _, d := range c.Drop {
			if d.Key != 0 && d.Count != (Count{}) {
				add(n.dropName(dropOf(d.Key)), d.Count)
			}
		}
		for chain := range c.Passage {
			for _, p := range c.Passage[chain] {
				if p.In != p.Out {
					add(fmt.Sprintf("chain %d external", chain), Count{p.In.Packets - p.Out.Packets, p.In.Bytes - p.Out.Bytes})
				}
			}
		}
		if c.DropsLost != 0 {
			add("drops_lost", Count{Packets: c.DropsLost})
		}
		words(c.Stray[:], "stray")
		words(c.Unheld[:], "unheld")
		var known, unknown [VIPs]uint64
		for num, q := range c.QUIC {
			known[num], unknown[num] = q.Known, q.Unknown
		}
		words(known[:], "quic_known")
		words(unknown[:], "quic_unknown")
		if c.EventsLost != 0 {
			add("events_lost", Count{Packets: c.EventsLost})
		}
	}
	var perCPU []entry
	if err := n.maps["entry"].Lookup(uint32(0), &perCPU); err != nil {
		t.Fatal(err)
	}
	for _, e := range perCPU {
		each(e.Lost[:], func(chain int) string { return fmt.Sprintf("chain %d no_generation", chain) })
	}
	return l
}

func reasonName(id int) string {
	if r, ok := reason.ByID(id); ok {
		return r.Name
	}
	return fmt.Sprint("reason ", id)
}

// vipName is the VIP of a counter's number.
func (n *node) vipName(num int) string {
	if num == agentNum {
		return "agent"
	}
	if n.plan != nil {
		for _, c := range n.plan.VIPs {
			if int(c.Num) == num {
				return c.Spec.Name
			}
		}
	}
	return fmt.Sprint("number ", num)
}

func (n *node) backendName(id int) string {
	return fmt.Sprintf("backend %s %s", n.vipName(int(n.backends.all[id].VIP)), n.backends.all[id].destination())
}

// since is what was counted after before, in one line.
func (l ledger) since(before ledger) string {
	var moved []string
	for name, c := range l {
		b := before[name]
		if c != b {
			moved = append(moved, fmt.Sprintf("%s %d/%d", name, int64(c.Packets-b.Packets), int64(c.Bytes-b.Bytes)))
		}
	}
	for name := range before {
		if _, ok := l[name]; !ok {
			moved = append(moved, name+" is gone")
		}
	}
	slices.Sort(moved)
	return strings.Join(moved, ", ")
}

// exits is how many packets left all chains.
func (l ledger) exits() (sum uint64) {
	for name, c := range l {
		if strings.HasPrefix(name, "chain ") {
			sum += c.Packets
		}
	}
	return sum
}

// vip is the plan of the VIP of that name.
func (n *node) vip(t testing.TB, name string) *plan.Change {
	t.Helper()
	for i := range n.plan.VIPs {
		if n.plan.VIPs[i].Spec.Name == name {
			return &n.plan.VIPs[i]
		}
	}
	t.Fatalf("no vip %s", name)
	return nil
}

// id is the number of a backend.
func (n *node) id(t testing.TB, vip, address string) uint16 {
	t.Helper()
	key := plan.Key{VIP: n.vip(t, vip).Num, Address: netip.MustParseAddr(address)}
	id, ok := n.ids()[key]
	if !ok {
		t.Fatalf("backend %s of vip %s has no id", address, vip)
	}
	return id
}
