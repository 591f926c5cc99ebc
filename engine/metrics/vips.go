package metrics

import "hairpin/engine"

// vips are VIPs and what is behind them.
func (p *page) vips(s *engine.State) {
	p.counters("hairpin_vip_forwarded", "of a VIP that went to a backend", func(add func(engine.Counter, ...string)) {
		for _, v := range s.VIPs {
			add(v.Counter, "vip", v.Name)
		}
	})
	p.counters("hairpin_vip_dropped", "of a VIP that were dropped", func(add func(engine.Counter, ...string)) {
		for _, v := range s.VIPs {
			add(v.Drop, "vip", v.Name)
		}
	})
	vip := func(name string, k kind, help string, of func(engine.VIP) float64) {
		p.metric(name, k, help, func(add add) {
			for _, v := range s.VIPs {
				add(of(v), "vip", v.Name)
			}
		})
	}
	vip("hairpin_vip_empty", gauge, "Whether no backend takes new flows.", func(v engine.VIP) float64 { return flag(v.Empty) })
	vip("hairpin_vip_ring_slots", gauge, "Slots of the ring.", func(v engine.VIP) float64 { return float64(v.Ring) })
	vip("hairpin_vip_settling", gauge, "Whether older flows still follow the ring before.", func(v engine.VIP) float64 { return flag(v.Settling != nil) })
	p.metric("hairpin_vip_stray_packets_per_second", gauge, "Packets that go elsewhere than the ring says.", func(add add) {
		for _, v := range s.VIPs {
			if v.Settling != nil {
				add(v.Settling.Stray, "vip", v.Name)
			}
		}
	})
	p.counters("hairpin_backend_forwarded", "that went to a backend", func(add func(engine.Counter, ...string)) {
		for _, v := range s.VIPs {
			for _, b := range v.Backends {
				add(b.Counter, "vip", v.Name, "backend", b.Address.String())
			}
		}
	})
	p.metric("hairpin_backend_share_ratio", gauge, "Part of the ring that leads to a backend.", func(add add) {
		for _, v := range s.VIPs {
			for _, b := range v.Backends {
				add(b.Share, "vip", v.Name, "backend", b.Address.String())
			}
		}
	})
	p.metric("hairpin_backends", gauge, "Backends of a VIP by state.", func(add add) {
		for _, v := range s.VIPs {
			count := map[string]int{}
			for _, b := range v.Backends {
				count[b.State]++
			}
			for _, state := range []string{"up", "drain", "down", "maintenance", "removed"} {
				add(float64(count[state]), "vip", v.Name, "state", state)
			}
		}
	})
}
