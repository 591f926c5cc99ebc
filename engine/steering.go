package engine

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

// SteeredPath is a way by which a steer sends flows.
type SteeredPath struct {
	Stage    string
	Group    string // empty: it is a rule's own
	Name     string // of the path in its group, or of the rule
	Way      string // "eth1 via 10.9.0.1", "table 100"
	Weight   uint32 // as the spec says; 0 = it is a rule's own
	Share    float64
	State    string    // up, down, dead, held: dead, as all of its group, which is left by none then
	Why      string    // empty: it takes packets, and is measured where that is asked for
	Measured *Measured // nil: it is not
	Counter
}

// Measured is what a path was found to be worth.
type Measured struct {
	RTT    time.Duration // the median of the last probes that were answered
	Loss   float64       // share of the last probes that were not
	Probes int
	Worth  uint32 // its weight by that; 0 = not known yet, or dead
}

// steering follows the ways of steers.
type steering struct {
	of      *spec.Spec       // as of the last look
	cgroups map[string]error // that rules ask for and that are not there
	trouble string           // why the data path could not be told
	measuring
}

// followSteers tells the data path what is true now of NICs and cgroups that steers name.
func (o *owner) followSteers() {
	t := &o.steering
	if o.detached || o.lost() || o.spec == nil || len(steersOf(o.spec)) == 0 {
		t.close()
		*t = steering{}
		return
	}
	t.of = o.spec
	changed, err := o.kernel.FollowPaths()
	t.trouble = ""
	if err != nil {
		t.trouble = err.Error()
	}
	if changed {
		o.journal.add(time.Now(), "info", "kernel", "the NICs of steered paths changed: "+strings.Join(pathsInWords(o.kernel.SteerPathsOf(o.spec)), ", "))
	}
	t.cgroups = o.kernel.FollowCgroups(cgroupsOf(o.spec))
	o.followMeasures()
}

func pathsInWords(all []datapath.SteerPath) []string {
	words := map[string]bool{}
	for _, p := range all {
		state := "up"
		if !p.Up {
			state = "down"
		}
		words[p.Way.String()+" "+state] = true
	}
	return slices.Sorted(maps.Keys(words))
}

// steersOf are the steers of s by name.
func steersOf(s *spec.Spec) map[string]*spec.Steering {
	all := map[string]*spec.Steering{}
	for _, n := range s.Stages {
		if x, ok := n.Settings.(*spec.Steering); ok {
			all[n.Name] = x
		}
	}
	return all
}

func cgroupsOf(s *spec.Spec) []string {
	all := map[string]bool{}
	for _, x := range steersOf(s) {
		for _, u := range x.Rules {
			if u.Cgroup != "" {
				all[u.Cgroup] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// paths are the ways of steers, as the data path has them.
func (v view) paths() (list []SteeredPath) {
	for _, p := range v.kernel.SteerPathsOf(v.spec) {
		shown := SteeredPath{Stage: p.Stage, Group: p.Group, Name: p.Name, Way: p.Way.String(), Weight: p.Weight, Share: p.Share, State: "up",
			Counter: v.meters.counter(meterKey{kind: steeredPath, id: p.ID})}
		switch {
		case !p.Up:
			shown.State, shown.Why = "down", p.Way.NIC+" is missing or down"
		case !p.Alive:
			shown.State, shown.Why = "dead", "it did not answer when it was measured last"
		}
		list = append(list, shown)
	}
	return list
}

func (p SteeredPath) title() string {
	if p.Group == "" {
		return p.Stage + " " + p.Name
	}
	return p.Stage + " " + p.Group + "/" + p.Name
}

// steerProblems are what stands in the way of steered flows.
func (o *owner) steerProblems(s *State) (warn []Problem) {
	t := &o.steering
	if t.of == nil {
		return nil
	}
	add := func(key, what, cure string) {
		warn = append(warn, Problem{Key: "steer " + key, Severity: "warn", What: what, Cure: cure})
	}
	if t.trouble != "" {
		add("devices", "flows that are hot cannot be given to XDP: "+t.trouble, "")
	}
	for path, err := range t.cgroups {
		add("cgroup "+path, fmt.Sprintf("rules ask for the cgroup %s, and it is not there: %v", path, err), "start the service whose it is, or correct the path")
	}
	for _, p := range s.Paths {
		if p.Why != "" {
			add("path "+p.title(), fmt.Sprintf("the path %s by %s: %s", p.title(), p.Way, p.Why), "")
		}
	}
	for stage, x := range steersOf(t.of) {
		if why := o.tablesUnasked(stage, x); why != "" {
			add("tables "+stage, why, "sysctl -w net.ipv4.conf.lo.forwarding=1 net.ipv6.conf.lo.forwarding=1 lets it: no packet comes in by lo to be forwarded")
		}
	}
	slices.SortFunc(warn, func(a, b Problem) int { return cmp.Compare(a.Key, b.Key) })
	return warn
}

// tablesUnasked says why the kernel gives a steer's program no routes of a table; empty when it does.
func (o *owner) tablesUnasked(stage string, x *spec.Steering) string {
	named := slices.ContainsFunc(x.Rules, func(u spec.SteerRule) bool { return u.Way.Table != 0 }) ||
		slices.ContainsFunc(x.Groups, func(g spec.PathGroup) bool {
			return slices.ContainsFunc(g.Paths, func(p spec.SteerPath) bool { return p.Way.Table != 0 })
		})
	if !named {
		return ""
	}
	for _, n := range o.spec.NICs {
		stands := slices.ContainsFunc(spec.Enabled(n.TCXEgress), func(p spec.Position) bool { return p.Name == stage })
		for _, family := range []string{"ipv4", "ipv6"} {
			if stands && !forwardingOn(family, n.Name) && !forwardingOn(family, "lo") {
				return fmt.Sprintf("the kernel shows no table to %s on %s: forwarding of %s is off there, and on lo", stage, n.Name, family)
			}
		}
	}
	return ""
}

// forwardingOn tells whether the kernel says of a NIC that it forwards. One that cannot be asked is taken for one that does.
func forwardingOn(family, nic string) bool {
	text, err := os.ReadFile(filepath.Join("/proc/sys/net", family, "conf", nic, "forwarding"))
	return err != nil || strings.TrimSpace(string(text)) != "0"
}
