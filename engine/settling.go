package engine

import (
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/maglev"
	"hairpin/engine/spec"
)

// settlingVIP is one VIP that settles, with what it takes to end it.
type settlingVIP struct {
	num  uint16
	name string
	ends time.Time
	Settling
}

// settlers is what is known of VIPs that settle, to an owner or to one who only looks.
type settlers struct {
	kernel *datapath.Kernel
	meters *meters
	spec   *spec.Spec
	names  map[uint16]string
	since  map[string]time.Time // by VIP
	began  time.Time            // for those of which it is not known since when
	marked func(datapath.Settling) int
}

// settling are the VIPs whose older flows are still owed their backends.
func (o *owner) settling(now time.Time) []settlingVIP {
	return settlers{o.kernel, &o.meters, o.spec, o.names(), o.running.Settling, o.since, o.marked}.list(now)
}

func (k settlers) list(now time.Time) []settlingVIP {
	var list []settlingVIP
	for _, s := range k.kernel.Settlings() {
		name := k.names[s.Num]
		if name == "" {
			continue
		}
		since, known := k.since[name]
		if !known {
			since = k.began
		}
		shown := settlingVIP{num: s.Num, name: name, Settling: Settling{Since: since, Unheld: s.Unheld,
			Stray:  k.meters.counter(meterKey{kind: vipStray, id: int(s.Num)}).PPS,
			Marked: float64(k.marked(s)) / float64(max(s.Slots, 1))}}
		last := since
		if s.StrayAt != 0 {
			shown.LastSeen = wall(now, s.StrayAt)
			if shown.LastSeen.After(last) {
				last = shown.LastSeen
			}
		}
		shown.ends = last.Add(k.spec.VIP(name).Settle)
		shown.Ends = shown.ends
		list = append(list, shown)
	}
	return list
}

// showSettling says of each VIP whether it settles.
func showSettling(vips []VIP, settling []settlingVIP) {
	for _, s := range settling {
		for i := range vips {
			if vips[i].Name == s.name {
				vips[i].Settling = &s.Settling
			}
		}
	}
}

// wall is a time of the kernel's monotonic clock as people read it.
func wall(now time.Time, monotonic uint64) time.Time {
	return now.Add(-time.Duration(int64(datapath.Monotonic()) - int64(monotonic)))
}

// ringView is what is shown of a ring, counted once for as long as it lies where it does.
type ringView struct {
	place  uint32
	shares map[uint16]int
	slots  int
	marks  uint32 // place of the ring before whose marks were counted; 0 = not counted
	marked int
}

// share is the part of the ring of VIP num that leads to a backend.
func (o *owner) shares(num uint16, place uint32, ring []uint16) map[uint16]int {
	view := o.rings[num]
	if view.shares == nil || view.place != place {
		view.place, view.shares, view.slots = place, maglev.Shares(ring), len(ring)
		o.rings[num] = view
	}
	return view.shares
}

func (o *owner) marked(s datapath.Settling) int {
	view := o.rings[s.Num]
	if view.marks != s.Before {
		view.marks, view.marked = s.Before, o.kernel.Marked(s)
		o.rings[s.Num] = view
	}
	return view.marked
}

// recount has the marks of a VIP counted again.
func (o *owner) recount(num uint16) {
	view := o.rings[num]
	view.marks = 0
	o.rings[num] = view
}

// names are the VIPs of the running spec by their numbers.
func (o *owner) names() map[uint16]string {
	if o.named.spec == o.spec && o.named.active == o.active && o.named.byNum != nil {
		return o.named.byNum
	}
	o.named.spec, o.named.active, o.named.byNum = o.spec, o.active, map[uint16]string{}
	if world, err := o.kernel.World(o.spec); err == nil {
		for name, v := range world.VIPs {
			o.named.byNum[v.Num] = name
		}
	}
	return o.named.byNum
}

// vipNames is names, for as long as the same spec runs in the same generation, and what names that spec.
type vipNames struct {
	spec     *spec.Spec
	active   int
	byNum    map[uint16]string
	revised  *spec.Spec // which revision names
	revision string
}
