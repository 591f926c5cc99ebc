package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/maglev"
	"hairpin/engine/nexthop"
	"hairpin/engine/spec"
)

// Observe reads the node from its pins, without an engine and without changing anything: what is live, its totals and its
// spec. Rates need two readings and are zero. A node without a data path has a State too.
func Observe(p Paths) (*State, error) {
	now := time.Now()
	k, err := datapath.Open(datapath.Dir(p.BPFFS, p.Node), false)
	if errors.Is(err, datapath.ErrNone) {
		return &State{Time: now, Node: p.Node, Role: Pins, Generation: Generation{Active: -1, Confirmed: -1},
			Problems: []Problem{{Key: "no data path", Severity: "warn", Since: now, What: "no data path of hairpin's on this node",
				Cure: "hairpin run, or hairpin"}}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("observe: %w", byABI(err))
	}
	defer k.Close()
	var s *State
	for range looks {
		active := k.Control().Active
		if s, err = look(now, p, k); k.Control().Active == active {
			break
		}
	}
	return s, err
}

// looks is how often a node is looked at anew because it was switched meanwhile.
const looks = 5

func look(now time.Time, p Paths, k *datapath.Kernel) (*State, error) {
	control := k.Control()
	s := &State{Time: now, Node: p.Node, Role: Pins, Epoch: control.Epoch, Generation: generationOf(now, control)}
	r, desired, err := storeOf(p.State).read(int(control.Active))
	switch {
	case err == nil && r.Revision == k.Revision(int(control.Active)):
		s.Spec, s.Revision = desired, r.Revision
	case !errors.Is(err, fs.ErrNotExist) && err != nil:
		s.Problems = append(s.Problems, Problem{Key: "stored spec", Severity: "warn", Since: now, What: err.Error()})
	}
	if err := s.observeKernel(now, p, k, r); err != nil {
		return nil, fmt.Errorf("observe: %w", err)
	}
	problems := append(problemsOf(s), unheardWithoutEngine(s)...)
	for i := range problems {
		problems[i].Since = now
	}
	s.Problems = append(s.Problems, problems...)
	return s, nil
}

func (s *State) observeKernel(now time.Time, p Paths, k *datapath.Kernel, r record) error {
	m := newMeters()
	m.nics = newReceived(p.State, k, false)
	defer m.nics.close()
	if err := m.read(now, k); err != nil {
		return err
	}
	world, err := k.World(s.Spec)
	if err != nil {
		return err
	}
	v := view{k, &m, k.Attached(), observedHop, func(_ uint16, _ uint32, ring []uint16) map[uint16]int { return maglev.Shares(ring) },
		s.Spec, world}
	s.NICs, s.Reasons, s.VIPs = v.nics(), v.reasons(), v.vips()
	s.Rules, s.Lists, s.Paths = v.rules(), v.lists(), v.paths()
	known, err := readFound(p)
	if err != nil {
		s.Problems = append(s.Problems, Problem{Key: "found", Severity: "warn", Since: now, What: err.Error()})
	}
	showFound(s, known)
	s.Limits, s.Sockets = append(v.rateLimits(), v.connLimits()...), v.sockets()
	s.FlowsLost, s.Unplaced = v.kernel.FlowsUnheld(), v.kernel.FlowsUnplaced()
	s.Drops, s.DropsLost = v.drops(), m.snap.DropsLost
	s.EventsLost = m.snap.EventsLost
	s.Hosting = v.hosting(now)
	s.Metrics = onceRead(k.Metrics(s.Spec))
	if s.Spec == nil {
		return nil
	}
	s.Routes = lookForRoutes(s)
	names := map[uint16]string{}
	for name, vip := range world.VIPs {
		names[vip.Num] = name
	}
	showSettling(s.VIPs, settlers{k, &m, s.Spec, names, r.Settling, r.Time, k.Marked}.list(now))
	showWhy(now, s)
	return nil
}

func observedHop(b datapath.Backend) string {
	if b.Reachable {
		return b.MAC.String()
	}
	return "was not reachable when an engine last looked"
}

// lookForRoutes asks the kernel for the ways to all backends; what cannot be asked is a problem.
func lookForRoutes(s *State) []Route {
	found, err := resolveOnce(s.Spec)
	if err != nil {
		s.Problems = append(s.Problems, Problem{Key: "routes", Severity: "warn", Since: s.Time, What: "the ways to backends are not known: " + err.Error()})
	}
	return routesOf(s.Spec, found, nil)
}

func resolveOnce(s *spec.Spec) (map[netip.Addr]nexthop.NextHop, error) {
	r, err := nexthop.New()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var all []netip.Addr
	for _, v := range s.VIPs {
		for _, b := range v.Backends {
			all = append(all, b.Address)
		}
	}
	return r.ResolveAll(all)
}
