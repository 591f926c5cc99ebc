package fake

import (
	"math/rand/v2"
	"slices"
	"time"

	"hairpin/engine"
)

// Stir is the snapshot a second later, with every rate somewhere between half and one and a half of what it was in s.
// before is the one in between, whose histories go on.
func Stir(s, before *engine.State, r *rand.Rand) *engine.State {
	out := *before
	out.Time = before.Time.Add(time.Second)
	move := func(is engine.Counter, was engine.Counter) engine.Counter {
		f := 0.5 + r.Float64()
		is.PPS, is.BPS = was.PPS*f, was.BPS*f
		is.Packets += uint64(is.PPS)
		is.Bytes += uint64(is.BPS)
		return is
	}
	on := func(history []float64, v float64) []float64 {
		if len(history) == 0 {
			return nil
		}
		return append(slices.Clone(history[1:]), v)
	}
	out.NICs = slices.Clone(before.NICs)
	for i := range out.NICs {
		n := &out.NICs[i]
		n.In, n.Forward, n.Pass, n.Drop = move(n.In, s.NICs[i].In), move(n.Forward, s.NICs[i].Forward), move(n.Pass, s.NICs[i].Pass), move(n.Drop, s.NICs[i].Drop)
		n.History = on(n.History, n.In.PPS)
		n.Stages = slices.Clone(n.Stages)
		for j := range n.Stages {
			n.Stages[j].Would = move(n.Stages[j].Would, s.NICs[i].Stages[j].Would)
			n.Stages[j].NS = s.NICs[i].Stages[j].NS * (0.5 + r.Float64())
			n.Stages[j].In, n.Stages[j].Drop = move(n.Stages[j].In, s.NICs[i].Stages[j].In), move(n.Stages[j].Drop, s.NICs[i].Stages[j].Drop)
		}
	}
	stirLimits(s, before, &out, move, r)
	out.Reasons = slices.Clone(before.Reasons)
	for i := range out.Reasons {
		out.Reasons[i].Counter = move(out.Reasons[i].Counter, s.Reasons[i].Counter)
		out.Reasons[i].History = on(out.Reasons[i].History, out.Reasons[i].PPS)
	}
	out.VIPs = slices.Clone(before.VIPs)
	for i := range out.VIPs {
		v := &out.VIPs[i]
		v.Counter, v.Drop = move(v.Counter, s.VIPs[i].Counter), move(v.Drop, s.VIPs[i].Drop)
		v.History = on(v.History, v.PPS)
		v.Backends = slices.Clone(v.Backends)
		for j := range v.Backends {
			b := &v.Backends[j]
			b.Counter = move(b.Counter, s.VIPs[i].Backends[j].Counter)
			b.History = on(b.History, b.PPS)
		}
	}
	return &out
}

// stirLimits moves what NICs received, the ledger and the limits.
func stirLimits(s, before, out *engine.State, move func(is, was engine.Counter) engine.Counter, r *rand.Rand) {
	for i := range out.NICs {
		n := &out.NICs[i]
		n.Received, n.Lost = move(n.Received, s.NICs[i].Received), slices.Clone(n.Lost)
		for j := range n.Lost {
			n.Lost[j].Counter = move(n.Lost[j].Counter, s.NICs[i].Lost[j].Counter)
		}
	}
	out.Drops, out.Limits = slices.Clone(before.Drops), slices.Clone(before.Limits)
	for i := range out.Drops {
		out.Drops[i].Counter = move(out.Drops[i].Counter, s.Drops[i].Counter)
	}
	for i := range out.Limits {
		l := &out.Limits[i]
		l.Now = s.Limits[i].Now * (0.5 + r.Float64()/2)
		l.Passed, l.Over = move(l.Passed, s.Limits[i].Passed), move(l.Over, s.Limits[i].Over)
	}
}
