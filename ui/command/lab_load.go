package command

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine/lab"
)

func newLabLoad(o *labFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "load",
		Short: "Put a bounded load on the lab's VIPs, and count what fails",
		Long: `Load asks the VIPs from the client, over IPv4 and IPv6 and from eight addresses of
each: new HTTP connections at a rate, connections that are kept and ask again
and again, and UDP datagrams. It ends with code 1 if one request failed, was
answered by another backend on a kept connection, or was reset.`,
		Args: usage(cobra.NoArgs),
	}
	var load lab.LoadConfig
	f := c.Flags()
	f.DurationVar(&load.For, "for", 30*time.Second, fmt.Sprintf("`TIME` that it lasts, at most %v", lab.MaxLoad))
	f.IntVar(&load.New, "http", 200, "new connections per second")
	f.IntVar(&load.Count, "count", 0, "end after that many new connections")
	f.IntVar(&load.Kept, "keepalive", 32, "connections that are kept")
	f.DurationVar(&load.Pace, "pace", 100*time.Millisecond, "`TIME` from an answer to the next question on a kept connection")
	f.IntVar(&load.Datagrams, "udp", 100, "datagrams per second")
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		l, err := openLab(o.name)
		if err != nil {
			return err
		}
		if !l.Inside(lab.Client) { // become a process of the client's, so that "lab down" finds it
			return l.Exec(lab.Client, append([]string{"hairpin"}, os.Args[1:]...)...)
		}
		r, err := l.Load(c.Context(), load)
		if err != nil {
			return err
		}
		if err := output.print(c.OutOrStdout(), r, func() error { return printLoad(c.OutOrStdout(), r) }); err != nil {
			return err
		}
		return judge(r)
	}
	return c
}

// judge is an error when the load met with something that a client would notice.
func judge(r lab.LoadResult) error {
	asked := r.New.Asked + r.Kept.Asked + r.Echo.Asked
	switch {
	case r.Failed() > 0:
		return fmt.Errorf("load: %d of %d requests failed", r.Failed(), asked)
	case r.Kept.Moved > 0:
		return fmt.Errorf("load: %d answers on kept connections came from another backend", r.Kept.Moved)
	case r.New.Answered+r.Kept.Answered+r.Echo.Answered == 0:
		return errors.New("load: nothing was asked")
	}
	return nil
}

func printLoad(out io.Writer, r lab.LoadResult) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\tASKED\tANSWERED\tFAILED\tRESENT\tMOVED\tRATE\tP50\tP90\tP99\tMAX")
	rows := []struct {
		name string
		lab.Tally
	}{{"new", r.New}, {"kept", r.Kept}, {"udp", r.Echo}}
	for _, t := range rows {
		q := t.Latency
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%.0f/s\t%v\t%v\t%v\t%v\n", t.name, t.Asked, t.Answered, t.Failed, t.Resent, t.Moved,
			float64(t.Answered)/r.Took.Seconds(), short(q.P50), short(q.P90), short(q.P99), short(q.Max))
	}
	fmt.Fprintln(w, "\nBACKEND\tNEW\tKEPT\tUDP")
	for _, b := range backendsOf(r) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", b, r.New.Answers[b], r.Kept.Answers[b], r.Echo.Answers[b])
	}
	if r.Reset > 0 {
		fmt.Fprintf(w, "\n%d kept connections were reset\n", r.Reset)
	}
	if r.Skipped > 0 {
		fmt.Fprintf(w, "\n%d requests were not sent: this machine could not keep up\n", r.Skipped)
	}
	for _, t := range rows {
		for _, e := range t.Errors {
			fmt.Fprintf(w, "%s: %s\n", t.name, e)
		}
	}
	return w.Flush()
}

// backendsOf are all that answered, shorter names first: backend2 before backend10.
func backendsOf(r lab.LoadResult) []string {
	all := map[string]bool{}
	for _, answers := range []map[string]uint64{r.New.Answers, r.Kept.Answers, r.Echo.Answers} {
		for b := range answers {
			all[b] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
}

// short is a latency with three digits.
func short(d time.Duration) time.Duration {
	unit := time.Microsecond
	for d >= 1000*unit {
		unit *= 10
	}
	return d.Round(unit)
}
