package datapath

import (
	"sync/atomic"
	"time"

	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

const tenantsPin = "vip_tenants"

// writeTenants says of a version of the VIP tables, which is not in use, which VIPs are one tenant's.
func (k *Kernel) writeTenants(version int, p *plan.Plan) {
	t := &k.vipTenants.all[version]
	clear(t.Of[:])
	for _, c := range p.VIPs {
		t.Of[c.Num&(VIPs-1)] = p.Tenants[c.Spec.Tenant]
	}
	for _, num := range p.NewTenants {
		if k.aside == nil {
			k.zeroVIP(num)
		}
	}
}

// tenantsOf are the numbers of tenants by those of their VIPs, as a generation has them.
func (k *Kernel) tenantsOf(generation int) *vipTenants {
	return &k.vipTenants.all[k.generations.all[generation].VIPVersion%Generations]
}

// addTenant notes the number that the tenant of a VIP has in the active generation.
func (k *Kernel) addTenant(to map[string]uint16, v spec.VIP, vip uint16) {
	if num := k.tenantsOf(int(k.Control().Active)).Of[vip&(VIPs-1)]; num != 0 && v.Tenant != "" {
		to[v.Tenant] = num
	}
}

// TenantsOf are the tenants of a spec by their numbers in a generation that has it.
func (k *Kernel) TenantsOf(generation int, s *spec.Spec) map[uint16]string {
	names, of := map[uint16]string{}, k.tenantsOf(generation)
	for vip, name := range k.NamesOf(generation, s) {
		if v := s.VIP(name); v != nil && v.Tenant != "" && of.Of[vip&(VIPs-1)] != 0 {
			names[of.Of[vip&(VIPs-1)]] = v.Tenant
		}
	}
	return names
}

// ofTenants tells which numbers are those of tenants in the active generation.
func (k *Kernel) ofTenants() map[uint16]bool {
	is := map[uint16]bool{}
	for _, num := range k.tenantsOf(int(k.Control().Active)).Of {
		if num != 0 {
			is[num] = true
		}
	}
	return is
}

// limitsFlowsOfTenants tells whether a spec has flows counted by tenant. They are counted by every stage that counts flows
// or by none, since a flow may go on by another NIC than it came by.
func limitsFlowsOfTenants(s *spec.Spec) bool {
	for _, n := range s.Stages {
		x, ok := n.Settings.(*spec.Connections)
		for i := 0; ok && x.Source == spec.Flows && i < len(x.Limits); i++ {
			if x.Limits[i].Per == spec.PerTenant {
				return true
			}
		}
	}
	return false
}

// countsTenants tells whether a generation has flows counted by tenant.
func (k *Kernel) countsTenants(generation int) bool {
	for e := range k.settingsOf(generation, connlimitID) {
		if k.connlimits.all[e].Tenants != 0 {
			return true
		}
	}
	return false
}

// SumTenants makes the tallies of tenants true for what is live: a tenant may have got a limit by it, or another VIP. It may
// run while packets come.
func (k *Kernel) SumTenants() {
	if active := int(k.Control().Active); k.generations.all[active].Flags&GenerationLive != 0 {
		k.sumTenants(active)
	}
}

// sumTenants makes the tallies of tenants the sums of their VIPs', as a generation has them. A flow that is read between two
// steps of a packet is counted wrong by one until its bucket falls out of the tally.
func (k *Kernel) sumTenants(generation int) {
	if !k.countsTenants(generation) {
		return
	}
	until := uint32(Monotonic()>>flowTick) - dropAfter
	sums := map[uint16]*tally{}
	for vip, tenant := range k.tenantsOf(generation).Of {
		if tenant == 0 {
			continue
		}
		if sums[tenant] == nil {
			sums[tenant] = &tally{}
		}
		x := k.tallies.all[vip]
		x.turn(until)
		for i, n := range x.Bucket {
			sums[tenant].Bucket[i] += n
		}
	}
	for tenant, sum := range sums {
		k.tallies.all[tenant%VIPs].become(sum, until)
	}
}

// turnsAwaited bounds how long a CPU may be at a tally: it takes microseconds.
const turnsAwaited = 1000

// become makes a tally that packets count with what the buckets of sum say, ended ones empty. Its own sum changes by as much
// as its buckets, so that the two agree whatever is counted meanwhile. Where a CPU is at it for longer than it can be, it
// stays as it is.
func (x *tally) become(sum *tally, until uint32) {
	for range turnsAwaited {
		tick := atomic.LoadUint32(&x.Tick)
		if tick&tallyTurns != 0 || !atomic.CompareAndSwapUint32(&x.Tick, tick, tick|tallyTurns) {
			time.Sleep(time.Microsecond)
			continue
		}
		for i, n := range sum.Bucket {
			n -= atomic.LoadUint32(&x.Bucket[i])
			atomic.AddUint32(&x.Bucket[i], n)
			atomic.AddUint32(&x.Sum, n)
		}
		if int32(until-tick) > 0 {
			tick = until
		}
		atomic.StoreUint32(&x.Tick, tick)
		return
	}
}
