package command

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

func newLimits(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "limits",
		Short: "Show what each limit counts against its threshold, and who is over",
		Long: `Limits prints every limit of the running chains: what it counts now, its
threshold, and what it refused. A limit of sources has a row for the fullest
one, and a row for each of those that were over it most; and what a limit of
half of each would have refused lately. Where agents count, it prints what each
said last.`,
		Args: usage(cobra.NoArgs),
	}
	show := outputFlag(c)
	nic := c.Flags().String("nic", "", "only this `NIC`")
	vip := c.Flags().String("vip", "", "only limits of this `VIP`")
	over := c.Flags().Bool("over", false, "only limits that refuse something now")
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, rates, err := t.reading(c.Context(), false)
		if err != nil {
			return err
		}
		v := limitsOf(s, rates, func(l engine.Limit) bool {
			return (*nic == "" || l.NIC == *nic) && (*vip == "" || l.VIP == *vip) && (!*over || l.Over.PPS > 0)
		})
		return show.print(t.Stdout, v, func() error { return v.write(t.Stdout) })
	}
	return c
}

// viewLimits is what "limits -o json" prints.
type viewLimits struct {
	Time   time.Time   `json:"time"`
	Node   string      `json:"node"`
	Limits []viewLimit `json:"limits"`
	Agents []viewAgent `json:"agents"` // by whose reports limits count
}

type viewLimit struct {
	NIC    string      `json:"nic"`
	Hook   string      `json:"hook"`
	Stage  string      `json:"stage"`
	Kind   string      `json:"kind"`
	Shadow bool        `json:"shadow"`
	Scope  string      `json:"scope"`
	VIP    string      `json:"vip"`
	Tenant string      `json:"tenant"`
	Source *string     `json:"source"` // null = the scope as a whole
	Max    *uint64     `json:"max"`    // null = the sources' differ by VIP
	Now    float64     `json:"now"`
	Use    *float64    `json:"use"` // now / max
	Passed viewCounter `json:"passed"`
	Over   viewCounter `json:"over"`
	Counts string      `json:"counts"`
	// Of connections: handshakes that hold a place besides, and for how many seconds one that has ended may count.
	Pending uint64    `json:"pending"`
	Late    float64   `json:"late"`
	Past    *viewPast `json:"past"` // null = not known
}

// viewPast is what lower limits would have refused.
type viewPast struct {
	Seconds float64   `json:"seconds"`
	Passed  float64   `json:"passed"`
	Refused []float64 `json:"refused"` // had the limit been i parts of max, of as many parts as there are numbers less one
	Half    float64   `json:"half"`    // had it been half of max
}

func limitsOf(s *engine.State, rates bool, want func(engine.Limit) bool) viewLimits {
	w := viewer{rates: rates}
	v := viewLimits{Time: s.Time, Node: s.Node, Limits: []viewLimit{}, Agents: list(s.Agents, agentOf)}
	for _, l := range s.Limits {
		if !want(l) {
			continue
		}
		out := viewLimit{NIC: l.NIC, Hook: l.Hook, Stage: l.Stage, Kind: l.Kind, Shadow: l.Shadow, Scope: l.Scope, VIP: l.VIP, Tenant: l.Tenant,
			Now: round(l.Now), Passed: w.counter(l.Passed), Over: w.counter(l.Over), Counts: l.Counts,
			Pending: l.Pending, Late: round(l.Late.Seconds())}
		if l.Source.IsValid() {
			source := l.Source.String()
			out.Source = &source
		}
		if l.Max > 0 {
			use := round(100*l.Now/float64(l.Max)) / 100
			out.Max, out.Use = &l.Max, &use
		}
		if p := l.Past; p != nil {
			out.Past = &viewPast{p.Over.Seconds(), p.Passed, p.Refused, p.Lower(l.Max, l.Max/2)}
		}
		v.Limits = append(v.Limits, out)
	}
	return v
}

func (v viewLimits) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if len(v.Limits) == 0 {
		fmt.Fprintln(w, "no such limit is in force")
		return w.Flush()
	}
	fmt.Fprintln(w, "NIC\tHOOK\tSTAGE\tSCOPE\tWHOSE\tSOURCE\tNOW\tMAX\tUSE\tREFUSED\tEVER\tHALF WOULD HAVE\tCOUNTS")
	for _, l := range v.Limits {
		source, most, use := "-", "-", "-"
		if l.Source != nil {
			source = *l.Source
		}
		if l.Max != nil {
			most, use = fmt.Sprint(*l.Max), fmt.Sprintf("%.0f %%", 100**l.Use)
		}
		counts := l.Counts
		if l.Shadow {
			counts += ", shadow: refuses nothing"
		}
		half := "-"
		if l.Past != nil {
			half = fmt.Sprintf("%.0f of %.0f in %.0fs", l.Past.Half, l.Past.Passed, l.Past.Seconds)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%.0f\t%s\t%s\t%s\t%d\t%s\t%s\n", l.NIC, l.Hook, l.Stage, l.Scope, orDash(l.VIP+l.Tenant), source,
			l.Now, most, use, l.Over.pps(), l.Over.Packets, half, counts)
	}
	writeAgents(w, v.Agents, v.Time)
	return w.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
