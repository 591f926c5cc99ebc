package command

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"hairpin/engine"
)

// mostDiffering bounds how many packets of many are named.
const mostDiffering = 50

// writeTraces tells many packets by what becomes of them, and names those of which something else becomes.
func writeTraces(out io.Writer, r *engine.Trace) {
	type end struct{ verdict, reason, differs string }
	counts, first := map[end]int{}, map[end]string{}
	differing := 0
	for _, p := range r.Packets {
		e := end{cmp.Or(p.Now.Verdict, "-"), cmp.Or(p.Now.Reason, p.Now.Err), p.Differs}
		if counts[e]++; counts[e] == 1 {
			first[e] = p.Packet
		}
		if p.Differs != "" {
			differing++
		}
	}
	fmt.Fprintf(out, "%d packets", len(r.Packets))
	if r.Against != "" {
		fmt.Fprintf(out, ", of which something else becomes of %d", differing)
	}
	fmt.Fprint(out, "\n\n")
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "PACKETS\tVERDICT\tREASON\tDIFFERS\tTHE FIRST OF THEM")
	ends := slices.SortedFunc(maps.Keys(counts), func(a, b end) int {
		return cmp.Or(counts[b]-counts[a], cmp.Compare(a.reason, b.reason), cmp.Compare(a.differs, b.differs))
	})
	for i, e := range ends {
		if i == mostDiffering {
			fmt.Fprintf(w, "\tand %d more\n", len(ends)-i)
			break
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", counts[e], e.verdict, e.reason, orDash(e.differs), first[e])
	}
	_ = w.Flush() // as everywhere, what a closed pipe loses nobody reads
}
