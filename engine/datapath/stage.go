package datapath

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// stickyFor is how long after a change an unknown flow of a sticky UDP VIP still follows the ring before.
const stickyFor = 30 * time.Second

// reuseAfter is how long a generation, and what only it named, rests after it was left.
const reuseAfter = time.Second

// ErrNoGeneration is the answer while every number is in use or was left a moment ago.
var ErrNoGeneration = errors.New("every generation number is in use or was left less than a second ago")

// Stage writes everything of a plan beside what runs: backends, rings, a VIP table, rows. Nothing of it is live until
// Activate; on error nothing ever will be. The NICs of the spec have their chains (Attach) already.
func (k *Kernel) Stage(p *plan.Plan) (generation int, err error) {
	chains := wantedChains(p.Spec)
	k.atTC = k.atTC || slices.ContainsFunc(chains, func(w wanted) bool { return w.hook != XDP })
	if err := k.need(""); err != nil {
		return 0, err
	}
	for _, w := range chains {
		for _, stands := range w.positions {
			if err := k.need(p.Spec.KindOf(stands.Name)); err != nil {
				return 0, err
			}
		}
	}
	if err := k.needAgent(p.Spec); err != nil {
		return 0, err
	}
	k.step("stage: maps and programs made")
	if reports(p.Spec) {
		if err := k.need(counting); err != nil {
			return 0, err
		}
	}
	generation, err = k.freeGeneration()
	if err != nil {
		return 0, err
	}
	k.noted.generation = 0
	k.beginRings()
	version := k.freeVersion()
	for _, c := range p.VIPs {
		k.stageBackends(c)
	}
	k.step("stage: backends written")
	say, flags, err := k.stageVIPs(p)
	if err != nil {
		return 0, err
	}
	k.step("stage: rings written")
	tables, err := k.writeVIPs(version, say)
	if err != nil {
		return 0, err
	}
	k.writeTenants(version, p)
	k.step("stage: table written")
	g := Generation{VIPSeed: tables.seed, VIPVersion: uint16(version), VIPParts: uint8(tables.parts - 1),
		QUICParts: uint8(tables.quicParts - 1), Flags: flags | GenerationLive | k.watched}
	copy(g.Revision[:], p.Revision)
	if p.Spec.Agent != nil {
		g.DecapPort = wirePort(p.Spec.Agent.EncapPort)
	}
	if reports(p.Spec) {
		g.Flags |= GenerationReports
	}
	if k.aside != nil {
		g.Flags |= GenerationAside
	}
	k.generations.all[generation] = g
	k.step("stage: generation written")
	if err := k.stageRows(generation, p); err != nil {
		return 0, err
	}
	if k.aside == nil && !k.countsTenants(int(k.Control().Active)) { // else packets count by it, and it may never be live
		k.sumTenants(generation)
	}
	return generation, nil
}

// kept tells whether a generation can still be seen by a packet, now or after the timer.
func (k *Kernel) kept(g int) bool {
	c := k.Control()
	return g == int(c.Active) || g == int(c.Confirmed) ||
		c.Left[g] != 0 && Monotonic()-c.Left[g] < uint64(reuseAfter)
}

func (k *Kernel) freeGeneration() (int, error) {
	k.retireGenerations()
	for g := 1; g < Generations; g++ {
		if !k.kept(g) {
			return g, nil
		}
	}
	return 0, ErrNoGeneration
}

// freeVersion is a version of the VIP tables that no kept generation names. There is one more of them than of those.
func (k *Kernel) freeVersion() int {
	var used [Generations]bool
	for g := range k.generations.all {
		if k.generations.all[g].Flags&GenerationLive != 0 && k.kept(g) {
			used[k.generations.all[g].VIPVersion] = true
		}
	}
	for v := range used {
		if !used[v] {
			return v
		}
	}
	return 0
}

// stageBackends makes the new ids known. Ids that exist keep their flags until the switch.
func (k *Kernel) stageBackends(c plan.Change) {
	for i, b := range c.Spec.Backends {
		id := c.IDs[i]
		if k.backends.all[id].Family != 0 {
			continue
		}
		k.newBackend(id, c.Num, b.Address)
		k.MarkBackend(id, b.TakesNew(), false)
	}
}

func (k *Kernel) stageVIPs(p *plan.Plan) (*vipVersion, uint16, error) {
	say := &vipVersion{}
	var flags uint16
	active := k.activeVIPs()
	seen := make(map[service]bool, len(p.VIPs))
	hosted, err := k.hostedEntries(p.Spec.Agent)
	if err != nil {
		return nil, 0, fmt.Errorf("agent: %w", err)
	}
	for _, e := range hosted {
		say.add(e)
		seen[e.service] = true
	}
	for i := range p.VIPs {
		c := &p.VIPs[i]
		v, err := k.stageVIP(c, active)
		if err != nil {
			return nil, 0, fmt.Errorf("vip %s: %w", c.Spec.Name, err)
		}
		if c.Spec.Port == 0 {
			flags |= GenerationAnyPort
		}
		for _, s := range servicesOf(&c.Spec) {
			say.add(vipEntry{s, v})
		}
		for _, a := range c.Spec.Addresses {
			if s := (service{Address: a}); !seen[s] {
				say.add(vipEntry{s, VIP{Num: c.Num, Flags: VIPAddress}})
				seen[s] = true
			}
		}
		if c.Spec.NamesServers() {
			for j, b := range c.Spec.Backends {
				say.servers = append(say.servers, quicServer(c.Num, c.Spec.ServerID(b), c.IDs[j]))
			}
		}
	}
	some, err := k.addWide(say, p)
	if some {
		flags |= GenerationWide
	}
	return say, flags, err
}

// agentNum is the number under which an agent counts what it takes.
const agentNum = 1023

// stageVIP writes the rings of one VIP and returns its entry.
func (k *Kernel) stageVIP(c *plan.Change, active map[uint16]VIP) (VIP, error) {
	if c.New && k.aside == nil {
		k.zeroVIP(c.Num)
	}
	old := active[c.Num]
	v := VIP{Num: c.Num, Ring: old.Ring, RingSize: old.RingSize}
	if old.Flags&VIPSettling != 0 && plan.Settles(c.Spec) {
		v.Before, v.BeforeSize, v.Flags = old.Before, old.BeforeSize, VIPSettling
	}
	if c.Spec.Encap == spec.IPIP {
		v.Flags |= VIPIPIP
	} else {
		v.EncapPort = wirePort(c.Spec.EncapPort)
	}
	if plan.Settles(c.Spec) && c.Spec.Protocol == spec.UDP {
		v.Flags |= VIPSticky
	}
	if v.Flags |= choiceFlags(&c.Spec); v.Flags&VIPSettling != 0 {
		v.settle(v.Before, v.BeforeSize, spec.Hash(k.settlings.all[c.Num].HashBefore))
	}
	if c.Ring != nil {
		p, err := k.putRing(c.Ring)
		if err != nil {
			return v, err
		}
		v.Ring, v.RingSize = p, uint32(len(c.Ring))
	}
	if k.aside == nil { // what generations share is not for one that is only asked
		k.settlings.all[c.Num].Life = ticks(c.Spec.Settle)
		k.settlings.all[c.Num].Migrate = 0
		if c.Spec.Migrate {
			k.settlings.all[c.Num].Migrate = 1
		}
		k.settlings.all[0].Life = max(k.settlings.all[0].Life, ticks(c.Spec.Settle))
	}
	if c.Before != nil {
		return v, k.stageBefore(&v, c)
	}
	return v, nil
}

// zeroVIP forgets what was counted under a number, which no live generation names.
func (k *Kernel) zeroVIP(num uint16) {
	for _, c := range k.counted {
		c.VIP[num], c.VIPDrop[num] = Count{}, Count{}
		c.Stray[num], c.StrayAt[num], c.Unheld[num], c.QUIC[num] = 0, 0, 0, QUICCount{}
	}
	k.settlings.all[num] = settling{}
	k.forgetReported(num)
	k.forgetDrops(func(d Drop) bool { return d.VIP == num })
	k.forgetWindows(func(w *window) bool { return w.VIP == num })
}

// stageBefore marks the slots in which the rings differ: in place when the VIP settles already, else in a copy of its
// ring. A marked slot asks the table, which changes nothing while the rings agree.
func (k *Kernel) stageBefore(v *VIP, c *plan.Change) error {
	if v.Flags&VIPSettling != 0 && k.aside == nil {
		for i, slot := range k.slots(v.Before, v.BeforeSize) {
			if c.Before[i] != slot {
				k.slots(v.Before, v.BeforeSize)[i] = c.Before[i]
			}
		}
	} else {
		p, err := k.putRing(c.Before)
		if err != nil {
			return err
		}
		k.settlings.all[c.Num].HashBefore = uint8(c.HashBefore)
		v.settle(p, uint32(len(c.Before)), c.HashBefore)
	}
	if v.Flags&VIPSticky != 0 && k.aside == nil {
		k.settlings.all[c.Num].StickyUntil = Monotonic() + uint64(stickyFor)
	}
	return nil
}

func ticks(d time.Duration) uint32 { return uint32(uint64(d)>>tickShift) + 1 }

// stageRows fills the rows of a generation. Slots that hold a program already are overwritten, never emptied first: the
// kernel waits for every packet in flight before it empties one that it jumps to directly.
func (k *Kernel) stageRows(generation int, p *plan.Plan) error {
	clear(k.rows.all[generation*Chains : (generation+1)*Chains]) // what stood there is not in use any more
	var filled [Chains]bool
	nums := map[string]uint16{}
	for _, c := range p.VIPs {
		nums[c.Spec.Name] = c.Num
	}
	spots := spot{generation: generation, spec: p.Spec, nums: nums, tenants: p.Tenants}
	for _, w := range wantedChains(p.Spec) {
		n, err := k.number(w)
		if err != nil {
			return err
		}
		spots.chain = n
		if err := k.fillRow(w, spots); err != nil {
			return fmt.Errorf("nic %s: %w", w.nic, err)
		}
		filled[n] = true
		k.step("stage: row written")
	}
	for n := range k.chains.all {
		if k.chains.all[n].Used != 0 && !filled[n] {
			if err := k.clearRow(generation, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// Prepare makes the generations that may still be seen ready for flows that begin in the next one: the VIPs whose ring
// differs settle in them too, so that the way back finds every flow. And it opens the backends that were gone and come
// back: the second packet of a flow may meet the switch before the next line of this program. It is the last step before
// Activate; where that fails, undo closes them again.
func (k *Kernel) Prepare(p *plan.Plan, next int) (undo func()) {
	for g := 1; g < Generations; g++ {
		if g == next || k.generations.all[g].Flags&GenerationLive == 0 || !k.kept(g) {
			continue
		}
		for _, c := range p.VIPs {
			if c.Before != nil {
				k.settleIn(g, next, c)
				k.step("prepare: vip settles in an older generation")
			}
		}
	}
	opened := k.open(p)
	k.step("prepare: backends opened")
	return func() {
		for _, id := range opened {
			k.MarkBackend(id, false, true)
		}
	}
}

// open lets the backends of a plan that were gone take what it says, and returns their ids.
func (k *Kernel) open(p *plan.Plan) (opened []uint16) {
	for i := range p.VIPs {
		c := &p.VIPs[i]
		for j, b := range c.Spec.Backends {
			if b.State != spec.Maintenance && b.State != spec.Down && k.Gone(c.IDs[j]) && !k.Out(c.IDs[j]) {
				k.MarkBackend(c.IDs[j], b.TakesNew(), false)
				opened = append(opened, c.IDs[j])
			}
		}
	}
	return opened
}

func (k *Kernel) settleIn(g, next int, c plan.Change) {
	for _, s := range servicesOf(&c.Spec) {
		older := k.findVIP(k.vipTablesOf(g), s)
		newer := k.findVIP(k.vipTablesOf(next), s)
		if older == nil || newer == nil || older.Num != newer.Num || older.Flags&VIPSettling != 0 {
			continue
		}
		older.settle(newer.Before, newer.BeforeSize, c.HashBefore)
	}
}
