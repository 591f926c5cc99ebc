package engine

import (
	"slices"
	"testing"
)

// TestTenantSums: what a tenant carries is the sum of its VIPs, and what its limits count is counted once, wherever it came by.
func TestTenantSums(t *testing.T) {
	s := &State{Spec: parse(t, tenantsSpec)}
	second := *s.Spec.VIP("web")
	second.Name = "api"
	s.Spec.VIPs = append(s.Spec.VIPs, second)
	count := func(n uint64) Counter {
		return Counter{Packets: n, Bytes: 100 * n, PPS: float64(n), BPS: float64(100 * n)}
	}
	s.VIPs = []VIP{{Name: "web", Tenant: "shop", Protocol: "tcp", Counter: count(7), Drop: count(1), History: []float64{1, 2, 3}},
		{Name: "blog", Tenant: "press", Protocol: "tcp", Counter: count(5)},
		{Name: "ssh", Protocol: "tcp", Counter: count(50)},
		{Name: "api", Tenant: "shop", Protocol: "tcp", Counter: count(4), History: []float64{10}}}
	rate := func(nic, vip string, passed, over uint64) Limit {
		return Limit{NIC: nic, Kind: "ratelimit", Scope: "vip", VIP: vip, Now: float64(passed), Passed: count(passed), Over: count(over)}
	}
	s.Limits = []Limit{rate("eth0", "web", 3, 2), rate("eth0", "blog", 1, 9), rate("eth1", "web", 4, 0), rate("eth0", "ssh", 90, 90)}
	shop := func() Tenant { return s.Tenants()[0] }
	if got := shop(); got.Packets != 11 || got.Bytes != 1100 || got.PPS != 11 || got.BPS != 1100 || got.Drop.Packets != 1 || got.Backends != 4 || got.MaxVIPs != 2 ||
		!slices.Equal(got.VIPs, []string{"web", "api"}) || !slices.Equal(got.History, []float64{1, 2, 13}) {
		t.Errorf("shop carries %+v", got)
	}
	if got := shop(); got.New != -1 || got.Open != -1 || got.Limited.Packets != 2 {
		t.Errorf("where one VIP has no limit, %v are new, %v open, %d refused", got.New, got.Open, got.Limited.Packets)
	}
	s.Limits = append(s.Limits, rate("eth0", "api", 10, 1))
	if got := shop(); got.New != 17 || got.Limited.Packets != 3 {
		t.Errorf("by the limits of its VIPs, %v are new and %d refused", got.New, got.Limited.Packets)
	}
	conns := func(nic, tenant string, open float64, passed, over uint64) Limit {
		return Limit{NIC: nic, Kind: "connlimit", Scope: "tenant", Tenant: tenant, Now: open, Passed: count(passed), Over: count(over)}
	}
	s.Limits = append(s.Limits, conns("eth0", "shop", 40, 5, 6), conns("eth1", "shop", 40, 5, 6), conns("eth0", "press", 99, 9, 9))
	if got := shop(); got.New != 17 || got.Open != 40 || got.Limited.Packets != 9 {
		t.Errorf("with a limit of the tenant on two NICs, %v are new, %v open, %d refused", got.New, got.Open, got.Limited.Packets)
	}
	s.Limits = append(s.Limits, Limit{NIC: "eth0", Kind: "ratelimit", Scope: "tenant", Tenant: "shop", Passed: count(21)})
	if got := shop(); got.New != 21 {
		t.Errorf("by the tenant's own limit %v are new, want 21", got.New)
	}
	if got := (&State{}).Tenants(); got != nil {
		t.Errorf("without a spec there are %v", got)
	}
}
