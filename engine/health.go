package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/disk"
	"hairpin/engine/health"
	"hairpin/engine/maglev"
	"hairpin/engine/nexthop"
	"hairpin/engine/spec"
)

// checking is how the backends of this node are checked, and what follows.
type checking struct {
	prober  *health.Prober // nil: nobody is
	path    *datapath.CheckPath
	trouble string      // why checks to VIPs cannot be sent; empty = they can
	known   knownHealth // from before this engine, or from before its prober
	of      followed
	looked  time.Time // when the ways to VIPs were looked at

	facts   map[health.Key]health.Fact // by which the rings are
	live    map[health.Key]health.Fact // of the last snapshot
	back    map[health.Key]time.Time   // when somebody let a backend take new flows again, where it starts slowly
	held    map[health.Key]bool        // down, and in the ring all the same
	ends    map[health.Key]*checkEnds  // by whom is asked
	lost    map[string]bool            // VIPs that have lost their quorum
	shapes  map[shapeKey]uint64        // what the rings were made of
	builder maglev.Builder
	from    int         // the VIP whose ring is looked at first
	timer   *time.Timer // nil: there is nothing to do until a fact changes
	paced   bool        // the timer is for what has changed already
}

// followEvery is how often the ways to VIPs are looked at again at most: neighbours change by the hundred.
const followEvery = time.Second

// followed is what the prober was told last.
type followed struct {
	spec    *spec.Spec
	control datapath.Control
	other   *spec.Spec // confirmed, while another one waits; nil = none
}

// knownHealth is what one engine leaves the next, on disk or by word.
type knownHealth struct {
	Facts []health.Fact
	Lost  []string
	Back  []cameBack
}

type cameBack struct {
	health.Key
	At time.Time
}

func (o *owner) healthFile() string { return filepath.Join(o.options.Paths.State, "health.json") }

// readHealth is what the engine before knew. Whoever it cannot be read of is checked as one who is new.
func (o *owner) readHealth() {
	data, err := os.ReadFile(o.healthFile())
	if err == nil {
		err = json.Unmarshal(data, &o.checking.known)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		o.journal.add(time.Now(), "warn", "engine", fmt.Sprintf("what was known of backends is lost, they count as up until checks say otherwise: %v", err))
		o.checking.known = knownHealth{}
	}
}

// knows is what this engine would leave the next.
func (c *checking) knows() knownHealth {
	k := c.known
	if c.prober == nil {
		return k
	}
	k = knownHealth{}
	for _, f := range c.prober.Facts() {
		k.Facts = append(k.Facts, f)
	}
	for name := range c.lost {
		k.Lost = append(k.Lost, name)
	}
	for key, at := range c.back {
		k.Back = append(k.Back, cameBack{key, at})
	}
	return k
}

func (o *owner) writeHealth() {
	data, err := json.Marshal(o.checking.knows())
	if err == nil {
		err = disk.WriteSoon(o.healthFile(), data)
	}
	if err != nil {
		o.log.Warn("store what is known of backends", "error", err)
	}
}

// changed is signalled when a backend's state is another, unless that is looked at in a moment anyway.
func (c *checking) changed() <-chan struct{} {
	if c.prober == nil || c.paced {
		return nil
	}
	return c.prober.Changed()
}

// due is when there is something to do by the clock.
func (c *checking) due() <-chan time.Time {
	if c.timer == nil {
		return nil
	}
	return c.timer.C
}

// wake sets the clock; paced, for what has changed already.
func (c *checking) wake(after time.Duration, paced bool) {
	c.paced = paced
	if c.timer == nil {
		c.timer = time.NewTimer(after)
	} else {
		c.timer.Reset(after)
	}
}

func (c *checking) close() {
	if c.prober != nil {
		c.known = c.knows()
		c.prober.Close()
		c.prober = nil
	}
	if c.path != nil {
		c.path.Close()
		c.path = nil
	}
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	c.of, c.paced = followed{}, false
}

// followChecks makes the backends that are checked those of the running spec and, while that waits for confirmation, of the
// one that the kernel may go back to. again: routes and next hops may be others.
func (o *owner) followChecks(again bool) {
	c := &o.checking
	if o.detached {
		c.close()
		return
	}
	if o.lost() {
		return // it goes on as it was
	}
	now := followed{spec: o.spec, control: o.kernel.Control(), other: o.otherSpec()}
	if now == c.of && (!again || time.Since(c.looked) < followEvery) {
		return
	}
	c.of, c.looked = now, time.Now()
	if !wantsHealth(now.spec) && !wantsHealth(now.other) && c.prober == nil && len(c.known.Facts) == 0 {
		return
	}
	if c.prober == nil {
		c.begin(o.ns)
	}
	c.prober.Follow(o.checkTargets())
	c.wake(0, true)
}

// begin starts a prober with what is known.
func (c *checking) begin(ns namespace) {
	c.prober = health.New(health.Options{Enter: ns.enter, Facts: c.known.Facts})
	c.lost, c.back, c.held, c.shapes = map[string]bool{}, map[health.Key]time.Time{}, map[health.Key]bool{}, map[shapeKey]uint64{}
	c.facts = map[health.Key]health.Fact{}
	for _, f := range c.known.Facts {
		c.facts[f.Key] = f
	}
	for _, name := range c.known.Lost {
		c.lost[name] = true
	}
	for _, b := range c.known.Back {
		c.back[b.Key] = b.At
	}
}

func wantsHealth(s *spec.Spec) bool {
	return s != nil && slices.ContainsFunc(s.VIPs, func(v spec.VIP) bool { return len(v.Checks) > 0 || v.SlowStart > 0 })
}

// otherSpec is the one that the kernel goes back to unless what runs is confirmed; nil when there is none, or it cannot be
// read.
func (o *owner) otherSpec() *spec.Spec {
	control, c := o.kernel.Control(), &o.checking
	if control.Pending == 0 || control.Confirmed == 0 || control.Confirmed == control.Active {
		return nil
	}
	if c.of.control == control && c.of.spec == o.spec {
		return c.of.other
	}
	_, s, err := o.store.read(int(control.Confirmed))
	if err != nil {
		o.journal.add(time.Now(), "warn", "engine", "health cannot follow what the kernel may go back to: "+err.Error())
		return nil
	}
	return s
}

// checkTargets are all backends that are to be checked, with the way to them made ready.
func (o *owner) checkTargets() []health.Target {
	c := &o.checking
	ids, ports := o.kernel.IDs(), map[uint16]uint16{}
	ways := o.checkWays()
	var list []health.Target
	seen := map[health.Key]bool{}
	add := func(generation int, s *spec.Spec) {
		if s == nil {
			return
		}
		for i := range s.VIPs {
			v := &s.VIPs[i]
			if len(v.Checks) == 0 {
				continue
			}
			num := o.kernel.NumOf(generation, v)
			for _, b := range v.Backends {
				id, key := ids[planKey(num, b.Address)], health.Key{VIP: v.Name, Backend: b.Address}
				if b.State == spec.Maintenance || id == 0 || seen[key] {
					continue // who is being worked on may answer as he likes
				}
				seen[key] = true
				ports[id] = v.EncapPort
				c.ask(key, id)
				t := health.Target{Key: key, Address: v.Addresses[0], Port: v.Port, Protocol: v.Protocol, Mark: datapath.CheckMark(id),
					Checks: v.Checks, Unsent: ways[v.Addresses[0]]}
				if v.Health != nil {
					t.Health = *v.Health
				}
				if c.trouble != "" {
					t.Unsent = c.trouble
				}
				list = append(list, t)
			}
		}
	}
	add(int(c.of.control.Active), c.of.spec)
	add(int(c.of.control.Confirmed), c.of.other)
	maps.DeleteFunc(c.ends, func(key health.Key, _ *checkEnds) bool { return !seen[key] })
	if c.path != nil {
		c.path.Set(ports)
	}
	return list
}

// checkWays has the check path where packets to VIPs leave, and says of those to which none can why not.
func (o *owner) checkWays() map[netip.Addr]string {
	c, why := &o.checking, map[netip.Addr]string{}
	var addresses []netip.Addr
	for _, s := range []*spec.Spec{c.of.spec, c.of.other} {
		if s == nil {
			continue
		}
		for _, v := range s.VIPs {
			if slices.ContainsFunc(v.Checks, func(k spec.Check) bool { return k.To == spec.ToVIP && k.Kind != spec.CheckCommand }) {
				addresses = append(addresses, v.Addresses[0])
			}
		}
	}
	if c.trouble = ""; len(addresses) == 0 {
		return why
	}
	found, err := o.hops.ResolveSome(addresses) // backends are watched, whose way is that of packets
	if err == nil && c.path == nil {
		c.path, err = o.kernel.OpenCheckPath()
		c.ends = nil
	}
	var nics []int
	for address, way := range found {
		switch {
		case way.State == nexthop.Local:
			why[address] = fmt.Sprintf("%s is an address of this node itself, so nothing would leave it: check with to: backend", address)
		case way.IfIndex == 0:
			why[address] = fmt.Sprintf("%s: %s", way.State, way.Why)
		case !slices.Contains(nics, way.IfIndex):
			nics = append(nics, way.IfIndex)
		}
	}
	if err == nil {
		err = c.path.Attach(nics)
	}
	if err != nil {
		c.trouble = err.Error()
	}
	return why
}
