package command

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"
)

func newDetach(t *tree) *cobra.Command {
	return &cobra.Command{
		Use:   "detach",
		Short: "Take everything of hairpin's off this node's NICs and bpffs",
		Long: `Detach ends load balancing on this node: it removes hairpin's links, programs
and maps, and nothing else. Packets then meet the node's own network stack.`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			n, err := t.owned(c.Context(), slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			if err := n.Detach(c.Context(), t.who); err != nil {
				return errors.Join(fmt.Errorf("detach: %w", err), n.Close())
			}
			fmt.Fprintln(t.Stdout, "nothing of hairpin's is left on this node's NICs")
			return n.Close()
		},
	}
}
