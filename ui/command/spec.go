package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"hairpin/engine/spec"
)

func newSpec(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "spec",
		Short: "Show or check a spec",
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return &failure{exitUsage, errors.New("spec needs a verb"), `"hairpin spec show", "hairpin spec check FILE" or "hairpin spec ids"`}
		},
	}
	c.AddCommand(
		&cobra.Command{
			Use:   "show",
			Short: "Print the running spec as YAML, every default written out",
			Args:  usage(cobra.NoArgs),
			RunE:  func(c *cobra.Command, _ []string) error { return t.showSpec(c) },
		},
		newSpecIDs(t),
		&cobra.Command{
			Use:   "check FILE",
			Short: "Check a spec file (- = stdin) and change nothing",
			Args:  usage(cobra.ExactArgs(1)),
			RunE:  func(_ *cobra.Command, args []string) error { return t.checkSpec(args[0]) },
		})
	return c
}

func (t *tree) showSpec(c *cobra.Command) error {
	s, err := t.runningSpec(c.Context())
	if err != nil {
		return err
	}
	_, err = t.Stdout.Write(spec.Marshal(s))
	return err
}

// runningSpec is the one that the node runs.
func (t *tree) runningSpec(ctx context.Context) (*spec.Spec, error) {
	s, err := t.shown(ctx)
	if err != nil {
		return nil, err
	}
	if s.Spec == nil {
		return nil, &failure{exitAbsent, errors.New("no spec was ever applied on this node"), `"hairpin apply -f FILE" applies one`}
	}
	return s.Spec, nil
}

func (t *tree) checkSpec(file string) error {
	s, err := t.readSpec(file)
	if err != nil {
		return err
	}
	backends := 0
	for _, v := range s.VIPs {
		backends += len(v.Backends)
	}
	if file == "-" {
		file = "stdin"
	}
	fmt.Fprintf(t.Stdout, "%s is valid: %s, %s, %s\n", file,
		count(len(s.NICs), "NIC"), count(len(s.VIPs), "VIP"), count(backends, "backend"))
	t.warn(s)
	return nil
}

// readSpec parses the document in file, or on stdin when file is "-". That it cannot be had ends with exitUsage, as
// what is wrong in it does.
func (t *tree) readSpec(file string) (*spec.Spec, error) {
	if file == "-" {
		text, err := io.ReadAll(t.Stdin)
		if err != nil {
			return nil, fmt.Errorf("read stdin: %w", err)
		}
		return spec.Parse("stdin", text)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, &failure{exitUsage, fmt.Errorf("read spec: %w", err), ""}
	}
	return spec.Parse(file, text)
}

// warn says on stderr what is valid in s and may not be meant.
func (t *tree) warn(s *spec.Spec) {
	for _, w := range s.Warnings() {
		fmt.Fprintf(t.Stderr, "hairpin: warning: %s\n", w)
	}
}

// count is a number with its noun: "1 VIP", "2 VIPs".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
