package command

import (
	"errors"
	"log/slog"

	"github.com/spf13/cobra"
)

const about = `hairpin balances TCP and UDP over backends in the kernel (XDP and tc).

Without a command it opens the console of this node: it owns the data path
itself, or watches the engine that does. Nothing that ends a hairpin process
stops the packets; "hairpin detach" does.`

func newConsole(t *tree) *cobra.Command {
	var o Console
	c := &cobra.Command{
		Use:   "hairpin",
		Short: "Console of a load-balancer node",
		Long:  about,
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if !t.Terminal {
				return &failure{exitUsage, errors.New("the console needs a terminal"),
					`"hairpin status" shows the node without one, "hairpin run" is the engine alone`}
			}
			if err := t.readStore(); err != nil {
				return err
			}
			// The screen belongs to the console: what the engine has to say is in its events.
			n, err := t.owned(c.Context(), slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			o.Who, o.Config = t.who, t.paths.Config
			return errors.Join(t.Console(c.Context(), n, o), n.Close())
		},
	}
	f := c.Flags()
	f.BoolVar(&o.Armed, "armed", false, "open with changes allowed")
	f.StringVar(&o.Keymap, "keymap", "", "`PRESET` or file of keys (HAIRPIN_KEYMAP); \"hairpin keys\" prints them")
	f.StringVar(&o.Theme, "theme", "", "`NAME` or file of looks (HAIRPIN_THEME); \"hairpin themes\" shows them")
	f.StringVar(&o.Glyphs, "glyphs", "", "`SET` of characters to draw with: block, braille or ascii (HAIRPIN_GLYPHS)")
	observersFlag(c, t)
	storeFlag(c, t)
	return c
}
