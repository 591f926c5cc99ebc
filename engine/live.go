package engine

import (
	"encoding/json"
	"fmt"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/stats"
)

// live is what an engine knows that is neither in the kernel nor on the disk, as the next one goes on with it. A part that
// the other version does not know is left out: nothing of it is needed to forward packets.
type live struct {
	Events   []Event
	Seq      uint64
	Dropping []droppingSince
	Problems map[string]Problem
	DownAt   map[uint16]time.Time // by backend id
	Meters   liveMeters
	Limits   map[string]limitLive
	Shadows  map[string]time.Time
	Metrics  []liveMetric
	Health   knownHealth
}

type droppingSince struct {
	Reason, Where string
	Last          time.Time
}

type liveMeters struct {
	Deep, Shallow stats.Kept[meterKey]
	Last          time.Time
	Now           []liveCounter
}

type liveCounter struct {
	Key     meterKey
	Counter Counter
}

type limitLive struct {
	Passed, Counted []float32 // oldest first
	Total           uint64
	At, Over        time.Time
}

type liveMetric struct {
	Stage, Probe, Name string
	Values             []float64
	At                 []time.Time
}

// keepLive is what the next engine is told.
func (o *owner) keepLive() *live {
	l := &live{Events: o.journal.events(), Seq: o.journal.seq, Problems: o.problems, DownAt: o.downAt, Shadows: o.pasts.shadows,
		Meters: o.meters.keep(), Limits: map[string]limitLive{}, Health: o.checking.knows()}
	for k, t := range o.journal.drops {
		l.Dropping = append(l.Dropping, droppingSince{k.reason, k.where, t})
	}
	for key, p := range o.pasts.limits {
		l.Limits[key] = p.keep()
	}
	for key, w := range o.watchers {
		m := liveMetric{Stage: key.stage, Probe: key.probe, Name: key.name}
		for _, r := range w.readings {
			m.Values, m.At = append(m.Values, r.value), append(m.At, r.at)
		}
		l.Metrics = append(l.Metrics, m)
	}
	return l
}

// resume goes on with what the engine before knew.
func (o *owner) resume(l *live) {
	o.journal.list, o.journal.seq, o.journal.drops = l.Events, l.Seq, map[dropKey]time.Time{}
	for _, d := range l.Dropping {
		o.journal.drops[dropKey{d.Reason, d.Where}] = d.Last
	}
	o.problems = l.Problems
	if l.DownAt != nil {
		o.downAt = l.DownAt
	}
	o.meters.resume(l.Meters)
	o.checking.known = l.Health
	o.pasts.shadows, o.pasts.limits = l.Shadows, map[string]*limitPast{}
	for key, p := range l.Limits {
		o.pasts.limits[key] = p.resume()
	}
	for _, m := range l.Metrics {
		w := &watcher{}
		for i := range min(len(m.Values), len(m.At)) {
			w.readings = append(w.readings, reading{m.At[i], m.Values[i]})
		}
		o.watchers[watchKey{m.Stage, m.Probe, m.Name}] = w
	}
}

func (m *meters) keep() liveMeters {
	l := liveMeters{Deep: m.deep.Keep(), Shallow: m.shallow.Keep(), Last: m.last}
	for k, c := range m.now {
		l.Now = append(l.Now, liveCounter{k, c})
	}
	return l
}

func (m *meters) resume(l liveMeters) {
	m.deep.Resume(l.Deep)
	m.shallow.Resume(l.Shallow)
	m.last = l.Last
	for _, c := range l.Now {
		m.now[c.Key] = c.Counter
	}
}

func (r *limitPast) keep() limitLive {
	l := limitLive{Total: r.total, At: r.at, Over: r.over}
	for i := range r.held {
		at := (r.next - r.held + i + pastSeconds) % pastSeconds
		l.Passed, l.Counted = append(l.Passed, r.passed[at]), append(l.Counted, r.counted[at])
	}
	return l
}

func (l limitLive) resume() *limitPast {
	r := &limitPast{total: l.Total, at: l.At, over: l.Over}
	for i := range min(len(l.Passed), len(l.Counted), pastSeconds) {
		r.passed[i], r.counted[i] = l.Passed[i], l.Counted[i]
		r.held++
	}
	r.next = r.held % pastSeconds
	return r
}

// meterKinds are the names by which versions of hairpin tell each other's counters apart.
var meterKinds = [...]string{chainIn: "chain in", chainVerdict: "chain verdict", chainReason: "chain reason", stageIn: "stage in",
	stageDrop: "stage drop", stageShadow: "stage shadow", dropRow: "drop row", ruleMatch: "rule", nicReceived: "nic received",
	nicLost: "nic lost", allReason: "reason", vipForward: "vip forward", vipDrop: "vip drop", vipStray: "vip stray",
	backendForward: "backend", connPassed: "connections passed", connOver: "connections over", limitPassed: "limit passed",
	limitRefused: "limit refused", hostedCount: "hosted", steeredPath: "path"}

// travellingKey is a meterKey on its way.
type travellingKey struct {
	Kind  string
	Chain int                `json:",omitempty"`
	ID    int                `json:",omitempty"`
	Word  string             `json:",omitempty"`
	Drop  *datapath.Drop     `json:",omitempty"`
	Rule  *datapath.RuleName `json:",omitempty"`
}

// MarshalJSON names the kind.
func (k meterKey) MarshalJSON() ([]byte, error) {
	if int(k.kind) >= len(meterKinds) || meterKinds[k.kind] == "" {
		return nil, fmt.Errorf("counters of kind %d have no name", k.kind)
	}
	t := travellingKey{Kind: meterKinds[k.kind], Chain: k.chain, ID: k.id, Word: k.word}
	if k.drop != (datapath.Drop{}) {
		t.Drop = &k.drop
	}
	if k.rule != (datapath.RuleName{}) {
		t.Rule = &k.rule
	}
	return json.Marshal(t)
}

// UnmarshalJSON makes what this version does not know a kind of which there is no counter.
func (k *meterKey) UnmarshalJSON(text []byte) error {
	var t travellingKey
	if err := json.Unmarshal(text, &t); err != nil {
		return err
	}
	*k = meterKey{kind: unknownMeter, chain: t.Chain, id: t.ID, word: t.Word}
	for i, name := range meterKinds {
		if name == t.Kind {
			k.kind = meterKind(i)
		}
	}
	if t.Drop != nil {
		k.drop = *t.Drop
	}
	if t.Rule != nil {
		k.rule = *t.Rule
	}
	return nil
}
