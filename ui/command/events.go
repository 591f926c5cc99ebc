package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

func newEvents(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "events",
		Short: "Show what happened on the node: drops, changes, links, limits, who did what",
		Long: `Events prints what the engine keeps, the oldest first: at most the last 500. With
--follow it goes on with what comes, until it is interrupted or the engine ends.
With -o json each event is one line, a JSON object; "lost" in it is how many
events the ring buffer had no room for, ever. Where no engine runs it prints
what the last one recorded; with --at what was known then.`,
		Args: usage(cobra.NoArgs),
	}
	show := outputFlag(c)
	follow := c.Flags().Bool("follow", false, "go on with what comes")
	var past pastFlags
	past.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		p := eventPrinter{out: t.Stdout, json: *show == "json"}
		if past.asked() && *follow {
			return &failure{exitUsage, errors.New("--follow is of what comes, --at and --file of what was"), ""}
		}
		if past.asked() {
			s, _, err := t.then(c.Context(), &past)
			if err != nil {
				return err
			}
			return p.print(s)
		}
		n, err := t.dial(c.Context(), t.paths)
		if errors.Is(err, engine.ErrNoOwner) && !*follow {
			return t.printRecorded(&p)
		}
		if err != nil {
			return err
		}
		defer n.Close()
		if !*follow {
			return p.print(n.State())
		}
		return p.follow(c.Context(), n)
	}
	return c
}

// printRecorded prints the events that the last engine recorded.
func (t *tree) printRecorded(p *eventPrinter) error {
	r, err := t.recording(t.paths)
	if err != nil {
		return err
	}
	defer r.Close()
	s, err := r.At(t.now())
	if err != nil {
		return err
	}
	return p.print(s)
}

// eventPrinter prints each event once.
type eventPrinter struct {
	out  io.Writer
	json bool
	last uint64 // event printed
	lost uint64 // as printed
}

// viewEvent is a line of "events -o json".
type viewEvent struct {
	Seq      uint64    `json:"seq"`
	Time     time.Time `json:"time"`
	Node     string    `json:"node"`
	Severity string    `json:"severity"` // info, warn, crit, audit
	Who      string    `json:"who"`
	What     string    `json:"what"`
	Detail   []string  `json:"detail"`
	Change   int       `json:"change,omitempty"` // of the history that it is about
	Lost     uint64    `json:"lost"`             // events that the ring buffer had no room for, ever
}

// follow prints until there are no more.
func (p *eventPrinter) follow(ctx context.Context, n engine.Node) error {
	changed := n.Changed()
	for {
		if err := p.print(n.State()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-changed:
			if !open {
				return fmt.Errorf("events: %w: the engine that told them is gone", engine.ErrNoOwner)
			}
		}
	}
}

// print is what of s is new. The numbers begin anew with another engine.
func (p *eventPrinter) print(s *engine.State) error {
	if n := len(s.Events); n > 0 && s.Events[n-1].Seq < p.last {
		p.last = 0
	}
	if n := len(s.Events); n > 0 && p.last > 0 && s.Events[0].Seq > p.last+1 && !p.json {
		fmt.Fprintf(p.out, "%d events went by between two looks\n", s.Events[0].Seq-p.last-1)
	}
	for _, e := range s.Events {
		if e.Seq <= p.last {
			continue
		}
		p.last = e.Seq
		if err := p.one(s, e); err != nil {
			return fmt.Errorf("events: %w", err)
		}
	}
	if !p.json && s.EventsLost > p.lost {
		fmt.Fprintf(p.out, "%d events were lost: the ring buffer was full\n", s.EventsLost-p.lost)
	}
	p.lost = s.EventsLost
	return nil
}

func (p *eventPrinter) one(s *engine.State, e engine.Event) error {
	if p.json {
		detail := e.Detail
		if detail == nil {
			detail = []string{}
		}
		return json.NewEncoder(p.out).Encode(viewEvent{e.Seq, e.Time, s.Node, e.Severity, e.Who, e.What, detail, e.Change, s.EventsLost})
	}
	_, err := fmt.Fprintf(p.out, "%s %-5s %s: %s\n", e.Time.Format("2006-01-02 15:04:05"), strings.ToUpper(e.Severity), e.Who, e.What)
	for _, d := range e.Detail {
		fmt.Fprintf(p.out, "  %s\n", d)
	}
	return err
}
