package command

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"hairpin/engine/spec"
)

func newRun(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the engine without a screen",
		Long: `Run owns the node's data path until SIGTERM or SIGINT: it adopts what it finds
in the kernel, follows neighbours and NICs, and answers consoles and commands.
When it ends, packets keep flowing by the last configuration.

After a reboot it brings back what was confirmed last; on a node where no spec
was ever applied, spec.yaml of the config folder. Later changes go through
"hairpin apply".

Root and the members of the group hairpin may look at the node and, one at a
time, change it. If there is no such group when it starts, only root may.`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return t.run(c.Context()) },
	}
	observersFlag(c, t)
	return c
}

func (t *tree) run(ctx context.Context) (err error) {
	log := slog.New(slog.NewTextHandler(t.Stderr, &slog.HandlerOptions{ReplaceAttr: journalTime}))
	n, err := t.open(ctx, t.engine(log))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	t.compareSpec(n.State().Spec, log)
	<-ctx.Done()
	log.Info("engine ends, the data path stays")
	return nil
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
