package command

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

func newHandoff(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "handoff",
		Short: "Let another process take the node over, such as a new version",
		Long: `Handoff has the engine that runs start a successor: the program that is now at
the path it was started from, or the one that --binary names. The successor
loads its programs, takes the ownership over, makes them live, and is watched.
When it forwards less or drops more than was normal before, when more clients
reset or repeat themselves, or when it dies, the engine before it has the node
again, and the kernel its programs. How clients fare is judged from a second
on, which a shorter watch does not have. The command returns when the successor has
stayed, or says why it has not.

While the successor is watched, "handoff --back" goes back by hand.

Established connections, counters, history and events go on. While a change
waits for confirmation there is no handoff. SIGUSR2 to "hairpin run" does the
same, with the defaults.`,
		Args: usage(cobra.NoArgs),
	}
	output := outputFlag(c)
	var r engine.HandoffRequest
	c.Flags().StringVar(&r.Binary, "binary", "", "`PATH` of the successor's program, which root and the engine's user may name; empty = what is installed")
	c.Flags().DurationVar(&r.Watch, "watch", engine.DefaultWatch, "`TIME` for which the successor is watched")
	c.Flags().BoolVar(&r.Back, "back", false, "end the watch that goes on: the engine before has the node again")
	c.MarkFlagsMutuallyExclusive("back", "binary")
	c.MarkFlagsMutuallyExclusive("back", "watch")
	c.Flags().StringVar(&r.Why, "why", "", "`REASON`, for the audit trail")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if r.Watch <= 0 || r.Watch > engine.MaxWatch {
			return &failure{exitUsage, fmt.Errorf("--watch %v", r.Watch), fmt.Sprintf("give a time up to %v, such as 3s", engine.MaxWatch)}
		}
		if r.Binary != "" { // the engine works in another folder
			absolute, err := filepath.Abs(r.Binary)
			if err != nil {
				return fmt.Errorf("--binary %s: %w", r.Binary, err)
			}
			r.Binary = absolute
		}
		n, err := t.dial(c.Context(), t.paths)
		if err != nil {
			return err
		}
		defer n.Close()
		if err := t.arm(c, n, r.Why); err != nil {
			return err
		}
		r.Who = t.who
		return t.handOver(c.Context(), n, r, output)
	}
	return c
}

// handOver asks for a handoff, prints its steps as they are done, and returns when it is over.
func (t *tree) handOver(ctx context.Context, n engine.Node, r engine.HandoffRequest, output *output) error {
	changed := n.Changed()
	before := began(n.State())
	if r.Back {
		before = time.Time{} // it is about the one that goes on
	}
	if err := n.Handoff(ctx, r); err != nil {
		return err
	}
	said := 0
	for {
		s := n.State()
		h := s.Handoff
		if h != nil && !h.Began.Equal(before) {
			if *output == "text" {
				said = t.sayHandoff(h, said)
			}
			if h.Over() {
				return t.handedOver(h, r.Back, output)
			}
		}
		if s.PID == 0 { // nor does a successor listen
			return &failure{exitFailed, errors.New("the engine is gone, and no successor is there; the kernel goes on, or back by itself"), startEngine}
		}
		select {
		case <-ctx.Done():
			return &failure{exitFailed, errors.New("not waited for any longer"), `the handoff goes on; "hairpin status" shows who owns the node`}
		case _, open := <-changed:
			if !open {
				return &failure{exitFailed, errors.New("the engine is gone"), startEngine}
			}
		}
	}
}

func began(s *engine.State) time.Time {
	if s == nil || s.Handoff == nil {
		return time.Time{}
	}
	return s.Handoff.Began
}

// sayHandoff prints the steps that are done and were not yet said, and returns how many are.
func (t *tree) sayHandoff(h *engine.Handoff, said int) int {
	for ; said < len(h.Steps) && h.Steps[said].Done; said++ {
		s := h.Steps[said]
		fmt.Fprintf(t.Stdout, "%d %-9s %8s  %s\n", said+1, s.Name, tidy(s.Took), s.Detail)
	}
	return said
}

// tidy is a time as somebody reads it.
func tidy(d time.Duration) string {
	if d < time.Second {
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

func (t *tree) handedOver(h *engine.Handoff, back bool, output *output) error {
	if *output != "text" {
		if err := output.print(t.Stdout, viewOfHandoff(h), nil); err != nil {
			return err
		}
	}
	if back && h.Outcome == engine.HandoffWentBack {
		if *output == "text" {
			fmt.Fprintf(t.Stdout, "pid %d, %s, owns the node again\n", h.From.PID, h.From.Version)
		}
		return nil
	}
	if h.Outcome != engine.HandoffConfirmed {
		return &failure{exitFailed, fmt.Errorf("handoff %s at step %s: %s", h.Outcome, h.Steps[h.At()].Name, h.Fault),
			fmt.Sprintf("pid %d, %s, owns the node as before", h.From.PID, h.From.Version)}
	}
	if *output == "text" {
		fmt.Fprintf(t.Stdout, "pid %d, %s, owns the node since pid %d, %s, has left\n", h.To.PID, h.To.Version, h.From.PID, h.From.Version)
	}
	return nil
}

// viewHandoff is a handoff as scripts read it.
type viewHandoff struct {
	Outcome string       `json:"outcome"`
	Fault   string       `json:"fault,omitempty"`
	Who     string       `json:"who"`
	Why     string       `json:"why,omitempty"`
	From    viewParty    `json:"from"`
	To      viewParty    `json:"to"`
	Began   time.Time    `json:"began"`
	Ended   time.Time    `json:"ended"`
	Watch   float64      `json:"watch_seconds"`
	Steps   []viewStep   `json:"steps"`
	Figures []viewFigure `json:"figures"`
}

type viewParty struct {
	PID     int    `json:"pid"`
	Version string `json:"version"`
}

type viewStep struct {
	Name    string  `json:"name"`
	Done    bool    `json:"done"`
	Seconds float64 `json:"seconds"`
}

type viewFigure struct {
	Name     string  `json:"name"`
	Before   float64 `json:"before"`
	Now      float64 `json:"now"`
	Limit    float64 `json:"limit"`
	AtLeast  bool    `json:"at_least"`
	Exceeded bool    `json:"exceeded"`
}

func viewOfHandoff(h *engine.Handoff) viewHandoff {
	return viewHandoff{Outcome: string(h.Outcome), Fault: h.Fault, Who: h.Who, Why: h.Why, From: viewParty(h.From), To: viewParty(h.To),
		Began: h.Began, Ended: h.Ended, Watch: h.Watch.Seconds(),
		Steps:   list(h.Steps, func(s engine.HandoffStep) viewStep { return viewStep{s.Name, s.Done, s.Took.Seconds()} }),
		Figures: list(h.Figures, func(f engine.HandoffFigure) viewFigure { return viewFigure(f) })}
}

// line is how it stands, and with what figures.
func (h viewHandoff) line() string {
	outcome := h.Outcome
	for i, s := range h.Steps {
		if outcome == "" && !s.Done {
			outcome = fmt.Sprintf("goes on, step %d of %d: %s", i+1, len(h.Steps), s.Name)
		}
	}
	text := fmt.Sprintf("handoff %s: from pid %d, %s, to pid %d, %s, for %s%s", outcome, h.From.PID, h.From.Version, h.To.PID, h.To.Version,
		h.Who, strings.TrimSuffix(": "+h.Why, ": "))
	if !h.Ended.IsZero() {
		text += ", at " + h.Ended.Format(time.DateTime)
	}
	for _, f := range h.Figures {
		text += fmt.Sprintf("; %s %.2f %%, before %.2f %%", f.Name, 100*f.Now, 100*f.Before)
	}
	if h.Fault != "" {
		text += "; " + h.Fault
	}
	return text
}
