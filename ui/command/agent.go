package command

import (
	"fmt"
	"io"
	"net/netip"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
	"hairpin/engine/reason"
)

func newAgent(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "agent",
		Short: "Show what this backend's agent takes packets for, and what became of them",
		Long: `Agent prints, for each address that this host serves, what came for it and was
passed on, the answers that were translated, packets for which no socket waits,
what was refused since its flow is another's or there was no room for it, and
what was passed on to another backend; how many flows are translated now; and for which addresses packets came in the
last minute that nobody here hosts.`,
		Args: usage(cobra.NoArgs),
	}
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, rates, err := t.reading(c.Context(), false)
		if err != nil {
			return err
		}
		v := hostingOf(s, rates)
		return output.print(t.Stdout, v, func() error { return v.write(t.Stdout) })
	}
	return c
}

// viewHosting is what "agent -o json" prints.
type viewHosting struct {
	Time      time.Time      `json:"time"`
	Node      string         `json:"node"`
	Mode      *string        `json:"mode"`  // dsr, snat; null = the running spec has no agent, or is not known
	Flows     *int           `json:"flows"` // translated now; null = none ever are
	Room      *int           `json:"room"`  // how many may be
	Addresses []viewHosted   `json:"addresses"`
	Strangers []viewStranger `json:"strangers"`
	Unread    string         `json:"unread"` // why strangers are not known; empty = they are
}

type viewHosted struct {
	Address netip.Addr   `json:"address"`
	Gone    bool         `json:"gone"` // no longer in the spec
	In      viewCounter  `json:"in"`
	Out     *viewCounter `json:"translated"` // null = nothing is, by the mode
	Orphans *viewCounter `json:"no_socket"`  // null = not counted
	Taken   *viewCounter `json:"flow_taken"`
	Full    *viewCounter `json:"flows_full"`
	Handed  *viewCounter `json:"handed_over"` // null = nothing is, by the spec
}

type viewStranger struct {
	Address netip.Addr `json:"address"`
	Packets uint64     `json:"packets"`
	Last    time.Time  `json:"last"`
}

func hostingOf(s *engine.State, rates bool) viewHosting {
	v := viewHosting{Time: s.Time, Node: s.Node, Addresses: []viewHosted{}, Strangers: []viewStranger{}}
	if s.Spec != nil && s.Spec.Agent != nil {
		mode := s.Spec.Agent.Mode.String()
		v.Mode = &mode
	}
	h := s.Hosting
	if h == nil {
		return v
	}
	w := viewer{rates: rates}
	counted := func(c engine.Counter, known bool) *viewCounter {
		if !known {
			return nil
		}
		shown := w.counter(c)
		return &shown
	}
	if h.Translates {
		v.Flows, v.Room = &h.Flows, &h.Room
	}
	v.Addresses = list(h.Addresses, func(a engine.Hosted) viewHosted {
		return viewHosted{a.Address, a.Gone, w.counter(a.In), counted(a.Out, h.Translates), counted(a.Orphans, h.Orphans),
			counted(a.Taken, h.Translates), counted(a.Full, h.Translates), counted(a.Handed, h.HandsOver)}
	})
	v.Strangers = list(h.Strangers, func(o engine.Stranger) viewStranger { return viewStranger(o) })
	v.Unread = h.Unread
	return v
}

func (v viewHosting) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if v.Mode == nil && len(v.Addresses) == 0 {
		fmt.Fprintln(w, "this node is no backend: no spec with a block agent runs")
		return w.Flush()
	}
	if v.Flows != nil {
		fmt.Fprintf(w, "translates %d flows; there is room for %d\n\n", *v.Flows, *v.Room)
	}
	fmt.Fprintln(w, "ADDRESS\tIN\tEVER\tTRANSLATED\tEVER\tNO SOCKET\tFLOW TAKEN\tFLOWS FULL\tHANDED OVER")
	for _, a := range v.Addresses {
		back, ever := "-", "-"
		if a.Out != nil {
			back, ever = a.Out.pps(), fmt.Sprint(a.Out.Packets)
		}
		gone := ""
		if a.Gone {
			gone = "  not in the spec any more"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s%s\n", a.Address, a.In.pps(), a.In.Packets, back, ever, a.Orphans.ever(), a.Taken.ever(), a.Full.ever(), a.Handed.ever(), gone)
	}
	v.explain(w)
	if len(v.Strangers) > 0 {
		fmt.Fprintln(w, "\nNOT HOSTED HERE\tPACKETS\tLAST")
	}
	for _, o := range v.Strangers {
		fmt.Fprintf(w, "%s\t%d\t%s ago\n", o.Address, o.Packets, age(v.Time, o.Last))
	}
	if v.Unread != "" {
		fmt.Fprintln(w, "for whom packets came that nobody here hosts is not known: "+v.Unread)
	}
	return w.Flush()
}

// ever is a total, and the rate where there is one; "-" where it is not known.
func (c *viewCounter) ever() string {
	if c == nil {
		return "-"
	}
	if c.PPS != nil && *c.PPS > 0 {
		return fmt.Sprintf("%d, %s", c.Packets, c.pps())
	}
	return fmt.Sprint(c.Packets)
}

// explain says what the columns mean that count something.
func (v viewHosting) explain(w io.Writer) {
	sum := map[string]uint64{}
	for _, a := range v.Addresses {
		for name, c := range map[string]*viewCounter{"no_socket": a.Orphans, "flow_taken": a.Taken, "flows_full": a.Full, "handed_over": a.Handed} {
			if c != nil {
				sum[name] += c.Packets
			}
		}
	}
	for _, name := range []string{"no_socket", "flow_taken", "flows_full", "handed_over"} {
		if sum[name] > 0 {
			r, _ := reason.ByName(name)
			fmt.Fprintf(w, "%s: %s\n", name, r.Doc)
		}
	}
}
