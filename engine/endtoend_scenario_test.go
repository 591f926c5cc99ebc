package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

// signs are by what an operator can name the cause of each scenario: State has it.
var signs = map[string]func(*engine.State) bool{
	"backend-crash": func(s *engine.State) bool {
		return hasProblem(s, "down web", "") && happened(s, "health", "web: 10.1.2.10 is down: http") && !happened(s, "health", "10.1.1.10 is down")
	},
	"flapping-backend": func(s *engine.State) bool {
		return happened(s, "health", "web: 10.1.2.10 is down") && happened(s, "health", "web: 10.1.2.10 is up again")
	},
	"syn-flood": func(s *engine.State) bool {
		return drops(s, "web", "rate_limited") && slices.ContainsFunc(s.Limits, func(l engine.Limit) bool {
			return l.VIP == "web" && l.Max == 500 && l.Over.PPS > 1000
		})
	},
	"noisy-neighbour": func(s *engine.State) bool {
		return drops(s, "web", "source_rate_limited") && slices.ContainsFunc(s.Limits, func(l engine.Limit) bool {
			return l.Source.IsValid() && l.Source.String() == "198.51.100.18/32" && l.Over.Packets > 0
		})
	},
	"mtu-black-hole": func(s *engine.State) bool { return drops(s, "web", "too_big") },
	"wrong-neighbour": func(s *engine.State) bool {
		return hasProblem(s, "written eth0 10.1.3.10", "wrote down 02:68:0a:01:21:0a as the MAC of 10.1.3.10 on eth0, which has answered as 02:68:0a:01:00:01")
	},
	"limit-too-low": func(s *engine.State) bool {
		return drops(s, "web", "rate_limited") && happened(s, "alex", "protect web")
	},
	"cut-off": func(s *engine.State) bool {
		return drops(s, "web", "firewall_source") && hasProblem(s, "pending", "") && happened(s, "alex", "close the firewall")
	},
	"blocked-clients": func(s *engine.State) bool {
		return drops(s, "web", "firewall_source") && happened(s, "engine", "blocked.txt: 3 prefixes")
	},
	"no-backend": func(s *engine.State) bool {
		return hasProblem(s, "empty web", "") && happened(s, "alex", "maintenance of the rack") && s.Armed == nil
	},
	"nic-lost": func(s *engine.State) bool { return hasProblem(s, "nic eth0 xdp", "") },
	"upgrade": func(s *engine.State) bool {
		return s.Handoff != nil && s.Handoff.Outcome == engine.HandoffConfirmed && s.PID == s.Handoff.To.PID && s.Handoff.Who == "alex"
	},
	"engine-killed": func(s *engine.State) bool {
		return slices.ContainsFunc(s.Problems, func(p engine.Problem) bool { return strings.Contains(p.What, "engine") })
	},
}

func hasProblem(s *engine.State, key, what string) bool {
	return slices.ContainsFunc(s.Problems, func(p engine.Problem) bool { return p.Key == key && strings.Contains(p.What, what) })
}

func happened(s *engine.State, who, what string) bool {
	return slices.ContainsFunc(s.Events, func(e engine.Event) bool {
		return e.Who == who && strings.Contains(e.What+strings.Join(e.Detail, " "), what)
	})
}

func drops(s *engine.State, vip, reason string) bool {
	return slices.ContainsFunc(s.Drops, func(d engine.Drop) bool { return d.VIP == vip && d.Reason == reason && d.PPS > 1 })
}

// exercises are labs, each with rounds of scenarios that can be told apart when they happen at once. What ends a lab comes last.
var exercises = [][][]string{
	{{"upgrade"}, {"backend-crash", "wrong-neighbour", "noisy-neighbour", "mtu-black-hole"}, {"limit-too-low"}, {"no-backend"}, {"engine-killed"}},
	{{"flapping-backend", "syn-flood", "blocked-clients"}, {"cut-off"}, {"nic-lost"}},
}

// TestScenarios lets every incident happen, and waits until lb's State shows the cause. Before, all is well.
func TestScenarios(t *testing.T) {
	seen := map[string]bool{}
	for _, rounds := range exercises {
		var all []lab.Scenario
		for _, name := range slices.Concat(rounds...) {
			s, known := lab.FindScenario(name)
			if !known || signs[name] == nil {
				t.Fatalf("%s is not known, or nothing shows it", name)
			}
			seen[name], all = true, append(all, s)
		}
		t.Run(all[0].Name, func(t *testing.T) {
			t.Parallel()
			exercise(t, rounds, all)
		})
	}
	for _, s := range lab.Scenarios() {
		if !seen[s.Name] && s.Nodes == 0 { // the others are TestNodes
			t.Errorf("nobody exercises %s", s.Name)
		}
	}
}

func exercise(t *testing.T, rounds [][]string, all []lab.Scenario) {
	n := upAs(t, lab.ScenarioBackends, lab.ScenarioBackends, func(l *lab.Lab, of *spec.Spec) error {
		if err := l.CheckBackends(of); err != nil {
			return err
		}
		for _, s := range all {
			if err := s.Settings(l)(of); err != nil {
				return err
			}
			if of.Agent == nil {
				if err := l.Prepare(s); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err := n.StartLoad(n.ctx); err != nil {
		t.Fatal(err)
	}
	node := n.dial(t)
	for len(node.State().VIPs) == 0 || node.State().VIPs[0].PPS == 0 {
		n.next(t, node, "load")
	}
	for len(node.State().Problems) > 0 { // on a busy machine a check may fail at first
		n.next(t, node, "that all is well before anything happens")
	}
	for i, round := range rounds {
		for j, name := range round {
			if signs[name](node.State()) {
				t.Fatalf("%s shows before it happens", name)
			}
			s, _ := lab.FindScenario(name)
			if i == 0 && j == 0 { // as the command does
				if err := n.StartScenario(n.ctx, s, 0); err != nil {
					t.Fatal(err)
				}
			} else {
				n.play(t, s)
			}
		}
		began := time.Now()
		for _, name := range round {
			for !signs[name](node.State()) {
				n.next(t, node, name)
			}
			t.Logf("%s shows after %v", name, time.Since(began).Round(time.Millisecond))
		}
	}
}

// play lets a scenario happen in this process, until the test ends.
func (n *network) play(t *testing.T, s lab.Scenario) {
	ctx, cancel := context.WithCancel(n.ctx)
	over := make(chan error, 1)
	go func() { over <- n.Play(ctx, s, 0) }()
	t.Cleanup(func() {
		cancel()
		if err := <-over; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// next waits for the next State.
func (n *network) next(t *testing.T, node engine.Node, what string) {
	t.Helper()
	select {
	case <-node.Changed():
	case <-n.ctx.Done():
		s := node.State()
		t.Fatalf("%s never shows: %+v; %+v; %+v", what, s.Problems, s.Drops, s.Handoff)
	}
}
