package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hairpin/engine/agents"
	"hairpin/engine/spec"
)

// Agent is the agent of a backend, by what it said last of its connections; or a backend that should have one.
type Agent struct {
	Node     string         // as it calls itself; empty = of none was ever heard
	From     netip.AddrPort // of its last report
	Backends []netip.Addr   // of this node's, those that it is
	State    string         // fresh; stale: it missed reports; silent: for so long that its count is gone; unheard
	Heard    time.Time      // zero = never
	Every    time.Duration
	Open     uint64 // connections to VIPs of this node; 0 when silent
	Other    uint64 // connections to services that are no VIP's here, and do not count
	Lacks    uint64 // connections that it could not count, ever
	Cut      bool   // it has more services than a report names
	Shared   int    // load balancers that it reports to; what others let pass is seen when it reports
}

// ReportTarget is a load balancer to which this node reports its connections.
type ReportTarget struct {
	To   netip.AddrPort
	Sent uint64
	Last time.Time // zero = never
	Why  string    // why the last report was not sent; empty = it was
}

// States of an agent.
const (
	agentFresh   = "fresh"
	agentStale   = "stale"
	agentSilent  = "silent"
	agentUnheard = "unheard"
)

// agents are those that were heard, by name, and backends of which none was.
func (o *owner) agents(now time.Time) (list []Agent) {
	r := &o.reported
	if r.book == nil || o.spec == nil {
		return nil
	}
	nums, backends := o.services(), o.tcpBackends()
	for _, e := range r.book.Entries(now) {
		a := Agent{Node: e.Node, From: e.From, State: agentFresh, Heard: e.Heard, Every: e.Every, Lacks: uint64(e.Uncounted), Cut: e.Cut, Shared: int(e.To)}
		if e.Stale {
			a.State = agentStale
		}
		if e.Silent {
			a.State, e.Counts = agentSilent, nil
		}
		for _, c := range e.Counts {
			if _, known := nums.of(c.Service); known {
				a.Open += uint64(c.Open)
			} else {
				a.Other += uint64(c.Open)
			}
		}
		for _, address := range append(e.Addresses, e.From.Addr()) {
			if backends[address] && !slices.Contains(a.Backends, address) {
				a.Backends = append(a.Backends, address)
			}
		}
		list = append(list, a)
	}
	for _, address := range sorted(o.unheard(now)) {
		named := func(a Agent) bool { return slices.Contains(a.Backends, address) }
		if !slices.ContainsFunc(list, named) {
			list = append(list, Agent{Backends: []netip.Addr{address}, State: agentUnheard})
		}
	}
	return list
}

func sorted(list []netip.Addr) []netip.Addr {
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}

// showAgents says with each limit that counts by agents how many of them it hears, and how late they are.
func showAgents(now time.Time, s *State) {
	heard, late := 0, time.Duration(0)
	for _, a := range s.Agents {
		if a.State == agentFresh {
			heard++
		}
		if a.State == agentFresh || a.State == agentStale {
			late = max(late, a.Every+countEvery, now.Sub(a.Heard))
		}
	}
	for i := range s.Limits {
		if l := &s.Limits[i]; l.Counts == spec.Agents.String() {
			l.Counts = fmt.Sprintf("%s %d of %d", l.Counts, heard, len(s.Agents))
			l.Late = late.Round(countEvery)
		}
	}
}

// agentProblems says what the count of agents lacks.
func (o *owner) agentProblems(now time.Time, s *State) []Problem {
	r := &o.reported
	list := o.reporting.problems()
	if r.of == nil {
		return list
	}
	if r.trouble != "" && r.listener == nil {
		list = append(list, Problem{Key: "agents", Severity: "crit", What: "no agent is heard, so limits count by what was heard last: " + r.trouble})
	} else if r.trouble != "" {
		list = append(list, Problem{Key: "agents", Severity: "warn", What: "agents are heard by a key that is not to be had any more: " + r.trouble})
	}
	for _, a := range s.Agents {
		if a.Lacks > 0 || a.Cut {
			list = append(list, lackProblem(a))
		}
		p := Problem{Key: "agent " + a.Node, Severity: "warn"}
		switch a.State {
		case agentStale:
			p.What = fmt.Sprintf("the agent of %s is silent: its %d connections count on as it said last, until %s", a.Node, a.Open,
				a.Heard.Add(r.of.Hold).Format(time.TimeOnly))
		case agentSilent:
			p.Severity, p.What = "crit", fmt.Sprintf("the agent of %s has been silent since %s: its connections do not count", a.Node,
				a.Heard.Format(time.TimeOnly))
		default:
			continue
		}
		p.Cure = "look at hairpin status there; where the host is gone, remove it from the spec"
		list = append(list, p)
	}
	if now.Sub(r.since) > staleAfterStart {
		list = append(list, unheardProblem(s.Agents)...)
	}
	if r.refusals.count > 0 && now.Sub(r.refusals.at) < showRefusals {
		list = append(list, Problem{Key: "agents refused", Severity: "warn",
			What: fmt.Sprintf("%d reports of agents were refused, the last at %s: %s", r.refusals.count, r.refusals.at.Format(time.TimeOnly), r.refusals.why),
			Cure: "look whether the key is the same there, and whether both clocks are right"})
	}
	return list
}

// lackProblem says what an agent does not tell of.
func lackProblem(a Agent) Problem {
	p := Problem{Key: "agent lacks " + a.Node, Severity: "warn", What: fmt.Sprintf("the agent of %s could not count %d connections, ever: "+
		"limits count too few", a.Node, a.Lacks), Cure: "look at hairpin status there"}
	if a.Cut {
		p.What = fmt.Sprintf("%s has connections on more than %d ports: its agent tells of the fullest", a.Node, agents.MaxServices)
		p.Cure = "give fewer VIPs to one backend"
	}
	return p
}

const (
	staleAfterStart = 5 * time.Second // that agents have to be heard after a start
	showRefusals    = time.Minute     // that a refusal stays a problem
)

// unheardProblem names the backends that have no agent.
func unheardProblem(all []Agent) []Problem {
	var names []string
	for _, a := range all {
		if a.State == agentUnheard {
			names = append(names, a.Backends[0].String())
		}
	}
	if len(names) == 0 {
		return nil
	}
	const most = 3
	text := strings.Join(names[:min(most, len(names))], ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return []Problem{{Key: "agents unheard", Severity: "crit", What: "connections of backends without an agent do not count: " + text,
		Cure: "let their specs say agent: {report: {to: [...]}}"}}
}

// unheardWithoutEngine: the kernel goes on counting what was heard last.
func unheardWithoutEngine(s *State) []Problem {
	if s.Spec.Reported() == nil {
		return nil
	}
	return []Problem{{Key: "agents", Severity: "crit", What: "no engine hears agents: limits count by what was heard last, and what was let " +
		"pass in the last 13 s", Cure: "hairpin run"}}
}
