package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

// labFlags are what the ways to bring a lab up have in common.
type labFlags struct {
	name     string
	backends int
	nodes    int
	router   string
	store    string
	bfd      string
	secret   string
	agents   bool
	snat     bool
	quiet    bool
	scenario string
}

func newLab() *cobra.Command {
	var o labFlags
	c := &cobra.Command{
		Use:   "lab",
		Short: "A whole load-balancer network on this machine, and the console on its lb",
		Long: `Lab builds a client, a router, a load balancer and backends from network
namespaces, lets real TCP and UDP flow through them, and opens the console on
lb, armed. When the console ends, the lab goes, unless --keep says otherwise.

It touches no interface, address or pin of this machine: the namespaces are
hairpin-NAME-NODE, everything else is in /run/hairpin-lab/NAME.`,
		Args: usage(cobra.NoArgs),
	}
	c.PersistentFlags().StringVar(&o.name, "name", lab.DefaultName, "`NAME` of the lab; several may be up")
	o.register(c)
	keep := c.Flags().Bool("keep", false, "leave the lab up when the console ends")
	c.RunE = func(c *cobra.Command, _ []string) error { return labConsole(c, o, *keep) }
	c.AddCommand(newLabUp(&o), newLabDown(&o), newLabExec(&o), newLabLoad(&o), newLabStatus(&o), newLabServe(&o), newLabRouter(&o),
		newLabScenarios(), newLabSolve(&o), newLabPlay(&o))
	return c
}

func (o *labFlags) register(c *cobra.Command) {
	c.Flags().IntVar(&o.backends, "backends", 0, fmt.Sprintf("`NUMBER` of backends, 1 to %d (default %d)", lab.MaxBackends, lab.DefaultBackends))
	c.Flags().IntVar(&o.nodes, "nodes", 0, fmt.Sprintf("`NUMBER` of load balancers, 1 to %d (default 1): lb, lb2, lb3 ...", lab.MaxBalancers))
	c.Flags().StringVar(&o.router, "router", "", "what hears several nodes: `bird`, frr or builtin (default bird where it is installed, else builtin)")
	c.Flags().StringVar(&o.store, "store", "", "what keeps one spec for all nodes, on a node of its own: `etcd` (Debian package etcd-server; default none)")
	c.Flags().StringVar(&o.bfd, "bfd", "", "have router and nodes watch each other by BFD, and the router `drop` or keep the routes of one that is not heard")
	c.Flags().StringVar(&o.secret, "password", "", "`PASSWORD` of all BGP sessions")
	c.Flags().BoolVar(&o.agents, "agents", false, "limit connections by what the backends' agents report")
	c.Flags().BoolVar(&o.snat, "snat", false, "backends whose servers know nothing of the VIPs: their agents translate")
	c.Flags().BoolVar(&o.quiet, "quiet", false, "no load in the background")
	o.registerScenario(c)
}

func newLabUp(o *labFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "up",
		Short: "Build the lab, with engines on lb and on the backends",
		Long: `Up builds the lab and starts "hairpin run" on lb and on the backends. A lab that
is up already stays as it is; what has died in it is started again.

A gentle load runs in the background for an hour at most, unless --quiet.`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			start := time.Now()
			l, err := o.up(c.Context(), lab.LB)
			if err != nil {
				return err
			}
			if err := o.play(c.Context(), l); err != nil {
				return err
			}
			several := ""
			if n := len(l.Balancers()); n > 1 {
				several = fmt.Sprintf("%d load balancers behind the router %s, and ", n, l.Router())
			}
			fmt.Fprintf(c.OutOrStdout(), "lab %s is up with %s%d backends after %v\n", l.Name(), several, l.Backends(), time.Since(start).Round(time.Millisecond))
			if l.Store() != "" {
				fmt.Fprintf(c.OutOrStdout(), "their spec is in %s; its document for edits: %s\n", l.StoreAddress(), l.DocumentFile())
			}
			return nil
		},
	}
	o.register(c)
	return c
}

// up brings the lab up, with engines on the backends and on the further nodes.
func (o *labFlags) up(ctx context.Context, engines ...string) (*lab.Lab, error) {
	if err := o.fresh(); err != nil {
		return nil, err
	}
	l, err := lab.Up(ctx, lab.Config{Name: o.name, Backends: o.backends, Nodes: o.nodes, Router: lab.Kind(o.router), Store: lab.Keeper(o.store),
		Peering: lab.Peering{BFD: lab.BFD(o.bfd), Secret: o.secret}})
	if err != nil {
		return nil, err
	}
	edit, err := o.prepare(l)
	if err != nil {
		return nil, err
	}
	edits := []func(*spec.Spec) error{l.CheckBackends, edit}
	if o.agents {
		edits = append(edits, l.CountByAgents)
	}
	if o.snat {
		if err := l.Translate(edits...); err != nil {
			return nil, err
		}
	}
	if err := l.WriteSpecs(edits...); err != nil {
		return nil, err
	}
	engines = append(engines, l.Balancers()[1:]...)
	announced := slices.Clone(engines)
	for i := 1; i <= l.Backends(); i++ {
		engines = append(engines, lab.Backend(i))
	}
	if err := l.StartEngine(ctx, engines...); err != nil {
		return nil, err
	}
	if err := l.Agree(ctx, engines[len(engines)-1]); err != nil {
		return nil, err
	}
	if err := l.AwaitAnnounced(ctx, announced...); err != nil {
		return nil, err
	}
	if !o.quiet {
		err = l.StartLoad(ctx)
	}
	return l, err
}

func newLabRouter(o *labFlags) *cobra.Command {
	return &cobra.Command{
		Use:    "router NODES",
		Short:  "Hear so many load balancers on the router, as part of a lab",
		Hidden: true,
		Args:   usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[0])
			if err != nil {
				return err
			}
			return lab.Route(c.Context(), o.name, n)
		},
	}
}

func newLabDown(o *labFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Remove the lab, or what is left of one",
		Args:  usage(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return lab.Down(c.Context(), o.name) },
	}
}

// labConsole is a lab that lives as long as a console on its lb.
func labConsole(c *cobra.Command, o labFlags, keep bool) (err error) {
	in, ok := c.InOrStdin().(*os.File)
	if !ok || !isTerminal(in) {
		return &failure{exitUsage, errors.New("the lab's console needs a terminal"), `"hairpin lab up" builds the lab without one`}
	}
	// A terminal that goes takes the console along, not the way down.
	ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := o.fresh(); err != nil { // before the way down is promised: it may be somebody else's
		return err
	}
	var engines []string
	if o.scenario != "" {
		engines = []string{lab.LB} // a process beside the console, as on a real node
	}
	defer func() {
		if !keep {
			err = errors.Join(err, lab.Down(context.WithoutCancel(ctx), o.name))
		}
	}()
	l, err := o.up(ctx, engines...)
	if err != nil {
		return err
	}
	if err := o.play(ctx, l); err != nil {
		return err
	}
	killed, err := o.console(ctx, l, in)
	if killed {
		keep = true // the lab is there to show that nothing is lost by that
		fmt.Fprintf(c.OutOrStdout(), "The console was killed; packets go on flowing. \"hairpin lab%[1]s\" opens it again, \"hairpin lab down%[1]s\" removes the lab.\n",
			o.nameFlag())
	}
	return err
}

// nameFlag names the lab in a command line, where that is needed.
func (o *labFlags) nameFlag() string {
	if o.name == lab.DefaultName {
		return ""
	}
	return " --name " + o.name
}

// console runs the console on lb until it ends, and tells whether somebody killed it. One that was killed leaves the
// terminal as it was drawn on, so that is put right here.
func (o *labFlags) console(ctx context.Context, l *lab.Lab, in *os.File) (killed bool, err error) {
	before, err := term.GetState(int(in.Fd()))
	if err != nil {
		return false, fmt.Errorf("the lab's console needs a terminal: %w", err)
	}
	argv := []string{"hairpin", "--armed"}
	if o.scenario != "" {
		argv = argv[:1] // colleagues work on the node too
	}
	console := l.Command(lab.LB, argv...)
	console.Stdin, console.Stdout, console.Stderr = in, os.Stdout, os.Stderr
	if err := console.Start(); err != nil {
		return false, fmt.Errorf("open console: %w", err)
	}
	over := context.AfterFunc(ctx, func() { console.Process.Signal(syscall.SIGTERM) })
	defer over()
	err = console.Wait()
	if err == nil || ctx.Err() != nil {
		return false, nil
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled() {
		fmt.Fprint(os.Stdout, leaveScreen)
		return true, term.Restore(int(in.Fd()), before)
	}
	return false, fmt.Errorf("console on lb: %w", err)
}

// leaveScreen undoes what ui/term does to a terminal: it ends a frame, colours, the mouse, pasting and the alternate screen, wraps lines
// again and shows the cursor.
const leaveScreen = "\x1b[?2026l\x1b[0m\x1b[?1006l\x1b[?1000l\x1b[?2004l\x1b[?7h\x1b[?1049l\x1b[?25h"

func isTerminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

func newLabExec(o *labFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "exec HOST -- COMMAND...",
		Short: "Run a command in the network of a node",
		Long: `Exec becomes COMMAND in the network of HOST, with HOST's folders, socket and bpffs
in its environment: "hairpin lab exec lb -- hairpin status". The name hairpin
stands for the program that the lab runs. Files and mounts are the machine's.`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			l, err := openLab(o.name)
			if err != nil {
				return err
			}
			host, argv := args[0], args[1:]
			if len(argv) > 0 && argv[0] == "--" {
				argv = argv[1:]
			}
			return l.Exec(host, argv...)
		},
	}
	c.Flags().SetInterspersed(false) // flags behind HOST are the command's
	return c
}

// openLab says what to do where there is no lab.
func openLab(name string) (*lab.Lab, error) {
	l, err := lab.Open(name)
	if errors.Is(err, lab.ErrAbsent) {
		return nil, &failure{exitAbsent, err, `"hairpin lab up" builds one`}
	}
	return l, err
}

func newLabServe(o *labFlags) *cobra.Command {
	c := &cobra.Command{
		Use:    "serve BACKEND",
		Short:  "Serve HTTP and echo on a backend, as part of a lab",
		Hidden: true,
		Args:   usage(cobra.ExactArgs(1)),
	}
	ready := c.Flags().Int("ready", 0, "`DESCRIPTOR` that gets a line once it listens")
	c.RunE = func(c *cobra.Command, args []string) error {
		return lab.Serve(c.Context(), o.name, args[0], *ready)
	}
	return c
}
