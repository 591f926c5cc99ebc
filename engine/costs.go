package engine

import (
	"fmt"
	"time"

	"hairpin/engine/datapath"
)

// CostLease is how long stages measure what they cost after somebody said that he looks. Whoever goes on looking says so
// again every second or two.
const CostLease = 5 * time.Second

func (o *owner) watchCosts() error {
	if err := o.ready(); err != nil {
		return fmt.Errorf("watch costs: %w", err)
	}
	if o.watched.IsZero() {
		o.kernel.Watch(true)
	}
	o.watched = time.Now()
	return nil
}

// endWatch stops measuring when nobody has looked for a while.
func (o *owner) endWatch(now time.Time) {
	if !o.watched.IsZero() && now.Sub(o.watched) > CostLease {
		o.watched = time.Time{}
		o.kernel.Watch(o.comparing)
	}
}

// costs are what stages cost, as the samples of the last seconds say.
type costs struct {
	clock     sample
	recent    map[costKey]sample // nil while nobody looks
	lastClock datapath.Cost
	last      map[int]*[datapath.Positions]datapath.Cost // by chain number
}

// costKey is a stage of a chain, by its account.
type costKey struct{ chain, account int }

// sample is a sum over samples, in which older ones fade.
type sample struct{ ns, packets float64 }

const (
	costFades = 0.8  // what is left of a sample's weight with each reading
	costLeast = 0.05 // with less weight than this, nothing is known any more
	costFloor = 0.1  // ns: less, the clock cannot tell
)

func (s sample) add(from, to datapath.Cost) sample {
	s.ns, s.packets = s.ns*costFades, s.packets*costFades
	if to.Packets > from.Packets && to.NS >= from.NS {
		s.ns += float64(to.NS - from.NS)
		s.packets += float64(to.Packets - from.Packets)
	}
	return s
}

// read takes the samples between two readings.
func (c *costs) read(k *datapath.Kernel, snap *datapath.Snapshot) {
	switch {
	case !k.Watched():
		*c = costs{}
		return
	case c.recent == nil:
		c.recent = map[costKey]sample{}
	default:
		c.clock = c.clock.add(c.lastClock, snap.Clock)
		c.addChains(snap.Costs)
	}
	c.last, c.lastClock = snap.Costs, snap.Clock
}

func (c *costs) addChains(now map[int]*[datapath.Positions]datapath.Cost) {
	for chain, costs := range now {
		before := c.last[chain]
		if before == nil {
			continue
		}
		for i := range costs {
			if costs[i].Packets > 0 {
				key := costKey{chain, i}
				c.recent[key] = c.recent[key].add(before[i], costs[i])
			}
		}
	}
}

// ns is what a stage of a chain costs a packet, without the look at the clock; 0 = not known.
func (c *costs) ns(chain, account int) float64 {
	s := c.recent[costKey{chain, account}]
	if s.packets < costLeast || c.clock.packets < costLeast {
		return 0
	}
	return max(s.ns/s.packets-c.clock.ns/c.clock.packets, costFloor)
}
