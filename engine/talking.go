package engine

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/filter"
	"hairpin/engine/packet"
	"hairpin/engine/talkers"
	"hairpin/engine/tcpflows"
)

// How many packets a second are sampled, about, and how many at most until the rate is looked at again.
const (
	samplesWanted  = 4000
	openingsWanted = 2000
	samplesMost    = 4 * samplesWanted
)

// openings are the packets that begin a connection.
const openings = "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn"

// talking is who talks, by samples that are taken while somebody asks.
type talking struct {
	book     *talkers.Book
	oneIn    [datapath.Captures]int
	taken    [datapath.Captures]uint64
	seen     uint64
	pps      float64
	looked   time.Time
	cut      bool
	asked    bool   // by somebody
	settling uint64 // entries of the connection table when it was last swept
}

// startTalking is carried out by the loop: it has packets sampled, unless they are.
func (o *owner) startTalking() error {
	if err := o.ready(); err != nil {
		return err
	}
	if o.spec == nil || o.captures.sampled() {
		return nil
	}
	oneIn := sampling(o.incoming(), samplesWanted)
	o.captures.clearBook()
	e, err := filter.Parse(openings, captureWords)
	if err != nil {
		return err
	}
	for place, of := range map[int]*filter.Expr{sampledPlace: nil, sampledSYNs: e} {
		now := time.Now()
		c := &capturing{read: now, status: CaptureStatus{Until: now.AddDate(1, 0, 0)}, sink: o.captures.sample}
		k := datapath.Capture{Filter: of, Points: datapath.PointCame | datapath.PointLeft, OneIn: oneIn, Most: samplesMost, MostBytes: math.MaxUint64}
		if _, err := o.startCapture(place, c, k); err != nil {
			return err
		}
	}
	o.captures.beginBook(oneIn)
	return nil
}

// sampling is of how many packets one is looked at, for so many a second.
func sampling(pps float64, wanted int) int {
	return max(1, min(maxOneIn, int(math.Ceil(pps/float64(wanted)))))
}

// sampled tells whether packets are.
func (c *captures) sampled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at[sampledPlace] != nil && c.at[sampledSYNs] != nil
}

// clearBook forgets what was sampled before.
func (c *captures) clearBook() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.talk = talking{settling: c.talk.settling}
}

// beginBook has all samples begin now: loading the programs of one took time, in which the other would have seen more.
func (c *captures) beginBook(oneIn int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.talk.book, c.talk.looked = talkers.NewBook(now), now
	for _, place := range []int{sampledPlace, sampledSYNs} {
		c.talk.oneIn[place] = oneIn
		c.goOn(place, now)
	}
}

// goOn has the kernel take samples for as long again as it does when nobody asks for them.
func (c *captures) goOn(place int, now time.Time) {
	if x := c.at[place]; x != nil && c.talk.book != nil {
		x.read = now
		c.captor.Extend(place, leaseOf(x, now))
	}
}

// sample counts one. It is called with the lock held.
func (c *captures) sample(h *datapath.Captured, frames []byte) {
	s, ok := sampleOf(h, frames, &c.names)
	switch {
	case !ok || c.talk.book == nil:
	case h.Capture == sampledSYNs:
		c.talk.book.Opening(s)
	default:
		c.talk.book.Packet(s)
	}
}

func sampleOf(h *datapath.Captured, frames []byte, names *captureNames) (talkers.Sample, bool) {
	frame, _ := packet.ParseCut(frames[:h.CameSnap]) // what is wrong behind the addresses does not matter here
	p := frame.Innermost()
	if !p.Src.IsValid() && frame.Src.IsValid() {
		p = &frame
	}
	if !p.Src.IsValid() {
		return talkers.Sample{}, false
	}
	r := recordOf(h, names)
	s := talkers.Sample{At: r.Time, Protocol: p.Protocol, Src: netip.AddrPortFrom(p.Src, p.SrcPort), Dst: netip.AddrPortFrom(p.Dst, p.DstPort), Flags: p.Flags, Bytes: int(h.CameBytes),
		OneIn: int(h.OneIn), NIC: r.NIC, VIP: r.VIP, Verdict: r.Verdict, Reason: r.Reason}
	if h.LeftBytes > h.CameBytes && h.LeftSnap > 0 {
		if left, _ := packet.ParseCut(frames[h.CameSnap:][:h.LeftSnap]); left.Dst.IsValid() {
			s.Backend = left.Dst
		}
	}
	return s, true
}

// swept notes how many entries the connection table has.
func (c *captures) swept(kept int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.talk.settling = uint64(kept)
}

// adapt looks once a second whether the samples are as many as they should be.
func (c *captures) adapt(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	span := now.Sub(c.talk.looked)
	if c.at[sampledPlace] == nil || c.talk.book == nil || span < readEvery {
		return
	}
	t := &c.talk
	t.looked, t.cut = now, false
	cost, err := c.captor.Cost()
	if err != nil {
		return
	}
	t.pps, t.seen = float64(cost.Seen-min(t.seen, cost.Seen))/span.Seconds(), cost.Seen
	for place, wanted := range map[int]int{sampledPlace: samplesWanted, sampledSYNs: openingsWanted} {
		n := c.captor.Count(place)
		came := float64(n.Taken - min(t.taken[place], n.Taken))
		t.cut = t.cut || came >= samplesMost
		pps := t.pps
		if place == sampledSYNs {
			pps = came * float64(t.oneIn[place]) / span.Seconds()
		}
		t.taken[place], t.oneIn[place] = n.Taken, sampling(pps, wanted)
		c.captor.Sample(place, t.oneIn[place])
		c.captor.Allow(place, n.Taken+samplesMost)
	}
}

// Connections implements Verbs.
func (s seat) Connections(ctx context.Context, r ConnectionsRequest) (*Connections, error) {
	if err := s.engine.guard.allow(s.party, verbConnections); err != nil {
		return nil, err
	}
	a, err := r.read()
	if err != nil {
		return nil, fmt.Errorf("connections: %w", err)
	}
	if !s.engine.captures.sampled() {
		if err := command(ctx, s, verbConnections, s.engine.startTalking); err != nil {
			return nil, fmt.Errorf("connections: %w", err)
		}
	}
	var c *Connections
	err = s.engine.talkPace.do(ctx, func() error {
		now := time.Now()
		c = s.engine.captures.connections(a, now)
		c.Time = now
		if r.Sockets {
			return c.addSockets(s.engine.ns, a.most)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("connections: %w", err)
	}
	return c, nil
}

// connections is the answer, and has the samples go on.
func (c *captures) connections(a asked, now time.Time) *Connections {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &c.talk
	v := &Connections{Settling: t.settling}
	t.asked = true
	for _, place := range []int{sampledPlace, sampledSYNs} {
		if c.at[place] != nil {
			c.goOn(place, now)
			v.Lost += c.captor.Count(place).Lost
		}
	}
	if t.book == nil {
		return v
	}
	v.Over, v.OneIn, v.OneInNew, v.Cut, v.PPS = t.book.Over(now), t.oneIn[sampledPlace], t.oneIn[sampledSYNs], t.cut, t.pps
	if c.captor != nil {
		if cost, err := c.captor.Cost(); err == nil {
			v.NS = cost.NS
		}
	}
	v.Talkers = t.top(a.by, a.sort, a.most, now)
	flows := t.book.Flows(now, func(f *talkers.Flow) bool { v.Known++; return a.wants(f) })
	v.Wanted = len(flows)
	v.Flows = a.grouped(flows)
	return v
}

// wants tells whether a connection is one of those that were asked for.
func (a *asked) wants(f *talkers.Flow) bool {
	return a.match == nil || a.match.Match(&filter.Fields{Src: f.Src.Addr(), Dst: f.Dst.Addr(), Proto: f.Protocol, SrcPort: f.Src.Port(), DstPort: f.Dst.Port(),
		VIP: f.VIP, Backend: f.Backend, Verdict: f.Verdict, Reason: f.Reason})
}

// grouped are the flows with most packets, or the groups of them.
func (a *asked) grouped(flows []talkers.Flow) []Flow {
	var list []Flow
	groups := map[string]int{}
	for i := range flows {
		f := &flows[i]
		row := Flow{Flows: 1, Protocol: f.Protocol, Src: f.Src, Dst: f.Dst, NIC: f.NIC, VIP: f.VIP, Backend: f.Backend, State: f.State(), Verdict: f.Verdict,
			Reason: f.Reason, First: f.First, Last: f.At, Packets: f.Packets, Bytes: f.AllBytes}
		if a.group < 0 {
			list = append(list, row)
			continue
		}
		name := cmp.Or(f.Names()[a.group], "-")
		at, known := groups[name]
		if !known {
			groups[name] = len(list)
			list = append(list, Flow{Group: name, Flows: 1, First: row.First, Last: row.Last, Packets: row.Packets, Bytes: row.Bytes})
			continue
		}
		g := &list[at]
		g.Flows, g.Packets, g.Bytes = g.Flows+1, g.Packets+row.Packets, g.Bytes+row.Bytes
		if row.First.Before(g.First) {
			g.First = row.First
		}
		if row.Last.After(g.Last) {
			g.Last = row.Last
		}
	}
	slices.SortFunc(list, func(x, y Flow) int {
		return cmp.Or(cmp.Compare(y.Packets, x.Packets), y.Last.Compare(x.Last), strings.Compare(x.Src.String(), y.Src.String()), strings.Compare(x.Group, y.Group))
	})
	return list[:min(len(list), a.most)]
}

// addSockets lists the host's own connections, from a thread in the engine's network namespace.
func (c *Connections) addSockets(ns namespace, most int) error {
	type listed struct {
		list []tcpflows.Flow
		err  error
	}
	answer := make(chan listed, 1)
	go func() { // its thread is bound to the namespace, and ends with it
		var l listed
		if l.err = ns.enter(); l.err == nil {
			l.list, l.err = tcpflows.List()
		}
		answer <- l
	}()
	l := <-answer
	if l.err != nil {
		return l.err
	}
	c.SocketsOpen = len(l.list)
	slices.SortFunc(l.list, func(x, y tcpflows.Flow) int {
		return cmp.Or(cmp.Compare(y.Received+y.Acked, x.Received+x.Acked), strings.Compare(x.Remote.String(), y.Remote.String()))
	})
	for _, f := range l.list[:min(len(l.list), most)] {
		c.Sockets = append(c.Sockets, Socket(f))
	}
	return nil
}
