package engine

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"
	"time"

	"hairpin/engine/health"
	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// Rings are made for a while, then everybody else has a turn, for healShare times as long.
const (
	healBudget = 25 * time.Millisecond
	healPause  = 20 * time.Millisecond
	healShare  = 4
	healLatest = 500 * time.Millisecond
)

// shapeKey is a VIP in a generation.
type shapeKey struct {
	generation int
	vip        string
}

func planKey(num uint16, address netip.Addr) plan.Key { return plan.Key{VIP: num, Address: address} }

// heal makes the rings what the checks of backends and their slow starts want them to be, in the generation that runs and
// in the one that the kernel may go back to. It takes no new generation, so a change that waits goes on waiting.
func (o *owner) heal(now time.Time) {
	c := &o.checking
	c.paced = false
	if c.prober == nil || o.detached || o.lost() || !o.kernel.Owns() {
		return
	}
	if o.wentBack() {
		o.follow(now)
	}
	o.followChecks(false)
	if c.paced = false; o.spec == nil {
		return // the kernel went back to nothing
	}
	was := c.facts
	c.facts = c.prober.Facts()
	turned, quorums := o.decide()
	o.reopen(turned)
	next, left := o.reshape(now, turned)
	o.shut(turned, now)
	news := append(c.news(was, now), quorums...)
	pause, busy := min(max(healPause, healShare*time.Since(now)), healLatest), len(news)+len(turned) > 0
	switch {
	case left || busy:
		c.wake(pause, true)
	case !next.IsZero():
		c.wake(max(time.Until(next), pause), false)
	default:
		c.wake(time.Hour, false)
	}
	if busy {
		o.writeHealth()
		o.sayHealth(now, news)
	}
}

// turn is a backend that its checks take out of the ring, or give back.
type turn struct {
	id      uint16
	vip     string
	backend spec.Backend
	out     bool
}

// decide says of every backend of the running spec whether it is in the ring, and returns those for which that is new.
func (o *owner) decide() (turned []turn, news []healthNews) {
	c := &o.checking
	active := int(o.kernel.Control().Active)
	ids := o.kernel.IDs()
	clear(c.held)
	for i := range o.spec.VIPs {
		v := &o.spec.VIPs[i]
		num := o.kernel.NumOf(active, v)
		d := c.decision(v, func(b spec.Backend) bool { return o.kernel.Out(ids[planKey(num, b.Address)]) })
		for j, b := range v.Backends {
			id, key := ids[planKey(num, b.Address)], health.Key{VIP: v.Name, Backend: b.Address}
			if d.Held[j] {
				c.held[key] = true
			}
			if id != 0 && o.kernel.Out(id) != d.Out[j] {
				turned = append(turned, turn{id, v.Name, b, d.Out[j]})
			}
		}
		if len(v.Checks) == 0 || v.Health == nil {
			delete(c.lost, v.Name)
			continue
		}
		if d.Lost != c.lost[v.Name] {
			if c.lost[v.Name] = d.Lost; d.Lost {
				news = append(news, healthNews{"crit", fmt.Sprintf("%s has lost its quorum: %d of %d backends are up, and %d must be", v.Name, d.Live,
					len(v.Backends), v.Health.Quorum)})
			} else {
				delete(c.lost, v.Name)
				news = append(news, healthNews{"info", fmt.Sprintf("%s has its quorum again: %d of %d backends are up", v.Name, d.Live,
					len(v.Backends))})
			}
		}
	}
	return turned, news
}

// decision is what becomes of the backends of a VIP; was tells who was out before.
func (c *checking) decision(v *spec.VIP, was func(spec.Backend) bool) health.Decision {
	members := make([]health.Member, len(v.Backends))
	for i, b := range v.Backends {
		m := &members[i]
		if b.TakesNew() {
			m.Weight = b.Weight
		}
		if f, known := c.facts[health.Key{VIP: v.Name, Backend: b.Address}]; known && len(v.Checks) > 0 {
			m.State, m.Since = f.State, f.Since
		}
		m.Out = was(b)
	}
	var r health.Rules
	if h := v.Health; h != nil {
		r = health.Rules{Quorum: int(h.Quorum), Hysteresis: int(h.Hysteresis), Watermark: int(h.Watermark)}
	}
	return health.Decide(r, members, c.lost[v.Name])
}

// reopen lets backends take flows again, before any ring leads to them.
func (o *owner) reopen(turned []turn) {
	for _, t := range turned {
		if t.out {
			continue
		}
		o.kernel.SetOut(t.id, false)
		if t.backend.State == spec.Up || t.backend.State == spec.Drain {
			delete(o.downAt, t.id)
			o.kernel.MarkBackend(t.id, t.backend.TakesNew(), false)
		}
	}
}

// shut has backends take no new flows, when no ring leads to them any more. Their old flows are held for a while, in case
// they only flap.
func (o *owner) shut(turned []turn, now time.Time) {
	for _, t := range turned {
		if !t.out {
			continue
		}
		o.kernel.SetOut(t.id, true)
		if _, held := o.downAt[t.id]; !held {
			o.downAt[t.id] = now
		}
	}
}

// reshape makes the rings of those VIPs anew whose backends have other weights than before, those that lose one first, for
// as long as it may. next is when a slow start goes on; left tells that there is more to do.
func (o *owner) reshape(now time.Time, turned []turn) (next time.Time, left bool) {
	c, urgent := &o.checking, map[string]bool{}
	for _, t := range turned {
		urgent[t.vip] = urgent[t.vip] || t.out
	}
	type work struct {
		generation int
		spec       *spec.Spec
	}
	all := []work{{int(o.kernel.Control().Active), o.spec}}
	if c.of.other != nil {
		all = append(all, work{int(o.kernel.Control().Confirmed), c.of.other})
	}
	from := 0 // who has waited is first the next time
	defer func() { c.from = from }()
	for _, first := range []bool{true, false} {
		for _, w := range all {
			for i := range w.spec.VIPs {
				i = (i + c.from) % len(w.spec.VIPs)
				v := &w.spec.VIPs[i]
				if urgent[v.Name] != first {
					continue
				}
				again, more := o.reshapeVIP(w.generation, v, now, time.Since(now) > healBudget)
				if more && !left {
					left, from = true, i
				}
				if !again.IsZero() && (next.IsZero() || again.Before(next)) {
					next = again
				}
			}
		}
	}
	return next, left
}

// reshapeVIP makes the ring of a VIP anew if it has to be another, or tells that it would; and when it will have to be.
func (o *owner) reshapeVIP(generation int, v *spec.VIP, now time.Time, late bool) (next time.Time, left bool) {
	c, ids := &o.checking, o.kernel.IDs()
	num := o.kernel.NumOf(generation, v)
	backends := make([]uint16, len(v.Backends))
	for i, b := range v.Backends {
		backends[i] = ids[planKey(num, b.Address)]
	}
	decided := c.decision(v, func(b spec.Backend) bool { return o.kernel.Out(ids[planKey(num, b.Address)]) })
	weights, next := c.weights(v, decided, now)
	key, shape := shapeKey{generation, v.Name}, shapeOf(v, weights)
	if known, ok := c.shapes[key]; ok && known == shape || !ok && num == 0 {
		return next, false
	}
	if late {
		return next, true
	}
	ring, err := plan.Ring(&c.builder, v, backends, func(i int) uint32 { return weights[i] })
	changed := false
	if err == nil {
		changed, err = o.kernel.Reshape(generation, v, ring)
	}
	if err != nil {
		o.journal.add(now, "crit", "health", err.Error())
	}
	if c.shapes[key] = shape; changed {
		o.recount(num)
		if _, settles := o.running.Settling[v.Name]; !settles && o.running.Settling != nil && plan.Settles(*v) {
			o.running.Settling[v.Name] = now
		}
	}
	return next, false
}

// weights are what the backends of a VIP have in its ring.
func (c *checking) weights(v *spec.VIP, d health.Decision, now time.Time) (list []uint32, next time.Time) {
	list = make([]uint32, len(v.Backends))
	for i, b := range v.Backends {
		if !b.TakesNew() || d.Out[i] {
			continue
		}
		part, again := health.Ramp(b.Weight, c.cameBack(v, b), v.SlowStart, now)
		if list[i] = part; !again.IsZero() && (next.IsZero() || again.Before(next)) {
			next = again
		}
	}
	return list, next
}

// cameBack is when a backend that starts slowly began to; zero = it does not.
func (c *checking) cameBack(v *spec.VIP, b spec.Backend) time.Time {
	key := health.Key{VIP: v.Name, Backend: b.Address}
	back := c.back[key]
	if f := c.facts[key]; f.Back.After(back) {
		back = f.Back
	}
	return back
}

// shapeOf names a ring by what it is made of.
func shapeOf(v *spec.VIP, weights []uint32) uint64 {
	h := fnv.New64a()
	line := binary.LittleEndian.AppendUint32(nil, v.Ring)
	for i, b := range v.Backends {
		if weights[i] > 0 {
			address := b.Address.As16()
			line = binary.LittleEndian.AppendUint32(append(line, address[:]...), weights[i])
		}
	}
	_, _ = h.Write(line) // cannot fail
	return h.Sum64()
}

// weighed are the weights that a spec's backends would have in place of its own, were it applied now: none where checks took
// one out, and little where one comes back and starts slowly.
func (o *owner) weighed(world *plan.World, s *spec.Spec, now time.Time) map[plan.Key]uint32 {
	c, weights := &o.checking, map[plan.Key]uint32{}
	for i := range s.VIPs {
		v := &s.VIPs[i]
		running, known := world.VIPs[v.Name]
		if !known || len(v.Checks) == 0 && v.SlowStart == 0 {
			continue
		}
		for _, b := range v.Backends {
			key := planKey(running.Num, b.Address)
			if id := world.IDs[key]; !b.TakesNew() {
				continue
			} else if id != 0 && len(v.Checks) > 0 && o.kernel.Out(id) {
				weights[key] = 0
				continue
			}
			back := c.cameBack(v, b)
			if returns(o.spec, v, b) {
				back = now
			}
			if part, _ := health.Ramp(b.Weight, back, v.SlowStart, now); part != b.Weight {
				weights[key] = part
			}
		}
	}
	return weights
}

// returns tells whether a backend takes new flows again by a change of a VIP that was there before.
func returns(running *spec.Spec, v *spec.VIP, b spec.Backend) bool {
	if running == nil || !b.TakesNew() {
		return false
	}
	was := running.VIP(v.Name)
	if was == nil {
		return false
	}
	old := was.Backend(b.Address)
	return old == nil || !old.TakesNew()
}

// startSlowly notes who comes back by a change that went live.
func (o *owner) startSlowly(next *spec.Spec, now time.Time) {
	c := &o.checking
	if c.back == nil {
		c.back = map[health.Key]time.Time{}
	}
	for i := range next.VIPs {
		for _, b := range next.VIPs[i].Backends {
			if v := &next.VIPs[i]; v.SlowStart > 0 && returns(o.spec, v, b) {
				c.back[health.Key{VIP: v.Name, Backend: b.Address}] = now
			}
		}
	}
	for key, at := range c.back {
		if now.Sub(at) > spec.MaxSlowStart {
			delete(c.back, key)
		}
	}
}
