package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

// sampleFor is how long packets are sampled unless somebody says otherwise.
const sampleFor = 3 * time.Second

func newConnections(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "connections [FILTER...]",
		Short: "Show who talks most through this node, and over which connections",
		Long: `Connections samples the packets of all chains for some seconds and prints who sends
most, by source, prefix (/24, /48), VIP or backend, and the connections with most
packets. All are estimates: behind ± stands how far a rate may be off, which 997 of
1000 samples keep. Memory is bounded; what looking costs is said. Whoever may only
look may ask too, as often as he likes: answers take their turns, and a fifth of one
CPU at most.

Filters choose connections: hairpin connections vip web and not port 443

With --at or --file it prints who sent most at an earlier time: the engine looks
for a second of each minute where nobody else does.

With --sockets it lists the TCP connections that end on this host instead of
sampling alone, as its sockets know them: bytes, retransmits, round trip time.`,
	}
	show := outputFlag(c)
	var r engine.ConnectionsRequest
	f := c.Flags()
	f.StringVar(&r.By, "by", "source", "tell talkers apart by `WHAT`: source, prefix, vip, backend")
	f.StringVar(&r.Sort, "sort", "packets", "those first that have most `OF`: packets, bytes, new")
	f.StringVar(&r.Group, "group", "", "put connections together by `WHAT`: source, prefix, vip, backend")
	f.IntVar(&r.Most, "rows", 20, "at most `N` rows of each list")
	f.BoolVar(&r.Sockets, "sockets", false, "also the connections that end on this host")
	over := f.Duration("for", sampleFor, "sample for this `TIME`")
	var past pastFlags
	past.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		r.Filter = strings.Join(args, " ")
		for _, w := range []struct {
			flag, is string
			of       []string
		}{{"by", r.By, engine.TalkersBy()}, {"sort", r.Sort, engine.TalkersSort()}, {"group", r.Group, append(engine.TalkersBy(), "")}} {
			if !slices.Contains(w.of, w.is) {
				return &failure{exitUsage, fmt.Errorf("--%s: %q is not one of %s", w.flag, w.is, strings.TrimSpace(strings.Join(w.of, " "))), ""}
			}
		}
		if err := engine.CheckFlowFilter(r.Filter); err != nil {
			return &failure{exitUsage, fmt.Errorf("filter: %w", err), ""}
		}
		if past.asked() {
			s, _, err := t.then(c.Context(), &past)
			if err != nil {
				return err
			}
			if s.Talkers == nil {
				return errors.New("who sent most at that time is not recorded: little came, or the engine had just begun")
			}
			return show.print(t.Stdout, s.Talkers, func() error { return writeTalkers(t.Stdout, "source", s.Talkers) })
		}
		v, err := t.connections(c.Context(), r, *over)
		if err != nil {
			return err
		}
		return show.print(t.Stdout, v, func() error { return writeConnections(t.Stdout, v, r) })
	}
	return c
}

// connections asks as long as samples are to be taken, so that they are.
func (t *tree) connections(ctx context.Context, r engine.ConnectionsRequest, over time.Duration) (*engine.Connections, error) {
	n, err := t.dial(ctx, t.paths)
	if err != nil {
		return nil, err
	}
	defer n.Close()
	if _, err := n.Connections(ctx, r); err != nil {
		return nil, err
	}
	for left := over; left > 0; left -= time.Second {
		select {
		case <-t.after(min(left, time.Second)):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if _, err := n.Connections(ctx, r); err != nil {
			return nil, err
		}
	}
	return n.Connections(ctx, r)
}

// writeConnections is c as text.
func writeConnections(out io.Writer, c *engine.Connections, r engine.ConnectionsRequest) error {
	fmt.Fprintf(out, "1 of %d packets sampled, 1 of %d new connections, over %s; %s packets/s came by", c.OneIn, c.OneInNew, seconds(c.Over), number(c.PPS))
	if c.NS > 0 {
		fmt.Fprintf(out, ", looking costs %.0f ns each", c.NS)
	}
	fmt.Fprintln(out)
	if c.Cut || c.Lost > 0 {
		fmt.Fprintf(out, "samples were left out: rates are lower bounds (%d lost)\n", c.Lost)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	writeTop(w, r.By, c.Talkers)
	writeFlows(w, c)
	if r.Sockets {
		fmt.Fprintf(w, "\nLOCAL\tREMOTE\tSTATE\tRECEIVED\tACKED\tRETRANSMITS\tRTT\n")
		for _, s := range c.Sockets {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%s\n", s.Local, s.Remote, s.State, s.Received, s.Acked, s.Retransmits, s.RTT)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%d of the %d connections that were seen in the last minute are wanted", c.Wanted, c.Known)
	if c.Settling > 0 {
		fmt.Fprintf(out, "; %d are remembered until their VIPs have settled", c.Settling)
	}
	if r.Sockets {
		fmt.Fprintf(out, "; %d sockets are connected here", c.SocketsOpen)
	}
	_, err := fmt.Fprintln(out)
	return err
}

// writeTalkers is who sent most at an earlier time.
func writeTalkers(out io.Writer, by string, v *engine.Talkers) error {
	fmt.Fprintf(out, "at %s, 1 of %d packets sampled over %s\n", v.Time.Format(time.DateTime), v.OneIn, seconds(v.Over))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	writeTop(w, by, v.List)
	return w.Flush()
}

func writeTop(w io.Writer, by string, list []engine.Talker) {
	fmt.Fprintf(w, "\n%s\tPACKETS/s\t±\tBYTES/s\t±\tNEW/s\t±\n", strings.ToUpper(by))
	for _, t := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.Name, number(t.PPS), number(t.PPSOff), number(t.BPS), number(t.BPSOff), number(t.New), number(t.NewOff))
	}
	if len(list) == 0 {
		fmt.Fprintln(w, "nobody was seen")
	}
}

func writeFlows(w io.Writer, c *engine.Connections) {
	if len(c.Flows) == 0 {
		return
	}
	if c.Flows[0].Group != "" {
		fmt.Fprintf(w, "\nGROUP\tCONNECTIONS\tPACKETS\tBYTES\tAGE\n")
	} else {
		fmt.Fprintf(w, "\nPROTO\tSOURCE\tDESTINATION\tVIP\tBACKEND\tSTATE\tLEFT\tPACKETS\tAGE\n")
	}
	for _, f := range c.Flows {
		age := seconds(c.Time.Sub(f.First))
		if f.Group != "" {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", f.Group, f.Flows, number(f.Packets), number(f.Bytes), age)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", protocolName(f.Protocol), f.Src, f.Dst, orDash(f.VIP), addressOrDash(f.Backend), f.State, f.Reason,
			number(f.Packets), age)
	}
}

func protocolName(p uint8) string {
	if name, ok := map[uint8]string{1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6"}[p]; ok {
		return name
	}
	return fmt.Sprint(p)
}

func addressOrDash(a netip.Addr) string {
	if !a.IsValid() {
		return "-"
	}
	return a.String()
}

func seconds(d time.Duration) string { return d.Round(time.Second).String() }

// number is an estimate with three digits, which is more than it is known to.
func number(v float64) string {
	for _, unit := range []struct {
		from float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= unit.from {
			return fmt.Sprintf("%.3g%s", v/unit.from, unit.name)
		}
	}
	return fmt.Sprintf("%.3g", v)
}
