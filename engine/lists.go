package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

// retryLists is how long a reload that failed rests.
const retryLists = 10 * time.Second

// lists is what the engine knows about files of prefixes that have changed under it.
type lists struct {
	failed string    // why the last reload did not come about; empty = it did
	tried  time.Time // when it failed
	waits  bool      // for the change that waits for confirmation
}

// checkFirewalls says what is wrong with the rules and files of a spec, before anything changes.
func (o *owner) checkFirewalls(s *spec.Spec, now time.Time) error {
	if err := o.kernel.CheckRules(s); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := o.kernel.LoadPrefixFiles(s, now); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

// reloadLists makes what files of prefixes say by now live. It is a change like any other, but by nobody: it waits while one
// is not confirmed. A file that cannot be read leaves its lists as they are.
func (o *owner) reloadLists(now time.Time) {
	if o.spec == nil {
		return
	}
	for _, f := range o.kernel.LookAtPrefixFiles(o.spec, now) {
		o.journal.add(now, "info", engineItself, fmt.Sprintf("read %s: %d prefixes", f.Name, f.Prefixes))
	}
	outdated := o.kernel.Outdated(o.spec)
	o.lists.waits = outdated && (o.kernel.Control().Pending != 0 || o.mayChange() != nil)
	if !outdated {
		o.lists.failed = ""
	}
	if !outdated || o.lists.waits || o.lists.failed != "" && now.Sub(o.lists.tried) < retryLists {
		return
	}
	o.lists.failed, o.lists.tried = "", now
	if _, err := o.change(ApplyRequest{Spec: o.spec, Who: engineItself, Why: "lists of prefixes have changed"}); err != nil {
		o.lists.failed = err.Error()
	}
}

// listProblems are the lists that are not what their files say.
func listProblems(s *State) (warn []Problem) {
	seen := map[string]bool{}
	for _, l := range s.Lists {
		if l.Why != "" && !seen[l.File] {
			seen[l.File] = true
			warn = append(warn, Problem{Key: "list " + l.File, Severity: "warn", What: "a list of prefixes stays as it was: " + l.Why,
				Cure: "correct the file; it is read again by itself"})
		}
	}
	return warn
}

// reloadProblem is why lists of prefixes that were read are not live.
func (o *owner) reloadProblem() []Problem {
	switch {
	case o.lists.waits:
		return []Problem{{Key: "lists wait", Severity: "warn", What: "lists of prefixes have changed, and wait for the change that is not confirmed",
			Cure: "hairpin confirm"}}
	case o.lists.failed != "":
		return []Problem{{Key: "lists failed", Severity: "crit", What: "lists of prefixes have changed and could not be made live: " + o.lists.failed}}
	}
	return nil
}

// policies calls f with the firewalls of a spec.
func policies(s *spec.Spec, f func(stage string, p *spec.Policy)) {
	if s == nil {
		return
	}
	for _, n := range s.Stages {
		if p, ok := n.Settings.(*spec.Policy); ok {
			f(n.Name, p)
		}
	}
}

// rules are those of every firewall, in order.
func (v view) rules() (all []Rule) {
	policies(v.spec, func(stage string, p *spec.Policy) {
		for _, r := range p.Rules {
			key := meterKey{kind: ruleMatch, rule: datapath.RuleName{Stage: stage, Rule: r.Name}}
			all = append(all, Rule{Stage: stage, Name: r.Name, Match: r.Match, Action: r.Action.String(), Counter: v.meters.counter(key)})
		}
	})
	return all
}

// lists are those of every firewall: what stands in the spec, and each file.
func (v view) lists() (all []List) {
	files := map[string]datapath.PrefixFile{}
	for _, f := range v.kernel.PrefixFiles() {
		files[f.Name] = f
	}
	policies(v.spec, func(stage string, p *spec.Policy) {
		for _, of := range []struct {
			name   string
			inline int
			files  []string
		}{{"sources", len(p.Drop.Sources), p.Drop.SourceFiles}, {"destinations", len(p.Drop.Destinations), p.Drop.DestinationFiles}} {
			if of.inline > 0 {
				all = append(all, List{Stage: stage, Of: of.name, Prefixes: of.inline})
			}
			for _, name := range of.files {
				f := files[name]
				l := List{Stage: stage, Of: of.name, File: name, Prefixes: f.Prefixes, Loaded: f.Loaded}
				if f.Loaded.IsZero() {
					l.Prefixes = -1
				}
				if f.Err != nil {
					l.Why = strings.TrimPrefix(f.Err.Error(), "stat ")
				}
				all = append(all, l)
			}
		}
	})
	slices.SortStableFunc(all, func(a, b List) int { return cmp.Compare(a.Stage, b.Stage) })
	return all
}
