package datapath

import (
	"slices"
	"sync/atomic"
	"time"
)

// flowTick: flows are counted by ticks of 2^30 ns.
const flowTick = 30

// Of a bucket of the tallies, in ticks.
const (
	farWidth  = 32
	dropAfter = 2 // the end of its last tick

	tallyTurns = 1 << 31 // of a tally's tick: a CPU is dropping what ended
)

// HeldOfTenant is which of the tallies of a flow is its tenant's, behind those of its chain, its VIP and its sources.
const HeldOfTenant = 2 + Lenses

// lensShift is where an entry of the flow table says by which lenses its source counts it.
const lensShift = 31

// flowSource reads the count of flows. clock is the tick it is, 0 the kernel's.
type flowSource struct {
	*Kernel
	clock uint32
}

func (k flowSource) chain(n int) ConnLimit    { return ConnLimit{Open: k.tallyNow(uint32(VIPs + n))} }
func (k flowSource) vip(num uint16) ConnLimit { return ConnLimit{Open: k.tallyNow(uint32(num))} }
func (k flowSource) name() (string, time.Duration) {
	return "flows", (farWidth + dropAfter) << flowTick
}

// tallyNow is the sum of a tally, less what has ended since a packet last saw to it.
func (k flowSource) tallyNow(place uint32) uint32 {
	until := uint32(Monotonic()>>flowTick) - dropAfter
	if k.clock != 0 {
		until = k.clock - dropAfter
	}
	x := k.tallies.all[place]
	x.turn(until)
	return uint32(max(0, int32(x.Sum)))
}

// turn drops from a copy of a tally what has ended by a tick.
func (x *tally) turn(until uint32) {
	x.Tick &^= tallyTurns // what the CPU that is at it has dropped already is empty
	for range TallyFar * farWidth {
		if int32(until-x.Tick) <= 0 || x.Sum == 0 {
			break
		}
		x.Tick++
		x.drop(x.Tick % TallyNear)
		if x.Tick%farWidth == farWidth-1 {
			x.drop(TallyNear + x.Tick/farWidth%TallyFar)
		}
	}
}

func (x *tally) drop(bucket uint32) {
	x.Sum -= x.Bucket[bucket]
	x.Bucket[bucket] = 0
}

func (k flowSource) sources(id uint32) []ConnLimit {
	var list []ConnLimit
	for i := range k.tallyNames.all {
		name := &k.tallyNames.all[i]
		if name.Lens != id || k.tallySets.all[i/SetWays][i%SetWays] == 0 {
			continue
		}
		if open := k.tallyNow(uint32(TallySources + i)); open > 0 {
			list = append(list, ConnLimit{Open: open, VIP: name.VIP, Source: k.prefixOf(name)})
		}
	}
	slices.SortFunc(list, func(a, b ConnLimit) int { return int(b.Open) - int(a.Open) })
	return list
}

// forgetLens has no flow counted any more by a lens that is to become another.
func (k *Kernel) forgetLens(slot int) {
	bit := uint64(1) << (lensShift + slot)
	for i := range k.flows.all {
		for j := range k.flows.all[i] {
			entry := &k.flows.all[i][j]
			for old := atomic.LoadUint64(entry); old&bit != 0 && !atomic.CompareAndSwapUint64(entry, old, old&^bit); {
				old = atomic.LoadUint64(entry)
			}
		}
	}
}

// FlowsUnheld is how many connections did not begin because the flow table had no room for one more, ever.
func (k *Kernel) FlowsUnheld() (sum uint64) {
	for _, c := range k.counted {
		sum += c.ConnFull
	}
	return sum
}

// FlowsUnplaced is how many flows began that are not counted for their source, because its set was full of others, ever.
func (k *Kernel) FlowsUnplaced() (sum uint64) {
	for _, c := range k.counted {
		sum += c.ConnUnplaced
	}
	return sum
}
