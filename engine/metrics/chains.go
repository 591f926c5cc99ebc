package metrics

import (
	"strconv"

	"hairpin/engine"
)

// chains are NICs: what came in and how it left.
func (p *page) chains(s *engine.State) {
	p.metric("hairpin_chain_attached", gauge, "Whether the chain sees packets.", func(add add) {
		for _, n := range s.NICs {
			add(flag(n.State == "attached"), "nic", n.Name, "hook", n.Hook, "mode", n.Mode)
		}
	})
	p.counters("hairpin_chain", "that came into a chain", func(add func(engine.Counter, ...string)) {
		for _, n := range s.NICs {
			add(n.In, "nic", n.Name, "hook", n.Hook)
		}
	})
	p.counters("hairpin_chain_verdict", "that left a chain, by verdict", func(add func(engine.Counter, ...string)) {
		for _, n := range s.NICs {
			for _, v := range []struct {
				name string
				c    engine.Counter
			}{{"forward", n.Forward}, {"pass", n.Pass}, {"drop", n.Drop}, {"own", n.Own}} {
				add(v.c, "nic", n.Name, "hook", n.Hook, "verdict", v.name)
			}
		}
	})
	p.counters("hairpin_chain_reason", "that left a chain, by reason", func(add func(engine.Counter, ...string)) {
		for _, n := range s.NICs {
			for _, r := range n.Reasons {
				add(r.Counter, "nic", n.Name, "hook", n.Hook, "reason", r.Name, "verdict", r.Verdict)
			}
		}
	})
	p.metric("hairpin_nic_received_packets_total", counter, "Packets that the NIC itself counted.", func(add add) {
		for _, n := range s.NICs {
			if n.Received.Packets > 0 {
				add(float64(n.Received.Packets), "nic", n.Name)
			}
		}
	})
	p.metric("hairpin_nic_lost_packets_total", counter, "Packets that were lost where no stage sees them.", func(add add) {
		for _, n := range s.NICs {
			for _, l := range n.Lost {
				add(float64(l.Packets), "nic", n.Name, "counter", l.Name, "where", l.Where)
			}
		}
	})
}

// counters are two metrics, of packets and of bytes.
func (p *page) counters(name, what string, each func(func(engine.Counter, ...string))) {
	p.metric(name+"_packets_total", counter, "Packets "+what+".", func(add add) {
		each(func(c engine.Counter, labels ...string) { add(float64(c.Packets), labels...) })
	})
	p.metric(name+"_bytes_total", counter, "Bytes of packets "+what+".", func(add add) {
		each(func(c engine.Counter, labels ...string) { add(float64(c.Bytes), labels...) })
	})
}

// stages are kernel functions, the ledger of what they dropped, and rules.
func (p *page) stages(s *engine.State) {
	stage := func(name, what string, of func(engine.Stage) engine.Counter) {
		p.metric(name, counter, "Packets "+what+".", func(add add) {
			for _, n := range s.NICs {
				for _, x := range n.Stages {
					add(float64(of(x).Packets), "nic", n.Name, "hook", n.Hook, "stage", x.Name, "kind", x.Kind)
				}
			}
		})
	}
	stage("hairpin_stage_packets_total", "that reached a stage", func(x engine.Stage) engine.Counter { return x.In })
	stage("hairpin_stage_dropped_packets_total", "that a stage dropped", func(x engine.Stage) engine.Counter { return x.Drop })
	stage("hairpin_stage_shadow_packets_total", "that a stage in shadow would have dropped", func(x engine.Stage) engine.Counter { return x.Would })
	p.metric("hairpin_stage_cost_seconds", gauge, "What a stage costs a packet, while somebody looks.", func(add add) {
		for _, n := range s.NICs {
			for _, x := range n.Stages {
				if x.NS > 0 {
					add(x.NS/1e9, "nic", n.Name, "hook", n.Hook, "stage", x.Name, "kind", x.Kind)
				}
			}
		}
	})
	p.counters("hairpin_dropped", "that were dropped, by row of the ledger", func(add func(engine.Counter, ...string)) {
		for _, d := range s.Drops {
			add(d.Counter, "nic", d.NIC, "hook", d.Hook, "stage", d.Stage, "vip", d.VIP, "reason", d.Reason, "shadow", strconv.FormatBool(d.Shadow))
		}
	})
	p.counters("hairpin_rule_matched", "that matched a rule of a firewall", func(add func(engine.Counter, ...string)) {
		for _, r := range s.Rules {
			add(r.Counter, "stage", r.Stage, "rule", r.Name, "action", r.Action)
		}
	})
	p.metric("hairpin_list_prefixes", gauge, "Prefixes of a firewall's list.", func(add add) {
		for _, l := range s.Lists {
			if l.Prefixes >= 0 {
				add(float64(l.Prefixes), "stage", l.Stage, "of", l.Of, "file", l.File)
			}
		}
	})
	p.metric("hairpin_list_refused", gauge, "Whether the newest content of a list's file is not in use.", func(add add) {
		for _, l := range s.Lists {
			add(flag(l.Why != ""), "stage", l.Stage, "of", l.Of, "file", l.File)
		}
	})
}

// limits are those of scopes. Single sources are not among them: they would be new series for ever.
func (p *page) limits(s *engine.State) {
	limit := func(name string, k kind, help string, of func(engine.Limit) float64) {
		p.metric(name, k, help, func(add add) {
			for _, l := range s.Limits {
				if !l.Source.IsValid() {
					add(of(l), "nic", l.NIC, "hook", l.Hook, "stage", l.Stage, "kind", l.Kind, "scope", l.Scope, "vip", l.VIP, "tenant", l.Tenant)
				}
			}
		})
	}
	limit("hairpin_limit_threshold", gauge, "New connections a second, or connections at a time, that a limit allows; 0 = it differs by VIP.", func(l engine.Limit) float64 { return float64(l.Max) })
	limit("hairpin_limit_current", gauge, "What a limit counts now; of sources, the fullest one's.", func(l engine.Limit) float64 { return l.Now })
	limit("hairpin_limit_passed_packets_total", counter, "Packets that a limit let pass.", func(l engine.Limit) float64 { return float64(l.Passed.Packets) })
	limit("hairpin_limit_refused_packets_total", counter, "Packets that a limit refused, or in shadow would have.", func(l engine.Limit) float64 { return float64(l.Over.Packets) })
}
