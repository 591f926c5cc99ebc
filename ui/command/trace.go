package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

func newTrace(t *tree) *cobra.Command {
	var r tracing
	c := &cobra.Command{
		Use:   "trace PACKET | ssh | flows | --pcap FILE",
		Short: "Say what becomes of a packet, stage by stage, and send none",
		Long: `Trace runs a packet through the programs and maps of this node, built so that
they change and count nothing, and prints what each stage saw, decided and
cost, the frame that would leave, and the way that it would take.

PACKET is a line such as
  ` + engine.TraceExample + `
  udp [2001:db8::7]:53000 > [fd00:99::1]:53 len 40
  icmp 192.0.2.1 > 10.99.0.1 3/4 mtu 1400 [tcp 10.99.0.1:80 > 198.51.100.7:40000 A]
  gue 10.1.0.2:50000 > 10.1.1.11:6080 [tcp 198.51.100.7:1 > 10.99.0.1:80 A]
also with "vlan N" in front, and ttl N, len N, seq N, ack N, df, frag N+ behind;
or a frame in hexadecimal, also as "tcpdump -x" prints it. "ssh" is your own SSH session, and a new one from
where you are; "flows" is a packet of each connection that was sampled in the
last minute, or else in the next seconds: with --against it says for which of
them a change would matter.
--pcap takes the packets of a pcap or pcapng file, with - those that another
command writes, such as "tcpdump -c 100 -w -".

It judges by what runs; -f, --change and --confirmed by something else, and
--against by a second one, to see what differs. Nobody has to be armed; another
spec than the running one is tried only for those who may change the node.

-o json prints {time, on, against, packets: [...]}, a packet {packet, frame,
outcome, against, differs}: as a line and in base64, what becomes of it, the
same by --against, and in words what of it differs. An outcome has nic, hook,
verdict, reason, stage, why, cure, answered (by a reset), vip, backend, steps
({hook, position, name, kind, result, ns, facts}), out (the frame behind the
chain), leaves (in a line), way and facts ({name, value}), unsure, and error
where it could not be traced. Of more than 64 packets steps, frames and ways
are left out. Fields are added, and not renamed.`,
		Args: usage(cobra.MaximumNArgs(64)),
	}
	show := outputFlag(c)
	f := c.Flags()
	f.StringVarP(&r.file, "file", "f", "", "as if this spec were applied, a YAML `FILE` (- = stdin)")
	f.IntVar(&r.change, "change", 0, "as if the spec of that `CHANGE` of the history were applied")
	f.BoolVar(&r.confirmed, "confirmed", false, "by what the node goes back to, while a change waits")
	f.StringVar(&r.against, "against", "", "and by `WHAT`, to see what differs: running, confirmed, the number of a change, or a FILE")
	f.StringVar(&r.pcap, "pcap", "", "trace the packets of a capture `FILE` (- = stdin)")
	f.StringVar(&r.nic, "nic", "", "as if it came by this `NIC`")
	f.StringVar(&r.hook, "hook", "", "only through the chain at this `HOOK`: xdp, tcx_ingress, tcx_egress")
	c.RunE = func(c *cobra.Command, args []string) error {
		text := strings.TrimSpace(strings.Join(args, " "))
		if (text == "") == (r.pcap == "") {
			return &failure{exitUsage, errors.New("trace needs a packet, ssh, flows, or --pcap FILE"), fmt.Sprintf("\"hairpin trace '%s'\"", engine.TraceExample)}
		}
		request, note, err := r.request(t, text)
		if err != nil {
			return err
		}
		n, err := t.dial(c.Context(), t.paths)
		if err != nil {
			return err
		}
		defer n.Close()
		result, err := n.Trace(c.Context(), request)
		if err != nil {
			return err
		}
		if note != "" {
			fmt.Fprintf(t.Stderr, "hairpin: %s\n", note)
		}
		return show.print(t.Stdout, result, func() error { writeTrace(t.Stdout, result); return nil })
	}
	return c
}

// tracing is what the flags of trace say.
type tracing struct {
	file, against, pcap, nic, hook string
	change                         int
	confirmed                      bool
}

// request is what is asked, and what must be said about it besides.
func (r tracing) request(t *tree, text string) (q engine.TraceRequest, note string, err error) {
	q = engine.TraceRequest{Packet: text, NIC: r.nic, Hook: r.hook, On: engine.TraceOn{Change: r.change, Confirmed: r.confirmed}}
	switch r.hook {
	case "", "xdp", "tcx_ingress", "tcx_egress":
	default:
		return q, "", &failure{exitUsage, fmt.Errorf("no hook %q", r.hook), "it is xdp, tcx_ingress or tcx_egress"}
	}
	if text != "" {
		if err := engine.CheckPacket(text); err != nil {
			return q, "", &failure{exitUsage, err, `"hairpin trace --help" shows packets`}
		}
	}
	if r.file != "" {
		if q.On.Spec, err = t.readSpec(r.file); err != nil {
			return q, "", err
		}
	}
	if r.against != "" {
		if q.Against, err = t.traceOn(r.against); err != nil {
			return q, "", err
		}
	}
	if r.pcap != "" {
		q.Frames, note, err = t.readFrames(r.pcap)
	}
	return q, note, err
}

// traceOn is what --against names.
func (t *tree) traceOn(what string) (*engine.TraceOn, error) {
	if n, err := strconv.Atoi(what); err == nil {
		return &engine.TraceOn{Change: n}, nil
	}
	switch what {
	case "running":
		return &engine.TraceOn{}, nil
	case "confirmed":
		return &engine.TraceOn{Confirmed: true}, nil
	}
	s, err := t.readSpec(what)
	return &engine.TraceOn{Spec: s}, err
}

// readFrames are the packets of a capture file, and what they are not. Of a file that was cut off, as by a tcpdump that was killed, those
// before the end are taken.
func (t *tree) readFrames(file string) (frames [][]byte, note string, err error) {
	in := t.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, "", err
		}
		defer f.Close()
		in = f
	}
	frames, more, err := engine.ReadFrames(in, engine.MostTraced)
	switch {
	case err == nil && len(frames) == 0:
		err = errors.New("has no packets")
	case err != nil && len(frames) > 0:
		note, err = fmt.Sprintf("%s: %v: the %d before it are traced", file, err, len(frames)), nil
	case more:
		note = fmt.Sprintf("%s has more packets: the first %d are traced", file, engine.MostTraced)
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", file, err)
	}
	return frames, note, nil
}

// tracedWhole is of how few packets each is told in full.
const tracedWhole = 8

func writeTrace(w io.Writer, r *engine.Trace) {
	fmt.Fprintf(w, "on %s\n", r.On)
	if r.Against != "" {
		fmt.Fprintf(w, "against %s\n", r.Against)
	}
	if len(r.Packets) > tracedWhole {
		writeTraces(w, r)
		return
	}
	for _, p := range r.Packets {
		fmt.Fprintf(w, "\n%s\n", p.Packet)
		writeIndented(w, "  ", p.Now.Lines())
		if p.Then == nil {
			continue
		}
		if fmt.Fprintf(w, "\n  against %s: ", r.Against); p.Differs == "" {
			fmt.Fprintln(w, "the same")
			continue
		}
		fmt.Fprintln(w, p.Differs)
		writeIndented(w, "    ", p.Then.Lines())
	}
}

func writeIndented(w io.Writer, by string, lines []string) {
	for _, line := range lines {
		fmt.Fprintln(w, strings.TrimRight(by+line, " "))
	}
}
