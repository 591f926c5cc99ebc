package engine

import (
	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

// rateLimits are the limits of every ratelimit stage, as State has them.
func (v view) rateLimits() []Limit {
	chains, names, tenants := v.chains(), v.names(), v.tenantNames()
	var list []Limit
	for _, l := range v.kernel.RateLimits() {
		c := chains[l.Chain]
		row := Limit{NIC: c.NIC, Hook: c.Hook.String(), Position: l.Position, Kind: string(spec.RateLimit), Shadow: l.Shadow,
			Scope: l.Scope.String(), VIP: names[l.VIP], Source: l.Source, Max: uint64(l.Rate), Now: float64(l.Now),
			Counts: spec.Accepted.String()}
		if l.Scope == spec.PerTenant {
			row.Tenant = tenants[l.VIP]
		}
		if i := l.Position - 1; i < len(c.Stages) {
			row.Stage = c.Names[c.Stages[i].Account]
		}
		if l.Offered {
			row.Counts = spec.Offered.String()
		}
		row.Passed = v.meters.counter(meterKey{kind: limitPassed, id: int(l.Window)})
		row.Over = v.meters.counter(meterKey{kind: limitRefused, id: int(l.Window)})
		if l.Window != 0 && row.Passed.PPS > 0 { // its log knows batches only, and only whole ones
			if row.Now = row.Passed.PPS; l.Offered {
				row.Now += row.Over.PPS
			}
		}
		if l.Source.IsValid() {
			row.Passed, row.Over = Counter{}, Counter{Packets: l.Refused}
		}
		list = append(list, row)
	}
	return list
}

// readLimits takes a reading of what the limits let pass and refused.
func (m *meters) readLimits(k *datapath.Kernel) {
	for n, j := range k.Judged() {
		m.note(m.shallow, meterKey{kind: limitPassed, id: int(n)}, datapath.Count{Packets: j.Passed})
		m.note(m.shallow, meterKey{kind: limitRefused, id: int(n)}, datapath.Count{Packets: j.Refused})
	}
}
