package command

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

// storeFlag says where the node's spec comes from.
func storeFlag(c *cobra.Command, t *tree) {
	c.Flags().StringVar(&t.store, "store", cmp.Or(os.Getenv("HAIRPIN_STORE"), "file"),
		"`ADDRESS` of where the spec comes from: file, or etcd://HOST:PORT,HOST:PORT/PREFIX of a fleet (HAIRPIN_STORE);\n"+
			"etcds:// and ?ca=FILE&cert=FILE&key=FILE for TLS, ?user=NAME&password_file=FILE")
}

// readStore reads what --store names, while this process may still read it.
func (t *tree) readStore() (err error) {
	if t.storeAt, err = engine.ParseStore(t.store); err != nil {
		return &failure{exitUsage, err, "--store etcd://10.0.0.1:2379/prod, or --store file"}
	}
	return nil
}

func newFleet(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "fleet",
		Short: "Show the nodes that have their spec from one store, and who has which revision",
		Long: `Fleet shows the newest revision of the spec that many nodes share, how far it
has come, who leads, and for each node which revision it has.

An edit at any node, in its console or by "hairpin apply", becomes one revision
in the store. One node takes it, watches itself, and keeps it; then the others,
a few at a time. Where one does worse or falls silent, all go back. A node that
cannot reach the store serves on with what it has, and catches up.`,
		Args: usage(cobra.NoArgs),
	}
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		n, err := t.dial(c.Context(), t.paths)
		if err != nil {
			return err
		}
		v, err := t.fleet(c, n)
		if err = errors.Join(err, n.Close()); err != nil {
			return err
		}
		return output.print(t.Stdout, v, func() error { return v.write(t.Stdout) })
	}
	c.AddCommand(newFleetShow(t), newFleetApply(t), newFleetForget(t), newFleetRejoin(t),
		newFleetAct(t, engine.FleetStop, "Keep further nodes from taking the newest revision",
			"Stop keeps further nodes from beginning; those that have it keep it. Then resume,\ngo back, or apply a better one."),
		newFleetAct(t, engine.FleetResume, "Go on with a revision that was stopped", "Resume goes on where it was stopped; nodes that went back from it try again."),
		newFleetAct(t, engine.FleetBack, "Have all nodes go back to the revision before", "Back makes what all nodes had before the newest revision, and all that have it take\nthat at once."),
		newFleetAct(t, engine.FleetLeave, "Take this node out of the fleet, to change it alone",
			"Leave is for an incident: from now on what is changed at this node is changed here\nalone, also without the store, and revisions pass it by. The fleet shows it as out,\nuntil \"hairpin fleet rejoin\"."))
	return c
}

// fleet is the fleet by what the engine knows, and the nodes as the store has them.
func (t *tree) fleet(c *cobra.Command, n engine.Node) (v viewFleet, err error) {
	s := n.State()
	a, err := n.Fleet(c.Context(), engine.FleetRequest{Do: engine.FleetLook})
	if s.Fleet == nil || err == nil && a == nil {
		return v, err
	}
	v = fleetOf(s)
	if err != nil { // what this node knows is shown all the same
		v.NodesWhy = err.Error()
		return v, nil
	}
	v.Nodes = list(a.Nodes, func(x engine.FleetNode) viewFleetNode {
		return viewFleetNode{x.Name, x.Host, x.Number, x.State, x.Why, x.Spec, x.Version, instant(x.Since)}
	})
	return v, nil
}

// viewFleet is what "fleet -o json" prints.
type viewFleet struct {
	Time     time.Time       `json:"time"`
	Node     string          `json:"node"`
	Store    string          `json:"store"`
	ID       string          `json:"fleet"`
	Reached  bool            `json:"reached"` // the store
	Since    *time.Time      `json:"since"`   // it is, or is not
	Why      string          `json:"why"`     // it is not
	Leader   string          `json:"leader"`
	Revision viewFleetHead   `json:"revision"` // the newest that this node knows of
	Own      int             `json:"own"`      // revision that this node has; 0 = none
	Drift    string          `json:"drift"`    // why this node differs; empty = it does not
	Left     string          `json:"left"`     // who took this node out of the fleet, and why
	Step     string          `json:"step"`     // what this node does for the fleet just now
	Holds    string          `json:"holds"`    // why its VIPs are not announced until it has caught up
	Nodes    []viewFleetNode `json:"nodes"`
	NodesWhy string          `json:"nodes_why"` // they are not known
}

type viewFleetHead struct {
	Number int        `json:"number"`
	Phase  string     `json:"phase"` // running, stopped, returning, done, returned
	Reason string     `json:"reason"`
	By     string     `json:"by"`
	Who    string     `json:"who"`
	Why    string     `json:"why"`
	From   string     `json:"from"`
	At     *time.Time `json:"at"`
	Base   int        `json:"base"`
}

type viewFleetNode struct {
	Name     string     `json:"name"`
	Host     bool       `json:"host"` // it is a backend
	Revision int        `json:"revision"`
	State    string     `json:"state"` // has it, takes it, waits, failed, out, silent
	Why      string     `json:"why"`
	Spec     string     `json:"spec"`
	Version  string     `json:"version"`
	Since    *time.Time `json:"since"`
}

func fleetOf(s *engine.State) viewFleet {
	f := s.Fleet
	return viewFleet{Time: s.Time, Node: s.Node, Store: f.Store, ID: f.ID, Reached: f.Reached, Since: instant(f.Since), Why: f.Why, Leader: f.Leader,
		Revision: viewFleetHead{f.Number, f.Phase, f.Reason, f.By, f.Who, f.What, f.From, instant(f.At), f.Base},
		Own:      f.Own, Drift: f.Drift, Left: f.Left, Step: f.Step, Holds: f.Holds, Nodes: []viewFleetNode{}}
}

func (v viewFleet) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	r := v.Revision
	switch {
	case r.Number == 0 && !v.Reached:
		fmt.Fprintf(w, "which revision is the newest is not known: %s was not reached yet\n", v.Store)
	case r.Number == 0:
		fmt.Fprintf(w, "fleet %s in %s has no revision yet: hairpin fleet apply -f FILE\n", v.ID, v.Store)
	default:
		fmt.Fprintf(w, "revision %d by %s at %s, %s: %s\n", r.Number, r.Who, r.From, ago(v.Time, r.At), r.Phase)
		for _, text := range []string{r.Why, r.Reason} {
			if text != "" {
				fmt.Fprintln(w, "  "+text)
			}
			if r.Why == r.Reason {
				break
			}
		}
	}
	if !v.Reached {
		fmt.Fprintf(w, "WARN  the store %s is away since %s: %s\n", v.Store, ago(v.Time, v.Since), v.Why)
	}
	leads := v.Leader + " leads"
	switch {
	case v.Leader == "":
		leads = "nobody is known to lead"
	case !v.Reached:
		leads = v.Leader + " led last"
	}
	fmt.Fprintf(w, "this node, %s, has revision %d; %s\n", v.Node, v.Own, leads)
	if v.Holds != "" {
		fmt.Fprintln(w, "WARN  VIPs are not announced yet: "+v.Holds)
	}
	for _, text := range []string{v.Step, v.Drift} {
		if text != "" {
			fmt.Fprintln(w, "  "+text)
		}
	}
	if v.Left != "" {
		fmt.Fprintln(w, "  out of the fleet: "+v.Left)
	}
	if v.NodesWhy != "" {
		fmt.Fprintln(w, "  the others are not known: "+v.NodesWhy)
		return w.Flush()
	}
	fmt.Fprintln(w, "\nNODE\tREVISION\tSTATE\tFOR\tSPEC\tWHY")
	for _, n := range v.Nodes {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", n.Name, n.Revision, n.State, ago(v.Time, n.Since), orDash(n.Spec), orDash(n.Why))
	}
	return w.Flush()
}

func ago(now time.Time, at *time.Time) string {
	if at == nil {
		return "-"
	}
	if at.After(now) { // by the clock of another node
		return "0s"
	}
	return age(now, *at)
}
