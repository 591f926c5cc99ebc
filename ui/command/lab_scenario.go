package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine/lab"
	"hairpin/engine/near"
	"hairpin/engine/spec"
)

// anyScenario has one chosen by chance, for those who want to be taken by surprise.
const anyScenario = "any"

func (o *labFlags) registerScenario(of *cobra.Command) {
	of.Flags().StringVar(&o.scenario, "scenario", "", "let `SCENARIO` happen, and say nothing about it; \"any\" chooses one by chance")
	of.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if strings.HasSuffix(err.Error(), "needs an argument: --scenario") {
			return &failure{exitUsage, errors.New("--scenario needs one of these, or any:\n" + listScenarios()), ""}
		}
		if above := of.Parent(); above != nil {
			return above.FlagErrorFunc()(c, err)
		}
		return err
	})
}

// scenarioNamed is the scenario of that name.
func scenarioNamed(name string) (lab.Scenario, error) {
	s, known := lab.FindScenario(name)
	if known {
		return s, nil
	}
	var names []string
	for _, s := range lab.Scenarios() {
		names = append(names, s.Name)
	}
	return s, &failure{exitUsage, fmt.Errorf("there is no scenario %q%s\n%s", name, near.Hint(name, names), listScenarios()), ""}
}

// fresh refuses a scenario that is not known, and a lab that is up: its spec, its wires and its history are its own.
func (o *labFlags) fresh() error {
	if o.scenario == "" {
		return nil
	}
	if o.scenario == anyScenario {
		all := slices.DeleteFunc(lab.Scenarios(), func(s lab.Scenario) bool { return !fits(s, o.nodes) })
		if len(all) == 0 {
			return &failure{exitUsage, fmt.Errorf("--nodes %d: no scenario plays on so many load balancers", o.nodes), "leave --nodes away: a scenario brings as many as it needs"}
		}
		o.scenario = all[rand.IntN(len(all))].Name
	}
	s, err := scenarioNamed(o.scenario)
	if err != nil {
		return err
	}
	if !fits(s, o.nodes) {
		return &failure{exitUsage, fmt.Errorf("--nodes %d: scenario %s plays on %s, and so many have %s", o.nodes, s.Name, playsOn(s), strings.Join(playable(o.nodes), ", ")),
			"leave --nodes away: a scenario brings as many as it needs"}
	}
	o.nodes = max(o.nodes, s.Nodes)
	switch _, err := lab.Open(o.name); {
	case err == nil:
		return &failure{exitRefused, fmt.Errorf("lab %q is up already, and a scenario needs one of its own", o.name),
			fmt.Sprintf("hairpin lab down%s removes it, --name gives another", o.nameFlag())}
	case !errors.Is(err, lab.ErrAbsent):
		return err
	}
	if o.backends != 0 && o.backends < lab.ScenarioBackends {
		return &failure{exitUsage, fmt.Errorf("--backends %d: a scenario needs %d at least", o.backends, lab.ScenarioBackends), ""}
	}
	return nil
}

// playsOn says how many load balancers a scenario needs.
func playsOn(s lab.Scenario) string {
	if s.Nodes == 0 {
		return "1 load balancer alone"
	}
	return fmt.Sprintf("%d load balancers or more", s.Nodes)
}

// playable names the scenarios that play on so many load balancers.
func playable(nodes int) (names []string) {
	for _, s := range lab.Scenarios() {
		if fits(s, nodes) {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return []string{"none"}
	}
	return names
}

// fits tells whether a lab with so many load balancers has what s needs; 0 = as many as that is.
func fits(s lab.Scenario, nodes int) bool {
	return nodes == 0 || nodes == max(s.Nodes, 1) || s.Nodes > 0 && nodes > s.Nodes
}

// prepare makes a lab that has no engines yet ready for the scenario, if there is one, and returns the edit for its specs.
func (o *labFlags) prepare(l *lab.Lab) (func(*spec.Spec) error, error) {
	if o.scenario == "" {
		return func(*spec.Spec) error { return nil }, nil
	}
	s, err := scenarioNamed(o.scenario)
	if err != nil {
		return nil, err
	}
	return s.Settings(l), l.Prepare(s)
}

// play lets the scenario begin, if there is one.
func (o *labFlags) play(ctx context.Context, l *lab.Lab) error {
	if o.scenario == "" {
		return nil
	}
	s, err := scenarioNamed(o.scenario)
	if err != nil {
		return err
	}
	return l.StartScenario(ctx, s, s.After)
}

func newLabScenarios() *cobra.Command {
	c := &cobra.Command{
		Use:   "scenarios",
		Short: "List the incidents that a lab can have, by what one notices",
		Long: `Scenarios lists the incidents to train on. "hairpin lab --scenario NAME" builds a
lab, opens the console on its lb, and lets the incident happen after some calm,
without a word. "hairpin lab solve" says what it was, and what to do.`,
		Args: usage(cobra.NoArgs),
	}
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		all := list(lab.Scenarios(), func(s lab.Scenario) viewScenario {
			return viewScenario{Name: s.Name, Seen: s.Seen, After: s.After.Seconds(), For: s.For.Seconds()}
		})
		return output.print(c.OutOrStdout(), all, func() error {
			_, err := io.WriteString(c.OutOrStdout(), listScenarios())
			return err
		})
	}
	return c
}

// listScenarios names what can be noticed of each, never the cause.
func listScenarios() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, s := range lab.Scenarios() {
		fmt.Fprintf(w, "%s\t%s\n", s.Name, s.Seen)
	}
	_ = w.Flush() // to memory
	return b.String()
}

func newLabSolve(o *labFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "solve [SCENARIO]",
		Short: "Say what a scenario's cause is and what to do",
		Long: `Solve tells cause and cure of SCENARIO, or of the one that was started in the lab
that is up.`,
		Args: usage(cobra.MaximumNArgs(1)),
	}
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		s, err := o.solved(args)
		if err != nil {
			return err
		}
		v := viewScenario{s.Name, s.Seen, s.Cause, s.Cure, s.After.Seconds(), s.For.Seconds()}
		return output.print(c.OutOrStdout(), v, func() error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "%s\n\nseen   %s\ncause  %s\ncure   %s\n", s.Name, s.Seen, s.Cause, s.Cure)
			return err
		})
	}
	return c
}

func (o *labFlags) solved(args []string) (lab.Scenario, error) {
	if len(args) == 1 {
		return scenarioNamed(args[0])
	}
	l, err := openLab(o.name)
	if err != nil {
		return lab.Scenario{}, err
	}
	s, is := l.Scenario()
	if !is {
		return s, &failure{exitAbsent, fmt.Errorf("no scenario was started in lab %q", o.name), "name one: hairpin lab solve SCENARIO"}
	}
	return s, nil
}

// viewScenario is a scenario as scripts read it; cause and cure only where somebody asked for them.
type viewScenario struct {
	Name  string  `json:"name"`
	Seen  string  `json:"seen"`
	Cause string  `json:"cause,omitempty"`
	Cure  string  `json:"cure,omitempty"`
	After float64 `json:"after_seconds"`
	For   float64 `json:"for_seconds"` // 0 = it lasts, or is over at once
}

func newLabPlay(o *labFlags) *cobra.Command {
	c := &cobra.Command{
		Use:    "play SCENARIO",
		Short:  "Let an incident happen, as part of a lab",
		Hidden: true,
		Args:   usage(cobra.ExactArgs(1)),
	}
	after := c.Flags().Duration("after", 0, "`TIME` of calm before it")
	c.RunE = func(c *cobra.Command, args []string) error {
		l, err := openLab(o.name)
		if err != nil {
			return err
		}
		s, err := scenarioNamed(args[0])
		if err != nil {
			return err
		}
		return l.Play(c.Context(), s, max(*after, time.Duration(0)))
	}
	return c
}

// labScenarios are the names of all scenarios, each with what one notices.
func labScenarios(*cobra.Command) []string {
	return append(list(lab.Scenarios(), func(s lab.Scenario) string { return s.Name + "\t" + s.Seen }), anyScenario+"\tone of them, by chance")
}
