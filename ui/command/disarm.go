package command

import (
	"errors"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

// arm lets this command change the node through n until n is closed. Where the same user has armed a console from the same
// place, the command acts within that; where somebody else is armed, it is refused.
func (t *tree) arm(c *cobra.Command, n engine.Node, why string) error {
	if why == "" {
		why = c.CommandPath()
	}
	return n.Arm(c.Context(), engine.ArmRequest{Who: t.who, Why: why, Share: true})
}

func newDisarm(t *tree) *cobra.Command {
	return &cobra.Command{
		Use:   "disarm",
		Short: "Give back the permission to change the node that a session of yours holds",
		Long: `Disarm ends what another session of the same user holds: one that hangs, or a
console left open. It ends by itself ten minutes after it was armed, and when the
session ends. What somebody else holds it leaves alone.`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			n, err := t.dial(c.Context(), t.paths)
			if err != nil {
				return err
			}
			return errors.Join(n.Disarm(c.Context()), n.Close())
		},
	}
}
