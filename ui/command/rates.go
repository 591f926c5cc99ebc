package command

import (
	"fmt"
	"net/netip"
	"time"

	"hairpin/engine"
)

// setRates fills in the rates of s from its own totals and those of an earlier reading. What the earlier one did not
// have stays at zero: it has counted nothing for as long as it is known.
func setRates(before, s *engine.State) {
	old := totals(before)
	over := s.Time.Sub(before.Time)
	each(s, func(k key, c *engine.Counter) {
		if was, ok := old[k]; ok {
			c.PPS = perSecond(was.Packets, c.Packets, over)
			c.BPS = perSecond(was.Bytes, c.Bytes, over)
		}
	})
}

// perSecond is 0 for a counter that went back: the data path was attached anew in between.
func perSecond(was, is uint64, over time.Duration) float64 {
	if over <= 0 || is < was {
		return 0
	}
	return float64(is-was) / over.Seconds()
}

// key names one counter of a state.
type key struct {
	what, of, name string
	address        netip.Addr
}

func totals(s *engine.State) map[key]engine.Counter {
	m := map[key]engine.Counter{}
	each(s, func(k key, c *engine.Counter) { m[k] = *c })
	return m
}

// each visits every counter of s.
func each(s *engine.State, visit func(key, *engine.Counter)) {
	for i := range s.NICs {
		n := &s.NICs[i]
		of := n.Name + " " + n.Hook
		visit(key{what: "in", of: of}, &n.In)
		visit(key{what: "forward", of: of}, &n.Forward)
		visit(key{what: "pass", of: of}, &n.Pass)
		visit(key{what: "drop", of: of}, &n.Drop)
		visit(key{what: "received", of: of}, &n.Received)
		for j := range n.Lost {
			visit(key{what: "lost", of: of, name: n.Lost[j].Name}, &n.Lost[j].Counter)
		}
		for j := range n.Stages {
			visit(key{what: "stage", of: of, name: n.Stages[j].Name}, &n.Stages[j].In)
			visit(key{what: "stage drop", of: of, name: n.Stages[j].Name}, &n.Stages[j].Drop)
			visit(key{what: "stage would", of: of, name: n.Stages[j].Name}, &n.Stages[j].Would)
		}
		for j := range n.Reasons {
			visit(key{what: "reason", of: of, name: n.Reasons[j].Name}, &n.Reasons[j].Counter)
		}
	}
	for i := range s.Reasons {
		visit(key{what: "reason", name: s.Reasons[i].Name}, &s.Reasons[i].Counter)
	}
	for i := range s.Rules {
		visit(key{what: "rule", of: s.Rules[i].Stage, name: s.Rules[i].Name}, &s.Rules[i].Counter)
	}
	for i := range s.Drops {
		d := &s.Drops[i]
		visit(key{what: fmt.Sprintf("ledger %d %v", d.Position, d.Shadow), of: d.NIC + " " + d.Hook, name: d.Reason + " " + d.VIP}, &d.Counter)
	}
	for i := range s.Limits {
		l := &s.Limits[i]
		of := fmt.Sprintf("%s %s %d %s", l.NIC, l.Hook, l.Position, l.VIP)
		visit(key{what: "passed " + l.Scope, of: of, name: l.Source.String()}, &l.Passed)
		visit(key{what: "over " + l.Scope, of: of, name: l.Source.String()}, &l.Over)
	}
	if s.Hosting != nil {
		for i := range s.Hosting.Addresses {
			h := &s.Hosting.Addresses[i]
			visit(key{what: "hosted", address: h.Address}, &h.In)
			visit(key{what: "hosted out", address: h.Address}, &h.Out)
			visit(key{what: "hosted orphans", address: h.Address}, &h.Orphans)
			visit(key{what: "hosted taken", address: h.Address}, &h.Taken)
			visit(key{what: "hosted full", address: h.Address}, &h.Full)
			visit(key{what: "hosted handed", address: h.Address}, &h.Handed)
		}
	}
	for i := range s.VIPs {
		v := &s.VIPs[i]
		visit(key{what: "vip", of: v.Name}, &v.Counter)
		visit(key{what: "vip drop", of: v.Name}, &v.Drop)
		for j := range v.Backends {
			visit(key{what: "backend", of: v.Name, address: v.Backends[j].Address}, &v.Backends[j].Counter)
		}
	}
}
