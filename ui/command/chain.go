package command

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

func newChain(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "chain",
		Short: "Show the stages of every NIC, or change them",
		Long: `Chain prints the stages of every NIC and hook in their order: the packets that
reached each, what it dropped, and what a stage in shadow would have dropped.
Its verbs change the chains of the running spec as "hairpin apply" would: they
print the plan, and with --confirm the kernel goes back by itself unless
"hairpin confirm" comes in time.`,
		Args: usage(cobra.NoArgs),
	}
	show := outputFlag(c)
	nic := c.Flags().String("nic", "", "only this `NIC`")
	cost := c.Flags().Bool("cost", false, "measure for some seconds what each stage costs a packet")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *cost {
			if err := t.measure(c.Context()); err != nil {
				return err
			}
		}
		s, rates, err := t.reading(c.Context(), false)
		if err != nil {
			return err
		}
		v := chainsOf(s, rates, *nic)
		return show.print(t.Stdout, v, func() error { return v.write(t.Stdout) })
	}
	addChainVerbs(t, c)
	return c
}

// Measuring waits for a picture with figures at most that long: packets may be few.
const (
	measureLimit = 10 * time.Second
	measureLease = 2 * time.Second
)

// measure has the engine measure what stages cost until it knows, or nothing comes.
func (t *tree) measure(ctx context.Context) error {
	n, err := t.dial(ctx, t.paths)
	if err != nil {
		return err
	}
	defer n.Close()
	changed, limit := n.Changed(), t.after(measureLimit)
	for asked := (<-chan time.Time)(nil); ; {
		if asked == nil {
			if err := n.WatchCosts(ctx); err != nil {
				return err
			}
			asked = t.after(measureLease)
		}
		if measured(n.State()) {
			return nil
		}
		select {
		case <-changed:
		case <-asked:
			asked = nil
		case <-limit:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// measured tells whether the cost of every stage that packets reach is known.
func measured(s *engine.State) bool {
	for _, n := range s.NICs {
		for _, g := range n.Stages {
			if g.In.PPS > 0 && g.NS == 0 {
				return false
			}
		}
	}
	return s.Watched
}

// viewChains is what "chain -o json" prints.
type viewChains struct {
	Time       time.Time      `json:"time"`
	Node       string         `json:"node"`
	Generation viewGeneration `json:"generation"`
	Chains     []viewChain    `json:"chains"`
	Rules      []viewRule     `json:"rules"`   // of firewalls
	Lists      []viewList     `json:"lists"`   // of prefixes that firewalls drop
	Metrics    []viewMetric   `json:"metrics"` // of external stages and probes
}

type viewChain struct {
	NIC     string      `json:"nic"`
	Hook    string      `json:"hook"`
	Mode    string      `json:"mode"`
	State   string      `json:"state"`
	Why     string      `json:"why,omitempty"`
	In      viewCounter `json:"in"`
	ParseNS *float64    `json:"parse_ns"` // null = not known
	Stages  []viewStage `json:"stages"`
}

func chainsOf(s *engine.State, rates bool, nic string) viewChains {
	w := viewer{rates: rates}
	v := viewChains{Time: s.Time, Node: s.Node, Generation: generationsOf(s), Chains: []viewChain{}}
	for _, n := range s.NICs {
		if nic == "" || n.Name == nic {
			v.Chains = append(v.Chains, viewChain{n.Name, n.Hook, n.Mode, n.State, n.Why, w.counter(n.In), known(n.ParseNS),
				list(n.Stages, w.stage)})
		}
	}
	v.Rules, v.Lists, v.Metrics = list(s.Rules, w.rule), list(s.Lists, viewListOf), list(s.Metrics, viewMetricOf)
	if nic != "" {
		other := func(stage string) bool { return !v.has(stage) }
		v.Rules = slices.DeleteFunc(v.Rules, func(r viewRule) bool { return other(r.Stage) })
		v.Lists = slices.DeleteFunc(v.Lists, func(l viewList) bool { return other(l.Stage) })
		v.Metrics = slices.DeleteFunc(v.Metrics, func(m viewMetric) bool { return other(m.Stage) })
	}
	return v
}

// has tells whether a stage stands in one of the chains.
func (v viewChains) has(stage string) bool {
	return slices.ContainsFunc(v.Chains, func(c viewChain) bool {
		return slices.ContainsFunc(c.Stages, func(s viewStage) bool { return s.Name == stage })
	})
}

// known is a figure that is not known while it is 0.
func known(v float64) *float64 {
	if v == 0 {
		return nil
	}
	v = round(v)
	return &v
}

func (v viewChains) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if len(v.Chains) == 0 {
		fmt.Fprintln(w, "no NIC has such a chain")
		return w.Flush()
	}
	fmt.Fprintf(w, "%s  %s\n\nNIC\tHOOK\tPOS\tSTAGE\tKIND\tON\tIN\tDROP\tWOULD DROP\tNS\n", v.Node, v.Generation)
	for _, c := range v.Chains {
		for _, s := range c.Stages {
			pos, would := fmt.Sprint(s.Position), "-"
			if !s.Enabled {
				pos = "-"
			}
			if s.Shadow {
				would = s.Would.pps()
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.NIC, c.Hook, pos, s.Name, s.Kind, s.on(),
				s.In.pps(), s.Drop.pps(), would, nanoseconds(s.NS))
		}
	}
	for _, c := range v.Chains {
		if c.State != "attached" || c.Why != "" {
			fmt.Fprintf(w, "%s %s: %s: %s\n", c.NIC, c.Hook, c.State, c.Why)
		}
	}
	v.writeInside(w)
	return w.Flush()
}

// on is whether packets meet a stage.
func (s viewStage) on() string {
	switch {
	case !s.Enabled:
		return "disabled"
	case s.Shadow:
		return "shadow"
	}
	return "on"
}

func nanoseconds(ns *float64) string {
	if ns == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f", *ns)
}
