package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

// newDrain also makes undrain: back tells which.
func newDrain(t *tree, back bool) *cobra.Command {
	c := &cobra.Command{
		Use:   "drain node",
		Short: "Have routers send this node's traffic elsewhere, before it is stopped",
		Long: `Drain asks the routers of the spec's block bgp to prefer other nodes (community
65535:0), withdraws all VIPs after the spec's drain_wait, and keeps serving what
still comes. It lasts until "hairpin undrain node", also over restarts. With
--wait it returns when fewer than one packet a second has come for 5 s: then
nothing is lost when the node stops.`,
		ValidArgs: []string{"node"},
		Args: usage(func(c *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] != "node" {
				return fmt.Errorf("write %q; a backend is drained in the console, or by its state in the spec", c.CommandPath()+" node")
			}
			return nil
		}),
	}
	why := c.Flags().String("why", "", "a ticket, or a few `WORDS`")
	wait := new(time.Duration)
	if back {
		c.Use, c.Short, c.Long = "undrain node", "Have routers send traffic to this node again", "Undrain takes back what \"hairpin drain node\" did: VIPs are announced as the spec says."
	} else {
		wait = c.Flags().Duration("wait", 0, "return when it is safe to stop, after this `TIME` at most")
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		n, err := t.dial(c.Context(), t.paths)
		if err != nil {
			return err
		}
		if err = t.arm(c, n, *why); err == nil {
			err = n.DrainNode(c.Context(), engine.DrainRequest{Back: back, Who: t.who, Why: *why})
		}
		if err == nil {
			err = t.drained(c.Context(), n, back, *wait)
		}
		return errors.Join(err, n.Close())
	}
	return c
}

// drained says what became of it, and waits until it is safe to stop the node where that is asked for.
func (t *tree) drained(ctx context.Context, n engine.Node, back bool, wait time.Duration) error {
	if back {
		fmt.Fprintln(t.Stdout, "VIPs are announced again")
		return nil
	}
	var over <-chan time.Time
	if wait > 0 {
		over = t.after(wait)
	}
	changed := n.Changed()
	for {
		s := n.State()
		v := drainedOf(s)
		if v == nil {
			return errors.New("drain: somebody has taken it back")
		}
		if v.Safe || wait == 0 {
			fmt.Fprintln(t.Stdout, v.line(s.Time))
			return nil
		}
		select {
		case _, ok := <-changed:
			if !ok {
				return errors.New("drain: the engine is gone; the node stays drained")
			}
		case <-over:
			return fmt.Errorf("drain: %s", v.line(s.Time))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// viewDrained is a node that routers are asked not to use.
type viewDrained struct {
	Who   string    `json:"who"`
	Why   string    `json:"why"`
	Since time.Time `json:"since"`
	Now   float64   `json:"pps"`          // that still come and are forwarded
	Left  *float64  `json:"eta_seconds"`  // until fewer than one a second come; null = it cannot be told
	Safe  bool      `json:"safe_to_stop"` // none has come for a while
}

func drainedOf(s *engine.State) *viewDrained {
	d := s.Drained
	if d == nil {
		return nil
	}
	_, now, _ := s.Totals()
	v := &viewDrained{Who: d.Who, Why: d.Why, Since: d.Since, Now: round(now), Safe: d.Safe(s.Time)}
	if d.Left > 0 {
		left := round(d.Left.Seconds())
		v.Left = &left
	}
	return v
}

func (v *viewDrained) line(now time.Time) string {
	text := fmt.Sprintf("drained by %s %s ago", v.Who, age(now, v.Since))
	if v.Why != "" {
		text += " (" + v.Why + ")"
	}
	switch {
	case v.Safe:
		return text + ": safe to stop, nothing comes any more"
	case v.Left != nil:
		return fmt.Sprintf("%s: %.0f packets/s still come, for %s more as it looks", text, v.Now, (time.Duration(*v.Left) * time.Second).Round(time.Second))
	}
	return fmt.Sprintf("%s: %.0f packets/s still come", text, v.Now)
}
