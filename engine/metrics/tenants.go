package metrics

import "hairpin/engine"

// tenants are the sums of each tenant of the spec, of which there are 256 at most. What no limit counts has no series.
func (p *page) tenants(s *engine.State) {
	all := s.Tenants()
	for _, c := range []struct {
		name, what string
		of         func(engine.Tenant) engine.Counter
	}{
		{"hairpin_tenant_forwarded", "of a tenant's VIPs that went to a backend", func(t engine.Tenant) engine.Counter { return t.Counter }},
		{"hairpin_tenant_dropped", "of a tenant's VIPs that were dropped", func(t engine.Tenant) engine.Counter { return t.Drop }},
	} {
		p.counters(c.name, c.what, func(add func(engine.Counter, ...string)) {
			for _, t := range all {
				add(c.of(t), "tenant", t.Name)
			}
		})
	}
	gauges := func(name, help string, of func(engine.Tenant) float64) {
		p.metric(name, gauge, help, func(add add) {
			for _, t := range all {
				if v := of(t); v >= 0 {
					add(v, "tenant", t.Name)
				}
			}
		})
	}
	p.metric("hairpin_tenant_limited_packets_total", counter, "Packets that limits of a tenant and its VIPs refused.", func(add add) {
		for _, t := range all {
			add(float64(t.Limited.Packets), "tenant", t.Name)
		}
	})
	gauges("hairpin_tenant_new_connections", "New connections a second to a tenant's VIPs that limits let pass.", func(t engine.Tenant) float64 { return t.New })
	gauges("hairpin_tenant_open_connections", "Connections to a tenant's VIPs at a time, as limits count them.", func(t engine.Tenant) float64 { return t.Open })
	gauges("hairpin_tenant_vips", "VIPs of a tenant.", func(t engine.Tenant) float64 { return float64(len(t.VIPs)) })
	gauges("hairpin_tenant_backends", "Backends in the VIPs of a tenant.", func(t engine.Tenant) float64 { return float64(t.Backends) })
}
