package command

import (
	"net/netip"

	"hairpin/engine"
	"hairpin/engine/spec"
)

// shared is a limited node whose VIP is of one of two tenants.
func shared() *engine.State {
	s := limited()
	s.Spec.VIPs[0].Tenant, s.VIPs[0].Tenant = "shop", "shop"
	s.Spec.Tenants = []spec.Tenant{{Name: "shop", Operators: []string{"ann"}, Groups: []string{"web"}, MaxVIPs: 4, MaxBackends: 20,
		Prefixes: []netip.Prefix{netip.MustParsePrefix("10.99.0.0/24")}}, {Name: "press"}}
	s.Revision = spec.Revision(s.Spec)
	return s
}
