package engine

import (
	"maps"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/reason"
	"hairpin/engine/stats"
)

const (
	historySeconds = 60
	forgetAfter    = 10 * time.Minute
	// readEvery is the least time between two readings: over less, a rate says nothing.
	readEvery = 900 * time.Millisecond
)

type meterKind uint8

const (
	chainIn meterKind = iota
	chainVerdict
	chainReason
	stageIn
	stageDrop
	stageShadow
	dropRow
	ruleMatch
	nicReceived
	nicLost
	allReason
	vipForward
	vipDrop
	vipStray
	backendForward
	connPassed
	connOver
	limitPassed // id is a window
	limitRefused
	hostedCount // id is which, word an address
	steeredPath // id is that of a path
	lastMeter

	unknownMeter meterKind = 255
)

// meterKey names one counter: id is a reason, a VIP number, a backend id or the account of a stage; word a verdict or what a
// NIC calls a loss.
type meterKey struct {
	kind  meterKind
	chain int
	id    int
	word  string
	drop  datapath.Drop
	rule  datapath.RuleName
}

// meters are the totals of the last reading, their rates and their history.
type meters struct {
	deep        *stats.Set[meterKey] // a day
	shallow     *stats.Set[meterKey] // a minute
	now         map[meterKey]Counter
	snap        datapath.Snapshot
	connections []datapath.ConnLimit
	generation  uint32 // that connections are of
	costs       costs
	nics        *received
	gaps        map[int]gap // by chain number
	last        time.Time
}

func newMeters() meters {
	return meters{
		deep:    stats.NewSet[meterKey](stats.Day, forgetAfter),
		shallow: stats.NewSet[meterKey](stats.Minute, forgetAfter),
		now:     map[meterKey]Counter{},
	}
}

// read takes a reading of every counter, unless there was one a moment ago.
func (m *meters) read(now time.Time, k *datapath.Kernel) error {
	first := fronts(k.Chains())
	if now.Sub(m.last) < readEvery {
		return m.nics.begin(now, k, first)
	}
	before := m.nics.links(first)
	if err := k.Snapshot(&m.snap); err != nil {
		return err
	}
	after := m.nics.links(first)
	m.last = now
	m.now = make(map[meterKey]Counter, len(m.now))
	m.deep.Tick(now)
	m.shallow.Tick(now)
	m.readChains(k)
	m.costs.read(k, &m.snap)
	m.readConnections(k)
	m.readNICs(now, first, before, after)
	for num, c := range m.snap.VIP {
		if d := m.snap.VIPDrop[num]; c.Packets+d.Packets > 0 {
			m.note(m.deep, meterKey{kind: vipForward, id: num}, c)
			m.note(m.deep, meterKey{kind: vipDrop, id: num}, d)
		}
	}
	for id, c := range m.snap.Backend {
		if c.Packets > 0 {
			m.note(m.shallow, meterKey{kind: backendForward, id: id}, c)
		}
	}
	m.readLimits(k)
	m.readHosted(k)
	for id, n := range k.SteerCounts() {
		m.note(m.shallow, meterKey{kind: steeredPath, id: id}, n)
	}
	for name, n := range k.RuleCounts() {
		m.note(m.shallow, meterKey{kind: ruleMatch, rule: name}, n)
	}
	for _, s := range k.Settlings() {
		m.note(m.shallow, meterKey{kind: vipStray, id: int(s.Num)}, datapath.Count{Packets: s.Stray})
	}
	return nil
}

func (m *meters) readChains(k *datapath.Kernel) {
	var all [datapath.Reasons]datapath.Count
	for _, c := range k.Chains() {
		exits := m.snap.Exits[c.Number]
		if exits == nil {
			continue
		}
		var in datapath.Count
		byVerdict := map[string]datapath.Count{}
		for id, n := range exits {
			add(&in, n)
			add(&all[id], n)
			r, ok := reason.ByID(id)
			if !ok || n.Packets == 0 {
				continue
			}
			m.note(m.shallow, meterKey{kind: chainReason, chain: c.Number, id: id}, n)
			byVerdict[string(r.Verdict)] = plus(byVerdict[string(r.Verdict)], n)
		}
		m.note(m.deep, meterKey{kind: chainIn, chain: c.Number}, in)
		for _, verdict := range []reason.Verdict{reason.Forward, reason.Pass, reason.Drop, reason.Own} {
			m.note(m.deep, meterKey{kind: chainVerdict, chain: c.Number, word: string(verdict)}, byVerdict[string(verdict)])
		}
		m.readStages(k, c)
	}
	for d, n := range m.snap.Drops {
		m.note(m.shallow, meterKey{kind: dropRow, drop: d}, n)
	}
	for id, n := range all {
		if n.Packets > 0 {
			m.note(m.deep, meterKey{kind: allReason, id: id}, n)
		}
	}
}

// readStages notes the counters of each stage that stands or stood in a chain, by account.
func (m *meters) readStages(k *datapath.Kernel, c datapath.Chain) {
	reached, dropped, shadow := k.Reached(&m.snap, c.Number), m.snap.Dropped(c.Number, false), m.snap.Dropped(c.Number, true)
	for i, name := range c.Names {
		if name != "" {
			m.note(m.shallow, meterKey{kind: stageIn, chain: c.Number, id: i}, reached[i])
			m.note(m.shallow, meterKey{kind: stageDrop, chain: c.Number, id: i}, dropped[i])
			m.note(m.shallow, meterKey{kind: stageShadow, chain: c.Number, id: i}, shadow[i])
		}
	}
}

func (m *meters) note(set *stats.Set[meterKey], key meterKey, c datapath.Count) {
	r := set.Read(key, stats.Total{Packets: c.Packets, Bytes: c.Bytes})
	m.now[key] = Counter{Packets: c.Packets, Bytes: c.Bytes, PPS: r.PPS, BPS: r.BPS}
}

// forgetVIP is for a number that is another VIP's since the last reading.
func (m *meters) forgetVIP(num uint16) {
	for _, kind := range []meterKind{vipForward, vipDrop, vipStray} {
		delete(m.now, meterKey{kind: kind, id: int(num)})
	}
}

// forgetBackends is for ids that came free since the last reading: all but those of left.
func (m *meters) forgetBackends(left []datapath.Backend) {
	used := map[int]bool{}
	for _, b := range left {
		used[int(b.ID)] = true
	}
	maps.DeleteFunc(m.now, func(k meterKey, _ Counter) bool { return k.kind == backendForward && !used[k.id] })
}

func (m *meters) counter(key meterKey) Counter { return m.now[key] }

func (m *meters) history(key meterKey) []float64 {
	set := m.deep
	switch key.kind { // of these there may be many
	case backendForward, vipStray, connPassed, connOver, limitPassed, limitRefused, chainReason, stageIn, stageDrop, stageShadow, dropRow, ruleMatch, nicReceived, nicLost, hostedCount, steeredPath:
		set = m.shallow
	}
	return set.AppendLast(nil, key, historySeconds)
}

func add(to *datapath.Count, n datapath.Count) { *to = plus(*to, n) }

func plus(a, b datapath.Count) datapath.Count {
	return datapath.Count{Packets: a.Packets + b.Packets, Bytes: a.Bytes + b.Bytes}
}
