package metrics

import (
	"hairpin/engine"
)

// node is what is true of the node as a whole.
func (p *page) node(s *engine.State) {
	p.metric("hairpin_engine_info", gauge, "The engine that owns the node.", func(add add) {
		add(1, "node", s.Node, "version", s.Version, "revision", s.Revision)
	})
	p.one("hairpin_engine_start_time_seconds", gauge, "When the engine took over.", seconds(s.Since))
	p.one("hairpin_snapshot_time_seconds", gauge, "When all other numbers were read.", seconds(s.Time))
	p.one("hairpin_generation_active", gauge, "Number of the generation that is live; -1 = none.", float64(s.Generation.Active))
	p.one("hairpin_generation_confirmed", gauge, "Number of the generation that the kernel goes back to.", float64(s.Generation.Confirmed))
	p.one("hairpin_generation_deadline_seconds", gauge, "When the kernel goes back unless the change is confirmed; 0 = nothing waits.", seconds(s.Generation.Deadline))
	p.one("hairpin_generation_fallbacks_total", counter, "How often the kernel went back by itself.", float64(s.Generation.Fallbacks))
	p.one("hairpin_armed", gauge, "Whether somebody may change the node now.", flag(s.Armed != nil))
	p.metric("hairpin_problems", gauge, "Ways in which the node is not as it should be.", func(add add) {
		count := map[string]int{"warn": 0, "crit": 0}
		for _, x := range s.Problems {
			count[x.Severity]++
		}
		for _, severity := range []string{"crit", "warn"} {
			add(float64(count[severity]), "severity", severity)
		}
	})
	if n := len(s.Events); n > 0 {
		p.one("hairpin_events_total", counter, "Events since the engine began.", float64(s.Events[n-1].Seq))
	}
	p.one("hairpin_events_lost_total", counter, "Events that the ring buffer had no room for.", float64(s.EventsLost))
	p.one("hairpin_drop_rows_lost_total", counter, "Dropped packets that the ledger had no row for.", float64(s.DropsLost))
	p.one("hairpin_flows_refused_total", counter, "Connections refused because the flow table was full.", float64(s.FlowsLost))
	p.one("hairpin_flows_unplaced_total", counter, "Connections not counted for their source for want of room.", float64(s.Unplaced))
	p.one("hairpin_sockets_open", gauge, "Connections of this host's sockets that are counted.", float64(s.Sockets.Open))
	p.one("hairpin_sockets_unrecorded_total", counter, "Sockets that could not be counted.", float64(s.Sockets.Unrecorded))
	p.metric("hairpin_agents", gauge, "Agents of backends by what was heard of them.", func(add add) {
		count := map[string]int{}
		for _, a := range s.Agents {
			count[a.State]++
		}
		for _, state := range []string{"fresh", "stale", "silent", "unheard"} {
			if len(s.Agents) > 0 {
				add(float64(count[state]), "state", state)
			}
		}
	})
	p.metric("hairpin_program_value", gauge, "Numbers of the maps of external stages and probes.", func(add add) {
		for _, m := range s.Metrics {
			if m.Why == "" {
				add(m.Value, "stage", m.Stage, "probe", m.Probe, "map", m.Map, "name", m.Name, "kind", m.Kind)
			}
		}
	})
}

// machine is what doctor found, and the ways to backends.
func (p *page) machine(s *engine.State) {
	p.metric("hairpin_route_usable", gauge, "Whether packets get to a backend.", func(add add) {
		for _, r := range s.Routes {
			add(flag(r.Why == ""), "backend", r.Backend.String())
		}
	})
	p.paths(s.Paths)
	if s.Doctor == nil {
		return
	}
	p.one("hairpin_doctor_time_seconds", gauge, "When the machine was looked at.", seconds(s.Doctor.Time))
	count := map[string]int{}
	for _, f := range s.Doctor.Findings {
		count[string(f.Level)]++
	}
	p.metric("hairpin_doctor_findings", gauge, "What was found of the machine, by how bad it is.", func(add add) {
		for _, level := range []string{"crit", "warn", "unknown", "info", "ok"} {
			add(float64(count[level]), "level", level)
		}
	})
	p.metric("hairpin_doctor_finding", gauge, "What is wrong with the machine.", func(add add) {
		for _, f := range s.Doctor.Findings {
			if f.Level == engine.FindingCrit || f.Level == engine.FindingWarn {
				add(1, "check", f.Check, "on", f.On, "level", string(f.Level))
			}
		}
	})
}
