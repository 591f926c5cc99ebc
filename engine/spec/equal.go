package spec

import "slices"

// Clone is a copy of s that shares nothing with it.
func (s *Spec) Clone() *Spec {
	if s == nil {
		return nil
	}
	c := *s
	c.Stages = slices.Clone(s.Stages)
	for i := range c.Stages {
		c.Stages[i] = c.Stages[i].clone()
	}
	c.Probes = slices.Clone(s.Probes)
	for i := range c.Probes {
		c.Probes[i].Object = c.Probes[i].clone()
	}
	c.NICs = slices.Clone(s.NICs)
	for i := range c.NICs {
		n := &c.NICs[i]
		n.XDP, n.TCXIngress, n.TCXEgress = slices.Clone(n.XDP), slices.Clone(n.TCXIngress), slices.Clone(n.TCXEgress)
	}
	c.VIPs = slices.Clone(s.VIPs)
	for i := range c.VIPs {
		v := &c.VIPs[i]
		v.Addresses, v.Backends, v.Checks = slices.Clone(v.Addresses), slices.Clone(v.Backends), slices.Clone(v.Checks)
		v.Announce, v.From = v.Announce.clone(), cloneValue(v.From)
		v.Prefixes, v.Sources = slices.Clone(v.Prefixes), slices.Clone(v.Sources)
		for j := range v.Checks {
			v.Checks[j] = v.Checks[j].clone()
		}
		if v.Health != nil {
			h := *v.Health
			v.Health = &h
		}
	}
	c.Agent = s.Agent.clone()
	c.BGP = s.BGP.clone()
	c.Tenants = cloneTenants(s.Tenants)
	return &c
}

// Equal tells whether two specs say the same in the same order. A nil slice equals an empty one; a nil spec equals
// only nil.
func (s *Spec) Equal(o *Spec) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.Version == o.Version &&
		slices.EqualFunc(s.Stages, o.Stages, Named.Equal) &&
		slices.EqualFunc(s.Probes, o.Probes, Probe.Equal) &&
		slices.EqualFunc(s.NICs, o.NICs, NIC.Equal) &&
		slices.EqualFunc(s.VIPs, o.VIPs, VIP.Equal) &&
		s.Agent.Equal(o.Agent) && s.BGP.Equal(o.BGP) && slices.EqualFunc(s.Tenants, o.Tenants, Tenant.Equal)
}

// Equal is Spec.Equal for a NIC.
func (n NIC) Equal(o NIC) bool {
	return n.Name == o.Name && slices.Equal(n.XDP, o.XDP) &&
		slices.Equal(n.TCXIngress, o.TCXIngress) && slices.Equal(n.TCXEgress, o.TCXEgress)
}

// Equal is Spec.Equal for a VIP.
func (v VIP) Equal(o VIP) bool {
	return v.Name == o.Name && v.Tenant == o.Tenant && v.Port == o.Port && v.LastPort == o.LastPort && slices.Equal(v.Prefixes, o.Prefixes) && slices.Equal(v.Sources, o.Sources) && v.Protocol == o.Protocol && v.Encap == o.Encap &&
		v.EncapPort == o.EncapPort && v.Ring == o.Ring && v.Flow == o.Flow && v.Hash == o.Hash && v.QUIC == o.QUIC && v.IDIn == o.IDIn && v.Local == o.Local && v.Migrate == o.Migrate && v.Handover == o.Handover && v.Settle == o.Settle &&
		slices.Equal(v.Addresses, o.Addresses) && slices.Equal(v.Backends, o.Backends) && v.From.Equal(o.From) &&
		slices.EqualFunc(v.Checks, o.Checks, Check.Equal) && v.Health.Equal(o.Health) && v.SlowStart == o.SlowStart &&
		(v.Announce == nil) == (o.Announce == nil) && (v.Announce == nil || v.Announce.Equal(*o.Announce))
}
