package bench

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"hairpin/engine/spec"
)

// huge is the most that a node takes, but for a backend that has no id.
var huge = size{vips: spec.MaxVIPs, backends: 8, ring: 4099, edits: 20, repeats: 1}

// scale measures a node with as much as there can be, or with a part of it, and its backends when many of them flap.
func scale(t *testing.T, bpffs string, z size, flapping int) []figure {
	n, whole := applyWhole(t, bpffs, z)
	of := fmt.Sprintf("%d VIPs (ring %d), %d backends", z.vips, z.ring, len(n.Backends()))
	looks, edits := lookOften(t, n, z), editOften(t, n, z)
	var flaps []time.Duration
	for i := range 2 * z.repeats {
		flaps = append(flaps, n.apply(t, flapped(n.running, flapping, []spec.State{spec.Down, spec.Up}[i%2])))
		n.mustForward(t, z.vips/2)
	}
	return []figure{
		{of + " applied from nothing", "ms", times(whole), false, 0},
		{"an edit of one backend of these", "ms", times(edits), true, 0},
		{fmt.Sprintf("%d of these backends down, or up again, at once", flapping), "ms", times(flaps), false, 0},
		{"memory of the maps then, without the connection table", "MB", []float64{float64(n.memory(t)) / 1e6}, false, 0},
		{fmt.Sprintf("one snapshot of it, %d CPUs", runtime.NumCPU()), "ms", times(looks), false, 0},
	}
}

// flapped is s with so many backends in a state, of every VIP at most one but the last.
func flapped(s *spec.Spec, n int, state spec.State) *spec.Spec {
	next := *s
	next.VIPs = slices.Clone(s.VIPs)
	for i := range min(n, len(s.VIPs)) {
		next.VIPs[i].Backends = slices.Clone(s.VIPs[i].Backends)
		next.VIPs[i].Backends[n%len(next.VIPs[i].Backends)].State = state
	}
	return &next
}
