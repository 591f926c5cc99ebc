package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

func newApply(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make a spec the running one",
		Long: `Apply prints the plan and carries it out: every packet sees the whole old
configuration or the whole new one. With --confirm the kernel goes back to the
configuration before, also without any process, unless "hairpin confirm" comes
in time.`,
		Args: usage(cobra.NoArgs),
	}
	file := specFlag(c)
	confirm := c.Flags().Duration("confirm", 0, "go back by itself after `TIME` unless confirmed (0 = confirmed at once)")
	why := c.Flags().String("why", "", "`REASON`, for the audit trail")
	force := forceFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *confirm < 0 {
			return &failure{exitUsage, fmt.Errorf("--confirm %v is negative", *confirm), "give a time such as 30s"}
		}
		return t.apply(c, *file, engine.ApplyRequest{Deadline: *confirm, Why: *why, Who: t.who, Force: *force})
	}
	return c
}

func forceFlag(c *cobra.Command) *bool {
	return c.Flags().Bool("force", false, "also if it ends the SSH session of somebody who works on this node,\nor leaves a VIP without a backend that takes new flows")
}

func (t *tree) apply(c *cobra.Command, file string, r engine.ApplyRequest) error {
	n, s, err := t.subject(c, file)
	if err != nil {
		return err
	}
	defer n.Close()
	r.Spec = s
	return t.applySpec(c, n, file, r)
}

// applySpec prints what r would do and carries it out; from says where its spec comes from. A revision in r is the one that
// its spec was made of.
func (t *tree) applySpec(c *cobra.Command, n engine.Node, from string, r engine.ApplyRequest) error {
	p, err := n.Plan(c.Context(), r.Spec)
	if err != nil {
		return fmt.Errorf("plan %s: %w", from, err)
	}
	if r.Revision != "" && r.Revision != p.Revision {
		return fmt.Errorf("apply %s: %w", from, engine.ErrStale)
	}
	t.warn(r.Spec)
	t.printPlan(p)
	if len(p.Text) == 0 {
		return nil
	}
	r.Revision = p.Revision
	if err := t.arm(c, n, r.Why); err != nil {
		return fmt.Errorf("apply %s: %w", from, err)
	}
	a, err := n.Apply(c.Context(), r)
	if err != nil {
		return fmt.Errorf("apply %s: %w", from, err)
	}
	if a.Fleet != 0 {
		t.sayFleet(a.Fleet)
		return nil
	}
	fmt.Fprintf(t.Stdout, "generation %d is live, applied in %v\n", a.Generation, a.Took.Round(100*time.Microsecond))
	if !a.Deadline.IsZero() {
		fmt.Fprintf(t.Stdout, "it goes back by itself at %s unless you run \"hairpin confirm\" before\n",
			a.Deadline.Format("15:04:05"))
	}
	return nil
}

func newConfirm(t *tree) *cobra.Command {
	return &cobra.Command{
		Use:   "confirm",
		Short: "Keep the change that waits for confirmation",
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			// The gate needs an owner, not a daemon: without an engine this process is one for a moment.
			n, err := t.owned(c.Context(), slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			return errors.Join(t.confirm(c.Context(), n), n.Close())
		},
	}
}

func (t *tree) confirm(ctx context.Context, n engine.Node) error {
	waiting := n.State().Generation
	if err := n.Confirm(ctx, t.who); err != nil {
		return err
	}
	if waiting.Deadline.IsZero() {
		return &failure{exitRefused, errors.New("nothing waits for confirmation"), `"hairpin status" shows what runs`}
	}
	fmt.Fprintf(t.Stdout, "generation %d is confirmed\n", waiting.Active)
	return nil
}
