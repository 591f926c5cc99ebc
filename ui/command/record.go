package command

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
)

func newRecord(t *tree) *cobra.Command {
	var from, to, file string
	var span time.Duration
	c := &cobra.Command{
		Use:   "record -o FILE",
		Short: "Write what this node looked like over a time to an incident file",
		Long: `Record writes what the engine keeps of the last day to one file, for a
post-mortem or for somebody else to look at: "hairpin replay FILE" and
"hairpin status --file FILE" show it on any machine, without privileges. The
file names VIPs, backends and people, like the console does.`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if file == "" {
				return &failure{exitUsage, errors.New("no file to write"), "name one with -o"}
			}
			begin, err := t.time(from)
			if err != nil {
				return err
			}
			end, err := t.time(to)
			if err != nil {
				return err
			}
			if end.IsZero() {
				end = t.now()
			}
			if begin.IsZero() {
				begin = end.Add(-span)
			}
			if !begin.Before(end) {
				return &failure{exitUsage, fmt.Errorf("%s is not before %s", begin.Format(time.DateTime), end.Format(time.DateTime)), ""}
			}
			return t.record(file, begin, end)
		},
	}
	f := c.Flags()
	f.StringVarP(&file, "output", "o", "", "`FILE` to write; it must not be there yet")
	f.DurationVar(&span, "for", 10*time.Minute, "how long the `TIME` is that ends now, or at --to")
	f.StringVar(&from, "from", "", "`TIME` at which it begins, instead of --for")
	f.StringVar(&to, "to", "", "`TIME` at which it ends, instead of now")
	c.MarkFlagsMutuallyExclusive("for", "from")
	return c
}

func (t *tree) record(file string, from, to time.Time) error {
	r, err := t.recording(t.paths)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Export(file, from, to); err != nil {
		if errors.Is(err, os.ErrExist) {
			return &failure{exitUsage, err, "choose another name, or remove it"}
		}
		return err
	}
	fmt.Fprintf(t.Stdout, "%s holds what is recorded from %s to %s; hairpin replay %s shows it\n", file, from.Format(time.DateTime), to.Format(time.DateTime), file)
	return nil
}
