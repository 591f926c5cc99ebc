package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"hairpin/engine/talkers"
	"hairpin/engine/trace"
)

// Talkers is who sent most at a time. While nobody looks at connections, packets are sampled for a second of each minute, sooner where
// there are suddenly more of them: so the record says who it was to those who come after an incident.
type Talkers struct {
	Time  time.Time     `json:"time"`
	Over  time.Duration `json:"over_ns"` // what rates are the averages of
	OneIn int           `json:"one_in"`  // of so many packets one was looked at
	List  []Talker      `json:"talkers"` // sources by packets; behind them those with most new connections that are not among them
}

const (
	glanceEvery = time.Minute
	glanceAgain = 10 * time.Second // where twice as much comes as at the last glance
	glanceFor   = time.Second
	glanceLeast = 100 // packets a second: of fewer nobody needs to know
	glanceKeeps = 2 * glanceEvery
	mostTalkers = 10
	mostOpeners = 5
)

// glances belong to the loop.
type glances struct {
	began time.Time // zero = none goes on
	last  time.Time
	pps   float64  // that came by at the last
	seen  *Talkers // by the last; nil = there was none
}

// glance looks who talks, where nobody else does.
func (o *owner) glance(now time.Time) {
	g := &o.glances
	switch {
	case o.captures.sampled():
		o.seeTalkers(now)
	case !g.began.IsZero():
		g.began = time.Time{} // something else has ended it
	case o.spec == nil || !g.due(now, o.incoming()):
	default:
		g.last, g.pps = now, o.incoming()
		if err := o.startTalking(); err != nil {
			o.log.Info("who talks is not recorded", "error", err)
			return
		}
		g.began = now
	}
}

// seeTalkers notes who talks, and ends a glance that has taken long enough, unless somebody looks by now.
func (o *owner) seeTalkers(now time.Time) {
	g := &o.glances
	own := !g.began.IsZero()
	if own && now.Sub(g.began) < glanceFor || !own && now.Sub(g.last) < readEvery*5 {
		return
	}
	g.seen, g.last, g.began = o.captures.talkers(now), now, time.Time{}
	if own && !o.captures.looked() {
		for _, id := range o.captures.samplers() {
			o.endCapture(id)
		}
	}
}

func (g *glances) due(now time.Time, pps float64) bool {
	since := now.Sub(g.last)
	return pps >= glanceLeast && (since >= glanceEvery || since >= glanceAgain && pps >= 2*g.pps)
}

// show is what the last glance saw, unless that is long ago.
func (g *glances) show(now time.Time) *Talkers {
	if g.seen == nil || now.Sub(g.seen.Time) > glanceKeeps {
		return nil
	}
	return g.seen
}

// incoming is how many packets a second come into the chains.
func (o *owner) incoming() (pps float64) {
	if s := o.state.Load(); s != nil {
		for _, n := range s.NICs {
			pps += n.In.PPS
		}
	}
	return pps
}

// talkers are those of the samples so far; nil where there are none.
func (c *captures) talkers(now time.Time) *Talkers {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &c.talk
	if t.book == nil {
		return nil
	}
	v := &Talkers{Time: now, Over: t.book.Over(now), OneIn: t.oneIn[sampledPlace], List: t.top(talkers.Source, talkers.Packets, mostTalkers, now)}
	for _, x := range t.top(talkers.Source, talkers.New, mostOpeners, now) {
		if x.New > 0 && !slices.ContainsFunc(v.List, func(y Talker) bool { return x.Name == y.Name }) {
			v.List = append(v.List, x)
		}
	}
	return v
}

func (t *talking) top(by talkers.By, sort talkers.Measure, most int, now time.Time) (list []Talker) {
	for _, x := range t.book.Top(by, sort, most, now) {
		list = append(list, Talker{Name: x.Name, PPS: x.Rate[talkers.Packets], BPS: x.Rate[talkers.Bytes], New: x.Rate[talkers.New],
			PPSOff: x.Bound[talkers.Packets], BPSOff: x.Bound[talkers.Bytes], NewOff: x.Bound[talkers.New]})
	}
	return list
}

// looked tells whether somebody asked for connections since the samples began.
func (c *captures) looked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.talk.asked
}

// samplers are the captures that take the samples.
func (c *captures) samplers() (ids []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.at[peoplesCaptures:] {
		if x != nil {
			ids = append(ids, x.id)
		}
	}
	return ids
}

// frames are a packet of each connection that was sampled in the last minute, those with most packets first: the last that was seen, but
// for what no sample keeps.
func (c *captures) frames(now time.Time) (frames [][]byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var flows []talkers.Flow
	if c.talk.book != nil {
		flows = c.talk.book.Flows(now, func(*talkers.Flow) bool { return true })
	}
	slices.SortFunc(flows, func(a, b talkers.Flow) int { return cmp.Or(cmp.Compare(b.Packets, a.Packets), a.Src.Compare(b.Src)) })
	for i := range flows {
		if f, err := trace.Parse(packetOf(&flows[i])); err == nil && len(frames) < MostTraced { // of ICMP a sample says too little
			frames = append(frames, f)
		}
	}
	if len(frames) == 0 {
		return nil, fmt.Errorf("%w: of no connection a packet came in the last minute", ErrInvalid)
	}
	return frames, nil
}

// flowsPatience is how long a trace of connections waits for a packet of one.
const flowsPatience = 3 * time.Second

// sampleFlows has packets sampled for a while, where the last minute's samples have no connection.
func (s seat) sampleFlows(ctx context.Context) error {
	c := &s.engine.captures
	if _, err := c.frames(time.Now()); err == nil {
		return nil
	}
	if !c.sampled() {
		if err := command(ctx, s, verbTrace, s.engine.startTalking); err != nil {
			return err
		}
	}
	ends := time.After(flowsPatience)
	for wait := glanceFor; ; wait = glanceFor / 10 { // the first packet's connection is not the only one
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ends:
			return nil
		case <-time.After(wait):
		}
		if _, err := c.frames(time.Now()); err == nil {
			return nil
		}
	}
}

func packetOf(f *talkers.Flow) string {
	switch f.Protocol {
	case 6:
		return fmt.Sprintf("tcp %s > %s %s", f.Src, f.Dst, cmp.Or(f.Flags, "A"))
	case 17:
		return fmt.Sprintf("udp %s > %s", f.Src, f.Dst)
	}
	return ""
}
