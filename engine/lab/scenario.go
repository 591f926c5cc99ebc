package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"hairpin/engine/spec"
)

// Scenario is an incident to train on: something happens to a lab whose load flows, and nobody is told what.
type Scenario struct {
	Name  string
	Seen  string // what clients or operators notice; never the cause
	Cause string
	Cure  string
	After time.Duration // of calm before it happens
	For   time.Duration // until it is over by itself; 0 = it lasts, or is over at once
	Nodes int           // load balancers that it needs; 0 = it plays on one alone

	settings func(*Lab, *spec.Spec) error            // what lb runs with from the start; nil = LBSpec as it is
	traffic  func(context.Context, *Lab) error       // besides the load, from the start to the end; nil = none
	network  func(*Lab) error                        // changes to the wires before engines start; nil = none
	fault    func(ctx context.Context, l *Lab) error // ends with ctx at the latest
}

// calm is long enough to see how the node is when all is well.
const calm = 20 * time.Second

// ScenarioBackends is how many backends a lab for a scenario has at least.
const ScenarioBackends = 3

const scenarioDaemon = "scenario"

// FindScenario is the one of that name, and whether there is one.
func FindScenario(name string) (Scenario, bool) {
	all := Scenarios()
	i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name })
	if i < 0 {
		return Scenario{}, false
	}
	return all[i], true
}

// Prepare makes the wires ready for the scenario, before engines start.
func (l *Lab) Prepare(s Scenario) error {
	if s.network == nil {
		return nil
	}
	if err := s.network(l); err != nil {
		return fmt.Errorf("prepare scenario %s: %w", s.Name, err)
	}
	return nil
}

// Settings edits lb's spec for the scenario, and leaves those of backends alone. It is for WriteSpecs.
func (s Scenario) Settings(l *Lab) func(*spec.Spec) error {
	return func(of *spec.Spec) error {
		if s.settings == nil || of.Agent != nil {
			return nil
		}
		return s.settings(l, of)
	}
}

// StartScenario lets it happen, after some calm, from a process that outlives the caller and ends with the lab.
func (l *Lab) StartScenario(ctx context.Context, s Scenario, after time.Duration) error {
	unlock, err := lock(ctx, l.lockFile())
	if err != nil {
		return err
	}
	defer unlock()
	d := daemon{l, Client, scenarioDaemon}
	if d.pid() != 0 {
		return fmt.Errorf("a scenario goes on in lab %q already", l.name)
	}
	if err := os.WriteFile(l.scenarioFile(), []byte(s.Name), 0o600); err != nil {
		return err
	}
	if _, err := d.start(nil, "lab", "play", "--name", l.name, "--after", after.String(), s.Name); err != nil {
		return fmt.Errorf("%s: %w", Client, err)
	}
	return nil
}

// Play is the whole life of that process: calm, then the incident. It returns when that is over.
func (l *Lab) Play(ctx context.Context, s Scenario, after time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, MaxLoad)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	if s.traffic != nil {
		g.Go(func() error { return s.traffic(ctx, l) })
	}
	g.Go(func() error {
		if !pause(ctx, after) {
			return nil
		}
		if s.For > 0 {
			var over context.CancelFunc
			ctx, over = context.WithTimeout(ctx, s.For)
			defer over()
		}
		return s.fault(ctx, l)
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	return nil
}

// Scenario is the one that was started last in this lab, and whether there is one.
func (l *Lab) Scenario() (Scenario, bool) {
	name, err := os.ReadFile(l.scenarioFile())
	if err != nil {
		return Scenario{}, false
	}
	return FindScenario(strings.TrimSpace(string(name)))
}

func (l *Lab) scenarioFile() string { return filepath.Join(l.Dir(), "scenario") }

// pause is false when ctx ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
