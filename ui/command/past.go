package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
	"hairpin/ui/when"
)

// pastFlags choose another time than now, and another place than this node.
type pastFlags struct{ at, file string }

func (p *pastFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&p.at, "at", "", "`TIME` to show instead of now: "+when.Forms)
	c.Flags().StringVar(&p.file, "file", "", "show what is in the incident `FILE`, instead of this node")
}

// asked tells whether now is not meant.
func (p *pastFlags) asked() bool { return p.at != "" || p.file != "" }

// time is the one that was asked for; zero = none was.
func (t *tree) time(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := when.Parse(text, t.now())
	if err != nil {
		return at, &failure{exitUsage, err, ""}
	}
	return at, nil
}

// then is the State of an earlier time: from a file, from the engine, or where none runs from what the last one recorded.
func (t *tree) then(ctx context.Context, p *pastFlags) (*engine.State, time.Time, error) {
	at, err := t.time(p.at)
	if err != nil {
		return nil, at, err
	}
	if p.file != "" {
		r, err := t.incident(p.file)
		if err != nil {
			return nil, at, err
		}
		defer r.Close()
		if at.IsZero() {
			if _, at, err = r.Bounds(); err != nil {
				return nil, at, err
			}
		}
		s, err := r.At(at)
		return s, at, err
	}
	n, err := t.dial(ctx, t.paths)
	if err == nil {
		s, err := n.At(ctx, at)
		return s, at, errors.Join(err, n.Close())
	}
	if !errors.Is(err, engine.ErrNoOwner) {
		return nil, at, err
	}
	r, err := t.recording(t.paths)
	if err != nil {
		return nil, at, err
	}
	defer r.Close()
	s, err := r.At(at)
	return s, at, err
}

// incident opens a file, and says how far it can be read.
func (t *tree) incident(file string) (*engine.Recording, error) {
	r, err := engine.OpenIncident(file)
	if err != nil {
		return nil, err
	}
	for _, what := range r.Damage() {
		fmt.Fprintf(t.Stderr, "hairpin: %s; what is before that is shown\n", what)
	}
	return r, nil
}

// exactly says how far s is from what was asked for; empty where it is what was shown then.
func exactly(s *engine.State, at time.Time) string {
	text := "at " + s.Time.Format(time.DateTime)
	if s.Span > 0 {
		text += fmt.Sprintf(", rates are averages of the %s before", s.Span)
	}
	if at.Sub(s.Time) > 2*max(s.Span, time.Second) {
		text += fmt.Sprintf("; nothing is recorded from then to %s", at.Format(time.DateTime))
	}
	return text
}
