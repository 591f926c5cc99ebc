package command

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

func newPaths(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "paths",
		Short: "Show the ways by which steered flows leave, and what they are worth",
		Long: `Paths prints each way that a steer stage names: what share of the flows that
begin take it, what was sent by it, and why none do where that is so.`,
		Args: usage(cobra.NoArgs),
	}
	show := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, err := t.shown(c.Context())
		if err != nil {
			return err
		}
		v := viewPaths{s.Time, s.Node, list(s.Paths, viewOfPath)}
		return show.print(t.Stdout, v, func() error { return v.write(t.Stdout) })
	}
	return c
}

// viewPaths is what "paths -o json" prints.
type viewPaths struct {
	Time  time.Time  `json:"time"`
	Node  string     `json:"node"`
	Paths []viewPath `json:"paths"`
}

type viewPath struct {
	Stage    string        `json:"stage"`
	Group    string        `json:"group"` // empty = it is a rule's own
	Name     string        `json:"name"`  // of the path in its group, or of the rule
	Way      string        `json:"way"`
	Weight   uint32        `json:"weight"` // as the spec says; 0 = it is a rule's own
	Share    float64       `json:"share"`  // of the flows that begin
	State    string        `json:"state"`
	Why      string        `json:"why"`      // empty = it takes packets, and is measured where that is asked for
	Measured *viewMeasured `json:"measured"` // null = it is not
	Packets  uint64        `json:"packets"`
	Bytes    uint64        `json:"bytes"`
	PPS      float64       `json:"pps"`
	BPS      float64       `json:"bytes_per_second"`
}

type viewMeasured struct {
	RTT    float64 `json:"rtt_seconds"` // the median of the last probes that were answered
	Loss   float64 `json:"loss"`        // share of the last probes that were not
	Probes int     `json:"probes"`
	Worth  uint32  `json:"worth"` // its weight by that; 0 = not known yet, or dead
}

func viewOfPath(p engine.SteeredPath) viewPath {
	var m *viewMeasured
	if p.Measured != nil {
		m = &viewMeasured{p.Measured.RTT.Seconds(), p.Measured.Loss, p.Measured.Probes, p.Measured.Worth}
	}
	return viewPath{p.Stage, p.Group, p.Name, p.Way, p.Weight, p.Share, p.State, p.Why, m, p.Packets, p.Bytes, p.PPS, p.BPS}
}

func (v viewPaths) write(out io.Writer) error {
	if len(v.Paths) == 0 {
		fmt.Fprintln(out, "no stage of this node steers flows")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "STAGE\tPATH\tWAY\tSTATE\tSHARE\tRTT\tLOSS\tPACKETS\tPPS")
	for _, p := range v.Paths {
		name := p.Name
		if p.Group != "" {
			name = p.Group + "/" + p.Name
		}
		rtt, loss := "-", "-"
		if m := p.Measured; m != nil && m.Probes > 0 {
			loss = fmt.Sprintf("%.0f %%", 100*m.Loss)
			if m.RTT > 0 {
				rtt = fmt.Sprintf("%.1f ms", 1000*m.RTT)
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.0f %%\t%s\t%s\t%d\t%.0f\n", p.Stage, name, p.Way, p.State, 100*p.Share, rtt, loss, p.Packets, p.PPS)
		if p.Why != "" {
			fmt.Fprintf(w, "  %s\n", p.Why)
		}
	}
	return w.Flush()
}
