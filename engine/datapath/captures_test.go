package datapath

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"hairpin/engine/filter"
	"hairpin/engine/packet"
	"hairpin/engine/reason"
)

// caught is a record of a capture, with copies of its frames.
type caught struct {
	Captured
	came, left []byte
}

// catch is a capture of a node that goes on for the test.
func (n *node) catch(t testing.TB, place int, text string, c Capture) *Captor {
	t.Helper()
	if text != "" {
		var err error
		if c.Filter, err = filter.Parse(text, filter.Packet|filter.VIP|filter.Backend|filter.Stage|filter.Verdict|filter.Reason|filter.Layers); err != nil {
			t.Fatal(err)
		}
	}
	if c.Points == 0 {
		c.Points = PointCame | PointLeft
	}
	if c.Most == 0 {
		c.Most = 1 << 20
	}
	c.OneIn, c.MostBytes, c.Until = max(c.OneIn, 1), 1<<30, Monotonic()+uint64(time.Hour)
	nums := map[string]uint16{}
	for _, v := range n.spec.VIPs {
		nums[v.Name] = n.vipNum(v.Name)
	}
	captor, err := n.StartCapture(place, c, nums)
	if err != nil {
		t.Fatal(err)
	}
	return captor
}

func (n *node) vipNum(name string) uint16 {
	for num := range VIPs {
		if n.vipName(num) == name {
			return uint16(num)
		}
	}
	return 0
}

// all is what waits to be read, by the number of its capture.
func (c *Captor) all(t testing.TB) map[int][]caught {
	t.Helper()
	records := map[int][]caught{}
	for {
		h, frames, err := c.Read(time.Millisecond)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		x := caught{Captured: *h, came: slices.Clone(frames[:h.CameSnap]), left: slices.Clone(frames[h.CameSnap:][:h.LeftSnap])}
		records[int(h.Capture)] = append(records[int(h.Capture)], x)
	}
}

// TestCapture: with a capture around it the chain does with every packet what it does without, counts the same, and both
// frames are in the record, with the verdict and the reason.
func TestCapture(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]struct {
		spec string
		nic  string
		hook Hook
		rows []row
	}{
		"balancer": {balancerSpec, "eth0", XDP, slices.Concat(balanced, undelivered, others, broken)},
		"decap":    {decapSpec, "eth0", XDP, decapRows},
		"decap tc": {decapSpec, "eth1", TCXIngress, decapRows},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, set.spec)
			chain := n.chain(t, set.nic, set.hook)
			captor := n.catch(t, 0, "", Capture{Snap: CaptureSnap})
			for _, r := range set.rows {
				t.Run(r.sentence, func(t *testing.T) {
					n.check(t, chain, r, 0)
					list := captor.all(t)[0]
					if len(list) != 1 {
						t.Fatalf("%d records, want 1", len(list))
					}
					x, out := list[0], r.in
					if r.want.out != nil {
						out, _ = r.want.out(t, n, r.in)
					}
					if want := r.in[:min(len(r.in), CaptureSnap)]; !slices.Equal(x.came, want) {
						t.Errorf("came % x\nwant % x", x.came, want)
					}
					if want := out[:min(len(out), CaptureSnap)]; !slices.Equal(x.left, want) {
						t.Errorf("left % x\nwant % x", x.left, want)
					}
					why, _ := reason.ByName(r.want.reason)
					fate := map[reason.Verdict]uint8{reason.Drop: 1, reason.Pass: 2, reason.Forward: 3}[why.Verdict]
					if x.Reason != why.ID || x.Fate != fate || int(x.Chain) != chain || int(x.CameBytes) != len(r.in) || int(x.LeftBytes) != len(out) {
						t.Errorf("%+v", x.Captured)
					}
				})
			}
			n.EndCapture(0)
			for _, r := range set.rows[:3] {
				n.check(t, chain, r, 0)
			}
		})
	}
}

// extendedInside are packets with extension headers in both of their IPv6 headers, or in one, within bounds and beyond them.
var extendedInside = []row{
	{in: frame(ip6{}, packet.DestOpts{Options: make([]byte, 70)}, udp{}, ip6{}, packet.HopByHop{Options: make([]byte, 54)}, packet.Fragment{}, syn)},
	{in: frame(outer6, ip6{}, packet.Fragment{MF: true}, syn)},
	{in: frame(outer6, udp{}, ip6{}, packet.Fragment{Offset: 9}, fill(40))},
	{in: frame(outer4, udp{}, ip6{}, packet.DestOpts{Options: make([]byte, 78)}, syn)},
	{in: frame(outer4, ip6{}, packet.Routing{Left: 1, Route: []netip.Addr{packet.VIP6}}, syn)},
	{in: frame(outer4, udp{}, ip6{}, packet.DestOpts{Len: 9}, syn)},
	{in: frame(ip6{}, packet.Fragment{}, ip6{}, packet.DestOpts{}, udp{Dst: 80})},
	{in: frame(ip6{}, packet.DestOpts{Options: make([]byte, 78)}, udp{}, ip4{}, syn)},
	{in: frame(ip6{}, packet.Fragment{MF: true}, ip4{}, syn)},
	{in: frame(vlan{}, ip6{}, packet.HopByHop{}, udp{}, ip6{}, packet.HopByHop{}, syn)},
}

// TestCaptureFilters: what is captured is what the filter says in Go of what was captured without one.
func TestCaptureFilters(t *testing.T) {
	t.Parallel()
	for _, set := range []struct {
		spec    string
		rows    []row
		filters []string
	}{
		{balancerSpec, slices.Concat(balanced, undelivered, others, broken), []string{"vip web", "vip web or vip echo", "not vip web", "not reason forwarded", "verdict drop", "stage balancer and verdict drop", "outer dst host 10.1.1.11", "backend 10.1.1.12",
			"not outer udp", "outer udp or reason no_backend", "tcp and not verdict forward",
			"not (vip web and reason forwarded)", "outer src net 10.0.0.0/8 and inner ip6"}},
		{decapSpec, slices.Concat(decapRows, extendedInside), []string{"inner tcp port 80", "outer ip6", "reason decapsulated and inner udp", "verdict drop and outer udp", "not inner tcp",
			"inner host 10.99.0.1 or reason foreign_vip", "inner ip6 and inner port 80", "outer udp dst port 6080 and outer ip6", "inner fragment"}},
	} {
		n := newNode(t, set.spec)
		chain := n.chain(t, "eth0", XDP)
		captor := n.catch(t, 0, "", Capture{Snap: CaptureSnap})
		for _, text := range set.filters {
			n.catch(t, 2, text, Capture{Snap: CaptureSnap})
			e, err := filter.Parse(text, filter.Packet|filter.VIP|filter.Backend|filter.Stage|filter.Verdict|filter.Reason|filter.Layers)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range set.rows {
				n.run(t, chain, r.in, 0)
			}
			all := captor.all(t)
			if len(all[0]) != len(set.rows) {
				t.Fatalf("%d records of %d packets without a filter", len(all[0]), len(set.rows))
			}
			for i, x := range all[0] {
				f := n.fieldsOf(x)
				wanted := slices.ContainsFunc(all[2], func(y caught) bool { return y.CPU == x.CPU && y.Packet == x.Packet })
				if e.Match(&f) != wanted {
					t.Errorf("packet %d, %s: %q is %v of it in Go, and that it is captured is %v\n%+v", i, set.rows[i].sentence, text, !wanted, wanted, f)
				}
			}
			if some := len(all[2]); some == 0 || some == len(set.rows) {
				t.Errorf("%q is true of %d of %d packets: that says little", text, some, len(set.rows))
			}
			n.EndCapture(2)
		}
	}
}

// fieldsOf is what filters may ask of a record, by the Go parser.
func (n *node) fieldsOf(x caught) filter.Fields {
	f, _ := filter.FieldsOf(x.came)
	f.VIP = n.vipName(int(x.VIP))
	outer := func(with []byte) bool {
		s, _ := packet.Parse(with, packet.GUEPort, 7000)
		o, _ := filter.FieldsOf(with)
		if s.Inner == nil || s.Inner.Version == 0 || o.Proto != s.Protocol { // the data path's walk over extension headers stops
			return false
		}
		kind := map[uint8]uint16{4: packet.TypeIPv4, 6: packet.TypeIPv6}[s.Inner.Version]
		in, err := filter.FieldsOf(slices.Concat(with[:12], []byte{byte(kind >> 8), byte(kind)}, with[s.Inner.NetworkAt:]))
		if err == nil && s.Inner.NetworkAt+s.Inner.Length <= s.NetworkAt+s.Length {
			f.Outer, f.Inner = &o, &in
		}
		return f.Inner != nil
	}
	if !outer(x.came) && len(x.left) > len(x.came) {
		outer(x.left)
		same := f
		same.Outer, same.Inner = nil, nil
		f.Inner = &same
	}
	why, _ := reason.ByID(int(x.Reason))
	f.Reason, f.Verdict = why.Name, [...]string{"", "drop", "pass", "forward"}[x.Fate]
	if x.Account > 0 {
		f.Stage = n.Chains()[x.Chain].Names[x.Account]
	}
	if f.Outer != nil {
		f.Backend = f.Outer.Dst
	}
	return f
}

// TestCaptureOutlives: when nobody says any more that it is to go on, and when its engine is gone, nothing is captured and
// everything is forwarded; the next engine ends it.
func TestCaptureOutlives(t *testing.T) {
	t.Parallel()
	n := newNode(t, balancerSpec)
	chain := n.chain(t, "eth0", XDP)
	captor := n.catch(t, 0, "", Capture{})
	row := balanced[0]
	n.check(t, chain, row, 0)
	captor.Extend(0, 1)
	n.check(t, chain, row, 0)
	if list := captor.all(t)[0]; len(list) != 1 {
		t.Errorf("%d records, want the first packet's alone", len(list))
	}
	captor.close() // as the process that ends closes everything
	n.captor = nil
	n.check(t, chain, row, 0)
	if flags := n.generations.all[n.Control().Active].Flags; flags&GenerationCaptured == 0 {
		t.Error("nothing is left of it: this test tests nothing")
	}
	n.EndCaptures()
	n.check(t, chain, row, 0)
	if flags := n.generations.all[n.Control().Active].Flags; flags&GenerationCaptured != 0 {
		t.Error("the next engine has not ended it")
	}
	again := n.catch(t, 0, "", Capture{Points: PointCame, Most: 2})
	for range 4 {
		n.check(t, chain, row, 0)
	}
	if list := again.all(t)[0]; len(list) != 2 || list[0].LeftSnap != 0 {
		t.Errorf("%d records, want 2 without the frame that left", len(list))
	}
	if count := again.Count(0); count.Taken != 2 || count.Lost != 0 {
		t.Errorf("%+v", count)
	}
}

// TestCaptureBetween: after a stage, packets that pass it are captured there; those that it drops are not.
func TestCaptureBetween(t *testing.T) {
	t.Parallel()
	n := newNode(t, `
version: 1
stages: {edge: {kind: firewall, drop: {sources: [203.0.113.0/24]}}}
nics: {eth0: {xdp: [edge, balancer]}}
vips: [{name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}]
`)
	chain := n.chain(t, "eth0", XDP)
	account := slices.Index(n.Chains()[chain].Names[:], "edge")
	captor := n.catch(t, 1, "", Capture{Points: PointBetween | PointLeft, After: map[int]int{chain: account}})
	n.run(t, chain, frame(ip4{}, syn), 0)
	n.run(t, chain, frame(ip4{Src: addr("203.0.113.9")}, syn), 0)
	list := captor.all(t)[1]
	if len(list) != 3 || list[0].Point != PointBetween || int(list[0].Account) != account || list[0].Reason != 0 || list[1].Point != 0 ||
		list[1].Packet != list[0].Packet || list[2].Point != 0 || list[2].Fate != 1 {
		t.Errorf("%+v", list)
	}
}

// TestCaptureAll: 100,000 packets a second are captured, and each is either read or counted as lost.
func TestCaptureAll(t *testing.T) {
	n := newNode(t, balancerSpec)
	chain := n.chain(t, "eth0", XDP)
	captor := n.catch(t, 0, "tcp port 22", Capture{})
	const batches, each = 20, 5000
	data := frame(ip4{}, tcp{Dst: 22})
	var read atomic.Uint64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			switch _, _, err := captor.Read(20 * time.Millisecond); {
			case err == nil:
				read.Add(1)
			case !errors.Is(err, os.ErrDeadlineExceeded):
				return
			}
		}
	}()
	for range batches {
		began := time.Now()
		if _, err := n.roots[chain].Run(&ebpf.RunOptions{Data: data, Repeat: each}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(began.Add(time.Second * each / 100_000))) // paces what it sends
	}
	count := captor.Count(0)
	for deadline := time.Now().Add(time.Minute); read.Load()+count.Lost < batches*each && time.Now().Before(deadline); count = captor.Count(0) {
		time.Sleep(time.Millisecond)
	}
	cost, err := captor.Cost()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d read, %d lost, %.0f ns a packet", read.Load(), count.Lost, cost.NS)
	if count.Taken != batches*each || read.Load()+count.Lost != batches*each || cost.Seen != batches*each || cost.Torn != 0 {
		t.Errorf("%d packets: %d read, %+v, %+v", batches*each, read.Load(), count, cost)
	}
	n.EndCapture(0)
	<-done
}
