package command

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
	"hairpin/engine/capture"
)

// captureEvery is how often a capture is read.
const captureEvery = 200 * time.Millisecond

func newCapture(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "capture [FILTER...]",
		Short: "Copy packets as they come into the chains and as they leave them",
		Long: `Capture prints packets as they come into a chain and as they leave it, with the
verdict and the reason, or writes them as pcapng. Filters are those of firewall
rules, and ask besides how a packet left and for the headers of tunnels:

  hairpin capture vip web and reason no_backend
  hairpin capture 'tcp[tcpflags] & tcp-rst != 0 and backend 10.1.1.11'
  hairpin capture outer dst host 10.1.1.11 and inner port 80
  hairpin capture --snap 2048 -w web.pcapng vip web

It ends by itself: after 10,000 records, 16 MB or a minute, unless flags say
otherwise, and with this command, also when that or the engine is killed. What it
costs is said at the end. It needs root, the engine's user or the group hairpin,
because it shows what clients send; without --snap only headers are copied.`,
	}
	show := outputFlag(c)
	var r engine.CaptureRequest
	f := c.Flags()
	f.StringVar(&r.NIC, "nic", "", "only this `NIC`")
	f.StringVar(&r.Hook, "hook", "", "only this `HOOK`: xdp, tcx_ingress, tcx_egress")
	f.BoolVar(&r.Came, "came", false, "frames as they come; this or --left alone leaves out the other")
	f.BoolVar(&r.Left, "left", false, "frames as they leave")
	f.StringVar(&r.After, "after", "", "frames behind this `STAGE`, where they pass it")
	f.IntVar(&r.OneIn, "sample", 1, "look at one packet of `N`")
	f.IntVar(&r.Snap, "snap", 0, "`BYTES` of a frame, 2048 at most; 0 = its headers")
	f.Uint64Var(&r.Most, "packets", engine.DefaultCapture, "end after `N` records")
	f.Uint64Var(&r.Bytes, "bytes", engine.DefaultCaptureBytes, "end after so many `BYTES` of records")
	f.DurationVar(&r.For, "for", engine.DefaultCaptureTime, "end after this `TIME`")
	file := f.StringP("write", "w", "", "write pcapng to `FILE`; - is the standard output")
	whole := f.BoolP("hex", "x", false, "show every header and the bytes")
	c.RunE = func(c *cobra.Command, args []string) error {
		r.Filter = strings.Join(args, " ")
		if err := r.Check(); err != nil {
			return &failure{exitUsage, err, ""}
		}
		sink, err := t.sink(*file, *show, *whole)
		if err != nil {
			return err
		}
		return t.capture(c.Context(), r, sink)
	}
	return c
}

// sink is where records go.
type sink struct {
	flush func() error
	write func(*engine.CaptureRecord) error
	close func() error
}

func (t *tree) sink(file string, form output, whole bool) (sink, error) {
	out, shut := t.Stdout, func() error { return nil }
	if file != "" && file != "-" {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) // it may hold what clients sent
		if err != nil {
			return sink{}, err
		}
		out, shut = f, f.Close
	}
	b := bufio.NewWriter(out)
	s := sink{flush: b.Flush, close: func() error {
		err := b.Flush()
		if closeErr := shut(); err == nil {
			err = closeErr
		}
		return err
	}}
	switch {
	case file != "":
		w, err := capture.NewWriter(b, "hairpin "+t.Version)
		if err != nil {
			return sink{}, err
		}
		s.write = w.Write
	case form == "json":
		lines := json.NewEncoder(b)
		s.write = func(r *engine.CaptureRecord) error { return lines.Encode(r) }
	default:
		s.write = func(r *engine.CaptureRecord) error { return writeRecord(b, r, whole) }
	}
	return s, nil
}

// writeRecord is a record as text: a line, or everything.
func writeRecord(w io.Writer, r *engine.CaptureRecord, whole bool) error {
	if whole {
		_, err := fmt.Fprintln(w, strings.Join(r.Describe(), "\n")+"\n")
		return err
	}
	_, err := fmt.Fprintf(w, "%s %-5s %-10s %s  %s\n", r.Time.Format("15:04:05.000000"), r.Point, r.NIC, r.Line(), r.Comment())
	return err
}

// capture has packets copied to s until the capture ends, or ctx does.
func (t *tree) capture(ctx context.Context, r engine.CaptureRequest, s sink) (err error) {
	defer func() {
		if closeErr := s.close(); err == nil {
			err = closeErr
		}
	}()
	n, err := t.dial(ctx, t.paths)
	if err != nil {
		return err
	}
	defer n.Close()
	id, err := n.Capture(ctx, r)
	if err != nil {
		return err
	}
	after := context.WithoutCancel(ctx)
	defer func() { _ = n.EndCapture(after, id) }() // else it ends by itself, a few seconds later
	last, err := t.readCapture(ctx, n, id, s)
	if err == nil {
		fmt.Fprintln(t.Stderr, summed(last))
	}
	return err
}

// readCapture reads a capture until it or ctx has ended, and once more then: what was taken last is still on its way.
func (t *tree) readCapture(ctx context.Context, n engine.Node, id int, s sink) (engine.CaptureStatus, error) {
	for ended := false; ; {
		c, err := n.Captured(context.WithoutCancel(ctx), id)
		if err != nil {
			return engine.CaptureStatus{}, err
		}
		for i := range c.Records {
			if err := s.write(&c.Records[i]); err != nil {
				return c.Status, fmt.Errorf("write what was captured: %w", err)
			}
		}
		if err := s.flush(); err != nil {
			return c.Status, fmt.Errorf("write what was captured: %w", err)
		}
		if ended && (ctx.Err() != nil || len(c.Records) == 0) {
			return c.Status, nil
		}
		until := ctx.Done()
		if ended = c.Status.Over != "" || ctx.Err() != nil; ended {
			until = nil
		}
		select {
		case <-until:
			ended = true
		case <-t.after(captureEvery):
		}
	}
}

// summed is what a capture came to.
func summed(s engine.CaptureStatus) string {
	text := fmt.Sprintf("%d records, %d bytes, %d lost", s.Packets, s.Bytes, s.Lost)
	if s.Torn > 0 {
		text += fmt.Sprintf(", %d packets overtaken by others and in no record", s.Torn)
	}
	if s.Over != "" {
		text += "; " + s.Over
	}
	text += fmt.Sprintf("; %d packets came by", s.Seen)
	if s.NS > 0 {
		text += fmt.Sprintf(", looking cost %.0f ns each", s.NS)
	}
	return text
}
