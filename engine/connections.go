package engine

import (
	"fmt"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

// countSockets makes the counts of this host's sockets, and of tenants' flows, true for what runs now.
func (o *owner) countSockets() {
	o.kernel.SumTenants()
	if err := o.kernel.CountSockets(); err != nil {
		o.journal.add(time.Now(), "crit", "engine", "connections are limited by a count that may be wrong: "+err.Error())
	}
}

// readConnections notes what the limits of connections did.
func (m *meters) readConnections(k *datapath.Kernel) {
	m.connections, m.generation = k.ConnLimits(), k.Control().Active
	for _, l := range m.connections {
		m.note(m.shallow, connKey(connPassed, l), l.Passed)
		m.note(m.shallow, connKey(connOver, l), l.Over)
	}
}

func connKey(kind meterKind, l datapath.ConnLimit) meterKey {
	return meterKey{kind: kind, chain: l.Chain, id: l.Position, word: fmt.Sprint(l.Scope, l.VIP, l.Source, l.Max)}
}

// connLimits are the limits of connections by NIC and position.
func (v view) connLimits() []Limit {
	chains, names, tenants := v.chains(), v.names(), v.tenantNames()
	var list []Limit
	rows := v.meters.connections
	if v.meters.generation != v.kernel.Control().Active {
		rows = v.kernel.ConnLimits() // another spec runs since
	}
	for _, l := range rows {
		c := chains[l.Chain]
		if l.Position > len(c.Stages) {
			continue // and another one by now
		}
		stands := c.Stages[l.Position-1]
		row := Limit{NIC: c.NIC, Hook: c.Hook.String(), Position: l.Position, Stage: c.Names[stands.Account],
			Kind: string(spec.ConnLimit), Shadow: stands.Shadow, Scope: l.Scope.String(), VIP: names[l.VIP], Source: l.Source,
			Max: uint64(l.Max), Now: float64(l.Open), Pending: uint64(l.Pending), Late: l.Late,
			Passed: v.meters.counter(connKey(connPassed, l)), Over: v.meters.counter(connKey(connOver, l)), Counts: l.Counts}
		if l.Scope == spec.PerTenant {
			row.Tenant = tenants[l.VIP]
		}
		list = append(list, row)
	}
	return list
}

func (v view) sockets() SocketCount {
	c, counts := v.kernel.SocketCount()
	if !counts {
		return SocketCount{}
	}
	return SocketCount{c.By, uint64(c.Open), c.Unrecorded, c.Unplaced}
}

// socketProblems says what the count of sockets lacks.
func socketProblems(c SocketCount) (warn []Problem) {
	if c.Unrecorded > 0 {
		warn = append(warn, Problem{Key: "sockets unrecorded", Severity: "warn",
			What: fmt.Sprintf("%d sockets are missing from the count of connections: there was no room to record them", c.Unrecorded),
			Cure: "apply the spec again: all sockets are looked at then"})
	}
	if c.Unplaced > 0 {
		warn = append(warn, Problem{Key: "sockets unplaced", Severity: "warn",
			What: fmt.Sprintf("%d sockets were not counted for their source: too many others had sockets", c.Unplaced),
			Cure: "tell sources apart by a shorter prefix"})
	}
	return warn
}

// flowProblems says what the count of flows lacks.
func flowProblems(s *State) (warn []Problem) {
	if s.FlowsLost > 0 {
		warn = append(warn, Problem{Key: "flows lost", Severity: "warn", What: fmt.Sprintf("%d connections were refused because connlimit had "+
			"no room to count one more", s.FlowsLost), Cure: "look whether it is a flood of SYNs; if not, count fewer flows by a shorter idle time"})
	}
	if s.Unplaced > 0 {
		warn = append(warn, Problem{Key: "flows unplaced", Severity: "warn", What: fmt.Sprintf("%d connections were let pass and not counted "+
			"for their source: too many others had connections", s.Unplaced), Cure: "tell sources apart by a shorter prefix"})
	}
	return warn
}
