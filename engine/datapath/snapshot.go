package datapath

import (
	"fmt"
	"sync/atomic"

	"hairpin/engine/reason"
)

// Snapshot is every counter, summed over CPUs.
type Snapshot struct {
	Exits      map[int]*[Reasons]Count // by chain number
	VIP        []Count                 // by VIP number
	VIPDrop    []Count
	Backend    []Count // by id
	Drops      map[Drop]Count
	DropsLost  uint64                    // drops that Drops had no room for
	Costs      map[int]*[Positions]Cost  // by chain number
	Clock      Cost                      // looks at the clock, of which each cost has one
	Own        map[int]*[Positions]Count // by chain number: what external programs ended; Exits has it too
	EventsLost uint64
}

// Drop names one row of the drop ledger: which stage dropped packets of which VIP, and why.
type Drop struct {
	Chain   int
	Account int    // of the stage; 0 = parse
	VIP     uint16 // its number; 0 = of no VIP
	Reason  uint8
	Shadow  bool // would have dropped them
}

func dropOf(key uint32) Drop {
	return Drop{Chain: int(key >> dropChainShift & (Chains - 1)), Account: int(key >> dropAccountShift & (Positions - 1)),
		VIP: uint16(key >> dropVIPShift & (VIPs - 1)), Reason: uint8(key & (Reasons - 1)), Shadow: key&dropShadow != 0}
}

// Reasons that no stage counts by itself: root does, and user space.
const (
	noGeneration = 21
	external     = 24
)

// Snapshot reads the counters: of the chains that have a number, of the VIPs, and of the backends up to the highest id.
func (k *Kernel) Snapshot(into *Snapshot) error {
	if k.takeover != nil && k.takeover.inherits() {
		if err := inherit(k.dir, k.takeover.from); err != nil {
			return err
		}
	}
	top := k.topBackend() + 1
	into.VIP = zeroed(into.VIP, VIPs)
	into.VIPDrop = zeroed(into.VIPDrop, VIPs)
	into.Backend = zeroed(into.Backend, top)
	into.Exits = map[int]*[Reasons]Count{}
	into.Drops, into.Costs = map[Drop]Count{}, map[int]*[Positions]Cost{}
	into.EventsLost, into.DropsLost, into.Clock = 0, 0, Cost{}
	into.Own = map[int]*[Positions]Count{}
	for n := range k.chains.all {
		if k.chains.all[n].Used != 0 {
			into.Exits[n], into.Costs[n], into.Own[n] = new([Reasons]Count), new([Positions]Cost), new([Positions]Count)
		}
	}
	for _, c := range k.counted {
		for n, exits := range into.Exits {
			addAll(exits[:], c.Exit[n][:])
		}
		addAll(into.VIP, c.VIP[:])
		addAll(into.VIPDrop, c.VIPDrop[:])
		addAll(into.Backend, c.Backend[:top])
		into.EventsLost += c.EventsLost
		into.DropsLost += c.DropsLost
		into.Clock = into.Clock.plus(c.Clock)
		into.addDrops(c)
		into.addOwn(c)
	}
	return k.addLost(into)
}

func (s *Snapshot) addDrops(c *counters) {
	for i := range c.Drop {
		d := &c.Drop[i]
		if d.Count.Packets == 0 {
			continue
		}
		key := dropOf(d.Key)
		sum := s.Drops[key]
		s.Drops[key] = Count{sum.Packets + d.Count.Packets, sum.Bytes + d.Count.Bytes}
	}
	for n, costs := range s.Costs {
		for i, cost := range c.Cost[n] {
			costs[i] = costs[i].plus(cost)
		}
	}
}

func (c Cost) plus(o Cost) Cost { return Cost{c.NS + o.NS, c.Packets + o.Packets} }

// closePassage forgets which stage's program ended what, and keeps the sum, in which a packet inside stands until it comes out.
func (c *counters) closePassage(chain, account int) {
	p, sum := &c.Passage[chain][account], &c.Exit[chain][external]
	sum.Packets += p.In.Packets - p.Out.Packets
	sum.Bytes += p.In.Bytes - p.Out.Bytes
	*p = passage{}
}

// addOwn adds what external programs ended: what went in and did not come out. Out is read first, so that a packet inside
// meanwhile is no less than nothing.
func (s *Snapshot) addOwn(c *counters) {
	for n, exits := range s.Exits {
		for i := range c.Passage[n] {
			p := &c.Passage[n][i]
			out := Count{atomic.LoadUint64(&p.Out.Packets), atomic.LoadUint64(&p.Out.Bytes)}
			in := Count{atomic.LoadUint64(&p.In.Packets), atomic.LoadUint64(&p.In.Bytes)}
			ended := []Count{{in.Packets - out.Packets, in.Bytes - out.Bytes}}
			addAll(s.Own[n][i:i+1], ended)
			addAll(exits[external:external+1], ended)
		}
	}
}

// forgetDrops zeroes what the ledger counted of a chain, VIP or whatever match says. The rows stay, with their keys: others
// may have been put behind them.
func (k *Kernel) forgetDrops(match func(Drop) bool) {
	for _, c := range k.counted {
		rows := &c.Drop
		for j := range rows {
			if rows[j].Key != 0 && match(dropOf(rows[j].Key)) {
				rows[j].Count = Count{}
			}
		}
	}
}

func zeroed(list []Count, n int) []Count {
	if cap(list) < n {
		return make([]Count, n)
	}
	list = list[:n]
	clear(list)
	return list
}

func addAll(to, from []Count) {
	for i := range to {
		to[i].Packets += from[i].Packets
		to[i].Bytes += from[i].Bytes
	}
}

// topBackend is an id above which none is in use. The owner looks for it once.
func (k *Kernel) topBackend() int {
	if k.top > 0 && k.Owns() {
		return k.top
	}
	top := Backends - 1
	for top > 0 && k.backends.all[top].Family == 0 {
		top--
	}
	if k.Owns() {
		k.top = top
	}
	return top
}

// addLost adds what root counted itself, for want of a row.
func (k *Kernel) addLost(into *Snapshot) error {
	lost, err := k.lost()
	if err != nil {
		return err
	}
	for n, exits := range into.Exits {
		exits[noGeneration].Packets += lost[n].Packets - k.chains.all[n].Lost.Packets
		exits[noGeneration].Bytes += lost[n].Bytes - k.chains.all[n].Lost.Bytes
	}
	return nil
}

// lost is what root counted itself under each chain number, ever.
func (k *Kernel) lost() (all [Chains]Count, err error) {
	var perCPU []entry
	if err := k.maps["entry"].Lookup(uint32(0), &perCPU); err != nil {
		return all, fmt.Errorf("read root's counters: %w", err)
	}
	for i := range perCPU {
		addAll(all[:], perCPU[i].Lost[:])
	}
	return all, nil
}

// Sum adds up the exits of a verdict.
func Sum(exits *[Reasons]Count, verdict reason.Verdict) (sum Count) {
	for id := range exits {
		if r, ok := reason.ByID(id); ok && r.Verdict == verdict {
			sum.Packets += exits[id].Packets
			sum.Bytes += exits[id].Bytes
		}
	}
	return sum
}
