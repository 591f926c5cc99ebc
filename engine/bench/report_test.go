package bench

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// printMachine says what the figures were measured on. Mitigations count: a retpoline makes an indirect tail call, a safe
// return every helper, ten times as expensive.
func printMachine(w io.Writer) {
	var name unix.Utsname
	_ = unix.Uname(&name) // cannot fail
	fmt.Fprintf(w, "%s, %d CPUs, Linux %s, %s %s\n", cpuModel(), runtime.NumCPU(), unix.ByteSliceToString(name.Release[:]),
		runtime.Version(), runtime.GOARCH)
	for _, flaw := range []string{"spectre_v2", "spec_rstack_overflow", "retbleed"} {
		if state, err := os.ReadFile("/sys/devices/system/cpu/vulnerabilities/" + flaw); err == nil {
			fmt.Fprintf(w, "%s: %s\n", flaw, strings.TrimSpace(string(state)))
		}
	}
}

func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// net is what a path costs beyond its base, in ns: the least that was seen, and the median of the rounds.
func (p *path) net() (least, median float64) {
	return slices.Min(p.ns) - slices.Min(p.base.ns), middle(p.ns) - middle(p.base.ns)
}

// middle is the median.
func middle[T cmp.Ordered](list []T) T {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

func printPackets(w io.Writer, unit *path, rows []*path) {
	l, median := unit.net()
	fmt.Fprintf(w, "\nns per packet, net: the least of %d rounds, and the median\n", len(unit.ns))
	fmt.Fprintf(w, "L = %.1f ns (median %.1f): parse, grow by 28 bytes, write outer IPv4 and UDP with a valid checksum\n", l, median)
	fmt.Fprintf(w, "the wrapper itself: %.1f ns (median %.1f)\n", slices.Min(unit.base.ns), middle(unit.base.ns))
	if drift := drift(unit); drift > 0.15 {
		fmt.Fprintf(w, "DISTURBED: L differs by %.0f %% between the halves of this run; repeat it\n", 100*drift)
	}
	fmt.Fprintf(w, "\n%-46s %7s %7s %6s %7s\n", "path", "least", "median", "L", "budget")
	for _, p := range rows {
		least, median := p.net()
		budget := "-"
		if p.budget > 0 {
			budget = fmt.Sprintf("%.1f%s", p.budget, over(least/l > p.budget))
		}
		fmt.Fprintf(w, "%-46s %7.1f %7.1f %6.2f     %s\n", p.name, least, median, least/l, budget)
	}
}

// drift is how much the unit differs between the first and the second half of the rounds, as a share of the smaller.
func drift(unit *path) float64 {
	half := len(unit.ns) / 2
	first := slices.Min(unit.ns[:half]) - slices.Min(unit.base.ns[:half])
	second := slices.Min(unit.ns[half:]) - slices.Min(unit.base.ns[half:])
	return max(first, second)/min(first, second) - 1
}

func over(is bool) string {
	if is {
		return "  over"
	}
	return ""
}

// figure is one line of the second table.
type figure struct {
	name   string
	unit   string
	values []float64 // of every repetition
	worst  bool      // the budget is about 99 of 100 of them, not about the least
	budget float64   // 0 = none
}

// times are durations in ms.
func times(list []time.Duration) (values []float64) {
	for _, d := range list {
		values = append(values, d.Seconds()*1000)
	}
	return values
}

func printControl(w io.Writer, figures []figure) {
	fmt.Fprintf(w, "\n%-104s %9s %9s %9s %13s\n", "control plane", "least", "median", "99 of 100", "budget")
	for _, f := range figures {
		least, all := slices.Min(f.values), slices.Sorted(slices.Values(f.values))
		worst := all[(len(all)*99-1)/100]
		judged := least
		if f.worst {
			judged = worst
		}
		budget := fmt.Sprintf("%10s %s", "-", f.unit)
		if f.budget > 0 {
			budget = fmt.Sprintf("%10.2f %s%s", f.budget, f.unit, over(judged > f.budget))
		}
		fmt.Fprintf(w, "%-104s %9.2f %9.2f %9.2f %s\n", f.name, least, middle(all), worst, budget)
	}
}
