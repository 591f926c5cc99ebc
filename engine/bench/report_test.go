package bench

import (
	"cmp"
	"fmt"
	"io"
	"slices"
)

// net is what a path costs beyond its base, in ns: the least that was seen, and the median of the rounds.
func (p *path) net() (least, median float64) {
	if p.base == nil {
		return slices.Min(p.ns), middle(p.ns)
	}
	return slices.Min(p.ns) - slices.Min(p.base.ns), middle(p.ns) - middle(p.base.ns)
}

// middle is the median.
func middle[T cmp.Ordered](list []T) T {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

func printPackets(w io.Writer, unit *path, rows []*path, rounds int) {
	l, median := unit.net()
	fmt.Fprintf(w, "\nns per packet, net, the least of %d rounds and the median\n", rounds)
	fmt.Fprintf(w, "L = %.1f ns (median %.1f): parse, grow by 28 bytes, write an outer IPv4 and UDP header; the wrapper itself takes %.1f ns\n\n",
		l, median, slices.Min(unit.base.ns))
	fmt.Fprintf(w, "%-46s %7s %7s %6s %7s\n", "path", "least", "median", "L", "budget")
	for _, p := range rows {
		least, median := p.net()
		verdict := ""
		if least/l > p.budget {
			verdict = "  over"
		}
		fmt.Fprintf(w, "%-46s %7.1f %7.1f %6.2f %7.2f%s\n", p.name, least, median, least/l, p.budget, verdict)
	}
}

func printControl(w io.Writer, figures []figure) {
	fmt.Fprintf(w, "\n%-75s %22s %9s\n", "control plane", "", "budget")
	for _, f := range figures {
		fmt.Fprintf(w, "%-75s %22s %9s\n", f.name, f.value, f.budget)
	}
}
