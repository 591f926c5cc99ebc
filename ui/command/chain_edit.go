package command

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"hairpin/engine"
	"hairpin/engine/spec"
)

// chainEdit is what the verbs of "chain" share: where, and how it is applied.
type chainEdit struct {
	tree          *tree
	nic, hook     string
	at            int // from 1; 0 = not given
	before, after string
	shadow        bool
	plan          bool
	request       engine.ApplyRequest
}

// addChainVerbs gives "chain" the verbs that change chains.
func addChainVerbs(t *tree, c *cobra.Command) {
	verb := func(use, short string, places bool, edit func(e *chainEdit, s *spec.Spec, nic string, hook spec.Hook, args []string) (*spec.Spec, error), args int) *cobra.Command {
		e := &chainEdit{tree: t}
		v := &cobra.Command{Use: use, Short: short, Args: usage(cobra.ExactArgs(args))}
		e.flags(v, places)
		v.RunE = func(v *cobra.Command, args []string) error { return e.run(v, args, edit) }
		c.AddCommand(v)
		return v
	}
	insert := verb("insert STAGE", "Put a stage into chains, in front of the last stage unless told where", true, (*chainEdit).insert, 1)
	insert.Flags().Bool("shadow", false, "it only counts what it would drop")
	verb("remove STAGE", "Take a stage out of chains", false, func(_ *chainEdit, s *spec.Spec, nic string, hook spec.Hook, args []string) (*spec.Spec, error) {
		return spec.Remove(s, nic, hook, args[0])
	}, 1)
	verb("move STAGE", "Give a stage another place in chains", true, (*chainEdit).move, 1)
	verb("disable STAGE", "Keep a stage in its place without any packet meeting it", false, func(_ *chainEdit, s *spec.Spec, nic string, hook spec.Hook, args []string) (*spec.Spec, error) {
		return spec.Disable(s, nic, hook, args[0])
	}, 1)
	verb("enable STAGE", "Have packets meet a disabled stage again", false, func(_ *chainEdit, s *spec.Spec, nic string, hook spec.Hook, args []string) (*spec.Spec, error) {
		return spec.Enable(s, nic, hook, args[0])
	}, 1)
	verb("shadow STAGE on|off", "Have a stage count what it would drop and let it pass, or drop it", false, func(_ *chainEdit, s *spec.Spec, nic string, hook spec.Hook, args []string) (*spec.Spec, error) {
		if args[1] != "on" && args[1] != "off" {
			return nil, &failure{exitUsage, fmt.Errorf("shadow %q", args[1]), "it is on or off"}
		}
		return spec.SetShadow(s, nic, hook, args[0], args[1] == "on")
	}, 2)
}

func (e *chainEdit) flags(c *cobra.Command, places bool) {
	f := c.Flags()
	f.StringVar(&e.nic, "nic", "", "the chain of this `NIC` (default: of every NIC that has one)")
	f.StringVar(&e.hook, "hook", string(spec.XDP), "`HOOK`: xdp, tcx_ingress or tcx_egress")
	f.DurationVar(&e.request.Deadline, "confirm", 0, "go back by itself after `TIME` unless confirmed (0 = confirmed at once)")
	f.StringVar(&e.request.Why, "why", "", "`REASON`, for the audit trail")
	f.BoolVar(&e.plan, "plan", false, "only say what it would do")
	if places {
		f.IntVar(&e.at, "at", 0, "its `PLACE` in the chain, from 1")
		f.StringVar(&e.before, "before", "", "in front of this `STAGE`")
		f.StringVar(&e.after, "after", "", "behind this `STAGE`")
		c.MarkFlagsMutuallyExclusive("at", "before", "after")
	}
}

// run makes the edit on the running spec and applies it.
func (e *chainEdit) run(c *cobra.Command, args []string, edit func(*chainEdit, *spec.Spec, string, spec.Hook, []string) (*spec.Spec, error)) error {
	if e.request.Deadline < 0 {
		return &failure{exitUsage, fmt.Errorf("--confirm %v is negative", e.request.Deadline), "give a time such as 30s"}
	}
	if c.Flags().Lookup("shadow") != nil {
		e.shadow, _ = c.Flags().GetBool("shadow")
	}
	n, err := e.tree.dial(c.Context(), e.tree.paths)
	if err != nil {
		return err
	}
	defer n.Close()
	state := n.State()
	s := state.Spec
	if s == nil {
		return &failure{exitAbsent, errors.New("no spec runs on this node"), `"hairpin apply -f FILE" applies one`}
	}
	nics, err := e.nics(s, args[0], c.Name() == "insert")
	if err != nil {
		return &failure{exitUsage, fmt.Errorf("%s: %w", c.Name(), err), ""}
	}
	for _, nic := range nics {
		if s, err = edit(e, s, nic, spec.Hook(e.hook), args); err != nil {
			return &failure{exitUsage, err, ""}
		}
	}
	e.request.Spec, e.request.Revision, e.request.Who = s, state.Revision, e.tree.who
	if !e.plan {
		return e.tree.applySpec(c, n, c.CommandPath(), e.request)
	}
	p, err := n.Plan(c.Context(), s)
	if err != nil {
		return fmt.Errorf("plan %s: %w", c.CommandPath(), err)
	}
	e.tree.printPlan(p)
	return nil
}

// nics are those whose chains are meant.
func (e *chainEdit) nics(s *spec.Spec, stage string, insert bool) ([]string, error) {
	if e.nic != "" {
		return []string{e.nic}, nil
	}
	var list []string
	for i := range s.NICs {
		at := s.NICs[i].At(spec.Hook(e.hook))
		if at == nil {
			return nil, fmt.Errorf("no hook %q: it is xdp, tcx_ingress or tcx_egress", e.hook)
		}
		if insert && len(*at) > 0 || !insert && placeOf(*at, stage) >= 0 {
			list = append(list, s.NICs[i].Name)
		}
	}
	if len(list) == 0 && insert {
		return nil, fmt.Errorf("no NIC has a chain at %s: name one with --nic", e.hook)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s stands in no chain at %s", stage, e.hook)
	}
	return list, nil
}

func placeOf(list []spec.Position, stage string) int {
	return slices.IndexFunc(list, func(p spec.Position) bool { return p.Name == stage })
}

func (e *chainEdit) insert(s *spec.Spec, nic string, hook spec.Hook, args []string) (*spec.Spec, error) {
	list := chainAt(s, nic, hook)
	i, given, err := e.place(list)
	if err != nil {
		return nil, err
	}
	if !given {
		i = spec.InsertPlace(s, list)
	}
	return spec.Insert(s, nic, hook, i, spec.Position{Name: args[0], Shadow: e.shadow})
}

func (e *chainEdit) move(s *spec.Spec, nic string, hook spec.Hook, args []string) (*spec.Spec, error) {
	list := slices.DeleteFunc(chainAt(s, nic, hook), func(p spec.Position) bool { return p.Name == args[0] })
	i, given, err := e.place(list)
	if err == nil && !given {
		err = errors.New("move needs a place: --at, --before or --after")
	}
	if err != nil {
		return nil, err
	}
	return spec.Move(s, nic, hook, args[0], i)
}

// place is the index that the flags name within list, and whether they name one.
func (e *chainEdit) place(list []spec.Position) (int, bool, error) {
	if e.at != 0 {
		if e.at < 1 || e.at > len(list)+1 {
			return 0, true, fmt.Errorf("--at %d: its places there are 1 to %d", e.at, len(list)+1)
		}
		return e.at - 1, true, nil
	}
	for _, name := range []string{e.before, e.after} {
		if name == "" {
			continue
		}
		i := placeOf(list, name)
		if i < 0 {
			return 0, true, fmt.Errorf("%s does not stand in each of these chains", name)
		}
		if name == e.after {
			i++
		}
		return i, true, nil
	}
	return 0, false, nil
}

// chainAt is a copy of a chain of s, empty where there is none.
func chainAt(s *spec.Spec, nic string, hook spec.Hook) []spec.Position {
	n := s.NIC(nic)
	if n == nil || n.At(hook) == nil {
		return nil
	}
	return slices.Clone(*n.At(hook))
}
