package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"hairpin/engine/reason"
)

// newDocs writes what is documentation elsewhere and stands in the program already.
func newDocs(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "docs",
		Short: "Write man pages, or the runbook of all reasons",
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return &failure{exitUsage, errors.New("docs needs a verb"), `"hairpin docs man FOLDER" or "hairpin docs runbook"`}
		},
	}
	c.AddCommand(
		&cobra.Command{
			Use:   "man FOLDER",
			Short: "Write a man page for every command into a folder that is there",
			Args:  usage(cobra.ExactArgs(1)),
			RunE: func(c *cobra.Command, args []string) error {
				pages := manPages(c.Root())
				for name, text := range pages {
					if err := os.WriteFile(filepath.Join(args[0], name), []byte(text), 0o644); err != nil {
						return &failure{exitUsage, err, "make the folder first"}
					}
				}
				fmt.Fprintf(t.Stdout, "%d pages written to %s\n", len(pages), args[0])
				return nil
			},
		},
		&cobra.Command{
			Use:   "runbook",
			Short: "Print for every reason what it means, what to look at and what to do, as Markdown",
			Args:  usage(cobra.NoArgs),
			RunE: func(*cobra.Command, []string) error {
				_, err := fmt.Fprint(t.Stdout, reason.Runbook())
				return err
			},
		})
	return c
}
