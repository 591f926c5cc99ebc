package command

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

func newDetach(t *tree) *cobra.Command {
	return &cobra.Command{
		Use:   "detach",
		Short: "Take everything of hairpin's off this node's NICs and bpffs",
		Long: `Detach ends load balancing on this node: it removes hairpin's links, programs
and maps, and nothing else. Packets then meet the node's own network stack.
Without an engine it also removes what no engine could adopt: damaged pins.`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			n, err := t.dial(c.Context(), t.paths)
			switch {
			case errors.Is(err, engine.ErrNoOwner):
				err = t.remove(t.paths)
			case err == nil:
				if err = t.arm(c, n, ""); err == nil {
					err = n.Detach(c.Context(), t.who)
				}
				err = errors.Join(err, n.Close())
			}
			if err != nil {
				return err
			}
			fmt.Fprintln(t.Stdout, "nothing of hairpin's is left on this node's NICs")
			return nil
		},
	}
}
