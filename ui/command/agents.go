package command

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"hairpin/engine"
)

// viewAgent is an agent whose reports limits count by, or a backend that has none.
type viewAgent struct {
	Node     string       `json:"node"` // empty = none was ever heard
	From     string       `json:"from"`
	Backends []netip.Addr `json:"backends"`
	State    string       `json:"state"` // fresh, stale, silent, unheard
	Heard    *time.Time   `json:"heard"` // null = never
	Open     *uint64      `json:"open"`  // connections to VIPs of this node; null = not known
	Other    uint64       `json:"other"` // to what is no VIP here
	Lacks    uint64       `json:"uncounted"`
	Shared   int          `json:"load_balancers"` // that it reports to
}

func agentOf(a engine.Agent) viewAgent {
	v := viewAgent{Node: a.Node, Backends: append([]netip.Addr{}, a.Backends...), State: a.State, Heard: instant(a.Heard), Other: a.Other,
		Lacks: a.Lacks, Shared: a.Shared}
	if a.From.IsValid() {
		v.From = a.From.String()
	}
	if a.State == "fresh" || a.State == "stale" {
		v.Open = &a.Open
	}
	return v
}

func writeAgents(w io.Writer, all []viewAgent, now time.Time) {
	if len(all) > 0 {
		fmt.Fprintln(w, "\nAGENT\tSTATE\tHEARD\tOPEN\tOTHER\tBACKEND")
	}
	for _, a := range all {
		heard, open := "never", "-"
		if a.Heard != nil {
			heard = age(now, *a.Heard) + " ago"
		}
		if a.Open != nil {
			open = fmt.Sprint(*a.Open)
		}
		names := list(a.Backends, netip.Addr.String)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", orDash(a.Node), a.State, heard, open, a.Other, orDash(strings.Join(names, " ")))
	}
}

// viewReport is a load balancer to which this node reports its connections.
type viewReport struct {
	To   string     `json:"to"`
	Sent uint64     `json:"sent"`
	Last *time.Time `json:"last"` // null = never
	Why  string     `json:"why"`  // why the last report was not sent; empty = it was
}

func reportOf(t engine.ReportTarget) viewReport {
	return viewReport{t.To.String(), t.Sent, instant(t.Last), t.Why}
}

func (v viewReport) line(now time.Time) string {
	s := fmt.Sprintf("reports connections to %s: %d sent", v.To, v.Sent)
	if v.Last != nil {
		s += ", the last " + age(now, *v.Last) + " ago"
	}
	if v.Why != "" {
		s += "; " + v.Why
	}
	return s
}
