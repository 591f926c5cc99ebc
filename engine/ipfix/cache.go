package ipfix

import (
	"slices"
	"time"
)

// Bounds of a Cache.
const (
	MostFlows   = 1 << 16
	activeAfter = time.Minute
	idleAfter   = 15 * time.Second
)

// Cache adds packets up to flows. It has room for MostFlows; when one more comes, all are told, and none is lost. It belongs
// to one goroutine.
type Cache struct {
	flows map[Key]*flow
	told  []Record
	most  int
}

// flow is a flow since its record before, and when it was last seen.
type flow struct {
	Record
	seen time.Time
}

// NewCache is empty.
func NewCache() *Cache { return &Cache{flows: map[Key]*flow{}, most: MostFlows} }

// Add takes a packet. An answer to a flow that is there is its other direction.
func (c *Cache) Add(p Packet) {
	if f := c.flows[p.Key]; f != nil {
		f.Counts.add(&p)
		f.seen = p.Time
		return
	}
	if f := c.flows[p.reverse()]; f != nil {
		f.Back.add(&p)
		f.seen = p.Time
		return
	}
	if len(c.flows) >= c.most {
		c.end(Full, func(*flow) bool { return true })
	}
	f := &flow{Record: Record{Key: p.Key, OneIn: max(p.OneIn, 1)}, seen: p.Time}
	f.Counts.add(&p)
	c.flows[p.Key] = f
}

const finRst = 1 | 4

// Due are the records that are due: of flows that were silent, ended, or go on for long.
func (c *Cache) Due(now time.Time) []Record {
	c.end(Idle, func(f *flow) bool { return now.Sub(f.seen) >= idleAfter })
	c.end(Ended, func(f *flow) bool { return (f.Flags|f.Back.Flags)&finRst != 0 && now.Sub(f.seen) >= time.Second })
	for _, f := range c.chosen(func(f *flow) bool { return !f.first().IsZero() && now.Sub(f.first()) >= activeAfter }) {
		c.tell(f, Active)
		f.Counts, f.Back = Counts{}, Counts{} // it goes on, in the directions that it has
	}
	return c.take()
}

// Flush are the records of all flows.
func (c *Cache) Flush() []Record {
	c.end(Forced, func(*flow) bool { return true })
	return c.take()
}

func (c *Cache) take() []Record {
	told := c.told
	c.told = nil
	return told
}

// end makes records of some flows and forgets them.
func (c *Cache) end(why End, which func(*flow) bool) {
	for _, f := range c.chosen(which) {
		c.tell(f, why)
		delete(c.flows, f.Key)
	}
}

// chosen are some flows, the oldest first.
func (c *Cache) chosen(which func(*flow) bool) (some []*flow) {
	for _, f := range c.flows {
		if which(f) {
			some = append(some, f)
		}
	}
	slices.SortFunc(some, func(a, b *flow) int { return a.first().Compare(b.first()) })
	return some
}

// tell makes a record, where there was a packet since the last one. Where only answers were, they are a flow of their own.
func (c *Cache) tell(f *flow, why End) {
	r := f.Record
	r.End = why
	if r.Packets == 0 {
		r.Key, r.Counts, r.Back = r.reverse(), r.Back, Counts{}
	}
	if r.Packets > 0 {
		c.told = append(c.told, r)
	}
}
