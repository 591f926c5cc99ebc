package datapath

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// site is nodes of one spec behind a router that spreads flows over them, and the connections that go through.
type site struct {
	nodes  []*siteNode
	agent  *siteNode       // of any backend: it is asked only about packets that came to one which has no socket for them
	ecmp   uint64          // seed by which the router chooses; another one is a reshuffle
	away   map[int]bool    // nodes that the router knows nothing of
	states map[byte]string // of backends, by the last number of their address; gone ones are missing
	weight map[byte]int
	change int // of the spec, so many
	flows  []siteFlow
	begun  int // flows ever
	fate   siteFates
}

// siteNode is one data path, entered by test runs: what it decides is what it would do.
type siteNode struct {
	*Kernel
	dir     string
	running *spec.Spec
	root    *ebpf.Program
	options ebpf.RunOptions
	lru     map[uint32]byte // what a table of every flow would say instead
	ring    []byte          // backends by slot
	strays  uint64          // packets that went elsewhere than the ring says
	calm    int             // rounds since there was one, or since the spec changed: calmEnough end settling
	settled int             // the last change that has settled here: flows older than it are forgotten
}

// siteFlow is one TCP connection: a client that sends and a server that knows it, or resets it.
type siteFlow struct {
	number uint32 // its address and port
	home   byte   // the backend that took its SYN; 0 = it has ended
	node   byte   // that took its SYN
	last   byte   // node that took its last packet
	change int32  // of the spec at that time
	other  byte   // home of the same flow by the tables of every flow; 0 = it has ended there
	helped bool   // it would have ended but for the agents
}

// siteFates are what became of connections.
type siteFates struct {
	packets, ended int
	served         int // ended because their backend was gone or down
	young          int // moved: the router sent them to another node while a change that they are younger than was settling
	late           int // moved: the router sent them to a node on which settling had ended, since no flow as old passed it
	helped         int // of the young ones, the agent of the backend they came to passed them on to their own
	hops           int // packets that agents passed on
	later          int // of the helped ones, ended because a later packet found neither backend
	moved          int // for no reason that is allowed
	settled        int // times that a node ended settling
	lru            int // moved away from a backend that served them, by tables of every flow
}

const (
	siteRing   = 4099
	calmEnough = 2
)

func newSite(t *testing.T, nodes int) *site {
	t.Helper()
	mount := privateMount(t)
	s := &site{away: map[int]bool{}, states: map[byte]string{}, weight: map[byte]int{}, ecmp: 1}
	for b := byte(1); b <= 10; b++ {
		s.weight[b] = 100
		if b <= 8 {
			s.states[b] = "up"
		}
	}
	for i := range nodes {
		dir := Dir(mount, fmt.Sprint("node", i))
		k, err := Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		n := &siteNode{Kernel: k, dir: dir, lru: map[uint32]byte{}, settled: 1}
		n.options = ebpf.RunOptions{Data: frame(ip4{}, tcp{Flags: "S"}, fill(1)), DataOut: make([]byte, 256), Repeat: 1}
		s.nodes = append(s.nodes, n)
		t.Cleanup(func() { n.Close() })
		n.own(t)
	}
	s.applied(t)
	agent := newNode(t, "version: 1\nnics: {eth0: {xdp: [decap]}}\nagent: {vips: [10.99.0.1], handover: [10.1.0.0/16]}")
	s.agent = &siteNode{Kernel: agent.Kernel, root: agent.roots[agent.chain(t, "eth0", XDP)]}
	s.agent.options = ebpf.RunOptions{DataOut: make([]byte, 256), Repeat: 1}
	return s
}

// own has this process write the node's data path.
func (n *siteNode) own(t *testing.T) {
	t.Helper()
	if err := n.LoadPrograms(); err != nil {
		t.Fatal(err)
	}
	if err := n.Take(); err != nil {
		t.Fatal(err)
	}
}

// restart ends the engine of a node and starts another.
func (n *siteNode) restart(t *testing.T) {
	t.Helper()
	n.Close()
	var err error
	if n.Kernel, err = Open(n.dir, true); err != nil {
		t.Fatal(err)
	}
	n.own(t)
}

// applied makes the site's list of backends the running spec of every node.
func (s *site) applied(t *testing.T) {
	t.Helper()
	var list []string
	for b := range byte(20) {
		if state := s.states[b]; state != "" {
			list = append(list, fmt.Sprintf("{address: 10.1.1.%d, weight: %d, state: %s}", b, s.weight[b], state))
		}
	}
	desired := parse(t, fmt.Sprintf(`
version: 1
nics: {eth0: {xdp: [balancer]}}
vips: [{name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: %d, handover: true, backends: [%s]}]`, siteRing, strings.Join(list, ", ")))
	s.change++
	for _, n := range s.nodes {
		n.apply(t, desired)
	}
}

func (n *siteNode) apply(t *testing.T, desired *spec.Spec) {
	t.Helper()
	p, generation := stageUnattached(t, n.Kernel, n.running, desired)
	n.Prepare(p, generation)
	if err := n.Activate(int(n.Control().Active), generation, 0); err != nil {
		t.Fatal(err)
	}
	n.MarkAll(p)
	n.running, n.calm = desired, 0
	if n.root == nil {
		root, err := n.loadRoot(n.Chains()[0].Number)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = root.Close() })
		n.root = root
	}
	n.ring = n.ring[:0]
	for _, i := range buildRing(t, desired.VIP("web")) {
		last := byte(0)
		if i > 0 {
			last = desired.VIPs[0].Backends[i-1].Address.As4()[3]
		}
		n.ring = append(n.ring, last)
	}
}

// at is the node that the router sends a flow to.
func (s *site) at(number uint32) int {
	var live []int
	for i := range s.nodes {
		if !s.away[i] {
			live = append(live, i)
		}
	}
	return live[mix(uint64(number)^s.ecmp*mix1)>>32%uint64(len(live))]
}

// send is the backend that a node sends a packet of a flow to; 0 = none.
func (n *siteNode) send(t *testing.T, number uint32, flags byte) byte {
	t.Helper()
	f := n.options.Data
	binary.BigEndian.PutUint32(f[26:], 100<<24|number>>4)
	binary.BigEndian.PutUint16(f[34:], uint16(20000+number&15))
	f[47] = flags
	return n.run(t)
}

// run is the backend that the packet at hand leaves for; 0 = none.
func (n *siteNode) run(t *testing.T) byte {
	t.Helper()
	n.options.DataOut = n.options.DataOut[:256]
	verdict, err := n.root.Run(&n.options)
	if err != nil {
		t.Fatal(err)
	}
	if out := n.options.DataOut; verdict == xdpTX && binary.BigEndian.Uint16(out[36:]) == packet.GUEPort {
		return out[33]
	}
	return 0
}

// lookup is what a table of every flow says, which only its own node has: a SYN goes by the ring.
func (n *siteNode) lookup(number uint32, slot int, syn bool, serves func(byte) bool) byte {
	if b := n.lru[number]; !syn && b != 0 && serves(b) {
		return b
	}
	n.lru[number] = n.ring[slot]
	return n.ring[slot]
}

func slotOf(number uint32) int {
	src := netip.AddrPortFrom(netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 100<<24|number>>4))), uint16(20000+number&15))
	return int(FlowHash(src, netip.AddrPortFrom(addr("10.99.0.1"), 80)) >> 32 * siteRing >> 32)
}

func (s *site) serves(b byte) bool { return s.states[b] == "up" || s.states[b] == "drain" }

// begin has so many clients connect.
func (s *site) begin(t *testing.T, flows int) {
	t.Helper()
	for range flows {
		f := siteFlow{number: uint32(s.begun), change: int32(s.change)}
		s.begun++
		f.node = byte(s.at(f.number))
		f.last = f.node
		n := s.nodes[f.node]
		f.home = n.send(t, f.number, 0x02)
		f.other = n.lookup(f.number, slotOf(f.number), true, s.serves)
		s.fate.packets++
		if f.home == 0 || s.states[f.home] != "up" || f.other == 0 {
			t.Fatalf("flow %d began at backend %d, which is %q; by a table at %d", f.number, f.home, s.states[f.home], f.other)
		}
		if got := n.send(t, f.number, 0x10); got != f.home { // the handshake's end: the entry is confirmed
			t.Fatalf("flow %d: the SYN went to %d, the next packet to %d", f.number, f.home, got)
		}
		s.flows = append(s.flows, f)
	}
}

// talk has every connection send a packet, and ends those that were reset, and a share of the others.
func (s *site) talk(t *testing.T, dice *rand.Rand, end float64) {
	t.Helper()
	for i := range s.flows {
		f := &s.flows[i]
		at := s.at(f.number)
		if f.other != 0 {
			if got := s.nodes[at].lookup(f.number, slotOf(f.number), false, s.serves); got != f.other {
				if s.serves(f.other) {
					s.fate.lru++
				}
				f.other = 0
			}
		}
		if f.home != 0 {
			s.fate.packets++
			s.judge(t, f, at, s.nodes[at].send(t, f.number, 0x10))
		}
		if dice.Float64() < end && f.home != 0 {
			s.fate.ended++
			f.home, f.other = 0, 0
		}
	}
	s.flows = slices.DeleteFunc(s.flows, func(f siteFlow) bool { return f.home == 0 && f.other == 0 })
	for _, n := range s.nodes {
		s.fate.settled += n.settle(s.change)
	}
}

// settle ends settling on a node, as its engine does, when every flow has sent and none went elsewhere than the ring says.
func (n *siteNode) settle(change int) (ended int) {
	for _, v := range n.Settlings() {
		if n.calm++; v.Stray != n.strays {
			n.strays, n.calm = v.Stray, 0
		}
		if n.calm == calmEnough {
			n.EndSettling(v.Num)
			n.settled = change
			ended++
		}
	}
	return ended
}

// passOn is the backend to which an agent without a socket for it passes on what a node has sent; 0 = none.
func (s *site) passOn(t *testing.T, sent []byte) byte {
	t.Helper()
	s.agent.options.Data = sent
	return s.agent.run(t)
}

// judge says of one packet whether it came where its connection lives, and has agents help where it did not.
func (s *site) judge(t *testing.T, f *siteFlow, at int, got byte) {
	t.Helper()
	switch {
	case !s.serves(f.home):
		s.fate.served++
		f.home = 0
		return
	case got == f.home:
		f.last = byte(at)
		return
	}
	found := got != 0 && s.passOn(t, s.nodes[at].options.DataOut) == f.home
	if f.helped && !found {
		s.fate.later++
	} else if !f.helped {
		s.count(t, f, at, got, found)
	}
	if found {
		s.fate.hops++
		f.last, f.helped = byte(at), true
		return
	}
	f.home = 0
}

// count says why a connection's packet came to the wrong backend for the first time.
func (s *site) count(t *testing.T, f *siteFlow, at int, got byte, found bool) {
	t.Helper()
	change, settled := int(f.change), s.nodes[at].settled
	switch {
	case at != int(f.last) && change < settled:
		s.fate.late++
	case at != int(f.node) && change > settled:
		s.fate.young++
		if found {
			s.fate.helped++
		}
	default:
		s.fate.moved++
		if s.fate.moved < 10 {
			t.Errorf("flow %d of change %d moved from %d to %d at node %d, from node %d", f.number, f.change, f.home, got, at, f.node)
		}
	}
}

// TestPersistence: of connections through five nodes, while backends are drained, removed, added, lost and come back, engines
// are restarted, and the router spreads flows anew, none moves away from a backend that serves it, but for such as the
// router moves to another node: one on which a change is settling that they are younger than, or one on which it has settled
// that they are older than. Of those, agents find nearly all again: what they pass on is what their own program does with the
// frames that the nodes' programs sent. What Katran's way would have moved, a table of every flow on each node, is counted
// beside it.
func TestPersistence(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	dice := rand.New(rand.NewPCG(seed, 0))
	s := newSite(t, 5)
	set := func(b byte, state string) { s.states[b] = state; s.applied(t) }
	events := []func(){
		func() {}, func() { s.ecmp++ }, func() { set(3, "drain") }, func() { s.nodes[1].restart(t) }, func() { set(9, "up") },
		func() { s.ecmp++ }, func() { set(3, "") }, func() { s.away[4] = true }, func() { set(5, "down") }, func() { set(5, "up") },
		func() { s.weight[2] = 300; s.applied(t) }, func() { s.away[4] = false }, func() { set(6, "drain") }, func() { set(6, "up") },
		func() { s.nodes[3].restart(t) }, func() { set(10, "up") }, func() { s.ecmp++ }, func() { set(10, "") }, func() { s.ecmp++ },
	}
	const rounds = 6
	for _, event := range events {
		event()
		for range rounds {
			s.begin(t, soak(10_000)/len(events)/rounds+1)
			s.talk(t, dice, 0.3)
		}
	}
	var unheld uint64
	for _, n := range s.nodes {
		for _, v := range n.Settlings() {
			unheld += v.Unheld
		}
	}
	t.Logf("seed %d: %d flows, %d changes, %d SYNs not remembered: %+v", seed, s.begun, s.change, unheld, s.fate)
	if s.fate.young < 5 || s.fate.helped < s.fate.young*9/10 || s.fate.hops <= s.fate.helped {
		t.Errorf("agents helped %d of %d connections, by %d packets", s.fate.helped, s.fate.young, s.fate.hops)
	}
	if s.fate.moved > 0 {
		t.Errorf("%d connections moved away from a backend that serves them", s.fate.moved)
	}
}
