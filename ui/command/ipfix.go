package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
	"hairpin/engine/ipfix"
	"hairpin/engine/spec"
)

func newIPFIX(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "ipfix HOST:PORT [FILTER...]",
		Short: "Send flow records of what comes into the chains to a collector",
		Long: `IPFIX looks at one packet of so many as they come into the chains, adds them up
to flows, and sends records by UDP to a collector (RFC 7011), until it is
interrupted. Tunnelled packets count as the flow inside. Counts are of the
packets that were looked at: each record has the rate (elements 305 and 306), and
so have the options. Where both directions come by, as on a backend with chains
at both hooks, they are one record (RFC 5103); else it has the direction.

Where the engine ends or is handed over it goes on with the next one, with the
same sequence numbers: a collector sees a gap in the flows, and no restart.

A flow is told after 15 s of silence, after its FIN or RST, and every minute.
Flows are told apart by the whole of their keys. It is a capture: it needs root,
the engine's user or the group hairpin, and costs what "hairpin capture" says.`,
		Args: usage(cobra.MinimumNArgs(1)),
	}
	r := engine.CaptureRequest{Came: true, Most: engine.MaxCapture, Bytes: engine.MaxCaptureBytes, For: engine.MaxCaptureTime}
	c.Flags().StringVar(&r.NIC, "nic", "", "only this `NIC`")
	c.Flags().IntVar(&r.OneIn, "sample", 1000, "look at one packet of `N`")
	c.RunE = func(c *cobra.Command, args []string) error {
		r.Filter = strings.Join(args[1:], " ")
		if err := engine.CheckCaptureFilter(r.Filter); err != nil {
			return &failure{exitUsage, fmt.Errorf("filter: %w", err), ""}
		}
		if r.OneIn < 1 {
			return &failure{exitUsage, fmt.Errorf("one packet of %d is none", r.OneIn), "--sample 1 looks at all"}
		}
		if _, _, err := net.SplitHostPort(args[0]); err != nil {
			return &failure{exitUsage, fmt.Errorf("collector %q: %w", args[0], err), "such as 192.0.2.1:4739"}
		}
		out, err := net.Dial("udp", args[0])
		if err != nil {
			return fmt.Errorf("collector: %w", err)
		}
		defer out.Close()
		return t.exportFlows(c.Context(), r, ipfix.NewExporter(out, observationDomain, uint32(r.OneIn)))
	}
	return c
}

// observationDomain is the only one of a node: its chains.
const observationDomain = 1

// flows is what becomes of packets on their way to a collector.
type flows struct {
	cache  *ipfix.Cache
	out    *ipfix.Exporter
	nics   map[string]uint32
	ports  []uint16 // of GUE
	sent   time.Time
	now    func() time.Time
	failed error // why the last records could not be sent
}

// exportFlows captures and exports until ctx ends. A capture that comes to its bounds is followed by another.
func (t *tree) exportFlows(ctx context.Context, r engine.CaptureRequest, out *ipfix.Exporter) error {
	n, err := t.dial(ctx, t.paths)
	if err != nil {
		return err
	}
	f := &flows{cache: ipfix.NewCache(), out: out, now: t.now}
	for ctx.Err() == nil && err == nil {
		f.know(n.State())
		var began bool
		if began, err = t.exportOnce(ctx, n, r, f); err != nil && began && ctx.Err() == nil {
			n, err = t.nextEngine(ctx, n, f, err)
		}
	}
	n.Close()
	if sendErr := f.out.Export(f.now(), f.cache.Flush()); sendErr != nil {
		f.failed = sendErr
	}
	fmt.Fprintf(t.Stderr, "%d records in %d messages; %d records not sent, %d packets of no flow or lost on their way\n", out.Records, out.Messages,
		out.Unsent, out.Ignored)
	return errors.Join(err, f.failed)
}

// nextEngine waits for the engine after the one of n, telling meanwhile what was seen until then.
func (t *tree) nextEngine(ctx context.Context, n engine.Node, f *flows, why error) (engine.Node, error) {
	n.Close()
	fmt.Fprintf(t.Stderr, "hairpin: %v; waiting for the next engine\n", why)
	for {
		select {
		case <-ctx.Done():
			return n, nil
		case <-t.after(time.Second):
		}
		_ = f.send() // says what failed itself
		next, err := t.dial(ctx, t.paths)
		if err == nil {
			return next, nil
		}
		if !errors.Is(err, engine.ErrNoOwner) {
			return n, err
		}
	}
}

// exportOnce is one capture. It tells too whether that began.
func (t *tree) exportOnce(ctx context.Context, n engine.Node, r engine.CaptureRequest, f *flows) (began bool, err error) {
	id, err := n.Capture(ctx, r)
	if err != nil {
		return false, err
	}
	defer func() { _ = n.EndCapture(context.WithoutCancel(ctx), id) }() // else it ends by itself, a few seconds later
	last, err := t.readCapture(ctx, n, id, sink{write: f.add, flush: f.send})
	f.out.Ignored += last.Lost + last.Torn
	return true, err
}

// know learns what NICs are called and where tunnels end.
func (f *flows) know(s *engine.State) {
	f.nics = map[string]uint32{}
	for _, n := range s.NICs {
		f.nics[n.Name] = uint32(n.Index)
	}
	f.ports = []uint16{spec.DefaultEncapPort}
	if s.Spec == nil {
		return
	}
	for _, v := range s.Spec.VIPs {
		f.ports = append(f.ports, v.EncapPort)
	}
	if s.Spec.Agent != nil {
		f.ports = append(f.ports, s.Spec.Agent.EncapPort)
	}
}

func (f *flows) add(r *engine.CaptureRecord) error {
	p, ok := ipfix.Of(r.Frame, f.ports...)
	if !ok {
		f.out.Ignored++
		return nil
	}
	p.Time, p.NIC, p.OneIn = r.Time, f.nics[r.NIC], uint32(max(r.OneIn, 1))
	f.cache.Add(p)
	return nil
}

// send exports what is due, once a second. A collector that is away is no reason to end: what it misses is counted.
func (f *flows) send() error {
	if now := f.now(); now.Sub(f.sent) >= time.Second {
		f.sent = now
		f.failed = f.out.Export(now, f.cache.Due(now))
	}
	return nil
}
