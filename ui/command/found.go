package command

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
	"hairpin/ui/cause"
)

func newFound(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "found [VIP]",
		Short: "Show which backends were found, where, and what is not believed",
		Long: `Found prints for each VIP with from where its backends are found, what the source
says now, and why that is not believed: a source that suddenly names none, or far
fewer than before, is held. With the name of a VIP it lists the backends.`,
		Args: usage(cobra.MaximumNArgs(1)),
	}
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		s, err := t.shown(c.Context())
		if err != nil {
			return err
		}
		v := foundOf(s)
		if len(args) > 0 {
			if v, err = v.only(args[0]); err != nil {
				return err
			}
		}
		return output.print(t.Stdout, v, func() error { return v.write(t.Stdout, len(args) > 0) })
	}
	c.AddCommand(newAccept(t))
	return c
}

func newAccept(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "accept VIP",
		Short: "Believe what the source of a VIP's backends says now, also that there are none",
		Args:  usage(cobra.ExactArgs(1)),
	}
	why := c.Flags().String("why", "", "a ticket, or a few `WORDS`")
	c.RunE = func(c *cobra.Command, args []string) error {
		n, err := t.dial(c.Context(), t.paths)
		if err != nil {
			return err
		}
		if err = t.arm(c, n, *why); err == nil {
			err = n.AcceptFound(c.Context(), engine.AcceptRequest{VIP: args[0], Who: t.who, Why: *why})
		}
		if err == nil {
			fmt.Fprintf(t.Stdout, "what was found for %s is believed\n", args[0])
		}
		return errors.Join(err, n.Close())
	}
	return c
}

// viewFound is what "found -o json" prints.
type viewFound struct {
	Time time.Time     `json:"time"`
	Node string        `json:"node"`
	VIPs []viewFoundOf `json:"vips"` // whose backends are found
}

type viewFoundOf struct {
	VIP      string             `json:"vip"`
	Source   string             `json:"source"`
	Says     *int               `json:"says"`     // backends that take new flows; null = it has not answered, or no engine asks
	Answered *time.Time         `json:"answered"` // when it did last
	Failing  *time.Time         `json:"failing"`  // since when it does not answer; null = it does
	Error    string             `json:"error"`
	Held     *time.Time         `json:"held"`    // since when what it says is not believed; null = it is
	Missing  int                `json:"missing"` // backends that stay meanwhile
	Until    *time.Time         `json:"until"`   // when it is believed; null = when somebody accepts it
	Left     string             `json:"left_out"`
	Backends []viewFoundBackend `json:"backends"`

	is string // how it is believed
}

type viewFoundBackend struct {
	Address netip.Addr `json:"address"`
	Weight  uint32     `json:"weight"`
	State   string     `json:"state"`
	Since   *time.Time `json:"since"`             // it is found; null = not known
	Edited  bool       `json:"edited"`            // somebody has given it another weight or state than its source
	Dropped *time.Time `json:"dropped,omitempty"` // since when its source does not name it any more, and it drains
	Until   *time.Time `json:"drains_until,omitempty"`
}

func foundOf(s *engine.State) viewFound {
	v := viewFound{Time: s.Time, Node: s.Node, VIPs: []viewFoundOf{}}
	for _, vip := range s.VIPs {
		f := vip.Found
		if f == nil {
			continue
		}
		x := viewFoundOf{VIP: vip.Name, Source: f.Source, Answered: instant(f.Answered), Failing: instant(f.Failing), Error: f.Error, Held: instant(f.Held),
			Missing: f.Missing, Until: instant(f.Until), Left: f.Left, Backends: []viewFoundBackend{},
			is: cause.Believed(f, s.Time)}
		if x.Answered != nil {
			x.Says = &f.Says
		}
		for _, b := range vip.Backends {
			if b.Found && !b.Gone {
				x.Backends = append(x.Backends, foundBackend(b))
			}
		}
		v.VIPs = append(v.VIPs, x)
	}
	return v
}

// found is how many there are but for those that were dropped.
func (x viewFoundOf) found() (n int) {
	for _, b := range x.Backends {
		if b.Dropped == nil {
			n++
		}
	}
	return n
}

func foundBackend(b engine.Backend) viewFoundBackend {
	v := viewFoundBackend{Address: b.Address, Weight: b.Weight, State: b.State, Since: instant(b.FoundSince), Edited: b.Edited}
	if d := b.Dropped; d != nil {
		v.Dropped, v.Until = instant(d.Since), instant(d.Until)
	}
	return v
}

// only is v with one VIP alone.
func (v viewFound) only(name string) (viewFound, error) {
	for _, x := range v.VIPs {
		if x.VIP == name {
			v.VIPs = []viewFoundOf{x}
			return v, nil
		}
	}
	return v, &failure{exitUsage, fmt.Errorf("no backends of a VIP %.40q are found anywhere", name), `"hairpin found" lists the VIPs with from`}
}

func (v viewFound) write(out io.Writer, backends bool) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if len(v.VIPs) == 0 {
		fmt.Fprintln(w, "all backends are typed: no VIP of the spec has from")
		return w.Flush()
	}
	fmt.Fprintln(w, "VIP\tFROM\tFOUND\tSAYS\tANSWERED\tIS")
	for _, x := range v.VIPs {
		says, answered := "-", "-"
		if x.Says != nil {
			says, answered = fmt.Sprint(*x.Says), age(v.Time, *x.Answered)+" ago"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", x.VIP, x.Source, x.found(), says, answered, x.is)
	}
	if backends {
		fmt.Fprintln(w, "\nBACKEND\tWEIGHT\tSTATE\tFOUND FOR\tBY")
		for _, b := range v.VIPs[0].Backends {
			since, by := "-", "its source"
			if b.Since != nil {
				since = age(v.Time, *b.Since)
			}
			if b.Edited {
				by = "its source, and edited"
			}
			if b.Dropped != nil {
				by += "; dropped, drains for " + age(*b.Until, v.Time)
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", b.Address, b.Weight, b.State, since, by)
		}
	}
	return w.Flush()
}
