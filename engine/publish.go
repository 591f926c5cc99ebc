package engine

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/plan"
	"hairpin/engine/reason"
	"hairpin/engine/spec"
)

// publish makes a snapshot and tells whoever waits for one.
func (o *owner) publish(now time.Time) {
	if !o.detached && o.wentBack() {
		o.follow(now)
	}
	o.takeNotes(now)
	s := &State{
		Time: now, Armed: o.armed(now), Node: o.options.Paths.Node, Version: o.options.Version, PID: os.Getpid(), Role: Owner, Since: o.since,
		Spec: o.spec, Revision: o.revision(), Handoff: o.handoff}
	if o.detached {
		s.Generation.Active = -1
		s.Problems = []Problem{{Key: "detached", Severity: "crit", Since: now, What: "everything was detached: this node balances nothing",
			Cure: "start hairpin again"}}
		o.show(s)
		return
	}
	if err := o.meters.read(now, o.kernel); err != nil {
		o.journal.add(now, "warn", "engine", err.Error())
	}
	world, err := o.kernel.World(o.spec)
	if err != nil {
		o.journal.add(now, "crit", "engine", err.Error())
	}
	v := view{o.kernel, &o.meters, o.attached, o.nextHopText, o.shares, o.spec, world}
	s.Epoch, s.Generation = o.kernel.Control().Epoch, generationOf(now, o.kernel.Control())
	if o.guarded { // it waits for the handoff, and for nobody's word
		s.Generation.Deadline = time.Time{}
	}
	s.NICs, s.Reasons, s.VIPs = v.nics(), v.reasons(), v.vips()
	s.Rules, s.Lists, s.Paths = v.rules(), v.lists(), v.paths()
	s.Limits, s.Sockets = append(v.rateLimits(), v.connLimits()...), v.sockets()
	s.Agents, s.Reports, s.Hosting = o.agents(now), o.reporting.show(), v.hosting(now)
	o.tellHappenings(now, s)
	showAgents(now, s)
	s.FlowsLost, s.Unplaced = v.kernel.FlowsUnheld(), v.kernel.FlowsUnplaced()
	s.Drops, s.DropsLost = v.drops(), o.meters.snap.DropsLost
	s.EventsLost, s.Watched = o.meters.snap.EventsLost, !o.watched.IsZero()
	s.Captures, s.Talkers = o.captures.show(now), o.glances.show(now)
	s.Metrics = append(o.watchers.show(now, o.kernel.Metrics(o.spec)), o.mirroring.metrics()...)
	o.showMeasures(s)
	showSettling(s.VIPs, o.settling(now))
	if o.checking.live = nil; o.checking.prober != nil {
		o.checking.live = o.checking.prober.Facts()
	}
	if o.spec != nil {
		o.showFound(s)
		o.showHealth(now, s)
		o.showDraining(now, s)
	}
	o.pasts.show(now, s)
	o.senders.show(now, s.Reasons)
	o.usuals.show(now, &o.meters, o.kernel.Chains(), s)
	s.Doctor, s.Routes = o.examiner.latest, routesOf(o.spec, o.reached, o.ways.changed)
	o.showDrained(s)
	o.showFleet(s)
	o.announce(now, s)
	s.Problems = o.findProblems(now, s)
	o.show(s)
}

// show puts s, with what the journal has by now, where everybody sees it.
func (o *owner) show(s *State) {
	s.Events = o.journal.events()
	o.state.Store(s)
	o.recorder.put(s)
	o.subscribers.signal()
}

func generationOf(now time.Time, c datapath.Control) Generation {
	g := Generation{Active: int(c.Active), Confirmed: int(c.Confirmed), Fallbacks: uint64(c.Fallbacks)}
	if c.Active == 0 {
		g.Active = -1
	}
	if c.Confirmed == 0 {
		g.Confirmed = -1
	}
	if c.Pending != 0 {
		g.Deadline = wall(now, c.Deadline)
	}
	return g
}

// view draws the kernel's side of a State, for an owner and for one who only looks.
type view struct {
	kernel   *datapath.Kernel
	meters   *meters
	attached []datapath.Attachment
	nextHop  func(datapath.Backend) string
	shares   func(num uint16, place uint32, ring []uint16) map[uint16]int
	spec     *spec.Spec // nil: not known
	world    plan.World
}

func (v view) nics() []NIC {
	var list []NIC
	now := map[int]datapath.Chain{} // as they are since the last switch
	for _, c := range v.kernel.Chains() {
		now[c.Number] = c
	}
	for _, a := range v.attached {
		n := a.Chain.Number
		a.Chain = now[n]
		nic := NIC{Name: a.Chain.NIC, Hook: a.Chain.Hook.String(), Mode: a.Chain.Mode.String(), State: "attached", Why: a.Why,
			Index: a.Chain.Ifindex, In: v.meters.counter(meterKey{kind: chainIn, chain: n}),
			Forward: v.meters.counter(meterKey{kind: chainVerdict, chain: n, word: string(reason.Forward)}),
			Pass:    v.meters.counter(meterKey{kind: chainVerdict, chain: n, word: string(reason.Pass)}),
			Drop:    v.meters.counter(meterKey{kind: chainVerdict, chain: n, word: string(reason.Drop)}),
			Own:     v.meters.counter(meterKey{kind: chainVerdict, chain: n, word: string(reason.Own)}),
			History: v.meters.history(meterKey{kind: chainIn, chain: n}),
			Reasons: v.reasonsOf(chainReason, n)}
		if a.Err != nil {
			nic.State, nic.Why, nic.Index = attachmentState(a.Err), a.Err.Error(), 0
		}
		nic.Stages, nic.ParseNS = v.stages(n, a.Chain), v.meters.costs.ns(n, 0)
		v.showReceived(&nic, n)
		list = append(list, nic)
	}
	return list
}

// stages are those of a chain as the spec names them, the disabled ones included; where the spec is not known, as the
// kernel has them.
func (v view) stages(n int, c datapath.Chain) []Stage {
	var list []Stage
	at := 0
	for _, p := range v.positions(c) {
		s := Stage{Name: p.Name, Kind: p.Name, Disabled: p.Disabled, Shadow: p.Shadow}
		if v.spec != nil {
			s.Kind = string(v.spec.KindOf(p.Name))
		}
		if !p.Disabled {
			at++
			s.Position = at
		}
		if account := slices.Index(c.Names[:], p.Name); account > 0 {
			s.In = v.meters.counter(meterKey{kind: stageIn, chain: n, id: account})
			s.Drop = v.meters.counter(meterKey{kind: stageDrop, chain: n, id: account})
			s.Would = v.meters.counter(meterKey{kind: stageShadow, chain: n, id: account})
			s.NS = v.meters.costs.ns(n, account)
		}
		list = append(list, s)
	}
	return list
}

func (v view) positions(c datapath.Chain) []spec.Position {
	if v.spec != nil {
		if nic := v.spec.NIC(c.NIC); nic != nil {
			if at := nic.At(c.Hook.Spec()); at != nil {
				return *at
			}
		}
	}
	list := make([]spec.Position, len(c.Stages))
	for i, s := range c.Stages {
		list[i] = spec.Position{Name: c.Names[s.Account], Shadow: s.Shadow}
	}
	return list
}

// chains are those of the node by number.
func (v view) chains() map[int]datapath.Chain {
	chains := map[int]datapath.Chain{}
	for _, c := range v.kernel.Chains() {
		chains[c.Number] = c
	}
	return chains
}

// names are those of the VIPs by number; none where the spec is not known.
func (v view) names() map[uint16]string {
	names := map[uint16]string{}
	for name, vip := range v.world.VIPs {
		names[vip.Num] = name
	}
	return names
}

// tenantNames are those of the tenants by number.
func (v view) tenantNames() map[uint16]string {
	names := map[uint16]string{}
	for name, num := range v.world.Tenants {
		names[num] = name
	}
	return names
}

// drops are the rows of the drop ledger by descending rate.
func (v view) drops() []Drop {
	chains, names := v.chains(), v.names()
	var list []Drop
	for d := range v.meters.snap.Drops {
		c, known := chains[d.Chain]
		r, named := reason.ByID(int(d.Reason))
		if !known || !named {
			continue
		}
		row := Drop{NIC: c.NIC, Hook: c.Hook.String(), Stage: c.Names[d.Account], VIP: names[d.VIP], Reason: r.Name, Shadow: d.Shadow,
			Counter: v.meters.counter(meterKey{kind: dropRow, drop: d})}
		if d.Account == 0 {
			row.Stage = string(reason.Parse)
		}
		row.Position = slices.IndexFunc(c.Stages, func(s datapath.Stands) bool { return s.Account == d.Account }) + 1
		list = append(list, row)
	}
	slices.SortFunc(list, func(a, b Drop) int {
		return cmp.Or(cmp.Compare(b.PPS, a.PPS), cmp.Compare(b.Packets, a.Packets), cmp.Compare(a.NIC, b.NIC),
			cmp.Compare(a.Hook, b.Hook), cmp.Compare(a.Position, b.Position), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.VIP, b.VIP))
	})
	return list
}

func (v view) reasons() []Reason { return v.reasonsOf(allReason, 0) }

func (v view) reasonsOf(kind meterKind, chain int) []Reason {
	var list []Reason
	for _, r := range reason.All() {
		key := meterKey{kind: kind, chain: chain, id: int(r.ID)}
		c := v.meters.counter(key)
		if c.Packets == 0 {
			continue
		}
		list = append(list, Reason{Name: r.Name, Verdict: string(r.Verdict), Stage: string(r.Stage), Counter: c,
			History: v.meters.history(key)})
	}
	slices.SortStableFunc(list, func(a, b Reason) int { return cmp.Compare(b.PPS, a.PPS) })
	return list
}

func (v view) vips() []VIP {
	if v.spec == nil {
		return nil
	}
	backends := make(map[uint16][]datapath.Backend, len(v.spec.VIPs))
	for _, b := range v.kernel.Backends() {
		backends[b.VIP] = append(backends[b.VIP], b)
	}
	places := v.kernel.Rings()
	list := make([]VIP, 0, len(v.spec.VIPs))
	for _, desired := range v.spec.VIPs {
		realized := v.world.VIPs[desired.Name]
		num := int(realized.Num)
		shown := VIP{Name: desired.Name, Tenant: desired.Tenant, Addresses: desired.Addresses, Prefixes: desired.Prefixes, Port: desired.Port,
			LastPort: desired.LastPort, Sources: desired.Sources, Protocol: desired.Protocol.String(),
			Encap: desired.Encap.String(), Ring: len(realized.Ring),
			Counter: v.meters.counter(meterKey{kind: vipForward, id: num}), Drop: v.meters.counter(meterKey{kind: vipDrop, id: num}),
			History: v.meters.history(meterKey{kind: vipForward, id: num})}
		shown.Choice = v.choice(&desired, realized.Num)
		shares := v.shares(realized.Num, places[realized.Num], realized.Ring)
		shown.Empty = v.spec.Balances() && shares[0] == len(realized.Ring)
		shown.Backends = make([]Backend, 0, len(backends[realized.Num]))
		for _, b := range backends[realized.Num] {
			shown.Backends = append(shown.Backends, v.backend(b, desired, shares, len(realized.Ring)))
		}
		order := func(b Backend) int {
			return slices.IndexFunc(desired.Backends, func(d spec.Backend) bool { return d.Address == b.Address })
		}
		slices.SortStableFunc(shown.Backends, func(a, b Backend) int { return cmp.Compare(uint(order(a)), uint(order(b))) })
		list = append(list, shown)
	}
	return list
}

func (v view) choice(of *spec.VIP, num uint16) Choice {
	quic := v.kernel.QUIC(num)
	return Choice{Hash: of.Hash.String(), Flow: of.Flow.String(), QUIC: of.QUIC.String(), IDIn: of.IDIn.String(), Local: of.Local, Migrate: of.Migrate, Handover: of.Handover,
		Known: quic.Known, Unknown: quic.Unknown}
}

func (v view) backend(b datapath.Backend, vip spec.VIP, shares map[uint16]int, slots int) Backend {
	key := meterKey{kind: backendForward, id: int(b.ID)}
	shown := Backend{Address: b.Address, Counter: v.meters.counter(key), History: v.meters.history(key),
		Share: float64(shares[b.ID]) / float64(max(slots, 1)), NextHop: v.nextHop(b), Out: b.Out}
	if d := vip.Backend(b.Address); d != nil {
		shown.Weight, shown.State = d.Weight, d.State.String()
		if vip.NamesServers() {
			shown.Server = vip.ServerID(*d)
		}
	} else {
		shown.Gone, shown.State = true, "removed"
	}
	return shown
}

// nextHopText is the MAC of the way to a backend, or why there is none.
func (o *owner) nextHopText(b datapath.Backend) string {
	if b.Reachable {
		return b.MAC.String()
	}
	hop, ok := o.reached[b.Address]
	if !ok {
		return "not looked for yet"
	}
	if hop.Usable() {
		return "leaves by " + hop.NIC + ", which has no balancer"
	}
	return strings.TrimSuffix(string(hop.State)+": "+hop.Why, ": ")
}

func (o *owner) chainName(number int) string {
	for _, c := range o.kernel.Chains() {
		if c.Number == number {
			return c.NIC + " " + c.Hook.String()
		}
	}
	return "a chain that is gone"
}

// vipName is the VIP that has a number; empty when none has.
func (o *owner) vipName(num uint16) string { return o.names()[num] }
