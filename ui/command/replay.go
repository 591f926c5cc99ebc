package command

import (
	"errors"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

func newReplay(t *tree) *cobra.Command {
	var from string
	speed := 1.0
	c := &cobra.Command{
		Use:   "replay FILE",
		Short: "Open the console on an incident file, as if it happened now",
		Long: `Replay shows an incident file as the console showed the node then. It needs no
privileges and no node, and changes nothing. The keys of time work as on a node:
p holds and goes on, "," and "." step, "<" and ">" go by minutes, t goes to a
time. ":" speed makes it faster or slower.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if !t.Terminal {
				return &failure{exitUsage, errors.New("the console needs a terminal"), `"hairpin status --file FILE --at TIME" shows a file without one`}
			}
			r, err := t.incident(args[0])
			if err != nil {
				return err
			}
			begin, err := t.time(from)
			if err != nil {
				r.Close()
				return err
			}
			p, err := engine.Play(r, begin)
			if err != nil {
				r.Close()
				return err
			}
			if err := p.SetSpeed(speed); err != nil {
				return errors.Join(err, p.Close())
			}
			return errors.Join(t.Console(c.Context(), p, Console{Who: t.who, Config: t.paths.Config}), p.Close())
		},
	}
	c.Flags().StringVar(&from, "from", "", "`TIME` at which to begin, instead of the file's start")
	c.Flags().Float64Var(&speed, "speed", speed, "`SECONDS` of the file in one second")
	return c
}
