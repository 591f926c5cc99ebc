package command

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
	"hairpin/engine/reason"
)

func newDrops(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "drops",
		Short: "Show the drop ledger: what each stage dropped of which VIP and why",
		Long: `Drops accounts for every packet that the NICs received: what was forwarded, what
was passed up to this node, what each stage dropped of which VIP for which
reason, and what no stage can explain, by the NIC's and its driver's own
counters. Rows of the ledger come by their rate.`,
		Args: usage(cobra.NoArgs),
	}
	show := outputFlag(c)
	var f dropFilter
	c.Flags().StringVar(&f.nic, "nic", "", "only this `NIC`")
	c.Flags().StringVar(&f.vip, "vip", "", "only drops of this `VIP`")
	c.Flags().StringVar(&f.reason, "reason", "", "only drops for this `REASON`")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if _, known := reason.ByName(f.reason); f.reason != "" && !known {
			return &failure{exitUsage, fmt.Errorf("no reason %q", f.reason), `"hairpin help reasons" lists them`}
		}
		s, rates, err := t.reading(c.Context(), false)
		if err != nil {
			return err
		}
		v := dropsOf(s, rates, f)
		return show.print(t.Stdout, v, func() error { return v.write(t.Stdout) })
	}
	return c
}

// dropFilter is what the ledger is narrowed to; empty is all.
type dropFilter struct{ nic, vip, reason string }

func (f dropFilter) takes(d engine.Drop) bool {
	return (f.nic == "" || f.nic == d.NIC) && (f.vip == "" || f.vip == d.VIP) && (f.reason == "" || f.reason == d.Reason)
}

// viewDrops is what "drops -o json" prints. For each NIC, received = forward + pass + drop + what was lost before the
// chain - uncounted.
type viewDrops struct {
	Time      time.Time      `json:"time"`
	Node      string         `json:"node"`
	NICs      []viewReceived `json:"nics"`
	Drops     []viewDrop     `json:"drops"`
	DropsLost uint64         `json:"drops_lost"` // dropped and counted by reason, but without a row in the ledger
}

type viewReceived struct {
	NIC       string       `json:"nic"`
	Hook      string       `json:"hook"`
	Received  *viewCounter `json:"received"` // null = not known, or another chain of the NIC has it
	Unread    string       `json:"unread,omitempty"`
	In        viewCounter  `json:"in"`
	Forward   viewCounter  `json:"forward"`
	Pass      viewCounter  `json:"pass"`
	Drop      viewCounter  `json:"drop"`
	Lost      []viewLost   `json:"lost"`
	Uncounted uint64       `json:"uncounted"`
}

type viewLost struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	Where  string `json:"where"`
	What   string `json:"what"`
	viewCounter
}

type viewDrop struct {
	NIC      string `json:"nic"`
	Hook     string `json:"hook"`
	Position int    `json:"position"`
	Stage    string `json:"stage"`
	VIP      string `json:"vip"`
	Reason   string `json:"reason"`
	Shadow   bool   `json:"shadow"`
	viewCounter
}

func dropsOf(s *engine.State, rates bool, f dropFilter) viewDrops {
	w := viewer{rates: rates}
	v := viewDrops{Time: s.Time, Node: s.Node, NICs: []viewReceived{}, Drops: []viewDrop{}, DropsLost: s.DropsLost}
	for _, n := range s.NICs {
		if f.nic == "" || f.nic == n.Name {
			v.NICs = append(v.NICs, w.received(n))
		}
	}
	for _, d := range s.Drops {
		if f.takes(d) {
			v.Drops = append(v.Drops, viewDrop{d.NIC, d.Hook, d.Position, d.Stage, d.VIP, d.Reason, d.Shadow, w.counter(d.Counter)})
		}
	}
	slices.SortStableFunc(v.Drops, func(a, b viewDrop) int { // rates of pins come later than the state's order
		if a.PPS == nil || b.PPS == nil || *a.PPS == *b.PPS {
			return 0
		}
		if *a.PPS > *b.PPS {
			return -1
		}
		return 1
	})
	return v
}

func (w viewer) received(n engine.NIC) viewReceived {
	v := viewReceived{NIC: n.Name, Hook: n.Hook, Unread: n.Unread, In: w.counter(n.In), Forward: w.counter(n.Forward),
		Pass: w.counter(n.Pass), Drop: w.counter(n.Drop), Uncounted: n.Uncounted,
		Lost: list(n.Lost, func(l engine.Lost) viewLost { return viewLost{l.Name, l.Source, l.Where, l.What, w.counter(l.Counter)} })}
	if n.Received.Packets > 0 {
		c := w.counter(n.Received)
		v.Received = &c
	}
	return v
}

func (v viewDrops) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NIC\tHOOK\tRECEIVED\tFORWARD\tPASS\tDROP\tLOST BEFORE\tNOT COUNTED BY THE NIC")
	for _, n := range v.NICs {
		n.write(w)
	}
	for _, n := range v.NICs {
		n.writeLost(w)
	}
	fmt.Fprintln(w)
	if len(v.Drops) == 0 {
		fmt.Fprintln(w, "no stage dropped anything")
		return w.Flush()
	}
	fmt.Fprintln(w, "RATE\tPACKETS\tNIC\tHOOK\tSTAGE\tVIP\tREASON\tMEANING")
	for _, d := range v.Drops {
		known, _ := reason.ByName(d.Reason)
		meaning := known.Doc
		if d.Shadow {
			meaning = "SHADOW, let pass: " + meaning
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", d.pps(), d.Packets, d.NIC, d.Hook, d.Stage, orDash(d.VIP), d.Reason, meaning)
	}
	if v.DropsLost > 0 {
		fmt.Fprintf(w, "%d drops have no row here: the ledger was full\n", v.DropsLost)
	}
	return w.Flush()
}

// write is one NIC's sum.
func (n viewReceived) write(w io.Writer) {
	received, before := "-", uint64(0)
	if n.Received != nil {
		received = fmt.Sprint(n.Received.Packets)
	}
	for _, l := range n.Lost {
		if l.Where == "before" {
			before += l.Packets
		}
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n", n.NIC, n.Hook, received, n.Forward.Packets, n.Pass.Packets, n.Drop.Packets, before,
		n.Uncounted)
}

// writeLost is what no stage can explain.
func (n viewReceived) writeLost(w io.Writer) {
	if n.Unread != "" {
		fmt.Fprintf(w, "%s: what it received is not known: %s\n", n.NIC, n.Unread)
	}
	for _, l := range n.Lost {
		where := map[string]string{"before": "before the chain", "after": "after the chain forwarded them", "either": "before the chain or behind it"}[l.Where]
		fmt.Fprintf(w, "%s: %d lost %s, %s: %s (%s)\n", n.NIC, l.Packets, where, l.pps(), l.What, l.Name+", "+l.Source)
	}
}
