// Hairpin is an L4 load balancer for one Linux node: its packets in the kernel, and a console to hold it by.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"hairpin/engine"
	"hairpin/ui/app"
	"hairpin/ui/command"
)

var version = "devel" // the Makefile has the linker write git's word here

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	context.AfterFunc(ctx, stop) // the second signal ends at once
	os.Exit(command.Main(ctx, command.Env{
		Version:  version,
		Stdin:    os.Stdin,
		Stdout:   os.Stdout,
		Stderr:   os.Stderr,
		Terminal: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())),
		Console:  console,
	}, os.Args[1:]))
}

func console(ctx context.Context, n engine.Node, o command.Console) error {
	return app.Run(ctx, n, app.Options{
		Armed: o.Armed, Who: o.Who, Config: o.Config, Keymap: o.Keymap, Theme: o.Theme, Glyphs: o.Glyphs,
	})
}

// endings are the signals that end hairpin in order. One that the caller has ignored, as nohup does, stays ignored.
func endings() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}
