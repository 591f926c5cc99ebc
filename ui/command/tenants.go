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
	Drop       viewCounter `json:"drop"`
	NewRefused viewCounter `json:"limited"` // by limits of its VIPs
}

func tenantsOf(s *engine.State, rates bool) viewTenants {
	v := viewTenants{Time: s.Time, Node: s.Node, Operator: list(s.Operator, func(name string) string { return name }), Tenants: []viewTenant{}}
	if s.Spec == nil {
		return v
	}
	for i := range s.Spec.Tenants {
		v.Tenants = append(v.Tenants, tenantOf(s, &s.Spec.Tenants[i], viewer{rates: rates}))
	}
	return v
}

func tenantOf(s *engine.State, t *spec.Tenant, w viewer) viewTenant {
	same := func(name string) string { return name }
	v := viewTenant{Name: t.Name, Operators: list(t.Operators, same), Groups: list(t.Groups, same), VIPs: []string{},
		Prefixes: list(t.Prefixes, func(p netip.Prefix) netip.Prefix { return p })}
	for _, q := range []struct {
		max  uint32
		view **uint32
	}{{t.MaxVIPs, &v.MaxVIPs}, {t.MaxBackends, &v.MaxBackends}} {
		if q.max != 0 {
			*q.view = &q.max
		}
	}
	_, v.Backends = s.Spec.Owned(t.Name)
	var sum, drop, limited engine.Counter
	for i := range s.VIPs {
		if x := &s.VIPs[i]; x.Tenant == t.Name {
			v.VIPs = append(v.VIPs, x.Name)
			add(&sum, x.Counter)
			add(&drop, x.Drop)
		}
	}
	for _, l := range s.Limits {
		if x := s.Spec.VIP(l.VIP); x != nil && x.Tenant == t.Name && !l.Shadow && !l.Source.IsValid() {
			add(&limited, l.Over)
		}
	}
	v.viewCounter, v.Drop, v.NewRefused = w.counter(sum), w.counter(drop), w.counter(limited)
	return v
}

func add(sum *engine.Counter, c engine.Counter) {
	sum.Packets, sum.Bytes = sum.Packets+c.Packets, sum.Bytes+c.Bytes
	sum.PPS, sum.BPS = sum.PPS+c.PPS, sum.BPS+c.BPS
}

func (v viewTenants) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if len(v.Tenants) == 0 {
		fmt.Fprintln(w, "the running spec has no tenants")
		return w.Flush()
	}
	fmt.Fprintln(w, "TENANT\tVIPS\tBACKENDS\tPPS\tPACKETS\tBYTES\tDROP PPS\tDROPS\tLIMITED\tOPERATORS")
	for _, t := range v.Tenants {
		who := t.Operators
		for _, g := range t.Groups {
			who = append(who, "group "+g)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%d\t%d\t%s\n", t.Name, used(len(t.VIPs), t.MaxVIPs), used(t.Backends, t.MaxBackends), t.pps(), t.Packets, t.Bytes,
			t.Drop.pps(), t.Drop.Packets, t.NewRefused.Packets, orDash(strings.Join(who, ", ")))
	}
	return w.Flush()
}

func used(n int, most *uint32) string {
	if most == nil {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d of %d", n, *most)
}
