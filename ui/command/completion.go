package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
	"hairpin/engine/lab"
	"hairpin/engine/reason"
	"hairpin/engine/spec"
	"hairpin/ui/keymap"
	"hairpin/ui/theme"
)

// patience is how long a completion may wait for the engine: somebody has just pressed tab.
const patience = 500 * time.Millisecond

// newCompletion prints what a shell needs to complete hairpin's command lines.
func newCompletion(t *tree) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print what a shell needs to complete commands, VIPs, stages ...",
		Long: `Prints a script that makes a shell complete hairpin's commands, flags and the
names of this node: VIPs, backends, NICs, stages, changes, themes, presets.

  bash   hairpin completion bash > /etc/bash_completion.d/hairpin
  zsh    hairpin completion zsh > "${fpath[1]}/_hairpin"
  fish   hairpin completion fish > ~/.config/fish/completions/hairpin.fish

Names come from the engine that runs, else from the pins, else there are none.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			write, known := map[string]func(io.Writer) error{
				"bash": func(w io.Writer) error { _, err := io.WriteString(w, bashCompletion); return err },
				"zsh":  c.Root().GenZshCompletion,
				"fish": func(w io.Writer) error { return c.Root().GenFishCompletion(w, true) },
			}[args[0]]
			if !known {
				return &failure{exitUsage, fmt.Errorf("no completion for %q", args[0]), "there is one for bash, zsh and fish"}
			}
			return write(t.Stdout)
		},
	}
}

// completer lists what a word may be, each perhaps with a tab and a few words about it.
type completer func(c *cobra.Command) []string

// completers are what the words in capitals of a command's usage stand for.
func (t *tree) completers() map[string]completer {
	fixed := func(words ...string) completer { return func(*cobra.Command) []string { return words } }
	return map[string]completer{
		"VIP": t.ofState(vipNames), "BACKEND": t.ofState(backendNames), "NIC": t.ofState(nicNames), "STAGE": t.ofState(stageNames),
		"NUMBER": t.changeNumbers, "HOST": labHosts, "SCENARIO": labScenarios,
		"PRESET": fixed(keymap.Presets()...),
		"THEME":  func(*cobra.Command) []string { return theme.Names(t.settings().Themes()...) },
		"REASON": fixed(reasonNames()...),
		"HOOK":   fixed(string(spec.XDP), string(spec.TCXIngress), string(spec.TCXEgress)),
		"FORMAT": fixed("text", "json"),
		"SET":    fixed(theme.GlyphNames()...),
		"COLORS": fixed("true", "256", "16", "none"),
	}
}

// flagged are the flags whose values have a completer.
var flagged = map[string]string{
	"vip": "VIP", "backend": "BACKEND", "nic": "NIC", "before": "STAGE", "after": "STAGE", "stage": "STAGE", "reason": "REASON",
	"hook": "HOOK", "keymap": "PRESET", "theme": "THEME", "glyphs": "SET", "colors": "COLORS", "output": "FORMAT",
	"scenario": "SCENARIO",
}

// complete gives every command below c the completions that its usage and its flags ask for.
func (t *tree) complete(c *cobra.Command, known map[string]completer) error {
	var err error
	if c.ValidArgsFunction == nil {
		c.ValidArgsFunction = arguments(c.Use, known)
	}
	for name, what := range flagged {
		if c.LocalFlags().Lookup(name) != nil {
			err = errors.Join(err, c.RegisterFlagCompletionFunc(name, func(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
				return fitting(known[what](c), typed, nil), cobra.ShellCompDirectiveNoFileComp
			}))
		}
	}
	if c.LocalFlags().Lookup("file") != nil {
		err = errors.Join(err, c.MarkFlagFilename("file", "yaml", "yml"))
	}
	for _, sub := range c.Commands() {
		err = errors.Join(err, t.complete(sub, known))
	}
	return err
}

// arguments completes by a usage line: capitals that have a completer, words with bars between them, FILE.
func arguments(use string, known map[string]completer) cobra.CompletionFunc {
	places := strings.Fields(use)[1:]
	return func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		at := len(args)
		if n := len(places); n > 0 && strings.Contains(places[n-1], "...") {
			at = min(at, n-1)
		}
		if at >= len(places) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		place := strings.TrimSuffix(strings.Trim(places[at], "[]"), "...")
		switch list, is := known[place]; {
		case is:
			return fitting(list(c), typed, args), cobra.ShellCompDirectiveNoFileComp
		case place == "FILE":
			return []string{"yaml", "yml", "toml"}, cobra.ShellCompDirectiveFilterFileExt
		case strings.Contains(place, "|"):
			return fitting(strings.Split(place, "|"), typed, nil), cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// fitting are the words that begin as typed and were not given yet.
func fitting(words []string, typed string, given []string) []string {
	return slices.DeleteFunc(slices.Clone(words), func(w string) bool {
		word, _, _ := strings.Cut(w, "\t")
		return !strings.HasPrefix(word, typed) || slices.Contains(given, word)
	})
}

// ofState completes from the node's newest state. Without one there is nothing to offer, and nothing is said.
func (t *tree) ofState(names func(*engine.State) []string) completer {
	return func(c *cobra.Command) []string {
		ctx, cancel := context.WithTimeout(c.Context(), patience)
		defer cancel()
		s, err := t.shown(ctx)
		if err != nil || s == nil {
			return nil
		}
		list := names(s)
		slices.Sort(list)
		return slices.Compact(list)
	}
}

func vipNames(s *engine.State) (names []string) {
	for _, v := range s.VIPs {
		names = append(names, v.Name)
	}
	return names
}

func backendNames(s *engine.State) (names []string) {
	for _, v := range s.VIPs {
		for _, b := range v.Backends {
			names = append(names, b.Address.String())
		}
	}
	return names
}

func nicNames(s *engine.State) (names []string) {
	for _, n := range s.NICs {
		names = append(names, n.Name)
	}
	return names
}

func stageNames(s *engine.State) (names []string) {
	if s.Spec == nil {
		return nil
	}
	for _, g := range s.Spec.Stages {
		names = append(names, g.Name)
	}
	for _, n := range s.Spec.NICs {
		for _, c := range n.Chains() {
			for _, p := range c.Stages {
				names = append(names, p.Name)
			}
		}
	}
	return names
}

func reasonNames() (names []string) {
	for _, r := range reason.All() {
		names = append(names, r.Name)
	}
	return names
}

// labHosts are the nodes of the lab that is up.
func labHosts(c *cobra.Command) []string {
	name := ""
	if f := c.Flag("name"); f != nil {
		name = f.Value.String()
	}
	l, err := lab.Open(name)
	if err != nil {
		return nil
	}
	return l.Nodes()
}

// changeNumbers are the changes that are kept, each with who made it and why, newest first.
func (t *tree) changeNumbers(c *cobra.Command) (numbers []string) {
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	changes, _, err := t.changes(ctx)
	if err != nil {
		return nil
	}
	for _, c := range slices.Backward(changes) {
		numbers = append(numbers, fmt.Sprintf("%d\t%s %s %s", c.Number, c.Time.Format("01-02 15:04"), c.Who, c.Why))
	}
	return numbers
}
