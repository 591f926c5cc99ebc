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
	"hairpin/engine/spec"
)

func newTenants(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "tenants",
		Short: "Show the tenants of this node: their VIPs, what these carry and drop, their quotas",
		Long: `Tenants prints for each tenant of the spec what its VIPs carry and drop together,
how much of its quotas is used, and who its operators are. An operator sees the
tenants that he operates.`,
		Args: usage(cobra.NoArgs),
	}
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, rates, err := t.reading(c.Context(), false)
		if err != nil {
			return err
		}
		v := tenantsOf(s, rates)
		return output.print(t.Stdout, v, func() error { return v.write(t.Stdout) })
	}
	return c
}

// viewTenants is what "tenants -o json" prints.
type viewTenants struct {
	Time     time.Time    `json:"time"`
	Node     string       `json:"node"`
	Operator []string     `json:"operator"` // of these tenants alone is who asks; empty = he is not limited
	Tenants  []viewTenant `json:"tenants"`
}

type viewTenant struct {
	Name      string   `json:"name"`
	Operators []string `json:"operators"`
	Groups    []string `json:"groups"`
	VIPs      []string `json:"vips"`
	Backends  int      `json:"backends"`
	// Quotas; null = none.
	MaxVIPs     *uint32        `json:"max_vips"`
	MaxBackends *uint32        `json:"max_backends"`
	Prefixes    []netip.Prefix `json:"prefixes"`
	viewCounter
	Drop    viewCounter `json:"drop"`
	Limited viewCounter `json:"limited"` // by limits of the tenant and its VIPs
	New     *float64    `json:"new"`     // new connections a second that limits let pass; null = no limit counts them
	Open    *uint64     `json:"open"`    // connections at a time; likewise
}

func tenantsOf(s *engine.State, rates bool) viewTenants {
	v := viewTenants{Time: s.Time, Node: s.Node, Operator: list(s.Operator, func(name string) string { return name }), Tenants: []viewTenant{}}
	if s.Spec == nil {
		return v
	}
	for i, sum := range s.Tenants() {
		v.Tenants = append(v.Tenants, tenantOf(&s.Spec.Tenants[i], sum, viewer{rates: rates}))
	}
	return v
}

func tenantOf(t *spec.Tenant, sum engine.Tenant, w viewer) viewTenant {
	same := func(name string) string { return name }
	v := viewTenant{Name: t.Name, Operators: list(t.Operators, same), Groups: list(t.Groups, same), VIPs: list(sum.VIPs, same), Backends: sum.Backends,
		Prefixes:    list(t.Prefixes, func(p netip.Prefix) netip.Prefix { return p }),
		viewCounter: w.counter(sum.Counter), Drop: w.counter(sum.Drop), Limited: w.counter(sum.Limited)}
	if t.MaxVIPs != 0 {
		v.MaxVIPs = &t.MaxVIPs
	}
	if t.MaxBackends != 0 {
		v.MaxBackends = &t.MaxBackends
	}
	if w.rates && sum.New >= 0 {
		v.New = new(round(sum.New))
	}
	if sum.Open >= 0 {
		v.Open = new(uint64(sum.Open))
	}
	return v
}

func (v viewTenants) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if len(v.Tenants) == 0 {
		fmt.Fprintln(w, "the running spec has no tenants")
		return w.Flush()
	}
	fmt.Fprintln(w, "TENANT\tVIPS\tBACKENDS\tPPS\tPACKETS\tBYTES\tDROP PPS\tDROPS\tLIMITED\tNEW/s\tOPEN\tOPERATORS")
	for _, t := range v.Tenants {
		who := t.Operators
		for _, g := range t.Groups {
			who = append(who, "group "+g)
		}
		opened, open := "-", "-"
		if t.New != nil {
			opened = fmt.Sprintf("%.0f", *t.New)
		}
		if t.Open != nil {
			open = fmt.Sprint(*t.Open)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%d\t%d\t%s\t%s\t%s\n", t.Name, used(len(t.VIPs), t.MaxVIPs), used(t.Backends, t.MaxBackends), t.pps(), t.Packets, t.Bytes,
			t.Drop.pps(), t.Drop.Packets, t.Limited.Packets, opened, open, orDash(strings.Join(who, ", ")))
	}
	return w.Flush()
}

func used(n int, most *uint32) string {
	if most == nil {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d of %d", n, *most)
}
