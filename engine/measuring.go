package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/health"
	"hairpin/engine/paths"
	"hairpin/engine/spec"
)

// measuring has the paths of steers measured, and tells the data path what they are worth.
type measuring struct {
	asker  *health.Asker
	prober *paths.Prober
	of     map[string]measured              // by the group's key
	told   map[int]paths.State              // by path, in events
	down   *atomic.Pointer[map[uint32]bool] // marks of the paths whose NICs take no packets
}

// measured is a group whose paths are measured.
type measured struct {
	stage, group string
	ids          []int
	before       []uint64 // probes that the data path had seen of each when it began
	key          paths.Group
	applied      []uint32 // weights that the data path has; nil = as it had them
}

// leastSeen is how many probes of a path are sent before it is said that none comes by.
const leastSeen = 3

func groupKey(stage, group string) string { return stage + " " + group }

// groups are those of s that are to be measured, with the paths that the kernel has for them.
func (o *owner) measuredGroups() map[string]measured {
	all := map[string]measured{}
	ids := map[string]map[string]int{}
	for _, p := range o.kernel.SteerPathsOf(o.spec) {
		key := groupKey(p.Stage, p.Group)
		if ids[key] == nil {
			ids[key] = map[string]int{}
		}
		ids[key][p.Name] = p.ID
	}
	for stage, x := range steersOf(o.spec) {
		for _, g := range x.Groups {
			if key := groupKey(stage, g.Name); g.Probe.To.IsValid() && len(ids[key]) == len(g.Paths) {
				all[key] = newMeasured(stage, &g, ids[key])
			}
		}
	}
	return all
}

func newMeasured(stage string, g *spec.PathGroup, ids map[string]int) measured {
	key := groupKey(stage, g.Name)
	m := measured{stage: stage, group: g.Name, key: paths.Group{Key: key, To: netip.AddrPortFrom(g.Probe.To, g.Probe.Port), Interval: g.Probe.Interval,
		Timeout: g.Probe.Timeout, Fall: int(g.Probe.Fall), Rise: int(g.Probe.Rise)}}
	for _, p := range g.Paths {
		m.ids = append(m.ids, ids[p.Name])
		m.key.Marks = append(m.key.Marks, datapath.SteerMark|uint32(ids[p.Name]))
		m.key.Weights = append(m.key.Weights, p.Weight)
	}
	return m
}

// followMeasures has the groups of the running spec measured.
func (o *owner) followMeasures() {
	m := &o.steering.measuring
	want := o.measuredGroups()
	if len(want) == 0 && m.prober == nil {
		return
	}
	if m.prober == nil {
		m.asker = health.NewAsker(o.ns.enter)
		m.down = new(atomic.Pointer[map[uint32]bool])
		m.prober = paths.New(unlessDown(m.down, m.asker.Ask))
		m.told = map[int]paths.State{}
	}
	m.down.Store(o.downMarks())
	var keys []paths.Group
	for key, g := range want {
		if was, known := m.of[key]; known && slices.Equal(was.ids, g.ids) {
			if g.before = was.before; slices.Equal(was.key.Weights, g.key.Weights) { // else it has another ring
				g.applied = was.applied
			}
		} else {
			for _, id := range g.ids {
				g.before = append(g.before, o.kernel.SteerMeasured(id))
			}
		}
		want[key] = g
		keys = append(keys, g.key)
	}
	m.of = want
	m.prober.Follow(keys)
	o.applyMeasures(time.Now())
}

// downMarks are those of the paths whose NICs take no packets.
func (o *owner) downMarks() *map[uint32]bool {
	down := map[uint32]bool{}
	for _, p := range o.kernel.SteerPathsOf(o.spec) {
		if !p.Up {
			down[datapath.SteerMark|uint32(p.ID)] = true
		}
	}
	return &down
}

// unlessDown asks by paths whose NICs take packets. By the others a probe is lost without being sent: the data path would count
// it among the packets that it dropped.
func unlessDown(down *atomic.Pointer[map[uint32]bool], ask paths.Ask) paths.Ask {
	return func(ctx context.Context, to netip.AddrPort, mark uint32, timeout time.Duration) (time.Duration, bool, error) {
		if marks := down.Load(); marks != nil && (*marks)[mark] {
			return 0, true, errors.New("its NIC is missing or down")
		}
		return ask(ctx, to, mark, timeout)
	}
}

// changed is signalled when what paths are worth became something else.
func (m *measuring) changed() <-chan struct{} {
	if m.prober == nil {
		return nil
	}
	return m.prober.Changed()
}

func (m *measuring) close() {
	if m.prober != nil {
		m.prober.Close()
		m.asker.Close()
	}
	*m = measuring{}
}

// applyMeasures writes what was measured into the data path. What nobody knows enough of stays as it is there.
func (o *owner) applyMeasures(now time.Time) {
	m := &o.steering.measuring
	if m.prober == nil || !o.kernel.Owns() {
		return
	}
	for key, v := range m.prober.Verdicts() {
		g, followed := m.of[key]
		if !followed || !v.Known || o.unseen(g, v) {
			continue
		}
		for i, id := range g.ids {
			o.kernel.SetPathAlive(id, v.Held || v.Facts[i].State != paths.Dead)
			o.tellPath(now, g, id, v.Facts[i])
		}
		if !slices.Equal(g.applied, v.Weights) {
			if err := o.kernel.WeighPaths(o.spec, g.stage, g.group, v.Weights); err != nil {
				o.journal.add(now, "warn", "engine", err.Error())
				continue
			}
			g.applied = v.Weights
			m.of[key] = g
		}
	}
}

// unseen tells whether probes of a group were sent that did not come by the data path: they leave by a NIC at which no steer
// stands, and so say nothing of the paths.
func (o *owner) unseen(g measured, v paths.Verdict) bool {
	m := &o.steering.measuring
	for i, id := range g.ids {
		if f := v.Facts[i]; f.Probes >= leastSeen && !(*m.down.Load())[g.key.Marks[i]] && o.kernel.SteerMeasured(id) == g.before[i] {
			return true
		}
	}
	return false
}

// tellPath has the journal say that a path died, or is alive again.
func (o *owner) tellPath(now time.Time, g measured, id int, f paths.Fact) {
	m := &o.steering.measuring
	was, known := m.told[id]
	m.told[id] = f.State
	if !known && f.State == paths.Alive || known && was == f.State {
		return
	}
	name := o.kernel.SteerPathName(o.spec, id)
	if f.State == paths.Dead {
		o.journal.add(now, "warn", "path", fmt.Sprintf("path %s of %s is dead: %s", name, g.stage, f.Why))
		return
	}
	o.journal.add(now, "info", "path", fmt.Sprintf("path %s of %s is alive, %s", name, g.stage, f.RTT.Round(time.Microsecond)))
}

// showMeasures adds what was measured to the paths of a snapshot, and says why nothing was.
func (o *owner) showMeasures(s *State) {
	m := &o.steering.measuring
	if m.prober == nil {
		return
	}
	verdicts := m.prober.Verdicts()
	ids := map[string]int{}
	for i := range s.Paths {
		p := &s.Paths[i]
		key := groupKey(p.Stage, p.Group)
		g, followed := m.of[key]
		v, known := verdicts[key]
		at := ids[key]
		ids[key]++
		if !followed || !known || at >= len(v.Facts) {
			continue
		}
		f := v.Facts[at]
		p.Measured = &Measured{RTT: f.RTT, Loss: f.Loss, Probes: f.Probes, Worth: 0}
		if at < len(v.Weights) {
			p.Measured.Worth = v.Weights[at]
		}
		switch {
		case o.unseen(g, v):
			p.Measured, p.Why = nil, "it is not measured: no probe to "+g.key.To.Addr().String()+" leaves by a NIC at which "+g.stage+" stands"
		case p.State == "down":
		case f.State == paths.Dead && v.Held:
			p.State, p.Why = "held", "no path of its group answers, so flows stay: "+f.Why
		case f.State == paths.Dead:
			p.State, p.Why = "dead", f.Why
		case f.State == paths.Unknown && f.Why != "" && p.State == "up":
			p.Why = f.Why
		}
	}
}
