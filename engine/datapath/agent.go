package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"hairpin/engine/spec"
)

// Numbers of decap and snat among the kinds of stages.
const (
	decapID = 3
	snatID  = 8
)

// needAgent makes what the agent of a spec goes by, also where its stages stand in no chain that packets meet.
func (k *Kernel) needAgent(s *spec.Spec) error {
	if s.Agent == nil {
		return nil
	}
	if err := k.need(spec.Decap); err != nil {
		return err
	}
	if s.Agent.LooksInside() {
		return k.need(spec.SNAT)
	}
	if slices.ContainsFunc(s.NICs, s.Rebalances) {
		return k.need(rebalancing)
	}
	return nil
}

// standDecap stands the program that only unwraps where that is enough.
func (k *Kernel) standDecap(p spot, s *standing) error {
	if n := p.spec.NIC(cString(k.chains.all[p.chain].NIC[:])); n != nil && p.spec.Rebalances(*n) {
		s.program, s.dry = k.programs["decap_rebalance"], k.programs["decap_rebalance_dry"]
		return nil
	}
	if p.spec.Agent.LooksInside() {
		s.program, s.dry = k.programs["decap_snat"], k.programs["decap_snat_dry"]
		if k.chains.all[p.chain].Hook != XDP {
			s.program = k.programs["decap_snat_tc"]
		}
	}
	return k.standAgent(p, s)
}

// standAgent writes what decap and snat of a NIC go by, both the same.
func (k *Kernel) standAgent(p spot, s *standing) (err error) {
	g := p.spec.Agent
	if g == nil {
		return errors.New("there is no agent that it works for")
	}
	value := agentSettings{MSS: g.MSS}
	if g.Mode == spec.SNATMode {
		value.Flags |= agentTranslates
	}
	if g.Orphans == spec.OrphansCounted {
		value.Flags |= agentOrphans
	}
	for i, p := range g.Handover {
		value.Flags |= agentHandover
		value.Peer[i] = peerOf(p)
	}
	nic := cString(k.chains.all[p.chain].NIC[:])
	if i := slices.IndexFunc(g.Taps, func(t spec.Tap) bool { return t.Name == nic }); i >= 0 {
		value.Scope, value.Salt = tapScope(i), saltOf(nic)
	}
	if value == (agentSettings{}) {
		return nil // element 0 says so
	}
	used := k.usedSettings(decapID)
	for e := range k.usedSettings(snatID) {
		used[e] = true
	}
	s.settings, err = putSettings(k.agents.all, used, value)
	return err
}

func peerOf(p netip.Prefix) peer {
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	return peer{p.Masked().Addr().As16(), [16]byte(net.CIDRMask(bits, 128))}
}

// tapScope is under which the VIPs of the i-th tap stand in the table.
func tapScope(i int) uint16 { return uint16(i + 1) }

// saltOf keeps the flows of taps apart, whose machines may have the same addresses. It stays when others come and go.
func saltOf(tap string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(tap))
	return h.Sum64() | 1
}

// hostedEntries are the entries of the VIP table for what an agent hosts, of its host and of each tap.
func (k *Kernel) hostedEntries(g *spec.Agent) (entries []vipEntry, err error) {
	if g == nil {
		return nil, nil
	}
	add := func(scope uint16, vips, local []netip.Addr) error {
		for _, a := range vips {
			number, err := k.hostedNumber(a, g)
			if err != nil {
				return err
			}
			v := VIP{Num: agentNum, Flags: VIPAddress}
			binary.LittleEndian.PutUint16(v.EncapPort[:], number)
			if i := slices.IndexFunc(local, func(l netip.Addr) bool { return l.Is4() == a.Is4() }); i >= 0 {
				v.standIn(local[i])
			}
			s := service{Address: a}
			s.Port = scope>>8 | scope<<8 // as it lies in memory
			entries = append(entries, vipEntry{s, v})
		}
		return nil
	}
	if err := add(0, g.VIPs, g.Local); err != nil {
		return nil, err
	}
	for i, t := range g.Taps {
		if err := add(tapScope(i), t.VIPs, t.Local); err != nil {
			return nil, fmt.Errorf("tap %s: %w", t.Name, err)
		}
	}
	return entries, nil
}

// standIn puts a local address where the entry of a service has its rings.
func (v *VIP) standIn(local netip.Addr) {
	var raw [16]byte
	copy(raw[:], local.AsSlice())
	for i, at := range []*uint32{&v.Ring, &v.RingSize, &v.Before, &v.BeforeSize} {
		*at = binary.LittleEndian.Uint32(raw[4*i:])
	}
}

func (v *agentVIP) addr() netip.Addr {
	switch v.Family {
	case 4:
		return netip.AddrFrom4([4]byte(v.Address[:4]))
	case 6:
		return netip.AddrFrom16(v.Address)
	}
	return netip.Addr{}
}

// hostedNumber is the number of a hosted address: the one it has, or a free one. Numbers of addresses that are hosted no
// more are free when there is no other: then the flows that name them go first.
func (k *Kernel) hostedNumber(a netip.Addr, g *spec.Agent) (uint16, error) {
	free := 0
	for i := AgentVIPs - 1; i > 0; i-- {
		switch v := &k.agentVIPs.all[i]; {
		case v.Family == 0:
			free = i
		case v.addr() == a:
			return uint16(i), nil
		}
	}
	if free == 0 {
		free = k.releaseHosted(g)
	}
	if free == 0 {
		return 0, fmt.Errorf("all %d numbers of hosted addresses are in use by the specs of the last second and this one: wait", AgentVIPs-1)
	}
	v := agentVIP{Family: 4}
	copy(v.Address[:], a.AsSlice())
	if a.Is6() {
		v.Family = 6
	}
	for i := range k.agentCounts.all {
		k.agentCounts.all[i].VIP[free] = AgentCount{}
	}
	k.agentVIPs.all[free] = v
	return uint16(free), nil
}

// releaseHosted frees the numbers that neither g nor a generation that may still be seen names, and returns one of them.
func (k *Kernel) releaseHosted(g *spec.Agent) (free int) {
	var used [AgentVIPs]bool
	for n := range k.generations.all {
		if k.generations.all[n].Flags&GenerationLive == 0 || !k.kept(n) {
			continue
		}
		k.eachVIP(k.vipTablesOf(n), func(v *VIP) {
			if v.Num == agentNum {
				used[binary.LittleEndian.Uint16(v.EncapPort[:])%AgentVIPs] = true
			}
		})
	}
	wanted := map[netip.Addr]bool{}
	for _, a := range g.Hosted() {
		wanted[a] = true
	}
	for i := 1; i < AgentVIPs; i++ {
		if v := &k.agentVIPs.all[i]; used[i] || wanted[v.addr()] {
			used[i] = true
		} else {
			free = i
		}
	}
	k.forgetFlows(func(number uint16) bool { return !used[number] })
	for i := 1; i < AgentVIPs; i++ {
		if !used[i] {
			k.agentVIPs.all[i] = agentVIP{}
		}
	}
	return free
}

// forgetFlows ends the translation of the flows of some hosted addresses.
func (k *Kernel) forgetFlows(of func(number uint16) bool) {
	for i := range k.natFlows.all {
		for way := range k.natFlows.all[i].State {
			at := &k.natFlows.all[i].State[way]
			if state := atomic.LoadUint64(at); state != 0 && state&natClaimed == 0 && of(uint16(state&natVIP)) {
				atomic.CompareAndSwapUint64(at, state, 0)
			}
		}
	}
}

// Hosted is what came for an address that an agent hosts or hosted, of all CPUs.
type Hosted struct {
	Address netip.Addr
	AgentCount
}

// Hosted are the addresses that have or had packets come for them.
func (k *Kernel) Hosted() (list []Hosted) {
	for i := 1; i < len(k.agentVIPs.all); i++ {
		v := &k.agentVIPs.all[i]
		if v.Family == 0 {
			continue
		}
		h := Hosted{Address: v.addr()}
		for cpu := range k.agentCounts.all {
			c := &k.agentCounts.all[cpu].VIP[i]
			h.In, h.Out, h.Orphans = plus(h.In, c.In), plus(h.Out, c.Out), plus(h.Orphans, c.Orphans)
			h.Taken, h.Full, h.Handed = plus(h.Taken, c.Taken), plus(h.Full, c.Full), plus(h.Handed, c.Handed)
		}
		list = append(list, h)
	}
	return list
}

// Stranger is an address that packets came for, encapsulated, and nobody here hosts.
type Stranger struct {
	Address netip.Addr
	Packets uint64
	Ago     time.Duration // since the last of them
}

// Strangers are those of the last minute, as far as the kernel remembers them.
func (k *Kernel) Strangers() (list []Stranger, err error) {
	if k.maps["strangers"] == nil {
		return nil, nil
	}
	now, key, value := Monotonic(), stranger{}, strange{}
	all := k.maps["strangers"].Iterate()
	for all.Next(&key, &value) {
		v := agentVIP{Address: key.Address, Family: key.Family}
		if ago := time.Duration(now - min(value.At, now)); ago < time.Minute {
			list = append(list, Stranger{v.addr(), value.Packets, ago})
		}
	}
	if err := all.Err(); err != nil {
		return nil, fmt.Errorf("map strangers: %w", err)
	}
	slices.SortFunc(list, func(a, b Stranger) int { return a.Address.Compare(b.Address) })
	return list, nil
}

// Translations is how many flows are translated now, and for how many there is room.
func (k *Kernel) Translations() (flows, room int) {
	tick := uint32(Monotonic() >> tickShift)
	for i := range k.natFlows.all {
		for way := range k.natFlows.all[i].State {
			if natAlive(atomic.LoadUint64(&k.natFlows.all[i].State[way]), tick) {
				flows++
			}
		}
	}
	return flows, len(k.natFlows.all) * NATWays
}

// natAlive is what bpf/nat.h says of an entry.
func natAlive(state uint64, tick uint32) bool {
	life := int32(natLifeTCP)
	switch {
	case state == 0 || state&natClaimed != 0:
		return false
	case state&natClosing != 0:
		life = natLifeClosing
	case state&natConfirmed == 0:
		life = natLifeNew
	case state&natUDP != 0:
		life = natLifeUDP
	}
	return int32(tick-uint32(state>>natAgeShift)) <= life
}
