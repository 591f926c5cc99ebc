package datapath

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"hairpin/engine/packet"
	"hairpin/engine/reason"
	"hairpin/engine/spec"
)

// tenantSpec has two VIPs of one tenant, at ports 80 and 81, one of another at 82, and one of none at 83.
const tenantSpec = `
version: 1
stages:
  limits: %s
nics: {eth0: {xdp: [limits, balancer], tcx_ingress: [limits]}, eth1: {xdp: [{stage: limits, shadow: true}, balancer]}}
tenants: {shop: {operators: [ann]}, press: {operators: [bob]}, bare: {operators: [cid]}}
vips:
  - {name: web,  tenant: shop,  addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
  - {name: api,  tenant: shop,  addresses: [10.99.0.1, "fd00:99::1"], port: 81, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
  - {name: blog, tenant: press, addresses: [10.99.0.1, "fd00:99::1"], port: 82, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
  - {name: own,  addresses: [10.99.0.1, "fd00:99::1"], port: 83, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
`

func withLimits(limits string) string { return fmt.Sprintf(tenantSpec, limits) }

// opens tells whether the SYN of a new flow to a port is let pass; number says which flow.
func (n *node) opens(t testing.TB, chain int, port uint16, number int) bool {
	t.Helper()
	return n.sends(t, chain, port, number, "S")
}

func (n *node) sends(t testing.TB, chain int, port uint16, number int, flags string) bool {
	t.Helper()
	var ip packet.Layer = ip4{Src: netip.AddrFrom4([4]byte{203, 0, 113, byte(number)})}
	if number%2 == 1 {
		ip = ip6{Src: netip.AddrFrom16([16]byte{0x20, 1, 15: byte(number)})}
	}
	before := n.overLimits(chain)
	n.run(t, chain, frame(ip, tcp{Src: packet.Is(uint16(2000 + number)), Dst: packet.Is(port), Flags: flags}), 0)
	return n.overLimits(chain) == before
}

// overLimits is how many packets of a chain a limit refused.
func (n *node) overLimits(chain int) (sum uint64) {
	for _, name := range []string{"rate_limited", "conn_limited"} {
		why, _ := reason.ByName(name)
		for _, c := range n.counted {
			sum += c.Exit[chain][why.ID].Packets
		}
	}
	return sum
}

// TestTenantRate: the VIPs of one tenant share a rate, those of others do not, and a VIP's own rate holds besides. The SYNs
// come within a second, or the test begins anew.
func TestTenantRate(t *testing.T) {
	t.Parallel()
	for _, r := range []struct {
		limits, passed string // by SYNs to ports 80, 81, 82, 83, 80, 81, 82, 83, …
	}{
		{"{kind: ratelimit, limits: [{rate: 3, per: tenant, tenant: shop}]}", "1111 1011 0011 0011"},
		{"{kind: ratelimit, limits: [{rate: 2, per: tenant}]}", "1111 0011 0001 0001"},
		{"{kind: ratelimit, limits: [{rate: 2, per: tenant}, {rate: 3, per: tenant, tenant: shop}]}", "1111 0011 0001 0001"},
		{"{kind: ratelimit, limits: [{rate: 3, per: tenant, tenant: shop}, {rate: 1, per: vip, vip: web}, {rate: 9, per: nic}]}", "1111 0111 0011 0000"},
		{"{kind: ratelimit, count: offered, limits: [{rate: 3, per: tenant, tenant: shop}]}", "1111 1011 0011 0011"},
		{"{kind: ratelimit, limits: [{rate: 1, per: tenant, tenant: bare}]}", "1111 1111 1111 1111"},
	} {
		t.Run(r.limits, func(t *testing.T) {
			n := newNode(t, withLimits(r.limits))
			for try := 0; ; try++ {
				began, got := time.Now(), ""
				for i := range 16 {
					if i > 0 && i%4 == 0 {
						got += " "
					}
					got += map[bool]string{true: "1", false: "0"}[n.opens(t, 0, uint16(80+i%4), i)]
				}
				if got == r.passed {
					return
				}
				if within := time.Since(began) < time.Second; within && try == 0 || try == 20 {
					t.Fatalf("passed %s, want %s", got, r.passed)
				}
				time.Sleep(1100 * time.Millisecond) // what the windows hold is forgotten
			}
		})
	}
}

// TestTenantRateShown: a tenant's limit is a row of its own, a dry packet is told of it, and a window stays its own over
// edits.
func TestTenantRateShown(t *testing.T) {
	t.Parallel()
	n := newNode(t, withLimits("{kind: ratelimit, limits: [{rate: 3, per: tenant}, {rate: 5, per: vip, vip: own}]}"))
	n.fillWindows()
	result, err := n.Dry(int(n.Control().Active), 0, frame(ip4{}, tcp{Dst: 81, Flags: "S"}))
	if err != nil {
		t.Fatal(err)
	}
	if got := reasonName(int(result.Note.Reason)); got != "rate_limited" {
		t.Errorf("a dry packet to a full tenant leaves as %s", got)
	}
	if n.opens(t, n.chain(t, "eth0", TCXIngress), 81, 1) || !n.opens(t, n.chain(t, "eth1", XDP), 81, 2) {
		t.Error("a full tenant lets pass at tc, or refuses in shadow")
	}
	rows := func() (all []string) {
		names := n.TenantsOf(int(n.Control().Active), n.spec)
		for _, l := range n.RateLimits() {
			if l.Scope == spec.PerTenant && l.Chain == 0 {
				all = append(all, fmt.Sprint(names[l.VIP], " ", l.Rate, " ", l.Window))
			}
		}
		slices.Sort(all)
		return all
	}
	first := rows()
	if len(first) != 2 || !strings.HasPrefix(first[0], "press 3 ") || !strings.HasPrefix(first[1], "shop 3 ") {
		t.Errorf("the limits of tenants are %q", first)
	}
	n.apply(t, parse(t, strings.Replace(withLimits("{kind: ratelimit, limits: [{rate: 3, per: tenant}]}"), "{name: own, ", "{name: own, tenant: bare, ", 1)), 0)
	if got := rows(); len(got) != 3 || !slices.Equal(got[1:], first) || !strings.HasPrefix(got[0], "bare ") {
		t.Errorf("after an edit the limits of tenants are %q, were %q", got, first)
	}
	if n.opens(t, 0, 80, 1) || !n.opens(t, 0, 83, 2) {
		t.Error("after an edit, a full tenant lets pass, or one that is not full refuses")
	}
}

// TestTenantFlows: the flows of a tenant's VIPs are limited together, also those that are older than the limit, and when a
// VIP comes to the tenant or goes from it.
func TestTenantFlows(t *testing.T) {
	t.Parallel()
	limited := parse(t, withLimits("{kind: connlimit, limits: [{max: 1000}, {max: 5, per: tenant, tenant: shop}, {max: 2, per: vip, vip: own}]}"))
	n := newNode(t, withLimits("{kind: connlimit, limits: [{max: 1000}]}"))
	plain := n.spec
	flow := 0
	open := func(port uint16, want string) {
		t.Helper()
		got := ""
		for range want {
			flow++
			got += map[bool]string{true: "1", false: "0"}[n.opens(t, 0, port, flow)]
		}
		if got != want {
			t.Errorf("of new flows to port %d %s passed, want %s; the tenant's count is %s", port, got, want, n.tenantRows())
		}
	}
	open(80, "11")
	open(81, "11")
	open(82, "111")
	n.apply(t, limited, 0)
	n.SumTenants()
	open(82, "111")
	open(80, "10")
	open(81, "00")
	open(83, "110")
	if got := n.tenantRows(); got != "shop 5 of 5, passed 1, refused 3" {
		t.Errorf("the tenant's limit says %s", got)
	}
	n.sends(t, 0, 80, 1, "R")
	open(81, "10")
	moved := limited.Clone()
	moved.VIPs[1].Tenant = "press" // api, with three flows
	n.apply(t, moved, 0)
	n.SumTenants()
	open(80, "1110")
	n.apply(t, limited, 0)
	n.SumTenants()
	open(81, "0")
	if got := n.tenantRows(); !strings.HasPrefix(got, "shop 8 of 5") {
		t.Errorf("with a VIP that came back, the tenant's limit says %s", got)
	}
	n.apply(t, plain, 0)
	open(80, "11")
	result, err := n.Dry(int(n.Control().Active), 0, frame(ip4{}, syn))
	if err != nil || reasonName(int(result.Note.Reason)) != "forwarded" {
		t.Errorf("without the limit a dry packet leaves as %s: %v", reasonName(int(result.Note.Reason)), err)
	}
}

func (n *node) tenantRows() string {
	var all []string
	names := n.TenantsOf(int(n.Control().Active), n.spec)
	for _, l := range n.ConnLimits() {
		if l.Scope == spec.PerTenant && l.Chain == 0 {
			all = append(all, fmt.Sprintf("%s %d of %d, passed %d, refused %d", names[l.VIP], l.Open, l.Max, l.Passed.Packets, l.Over.Packets))
		}
	}
	return strings.Join(all, "; ")
}

// TestTenantReported: what agents report of a tenant's VIPs is one sum, and so are the handshakes on their way.
func TestTenantReported(t *testing.T) {
	t.Parallel()
	n := newNode(t, withLimits(`{kind: connlimit, source: agents, listen: "10.1.0.10:6090", key: /key, limits: [{max: 10, per: tenant}, {max: 100}]}`))
	web, api, blog := n.vip(t, "web").Num, n.vip(t, "api").Num, n.vip(t, "blog").Num
	n.CountReported(map[uint16]Reported{web: {Open: 4}, api: {Open: 4}, blog: {Open: 8}})
	passed := ""
	for i, port := range []uint16{80, 81, 80, 81, 82, 82, 82, 83} {
		passed += map[bool]string{true: "1", false: "0"}[n.opens(t, 0, port, i)]
	}
	if passed != "11001101" {
		t.Errorf("with 8 of 10 open %s passed, want 11001101", passed)
	}
	n.CountReported(map[uint16]Reported{web: {Open: 5, Opened: 1}, api: {Open: 1, Opened: 1}, blog: {Open: 1}})
	if got := n.tenantRows(); !strings.Contains(got, "shop 6 of 10, passed 2, refused 2") {
		t.Errorf("the limits of tenants say %s", got)
	}
	for _, l := range n.ConnLimits() {
		if l.Scope == spec.PerNIC && l.Chain == 0 && l.Open != 7 {
			t.Errorf("all together have %d open, want 7", l.Open)
		}
	}
}
