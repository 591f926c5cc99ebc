package trace

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Headline is what becomes of the packet, in a line.
func (o *Outcome) Headline() string {
	switch {
	case o.Err != "":
		return "not traced: " + o.Err
	case o.Verdict == "":
		return "not traced"
	}
	text := strings.ToUpper(o.Verdict)
	if o.Backend != "" && o.Verdict == "forward" {
		text += " to " + o.Backend
	}
	if o.Answered {
		text += " and answer with a reset"
	}
	text += fmt.Sprintf(", reason %s, by %s on %s %s", o.Reason, o.Stage, o.NIC, o.Hook)
	if o.VIP != "" {
		text += ", vip " + o.VIP
	}
	return text
}

// Because is what the reason means, and what to look at.
func (o *Outcome) Because() string {
	if o.Cure == "" {
		return o.Why
	}
	return o.Why + ": " + o.Cure
}

// Lines are an outcome as people read it.
func (o *Outcome) Lines() []string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "verdict\t%s\n", o.Headline())
	if o.Because() != "" {
		fmt.Fprintf(w, "why\t%s\n", o.Because())
	}
	if o.Leaves != "" {
		fmt.Fprintf(w, "leaves as\t%s\n", o.Leaves)
	}
	for _, f := range o.Way {
		fmt.Fprintf(w, "way: %s\t%s\n", f.Name, f.Value)
	}
	for _, text := range o.Unsure {
		fmt.Fprintf(w, "not sure\t%s\n", text)
	}
	_ = w.Flush() // a Builder takes everything
	if len(o.Steps) > 0 {
		b.WriteString("\n")
		w = tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "#\tSTAGE\tRESULT\tNS\tWHAT IT SAW AND DECIDED")
		for _, s := range o.Steps {
			s.write(w)
		}
		_ = w.Flush()
	}
	return strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
}

// write is a step as rows of a table, one for each fact.
func (s *Step) write(w *tabwriter.Writer) {
	ns := "-"
	if s.NS > 0 {
		ns = fmt.Sprintf("%.0f", s.NS)
	}
	fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", s.Position, s.Name, s.Result, ns, s.fact(0))
	for i := 1; i < len(s.Facts); i++ {
		fmt.Fprintf(w, "\t\t\t\t%s\n", s.fact(i))
	}
}

// fact is one in a line, empty where there is none.
func (s *Step) fact(i int) string {
	if i >= len(s.Facts) {
		return ""
	}
	return s.Facts[i].String()
}

func (f Fact) String() string { return f.Name + ": " + f.Value }
