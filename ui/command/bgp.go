package command

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

func newBGP(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "bgp",
		Short: "Show what routers are told of this node's VIPs, and the sessions with them",
		Long: `BGP prints the session with each router of the spec's block bgp, and for each
address whether it is announced, and why not. An address is announced while one
of its VIPs has enough live backends, a chain with a balancer is attached and
the node is not drained.`,
		Args: usage(cobra.NoArgs),
	}
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		n, err := t.dial(c.Context(), t.paths)
		if err != nil {
			return err
		}
		s := n.State()
		if err := n.Close(); err != nil {
			return err
		}
		v := bgpOf(s)
		return output.print(t.Stdout, v, func() error { return v.write(t.Stdout, s.BGP) })
	}
	return c
}

// viewBGP is what "bgp -o json" prints.
type viewBGP struct {
	Time     time.Time       `json:"time"`
	Node     string          `json:"node"`
	AS       uint32          `json:"as"`              // 0 = the spec has no block bgp
	Restart  float64         `json:"restart_seconds"` // how long routers that agreed keep the routes of an engine that is gone
	Trouble  string          `json:"trouble"`
	Drain    viewWithdrawn   `json:"drain"`   // what a drain of the node would do
	Drained  *viewDrained    `json:"drained"` // null = it is not
	Sessions []viewSession   `json:"sessions"`
	Routes   []viewAnnounced `json:"routes"`
}

// viewWithdrawn is what a drain withdraws.
type viewWithdrawn struct {
	Withdraws []netip.Prefix `json:"withdraws"`
	Wait      float64        `json:"wait_seconds"` // in which routers are asked to prefer others
}

type viewSession struct {
	Neighbor  netip.Addr `json:"neighbor"`
	AS        uint32     `json:"as"`
	State     string     `json:"state"`
	Since     *time.Time `json:"since"`
	Keeps     bool       `json:"keeps_routes"` // of an engine that is gone
	BFD       string     `json:"bfd"`          // down, init, up; empty = none
	Announced int        `json:"announced"`
	Learned   int        `json:"learned"`
	OldSecret bool       `json:"password_changed"` // since the session began by the one before
	Why       string     `json:"why"`
}

type viewAnnounced struct {
	Prefix      netip.Prefix `json:"prefix"`
	VIPs        []string     `json:"vips"`
	State       string       `json:"state"` // announced, shutting down, withdrawn, off
	Since       *time.Time   `json:"since"`
	Why         string       `json:"why"`
	Communities []string     `json:"communities"`
	MED         *uint32      `json:"med"`
	Preference  *uint32      `json:"local_preference"`
}

func bgpOf(s *engine.State) viewBGP {
	v := viewBGP{Time: s.Time, Node: s.Node, Drained: drainedOf(s), Drain: viewWithdrawn{Withdraws: []netip.Prefix{}}, Sessions: []viewSession{}, Routes: []viewAnnounced{}}
	if s.BGP == nil {
		return v
	}
	v.AS, v.Restart, v.Trouble = s.BGP.AS, s.BGP.Restart.Seconds(), s.BGP.Trouble
	v.Drain = viewWithdrawn{append(v.Drain.Withdraws, s.BGP.Told()...), s.BGP.DrainWait.Seconds()}
	v.Sessions = list(s.BGP.Sessions, func(x engine.BGPSession) viewSession {
		return viewSession{x.Neighbor, x.AS, x.State, instant(x.Since), x.Keeps, x.BFD, x.Announced, x.Learned, x.OldSecret, x.Why}
	})
	v.Routes = list(s.BGP.Routes, func(a engine.Announcement) viewAnnounced {
		r := viewAnnounced{Prefix: a.Prefix, VIPs: a.VIPs, State: a.State, Since: instant(a.Since), Why: a.Why, Communities: []string{}, MED: a.MED, Preference: a.LocalPreference}
		for _, c := range a.Communities {
			r.Communities = append(r.Communities, c.String())
		}
		return r
	})
	return v
}

func (v viewBGP) write(out io.Writer, of *engine.BGP) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if v.AS == 0 {
		fmt.Fprintln(w, "no router is told of VIPs: the spec has no block bgp")
		return w.Flush()
	}
	if v.Trouble != "" {
		fmt.Fprintln(w, "CRIT  "+v.Trouble)
	}
	if v.Drained != nil {
		fmt.Fprintln(w, v.Drained.line(v.Time))
	}
	fmt.Fprintln(w, "NEIGHBOR\tAS\tSESSION\tFOR\tTOLD\tAND")
	for i, s := range v.Sessions {
		since, kept := "-", of.Kept(of.Sessions[i])
		if s.Since != nil {
			since = age(v.Time, *s.Since)
		}
		if s.State != "established" {
			kept = s.Why
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%d\t%s\n", s.Neighbor, s.AS, s.State, since, s.Announced, kept)
	}
	fmt.Fprintln(w, "\nADDRESS\tVIPS\tIS\tFOR\tWITH")
	for i, r := range v.Routes {
		text := orDash(of.Routes[i].With())
		if r.Why != "" {
			text = r.Why
		}
		since := "-"
		if r.Since != nil {
			since = age(v.Time, *r.Since)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Prefix, strings.Join(r.VIPs, " "), r.State, since, text)
	}
	fmt.Fprintln(w, "\n"+of.Drain(v.Drained != nil))
	return w.Flush()
}
