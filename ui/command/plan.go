package command

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"hairpin/engine"
	"hairpin/engine/spec"
)

func newPlan(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "plan -f FILE",
		Short: "Say what applying a spec would do, and do none of it",
		Args:  usage(cobra.NoArgs),
	}
	file := specFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		n, s, err := t.subject(c, *file)
		if err != nil {
			return err
		}
		defer n.Close()
		p, err := n.Plan(c.Context(), s)
		if err != nil {
			return fmt.Errorf("plan %s: %w", *file, err)
		}
		t.warn(s)
		t.printPlan(p)
		return nil
	}
	return c
}

// specFlag gives c the flag -f and says where its value will be.
func specFlag(c *cobra.Command) *string {
	return c.Flags().StringP("file", "f", "", "the spec, a YAML `FILE` (- = stdin)")
}

// subject is the engine that runs and the spec in file. The file comes first: a mistake in it shows without an engine.
func (t *tree) subject(c *cobra.Command, file string) (engine.Node, *spec.Spec, error) {
	if file == "" {
		return nil, nil, &failure{exitUsage, errors.New(c.Name() + " needs a spec"), `"` + c.CommandPath() + ` -f FILE"`}
	}
	s, err := t.readSpec(file)
	if err != nil {
		return nil, nil, err
	}
	n, err := t.dial(c.Context(), t.paths)
	return n, s, err
}

func (t *tree) printPlan(p *engine.Plan) {
	if len(p.Text) == 0 {
		fmt.Fprintln(t.Stdout, "nothing to change")
	}
	for _, line := range p.Text {
		fmt.Fprintln(t.Stdout, line)
	}
}
