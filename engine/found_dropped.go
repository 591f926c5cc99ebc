package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"hairpin/engine/health"
	"hairpin/engine/spec"
)

// Dropped is a backend that its source names no more. It takes no new flows, and keeps those that it has for a while.
type Dropped struct {
	Since time.Time
	Until time.Time // then it is removed
}

// text is how it stands, in words.
func (d *Dropped) text(source string, now time.Time) string {
	return fmt.Sprintf("dropped by %s %s ago: drains for %s more", source, max(0, now.Sub(d.Since)).Round(time.Second), max(0, d.Until.Sub(now)).Round(time.Second))
}

// droppedOf is since when a backend of v is not named any more, and until when it drains.
func (k knownBackends) droppedOf(v *spec.VIP, a netip.Addr, now time.Time) *Dropped {
	since := now
	if known := k[v.Name][a]; !known.Dropped.IsZero() {
		since = known.Dropped
	}
	return &Dropped{since, since.Add(v.From.Drain)}
}

// dropped are the backends that were found for v, are not named any more, and drain still. One that keeps no flows, or said itself that it
// leaves, is gone at once.
func (o *owner) dropped(v *spec.VIP, named []spec.Endpoint, now time.Time) (list []spec.Endpoint) {
	for _, e := range v.Discovered() {
		if slices.ContainsFunc(named, func(n spec.Endpoint) bool { return n.Address == e.Address }) {
			continue
		}
		leaves := e.State != spec.Up
		down := o.checking.live[health.Key{VIP: v.Name, Backend: e.Address}].State == health.Down
		over := v.From.Drain == 0 || !now.Before(o.finding.known.droppedOf(v, e.Address, now).Until)
		if leaves || down || over || !keepsFlows(v.Backend(e.Address)) {
			continue
		}
		e.Dropped = true
		list = append(list, e)
	}
	return list
}

func keepsFlows(b *spec.Backend) bool { return b.State == spec.Up || b.State == spec.Drain }

// drained counts the backends that were dropped before, and are not in v any more.
func drained(before, v *spec.VIP) (n int) {
	for _, b := range before.Backends {
		if b.Found.Dropped && v.Backend(b.Address) == nil {
			n++
		}
	}
	return n
}
