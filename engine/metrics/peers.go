package metrics

import (
	"strconv"

	"hairpin/engine"
)

// peers are whom this node depends on, or who on it: checks of backends, routers, and, where it is a backend, its agent.
func (p *page) peers(s *engine.State) {
	p.health(s)
	p.routers(s)
	p.hosting(s)
}

// health is what checks say of backends.
func (p *page) health(s *engine.State) {
	each := func(name, help string, of func(engine.Backend) float64) {
		p.metric(name, gauge, help, func(add add) {
			for _, v := range s.VIPs {
				for _, b := range v.Backends {
					if b.Health != "" {
						add(of(b), "vip", v.Name, "backend", b.Address.String())
					}
				}
			}
		})
	}
	each("hairpin_backend_healthy", "What its checks say of a backend: 1 = up, 0 = down, 0.5 = nothing yet.", func(b engine.Backend) float64 {
		return map[string]float64{"up": 1, "unknown": 0.5}[b.Health]
	})
	each("hairpin_backend_held", "Whether a backend that is down stays in the ring, since too little would be left.", func(b engine.Backend) float64 { return flag(b.Held) })
	vip := func(name, help string, of func(*engine.VIPHealth) float64) {
		p.metric(name, gauge, help, func(add add) {
			for _, v := range s.VIPs {
				if v.Health != nil {
					add(of(v.Health), "vip", v.Name)
				}
			}
		})
	}
	vip("hairpin_vip_live_backends", "Backends of a checked VIP that take new flows and are not down.", func(h *engine.VIPHealth) float64 { return float64(h.Live) })
	vip("hairpin_vip_quorum_backends", "Backends that must be up for a checked VIP to be served.", func(h *engine.VIPHealth) float64 { return float64(h.Quorum) })
	vip("hairpin_vip_quorum_lost", "Whether fewer backends of a VIP are up than must be.", func(h *engine.VIPHealth) float64 { return flag(h.Lost) })
}

// routers are the BGP sessions, and what is announced.
func (p *page) routers(s *engine.State) {
	p.one("hairpin_drained", gauge, "Whether routers are told to send nothing here.", flag(s.Drained != nil))
	if s.BGP == nil {
		return
	}
	session := func(name, help string, of func(engine.BGPSession) float64) {
		p.metric(name, gauge, help, func(add add) {
			for _, x := range s.BGP.Sessions {
				add(of(x), "neighbor", x.Neighbor.String())
			}
		})
	}
	session("hairpin_bgp_session_up", "Whether the session with a router is established.", func(x engine.BGPSession) float64 { return flag(x.State == "established") })
	session("hairpin_bgp_session_changed_time_seconds", "Since when a session is established, or is not any more; 0 = it never was.", func(x engine.BGPSession) float64 { return seconds(x.Since) })
	session("hairpin_bgp_announced_prefixes", "Prefixes that a router was told of.", func(x engine.BGPSession) float64 { return float64(x.Announced) })
	p.metric("hairpin_bgp_routes", gauge, "Addresses of VIPs, by whether routers are told of them.", func(add add) {
		count := map[string]int{}
		for _, r := range s.BGP.Routes {
			count[r.State]++
		}
		for _, state := range []string{"announced", "shutting down", "withdrawn", "off"} {
			add(float64(count[state]), "state", state)
		}
	})
}

// hosting is what a backend's agent takes packets for. Addresses that nobody hosts are no series: senders choose them.
func (p *page) hosting(s *engine.State) {
	h := s.Hosting
	if h == nil {
		return
	}
	each := func(name, what string, known bool, of func(engine.Hosted) engine.Counter) {
		if known {
			p.counters(name, what, func(add func(engine.Counter, ...string)) {
				for _, a := range h.Addresses {
					add(of(a), "address", a.Address.String())
				}
			})
		}
	}
	each("hairpin_agent_passed", "that the agent passed on to servers", true, func(a engine.Hosted) engine.Counter { return a.In })
	each("hairpin_agent_translated", "of answers that the agent translated", h.Translates, func(a engine.Hosted) engine.Counter { return a.Out })
	each("hairpin_agent_unserved", "that were passed on though no socket waits for them", h.Orphans, func(a engine.Hosted) engine.Counter { return a.Orphans })
	p.metric("hairpin_agent_refused_packets_total", counter, "Packets that the agent refused to translate.", func(add add) {
		for _, a := range h.Addresses {
			if h.Translates {
				add(float64(a.Taken.Packets), "address", a.Address.String(), "reason", "flow_taken")
				add(float64(a.Full.Packets), "address", a.Address.String(), "reason", "flows_full")
			}
		}
	})
	if h.Translates {
		p.one("hairpin_agent_flows", gauge, "Flows that are translated now.", float64(h.Flows))
		p.one("hairpin_agent_flows_limit", gauge, "Flows that there is room for.", float64(h.Room))
	}
	p.one("hairpin_agent_strangers", gauge, "Addresses that packets came for in the last minute and that nobody here hosts.", float64(len(h.Strangers)))
}

// captures are what people copy, and what that costs everybody's packets.
func (p *page) captures(s *engine.State) {
	p.one("hairpin_captures", gauge, "Captures that go on.", float64(len(s.Captures)))
	each := func(name string, k kind, help string, of func(engine.CaptureStatus) float64) {
		p.metric(name, k, help, func(add add) {
			for _, c := range s.Captures {
				add(of(c), "capture", strconv.Itoa(c.ID))
			}
		})
	}
	each("hairpin_capture_records_total", counter, "Records that a capture took.", func(c engine.CaptureStatus) float64 { return float64(c.Packets) })
	each("hairpin_capture_lost_records_total", counter, "Records that a capture had no room for, and packets that others overtook.", func(c engine.CaptureStatus) float64 { return float64(c.Lost + c.Torn) })
	each("hairpin_capture_cost_seconds", gauge, "What looking costs each packet that comes by; 0 = not known yet.", func(c engine.CaptureStatus) float64 { return c.NS / 1e9 })
}
