package plan

import (
	"strings"

	"hairpin/engine/spec"
)

// describeRest says what changes beside VIPs, stages and chains.
func (p *Plan) describeRest() []string {
	rest := func(s *spec.Spec) *spec.Spec {
		if s == nil {
			s = &spec.Spec{}
		}
		return &spec.Spec{Version: spec.Version, Probes: s.Probes, Agent: s.Agent, BGP: s.BGP, Tenants: s.Tenants}
	}
	return changes("~ ", "", rest(p.world.Spec), rest(p.Spec))
}

// otherLines are what changes of a VIP that no other line says.
func otherLines(before spec.VIP, c *Change) []string {
	now := c.Spec
	now.Backends = nil
	before.Backends, before.Addresses, before.Port, before.Protocol, before.Encap, before.EncapPort = nil, now.Addresses, now.Port, now.Protocol, now.Encap, now.EncapPort
	before.Ring, before.Settle, before.Flow = now.Ring, now.Settle, now.Flow
	before.Prefixes, before.LastPort, before.Sources = now.Prefixes, now.LastPort, now.Sources
	before.Hash, before.QUIC, before.IDIn, before.Local, before.Migrate = now.Hash, now.QUIC, now.IDIn, now.Local, now.Migrate
	before.Checks, before.Health, before.SlowStart = now.Checks, now.Health, now.SlowStart
	alone := func(v spec.VIP) *spec.Spec { return &spec.Spec{Version: spec.Version, VIPs: []spec.VIP{v}} }
	return changes("  ", "vips[0].", alone(before), alone(now))
}

// changes are the differences of two specs, a line each, without the place that they have in common.
func changes(indent, common string, old, now *spec.Spec) (lines []string) {
	if old.Equal(now) {
		return nil
	}
	for _, d := range spec.Changes(old, now) {
		lines = append(lines, indent+strings.Replace(d, common, "", 1))
	}
	return lines
}
