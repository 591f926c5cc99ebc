package command

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"hairpin/engine/reason"
)

// write prints v for a person: what is wrong first, then NICs, reasons, VIPs.
func (v view) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "%s  %s  %s\n", v.Node, v.engine(), v.Generation)
	if v.Exactly != "" {
		fmt.Fprintln(w, v.Exactly)
	}
	fmt.Fprintln(w, v.Verdict.line())
	for _, p := range v.Problems {
		fmt.Fprintln(w, p.line(v.Time))
	}
	if a := v.Armed; a != nil {
		fmt.Fprintf(w, "armed: %s from %s until %s: %s\n", a.Who, a.From, a.Until.Format(time.TimeOnly), a.Why)
	}
	if v.Handoff != nil {
		fmt.Fprintln(w, v.Handoff.line())
	}
	if v.Drained != nil {
		fmt.Fprintln(w, v.Drained.line(v.Time))
	}
	if v.EventsLost > 0 {
		fmt.Fprintf(w, "WARN  %d events were lost: the ring buffer was full\n", v.EventsLost)
	}
	for _, r := range v.Reports {
		fmt.Fprintln(w, r.line(v.Time))
	}
	v.writeNICs(w)
	v.writeReasons(w)
	for _, vip := range v.VIPs {
		vip.write(w, v.Time)
	}
	return w.Flush()
}

// engine says who looks after the data path.
func (v view) engine() string {
	if v.PID == nil {
		return "no engine runs, read from the pins"
	}
	s := fmt.Sprintf("engine %s pid %d", v.Version, *v.PID)
	if v.Since != nil {
		s += " for " + age(v.Time, *v.Since)
	}
	return s
}

func (g viewGeneration) String() string {
	switch {
	case g.Active == nil:
		return "no generation"
	case g.Deadline != nil:
		return fmt.Sprintf("generation %d NOT CONFIRMED, goes back at %s", *g.Active, g.Deadline.Format("15:04:05"))
	default:
		return fmt.Sprintf("generation %d", *g.Active)
	}
}

func (v viewVerdict) line() string {
	s := v.Word + ": " + v.Says
	if v.Cure != "" {
		s += "; " + v.Cure
	}
	return s
}

func (p viewProblem) line(now time.Time) string {
	s := strings.ToUpper(p.Severity) + "  " + p.What
	if p.Cure != "" {
		s += "; " + p.Cure
	}
	if p.Since != nil && now.Sub(*p.Since) >= time.Second {
		s += " (for " + age(now, *p.Since) + ")"
	}
	return s
}

func (v view) writeNICs(w io.Writer) {
	if len(v.NICs) == 0 {
		fmt.Fprintln(w, "no NIC has a chain")
		return
	}
	fmt.Fprintln(w, "\nNIC\tHOOK\tMODE\tSTATE\tIN\tFORWARD\tPASS\tDROP\tCHAIN")
	for _, n := range v.NICs {
		stages := list(n.Stages, viewStage.inChain)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", n.Name, n.Hook, n.Mode, n.State,
			n.In.pps(), n.Forward.pps(), n.Pass.pps(), n.Drop.pps(), strings.Join(stages, " > "))
		if n.Why != "" {
			fmt.Fprintf(w, "  %s\n", n.Why)
		}
	}
}

// inChain is the name of a stage, with what it does not do.
func (s viewStage) inChain() string {
	if on := s.on(); on != "on" {
		return s.Name + " (" + on + ")"
	}
	return s.Name
}

func (v view) writeReasons(w io.Writer) {
	if len(v.Reasons) == 0 {
		return
	}
	fmt.Fprintln(w, "\nREASON\tVERDICT\tSTAGE\tRATE\tPACKETS\tMEANING")
	for _, r := range v.Reasons {
		known, _ := reason.ByName(r.Name)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", r.Name, r.Verdict, r.Stage, r.pps(), r.Packets, known.Doc)
	}
}

func (v viewVIP) write(w io.Writer, now time.Time) {
	addresses := make([]string, len(v.Addresses))
	for i, a := range v.Addresses {
		addresses[i] = a.String()
	}
	for _, p := range v.Prefixes {
		addresses = append(addresses, p.String())
	}
	port := fmt.Sprint(v.Port)
	if v.LastPort != 0 {
		port = fmt.Sprintf("%d-%d", v.Port, v.LastPort)
	}
	if v.Port == 0 {
		port = "every port"
	}
	fmt.Fprintf(w, "\nVIP %s  %s  %s %s  %s  ring %d  %s, dropped %s\n", v.Name, strings.Join(addresses, " "),
		v.Protocol, port, v.Encap, v.Ring, v.pps(), v.Drop.pps())
	if v.Tenant != "" {
		fmt.Fprintln(w, "of tenant "+v.Tenant)
	}
	if text := v.Choice.text(); text != "" {
		fmt.Fprintln(w, "chooses by "+text)
	}
	if len(v.Sources) > 0 {
		fmt.Fprintf(w, "only from %s\n", strings.Trim(fmt.Sprint(v.Sources), "[]"))
	}
	if v.Empty {
		fmt.Fprintln(w, "CRIT  no backend takes new flows")
	}
	if s := v.Settling; s != nil {
		fmt.Fprintf(w, "settling: %.1f %% of the ring marked, %.0f/s follow the ring before%s\n", s.Marked*100, s.Stray, s.end(now))
	}
	fmt.Fprintln(w, "BACKEND\tSTATE\tWEIGHT\tRING\tRATE\tPACKETS\tNEXT HOP")
	for _, b := range v.Backends {
		server := ""
		if b.Server != 0 {
			server = fmt.Sprintf("  id %d", b.Server)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%.2f %%\t%s\t%d\t%s%s\n", b.Address, b.word, b.Weight, b.Share*100, b.pps(), b.Packets, b.NextHop, server)
	}
	for _, b := range v.Backends {
		if b.Why != "" && b.word != "up" {
			fmt.Fprintf(w, "%s: %s\n", b.Address, b.Why)
		}
	}
}

// text says how a VIP chooses where that is not as usual.
func (c viewChoice) text() string {
	var parts []string
	if c.Hash != "tuple" && c.Hash != "" {
		parts = append(parts, "hash "+c.Hash)
	}
	if c.Flow == "none" {
		parts = append(parts, "the ring alone (flow none)")
	}
	if ids := c.ids(); ids != "" {
		parts = append(parts, fmt.Sprintf("%s (%d packets named a server, %d one that it has not)", ids, *c.Known, *c.Unknown))
	}
	if c.Local {
		parts = append(parts, "local sockets first")
	}
	if c.Migrate {
		parts = append(parts, "migrate")
	}
	if c.Handover {
		parts = append(parts, "handover")
	}
	return strings.Join(parts, ", ")
}

func (s viewSettling) end(now time.Time) string {
	if s.Ends == nil {
		return ""
	}
	return fmt.Sprintf(", ends in %s if none is seen again", age(*s.Ends, now))
}

// pps is the rate in packets per second, or "-" where it is not known.
func (c viewCounter) pps() string {
	if c.PPS == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f/s", *c.PPS)
}

// age is the time from since to now in its largest units.
func age(now, since time.Time) string {
	d := now.Sub(since).Round(time.Second)
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return d.String()
	}
}
