package command

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"hairpin/engine"
	"hairpin/engine/sockets"
)

func newDetach(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "detach",
		Short: "Take everything of hairpin's off this node's NICs and bpffs",
		Long: `Detach ends load balancing on this node: it removes hairpin's links, programs
and maps, and nothing else. Packets then meet the node's own network stack.
Without an engine it also removes what no engine could adopt: damaged pins.

Services that "hairpin socket" steers to sockets of this host go on, since they
are not in the spec, unless --all ends them too.`,
		Args: usage(cobra.NoArgs),
	}
	all := c.Flags().Bool("all", false, "end steering to sockets too, as \"hairpin socket detach\" does")
	c.RunE = func(c *cobra.Command, _ []string) error {
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
		return t.detachSockets(*all)
	}
	return c
}

// detachSockets ends steering to sockets, or says that it goes on.
func (t *tree) detachSockets(end bool) error {
	if end {
		if err := sockets.Remove(t.socketPins()); err != nil && !errors.Is(err, sockets.ErrNone) {
			return err
		}
		return nil
	}
	table, err := sockets.Open(t.socketPins())
	switch {
	case errors.Is(err, sockets.ErrNone):
		return nil
	case errors.Is(err, fs.ErrPermission):
		fmt.Fprintln(t.Stdout, `only root sees whether services go to sockets of this host: "hairpin socket"`)
		return nil
	case err == nil:
		table.Close()
	}
	fmt.Fprintln(t.Stdout, `services go to sockets of this host as before: "hairpin socket" shows them, "hairpin socket detach" ends that`)
	return nil
}
