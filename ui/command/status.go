package command

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

func newStatus(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the node: what is forwarded, what is dropped and why",
		Long: `Status prints what the running engine sees. Without an engine it reads the data
path from its pins, twice and a second apart, since rates need two readings.

With --at it prints what was shown then, as the engine recorded it: by the
second for ten minutes, by ten seconds for an hour, by the minute for a day.`,
		Args: usage(cobra.NoArgs),
	}
	output := outputFlag(c)
	once := c.Flags().Bool("once", false, "read the pins once: no rates without an engine")
	var past pastFlags
	past.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if past.asked() {
			s, at, err := t.then(c.Context(), &past)
			if err != nil {
				return err
			}
			v := viewOf(s, true)
			v.Exactly = exactly(s, at)
			return output.print(t.Stdout, v, func() error { return v.write(t.Stdout) })
		}
		s, rates, err := t.reading(c.Context(), *once)
		if err != nil {
			return err
		}
		v := viewOf(s, rates)
		return output.print(t.Stdout, v, func() error { return v.write(t.Stdout) })
	}
	return c
}

// betweenReadings is the time over which rates are taken when no engine does it.
const betweenReadings = time.Second

// reading is the node's state, and whether its rates are known. From pins, rates come of two readings.
func (t *tree) reading(ctx context.Context, once bool) (s *engine.State, rates bool, err error) {
	n, err := t.dial(ctx, t.paths)
	if err == nil {
		s := n.State()
		return s, true, n.Close()
	}
	if !errors.Is(err, engine.ErrNoOwner) {
		return nil, false, err
	}
	before, err := t.observe(t.paths)
	if err != nil || once {
		return before, false, err
	}
	select {
	case <-t.after(betweenReadings):
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
	s, err = t.observe(t.paths)
	if err != nil {
		return nil, false, err
	}
	setRates(before, s)
	return s, true, nil
}
