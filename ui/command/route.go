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

func newRoute(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "route",
		Short: "Show the route, neighbour and NIC by which each backend is reached",
		Long: `Route prints the way to each backend as the kernel's routes and neighbours have
it now. An engine that runs also knows since when, and tells each change as an
event; without one the kernel is asked once.`,
		Args: usage(cobra.NoArgs),
	}
	show := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, err := t.shown(c.Context())
		if err != nil {
			return err
		}
		v := viewRoutes{s.Time, s.Node, list(s.Routes, viewOfRoute)}
		return show.print(t.Stdout, v, func() error { return v.write(t.Stdout) })
	}
	return c
}

// viewRoutes is what "route -o json" prints.
type viewRoutes struct {
	Time   time.Time   `json:"time"`
	Node   string      `json:"node"`
	Routes []viewRoute `json:"routes"`
}

type viewRoute struct {
	Backend netip.Addr `json:"backend"`
	VIPs    []string   `json:"vips"`
	NIC     string     `json:"nic"`
	Gateway string     `json:"gateway"` // empty = on link
	Source  string     `json:"source"`  // of the outer header
	MAC     string     `json:"mac"`
	MTU     int        `json:"mtu"` // bytes of an IP packet; 0 = not known
	State   string     `json:"state"`
	Why     string     `json:"why"`     // why no packet gets there; empty = they do
	Changed *time.Time `json:"changed"` // null = not since the engine began, or none runs
}

func viewOfRoute(r engine.Route) viewRoute {
	text := func(a netip.Addr) string {
		if !a.IsValid() {
			return ""
		}
		return a.String()
	}
	return viewRoute{r.Backend, r.VIPs, r.NIC, text(r.Gateway), text(r.Source), r.MAC, r.MTU, r.State, r.Why, instant(r.Changed)}
}

func (v viewRoutes) write(out io.Writer) error {
	if len(v.Routes) == 0 {
		fmt.Fprintln(out, "no VIP has backends on this node")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "BACKEND\tSTATE\tNIC\tGATEWAY\tMAC\tMTU\tCHANGED\tVIPS")
	for _, r := range v.Routes {
		changed, mtu, gateway := "-", "-", r.Gateway
		if r.Changed != nil {
			changed = age(v.Time, *r.Changed) + " ago"
		}
		if r.MTU > 0 {
			mtu = fmt.Sprint(r.MTU)
		}
		if gateway == "" && r.NIC != "" {
			gateway = "on link"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Backend, r.State, orDash(r.NIC), orDash(gateway), orDash(r.MAC), mtu, changed, strings.Join(r.VIPs, " "))
		if r.Why != "" {
			fmt.Fprintf(w, "  %s\n", r.Why)
		}
	}
	return w.Flush()
}
