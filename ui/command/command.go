// Package command is hairpin's command line: every verb that needs no screen, and the way into the console.
package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

// Env is what commands touch besides their arguments and the node.
type Env struct {
	Version  string
	Stdin    io.Reader
	Stdout   io.Writer
	Stderr   io.Writer
	Terminal bool // Stdin and Stdout are a terminal
	// Console shows n on the terminal until the operator quits or ctx ends. It does not close n.
	Console func(ctx context.Context, n engine.Node, o Console) error
}

// Console says how the console opens.
type Console struct {
	Armed  bool   // changes are allowed from the first key on
	Who    string // for the audit trail
	Config string // folder of keymap and themes

	Keymap, Theme, Glyphs string // empty = as the environment and the files say
}

// tree is what the commands of one run share.
type tree struct {
	Env
	engines
	paths     engine.Paths
	observers bool                                 // see observersFlag
	metrics   string                               // see metricsFlag
	store     string                               // see storeFlag
	storeAt   *engine.Store                        // what it names; nil = the file
	who       string                               // gives the commands
	after     func(time.Duration) <-chan time.Time // time.After
	now       func() time.Time                     // time.Now
}

// Main runs the command line args, without the program's name, and gives the process's exit code.
func Main(ctx context.Context, env Env, args []string) int {
	return execute(ctx, &tree{Env: env, engines: realEngines{}, who: operator(), after: time.After, now: time.Now}, args)
}

func execute(ctx context.Context, t *tree, args []string) int {
	root := newRoot(t)
	root.SetArgs(append([]string{}, args...)) // cobra takes the process's own arguments for nil
	root.SetIn(t.Stdin)
	root.SetOut(t.Stdout)
	root.SetErr(t.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	f := explained(err, os.Geteuid() == 0)
	for line := range strings.Lines(f.Error()) {
		fmt.Fprintf(t.Stderr, "hairpin: %s\n", strings.TrimSpace(line))
	}
	return f.code
}

func newRoot(t *tree) *cobra.Command {
	root := newConsole(t)
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &failure{exitUsage, err, `"` + c.CommandPath() + ` --help" shows the flags`}
	})
	pathFlags(root, &t.paths)
	root.AddCommand(
		newRun(t), newStatus(t), newPlan(t), newApply(t), newConfirm(t), newHistory(t), newRollback(t), newHandoff(t), newDisarm(t), newDetach(t), newSpec(t),
		newFound(t), newBGP(t), newDrain(t, false), newDrain(t, true), newFleet(t),
		newChain(t), newLimits(t), newTenants(t), newAgent(t), newSocket(t), newDrops(t), newTrace(t), newCapture(t), newDoctor(t), newRoute(t), newPaths(t), newEvents(t), newIPFIX(t), newRecord(t), newReplay(t),
		newConnections(t),
		newKeys(t), newThemes(t), newConfig(t), newSchema(t), newCompletion(t), newDocs(t),
		newLab(), newVersion(t), newPrivileges(t), newExitCodes(), newReasons())
	if err := t.complete(root, t.completers()); err != nil {
		panic(err) // a flag has two completions
	}
	return root
}

// pathFlags lets every command say where the node's files are; the environment gives the defaults.
func pathFlags(c *cobra.Command, p *engine.Paths) {
	*p = engine.DefaultPaths()
	f := c.PersistentFlags()
	f.StringVar(&p.Config, "config", p.Config, "`FOLDER` of spec, keymap and theme (HAIRPIN_CONFIG)")
	f.StringVar(&p.State, "state", p.State, "`FOLDER` of generations and history (HAIRPIN_STATE)")
	f.StringVar(&p.Run, "run", p.Run, "`FOLDER` of the engine's socket (HAIRPIN_RUN)")
	f.StringVar(&p.BPFFS, "bpffs", p.BPFFS, "`FOLDER` of a mounted bpffs (HAIRPIN_BPFFS)")
	f.StringVar(&p.Node, "node", p.Node, "`NAME` of this node (HAIRPIN_NODE)")
}

// operator names who gives the command, for the audit trail: the person behind sudo where there is one.
func operator() string {
	if who := os.Getenv("SUDO_USER"); who != "" {
		return who
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}
