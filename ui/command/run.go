package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"hairpin/engine"
	"hairpin/engine/spec"
)

func newRun(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the engine without a screen",
		Long: `Run owns the node's data path until SIGTERM or SIGINT: it adopts what it finds
in the kernel, follows neighbours and NICs, and answers consoles and commands.
When it ends, packets keep flowing by the last configuration. At SIGUSR2 it
hands the node over to the program that is now at the path it was started from,
and ends: see "hairpin handoff --help".

After a reboot it brings back what was confirmed last; on a node where no spec
was ever applied, spec.yaml of the config folder. Later changes go through
"hairpin apply".

Root and the members of the group hairpin may look at the node and, one at a
time, change it. If there is no such group when it starts, only root may.`,
		Args: usage(cobra.NoArgs),
	}
	observersFlag(c, t)
	metricsFlag(c, t)
	storeFlag(c, t)
	stream := c.Flags().Int("succeed", 0, "take the node over from the engine at the other end of descriptor `FD`")
	_ = c.Flags().MarkHidden("succeed") // it is for engines; it exists, so it can be hidden
	c.RunE = func(c *cobra.Command, _ []string) error {
		if c.Flags().Changed("succeed") && *stream < 3 {
			return &failure{exitUsage, fmt.Errorf("--succeed %d is no stream that an engine left", *stream), `it is for engines; use "hairpin handoff"`}
		}
		if err := t.readStore(); err != nil {
			return err
		}
		return t.run(c.Context(), uintptr(*stream))
	}
	return c
}

// run is the engine until ctx ends or another process has the node. stream is the descriptor of the engine that it succeeds;
// 0 = none.
func (t *tree) run(ctx context.Context, stream uintptr) (err error) {
	log := slog.New(slog.NewTextHandler(t.Stderr, &slog.HandlerOptions{ReplaceAttr: journalTime}))
	upgrades := make(chan os.Signal, 1)
	signal.Notify(upgrades, unix.SIGUSR2)
	defer signal.Stop(upgrades)
	n, l, err := t.begin(ctx, log, stream)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	defer t.serveMetrics(ctx, log, l, stream != 0, n)()
	tell := func(state string) {
		if err := notify(state); err != nil {
			log.Warn("the supervisor was not told", "what", state, "error", err)
		}
	}
	t.compareSpec(n.State().Spec, log)
	tell("READY=1")
	alive := heartbeat(tell)
	for changed := n.Changed(); ; {
		select {
		case <-ctx.Done():
			tell("STOPPING=1")
			log.Info("engine ends, the data path stays")
			return nil
		case <-upgrades:
			if err := upgrade(ctx, n); err != nil {
				log.Error("not handed over", "error", err)
			}
		case _, open := <-changed:
			if !open {
				return t.left(n.State().Handoff, tell)
			}
			alive(n.State())
		}
	}
}

// begin opens the engine, and first where its metrics are served. A successor does that later, when it is free.
func (t *tree) begin(ctx context.Context, log *slog.Logger, stream uintptr) (engine.Node, net.Listener, error) {
	if stream != 0 {
		n, err := t.succeed(ctx, t.engine(log), stream)
		return n, nil, err
	}
	l, err := t.listen(ctx, log, false)
	if err != nil {
		return nil, nil, err
	}
	n, err := t.open(ctx, t.engine(log))
	if err != nil && l != nil {
		_ = l.Close()
	}
	return n, l, err
}

// upgrade hands the node over to the program that is now where this one was. Whoever is armed is not disturbed.
func upgrade(ctx context.Context, n engine.Node) error {
	const who, why = "SIGUSR2", "upgrade"
	if err := n.Arm(ctx, engine.ArmRequest{Who: who, Why: why}); err != nil {
		return err
	}
	if err := n.Handoff(ctx, engine.HandoffRequest{Who: who, Why: why}); err != nil {
		return errors.Join(err, n.Disarm(ctx))
	}
	return nil
}

// supervisorPatience is how long the supervisor may take to learn whose process it looks after from now on.
const supervisorPatience = 5 * time.Second

// left ends a process that has handed the node over.
func (t *tree) left(h *engine.Handoff, tell func(string)) error {
	if h == nil || h.Outcome != engine.HandoffConfirmed || !h.Started {
		return nil // why is the node's to say, and a console is not the supervisor's to look after
	}
	tell(fmt.Sprintf("MAINPID=%d", h.To.PID))
	return notifyDone(supervisorPatience)
}

// compareSpec says when the operator's file is not what runs. A start does not apply it: that would change what a person
// confirmed.
func (t *tree) compareSpec(running *spec.Spec, log *slog.Logger) {
	file := t.paths.SpecFile()
	s, err := t.readSpec(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if running == nil {
			log.Info("nothing was ever applied", "cure", "hairpin apply -f FILE")
		}
	case err != nil:
		log.Warn("what runs stays, the file is not valid", "file", file, "error", err)
	case !s.Equal(running):
		log.Warn("what runs stays, the file says something else", "file", file, "compare", "hairpin plan -f "+file)
	}
}

// journalTime drops the time where systemd's journal writes its own.
func journalTime(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && len(groups) == 0 && os.Getenv("JOURNAL_STREAM") != "" {
		return slog.Attr{}
	}
	return a
}
