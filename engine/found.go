package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"hairpin/engine/discover"
	"hairpin/engine/history"
	"hairpin/engine/spec"
)

// FoundBy is how things stand with the source of a VIP's backends.
type FoundBy struct {
	Source   string    // "dns web.example.com"
	Backends int       // that were found and are in the list, but for those that were dropped and drain
	Says     int       // backends that it names now and that take new flows
	Answered time.Time // when it last said anything; zero = not yet
	Failing  time.Time `json:",omitzero"`  // since when it does not answer; zero = it does
	Error    string    `json:",omitempty"` // why not
	Held     time.Time `json:",omitzero"`  // since when what it says is not believed; zero = it is
	Missing  int       `json:",omitempty"` // backends that it does not name any more, and that stay meanwhile
	Until    time.Time `json:",omitzero"`  // when it is believed, if it says so still; zero = when a person says so
	Left     string    `json:",omitempty"` // what of its answer was left out, and why
}

// retryFound is how long a change by what was found rests that failed.
const retryFound = 10 * time.Second

// finding is how backends that are not typed are followed.
type finding struct {
	finder  *discover.Finder // nil: no VIP names a source
	of      *spec.Spec       // that was followed last
	applied map[string]time.Time
	refused map[string][]string // by VIP: what cannot be a backend of it
	known   knownBackends
	accepts map[string]AcceptRequest // by VIP: what somebody has accepted and is not live yet
	failed  string                   // why the last change did not come about; empty = it did
	tried   time.Time                // when it failed
	waits   bool                     // for the change that waits for confirmation
}

// changed is signalled when a source has said something.
func (f *finding) changed() <-chan struct{} {
	if f.finder == nil {
		return nil
	}
	return f.finder.Changed()
}

func (f *finding) close() {
	if f.finder != nil {
		f.finder.Close()
	}
	f.finder, f.of = nil, nil
}

// followFound makes the sources of the running spec those that are asked.
func (o *owner) followFound(now time.Time) {
	f := &o.finding
	if o.detached {
		f.close()
		return
	}
	if o.lost() || f.of == o.spec {
		return
	}
	wants := o.spec != nil && slices.ContainsFunc(o.spec.VIPs, func(v spec.VIP) bool { return v.From != nil })
	if f.finder == nil && !wants {
		return
	}
	if f.finder == nil {
		f.finder = discover.New(o.ns.enter)
		f.applied, f.refused, f.accepts = map[string]time.Time{}, map[string][]string{}, map[string]AcceptRequest{}
	}
	if f.known.note(f.of, o.spec, now) {
		o.writeFound()
	}
	f.of = o.spec
	f.finder.Follow(o.spec)
}

// discovery is what is to be made live of what was found.
type discovery struct {
	spec    *spec.Spec // nil: nothing
	vips    []string   // that change
	empties bool       // a VIP loses all who take new flows, as somebody has confirmed
	drains  bool       // some are in it only because they drain
	found   []history.Found
	by      *AcceptRequest // somebody wants it; nil = nobody does
}

// applyFound makes live what sources say by now, for all VIPs at once, and for none sooner than its interval after it was
// changed last. It is a change like any other, but by nobody: it waits while one is not confirmed. at is a VIP that
// is not to wait for its interval; empty = none.
func (o *owner) applyFound(now time.Time, at string) {
	f := &o.finding
	if o.detached || !o.kernel.Owns() || f.finder == nil || o.spec == nil || f.of != o.spec {
		return
	}
	d := o.foundNow(now, at, true)
	f.waits = d.spec != nil && (o.kernel.Control().Pending != 0 || o.mayChange() != nil)
	if d.spec == nil {
		f.failed = ""
	}
	if d.spec == nil || f.waits || f.failed != "" && now.Sub(f.tried) < retryFound && at == "" {
		return
	}
	f.failed, f.tried = "", now
	err := o.makeFound(d)
	if err != nil && d.drains { // with them it may be too many
		if d = o.foundNow(now, at, false); d.spec != nil {
			err = o.makeFound(d)
		}
	}
	if err != nil {
		f.failed = err.Error()
		return
	}
	for _, name := range d.vips {
		f.applied[name] = now
		delete(f.accepts, name)
	}
	o.followFound(now)
}

func (o *owner) makeFound(d discovery) error {
	if err := d.spec.Validate(); err != nil {
		return err
	}
	_, err := o.change(d.request())
	return err
}

// request is the change to ask for: nobody's, or that of whoever has accepted a part of it.
func (d discovery) request() ApplyRequest {
	r := ApplyRequest{Spec: d.spec, Who: engineItself, Why: "found backends of " + history.Names(d.found), Force: d.empties, from: &d}
	if d.by != nil {
		r.Who, r.from = d.by.Who, nil
		r.Why = strings.TrimSuffix(fmt.Sprintf("accepts what was found of %s: %s", history.Names(d.found), d.by.Why), ": ")
	}
	return r
}

// foundNow is the running spec with what was found since. With drain, who is dropped drains first.
func (o *owner) foundNow(now time.Time, at string, drain bool) (d discovery) {
	f := &o.finding
	opinions := f.finder.Opinions(now)
	for i := range o.spec.VIPs {
		old := &o.spec.VIPs[i]
		opinion, followed := opinions[old.Name]
		if !followed {
			continue
		}
		v, named := *old, opinion.Endpoints
		if drain {
			named = slices.Concat(named, o.dropped(old, named, now))
		}
		f.refused[v.Name] = v.Take(named, f.known.edited(v.Name, now))
		if slices.Equal(v.Backends, old.Backends) {
			delete(f.accepts, v.Name) // it says again what it said before
			continue
		}
		if v.Name != at && now.Sub(f.applied[v.Name]) < v.From.Interval {
			continue
		}
		if d.spec == nil {
			d.spec = o.spec.Clone()
		}
		d.spec.VIPs[i].Backends = v.Backends
		d.vips = append(d.vips, v.Name)
		d.drains = d.drains || len(named) > len(opinion.Endpoints)
		d.empties = d.empties || !slices.ContainsFunc(opinion.Endpoints, func(e spec.Endpoint) bool { return e.State == spec.Up })
		d.found = append(d.found, history.Found{VIP: v.Name, Source: v.From.String(), Came: absent(&v, old), Went: absent(old, &v), Drained: drained(old, &v)})
		if by, accepted := f.accepts[v.Name]; accepted {
			d.by = &by
		}
	}
	return d
}

// changes are what sources changed; none, where somebody did.
func (d *discovery) changes() []history.Found {
	if d == nil {
		return nil
	}
	return d.found
}

// absent counts the backends of a VIP that are named in it, and in another state of it are not.
func absent(of, from *spec.VIP) (n int) {
	for _, b := range of.Backends {
		if o := from.Backend(b.Address); !b.Found.Dropped && (o == nil || o.Found.Dropped) {
			n++
		}
	}
	return n
}

// AcceptRequest says that it is true what the source of a VIP's backends says now, however few they are.
type AcceptRequest struct {
	VIP string
	Who string // as in ArmRequest
	Why string
}

func (o *owner) acceptFound(r AcceptRequest) error {
	if err := o.mayChange(); err != nil {
		return fmt.Errorf("accept: %w", err)
	}
	now := time.Now()
	known := false
	var err error
	if o.finding.finder != nil {
		known, err = o.finding.finder.Accept(r.VIP, now)
	}
	switch {
	case !known:
		return fmt.Errorf("accept: %w: no backends of a VIP %.40q are found anywhere: that is for VIPs with from", ErrInvalid, r.VIP)
	case err != nil:
		return fmt.Errorf("accept: %w: vip %s: %w", ErrRefused, r.VIP, err)
	}
	o.journal.add(now, "audit", r.Who, strings.TrimSuffix(fmt.Sprintf("accepts what was found for %s: %s", r.VIP, r.Why), ": "))
	o.finding.accepts[r.VIP] = r
	o.applyFound(now, r.VIP)
	if o.finding.failed == "" && !o.finding.waits {
		delete(o.finding.accepts, r.VIP) // also where nothing was to change
	}
	switch {
	case o.finding.waits:
		return nil // a problem says so
	case o.finding.failed != "":
		return fmt.Errorf("accept: it will be tried again: %s", o.finding.failed)
	}
	return nil
}

// showFound says of VIPs where their backends are found, and of these since when.
func (o *owner) showFound(s *State) {
	f := &o.finding
	showFound(s, f.known)
	if f.finder == nil {
		return
	}
	opinions := f.finder.Opinions(s.Time)
	for i := range s.VIPs {
		shown, x := s.VIPs[i].Found, opinions[s.VIPs[i].Name]
		if shown == nil {
			continue
		}
		left := slices.Concat(f.refused[s.VIPs[i].Name], []string{x.Left})
		shown.Says, shown.Answered, shown.Failing, shown.Error, shown.Held, shown.Missing, shown.Until = x.Says, x.Answered, x.Failing, x.Error, x.Held, x.Missing, x.Until
		shown.Left = strings.Trim(strings.Join(left, "; "), "; ")
	}
}

// showFound is what the spec alone says of it, also where no engine runs.
func showFound(s *State, k knownBackends) {
	if s.Spec == nil {
		return
	}
	for i := range s.VIPs {
		shown := &s.VIPs[i]
		v := s.Spec.VIP(shown.Name)
		if v == nil || v.From == nil {
			continue
		}
		shown.Found = &FoundBy{Source: v.From.String()}
		for _, e := range v.Discovered() {
			if !e.Dropped {
				shown.Found.Backends++
			}
		}
		for j := range shown.Backends {
			b := &shown.Backends[j]
			if known := v.Backend(b.Address); known != nil && known.Found.Is {
				b.Found, b.Edited, b.FoundSince = true, known.Edited(), k[v.Name][b.Address].Since
				if known.Found.Dropped {
					b.Dropped = k.droppedOf(v, b.Address, s.Time)
				}
			}
		}
	}
}

// foundProblems are the sources that are not believed, or say nothing.
func (o *owner) foundProblems(s *State) (list []Problem) {
	for _, v := range s.VIPs {
		if v.Found != nil {
			list = append(list, problemsOfFound(s.Time, v.Name, v.Found)...)
		}
	}
	switch f := &o.finding; {
	case f.waits:
		list = append(list, Problem{Key: "found waits", Severity: "warn", What: "backends were found that are others, and wait for the change that is not confirmed",
			Cure: "hairpin confirm"})
	case f.failed != "":
		list = append(list, Problem{Key: "found failed", Severity: "crit", What: "backends were found that are others, and could not be made live: " + f.failed})
	}
	return list
}

func problemsOfFound(now time.Time, vip string, f *FoundBy) (list []Problem) {
	add := func(kind, cure, format string, args ...any) {
		list = append(list, Problem{Key: kind + " " + vip, Severity: "warn", What: vip + ": " + fmt.Sprintf(format, args...), Cure: cure})
	}
	if f.Error != "" {
		add("found fails", "repair the source; it is asked again by itself", "%s does not answer, so its %d backends stay as they were found: %s", f.Source, f.Backends, f.Error)
	}
	accept := "if it is true: hairpin found accept " + vip
	switch {
	case f.Held.IsZero() && f.Backends == 0 && f.Says == 0 && f.Error == "" && !f.Answered.IsZero():
		add("found none", "look at the source", "%s names no backend", f.Source)
	case f.Held.IsZero():
	case f.Says == 0:
		add("found held", accept, "%s names no backend any more that takes new flows, which is not believed: %d stay until somebody says that it is true", f.Source, f.Missing)
	default:
		add("found held", accept, "%s names %d backends, %d fewer than before, which is not believed for %s more", f.Source, f.Says, f.Missing,
			f.Until.Sub(now).Round(time.Second))
	}
	if f.Left != "" {
		add("found left", "", "of what %s says this is left out: %s", f.Source, f.Left)
	}
	return list
}
