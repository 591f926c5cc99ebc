package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

func newHistory(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "history [NUMBER]",
		Short: "Show who changed the running spec, when, why, and what became of it",
		Long: `History lists the changes of the running spec, newest first, and with NUMBER
what one of them changed. Where no engine runs it reads the state folder.`,
		Args: usage(cobra.MaximumNArgs(1)),
	}
	output := outputFlag(c)
	last := c.Flags().Int("last", 20, "show the last `N` changes (0 = all that are kept)")
	c.RunE = func(c *cobra.Command, args []string) error {
		changes, damage, err := t.changes(c.Context())
		if err != nil {
			return err
		}
		if damage != "" {
			fmt.Fprintf(t.Stderr, "hairpin: %s\n", damage)
		}
		if len(args) == 1 {
			one, err := changeOf(changes, args[0])
			if err != nil {
				return err
			}
			changes = []engine.Change{one}
		} else if *last > 0 {
			changes = changes[max(0, len(changes)-*last):]
		}
		return output.print(t.Stdout, list(changes, viewOfChange), func() error { return t.printChanges(changes, len(args) == 1) })
	}
	return c
}

// changes are those that the engine has, or else those on disk and what of them is damaged.
func (t *tree) changes(ctx context.Context) (changes []engine.Change, damage string, err error) {
	n, err := t.dial(ctx, t.paths)
	if errors.Is(err, engine.ErrNoOwner) {
		return t.kept(t.paths)
	}
	if err != nil {
		return nil, "", err
	}
	defer n.Close()
	changes, err = n.History(ctx)
	return changes, "", err
}

func changeOf(changes []engine.Change, number string) (engine.Change, error) {
	n, err := strconv.Atoi(number)
	i := slices.IndexFunc(changes, func(c engine.Change) bool { return c.Holds(n) })
	switch {
	case err != nil:
		return engine.Change{}, &failure{exitUsage, fmt.Errorf("%q is not the number of a change", number), `"hairpin history" lists them`}
	case i < 0:
		return engine.Change{}, &failure{exitUsage, fmt.Errorf("change %d is not kept", n), `"hairpin history" lists those that are`}
	}
	if changes[i].Number != n {
		return engine.Change{}, &failure{exitUsage, fmt.Errorf("change %d is one of %d that sources of backends made one after another, of which only the last is kept", n, changes[i].Times()),
			fmt.Sprintf("that is change %d", changes[i].Number)}
	}
	return changes[i], nil
}

// printChanges writes a line each, newest first, and what each changed where that is asked for.
func (t *tree) printChanges(changes []engine.Change, whole bool) error {
	if len(changes) == 0 {
		_, err := fmt.Fprintln(t.Stdout, "nothing was ever changed on this node")
		return err
	}
	w := tabwriter.NewWriter(t.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CHANGE\tTIME\tWHO\tOUTCOME\tREVISION\tWHY")
	for _, c := range slices.Backward(changes) {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", c.Number, c.Time.Format(time.DateTime), c.Who, outcome(c), c.Revision, c.Why)
	}
	if err := w.Flush(); err != nil || !whole {
		return err
	}
	for _, line := range changes[0].Text {
		fmt.Fprintln(t.Stdout, line)
	}
	return nil
}

func outcome(c engine.Change) string {
	switch {
	case c.Outcome == engine.ChangeWaits:
		return "waits until " + c.Deadline.Format(time.TimeOnly)
	case c.Outcome == engine.ChangeConfirmed && c.By != "" && c.By != c.Who:
		return "confirmed by " + c.By
	}
	return string(c.Outcome)
}

// viewChange is a change as scripts read it.
type viewChange struct {
	Number     int        `json:"number"`
	Time       time.Time  `json:"time"`
	Who        string     `json:"who"`
	Why        string     `json:"why,omitempty"`
	Outcome    string     `json:"outcome"`
	Generation int        `json:"generation"`
	Revision   string     `json:"revision"`
	Before     string     `json:"before,omitempty"`
	Deadline   *time.Time `json:"deadline,omitempty"`
	Ended      *time.Time `json:"ended,omitempty"`
	By         string     `json:"by,omitempty"`
	Text       []string   `json:"text,omitempty"`
	First      int        `json:"first,omitempty"` // of those that sources of backends made one after another, and that this one stands for
	Since      *time.Time `json:"since,omitempty"` // when that was
}

func viewOfChange(c engine.Change) viewChange {
	v := viewChange{Number: c.Number, Time: c.Time, Who: c.Who, Why: c.Why, Outcome: string(c.Outcome), Generation: c.Generation,
		Revision: c.Revision, Before: c.Before, By: c.By, Text: c.Text}
	if !c.Deadline.IsZero() {
		v.Deadline = &c.Deadline
	}
	if !c.Ended.IsZero() {
		v.Ended = &c.Ended
	}
	if c.First > 0 {
		v.First, v.Since = c.First, &c.Since
	}
	return v
}

func newRollback(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "rollback [NUMBER]",
		Short: "Make the spec of an earlier change the running one again",
		Long: `Rollback applies the spec that a change of "hairpin history" made the running
one, or without a number the one before the last change that somebody made. It is a change like any
other: rings are computed now, established connections stay, and with --confirm
it goes back by itself unless it is confirmed in time.`,
		Args: usage(cobra.MaximumNArgs(1)),
	}
	confirm := c.Flags().Duration("confirm", 0, "go back by itself after `TIME` unless confirmed (0 = confirmed at once)")
	why := c.Flags().String("why", "", "`REASON`, for the audit trail")
	force := forceFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if *confirm < 0 {
			return &failure{exitUsage, fmt.Errorf("--confirm %v is negative", *confirm), "give a time such as 30s"}
		}
		return t.rollback(c, args, engine.ApplyRequest{Deadline: *confirm, Why: *why, Who: t.who, Force: *force})
	}
	return c
}

func (t *tree) rollback(c *cobra.Command, args []string, r engine.ApplyRequest) error {
	n, err := t.dial(c.Context(), t.paths)
	if err != nil {
		return err
	}
	defer n.Close()
	changes, err := n.History(c.Context())
	if err != nil {
		return err
	}
	var to engine.Change
	if len(args) == 1 {
		to, err = changeOf(changes, args[0])
	} else {
		to, err = beforeRunning(changes, n.State().Revision)
	}
	if err != nil {
		return err
	}
	if r.Spec, err = n.Past(c.Context(), to.Number); err != nil {
		return err
	}
	if r.Why == "" {
		r.Why = fmt.Sprintf("rollback to change %d", to.Number)
	}
	return t.applySpec(c, n, fmt.Sprintf("change %d", to.Number), r)
}

// beforeRunning is the last change that made another spec than the running one the running one, for good. What sources of backends changed
// since is passed by: it is theirs, and stays.
func beforeRunning(changes []engine.Change, running string) (engine.Change, error) {
	for i, c := range slices.Backward(changes) {
		if c.Revision != running || c.Outcome == engine.ChangeWentBack {
			continue
		}
		if c.First > 0 {
			running = c.Before
			continue
		}
		for _, earlier := range slices.Backward(changes[:i]) {
			if earlier.Revision == c.Before {
				return earlier, nil
			}
		}
		break
	}
	return engine.Change{}, &failure{exitRefused, fmt.Errorf("no spec before the running one is kept"), `"hairpin history" lists those that are`}
}
