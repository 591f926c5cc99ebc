package engine

import (
	"testing"

	"hairpin/engine/spec"
)

// choices are VIPs that choose, or are known, in every way that most are not.
const choices = `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: quic, addresses: [10.99.0.1, "fd00:99::1"], port: 443, protocol: udp, quic: v1, migrate: true, ring: 251, backends: [{address: 10.1.0.11, id: 7}, {address: 10.1.0.12}]}
  - {name: net, prefixes: [10.98.0.0/16, "fd00:98::/32"], port: 80, protocol: tcp, hash: addresses, ring: 251, backends: [{address: 10.1.0.11}, {address: 10.1.0.12}]}
  - {name: range, addresses: [10.99.0.1], port: 1000-1999, protocol: tcp, flow: none, ring: 251, backends: [{address: 10.1.0.11}]}
  - {name: far, addresses: [10.99.0.1], port: 22, protocol: tcp, local: true, ring: 251, backends: [{address: 10.1.0.11}]}
  - {name: near, addresses: [10.99.0.1], port: 22, protocol: tcp, sources: [192.0.2.0/24, "2001:db8::/32"], ring: 251, backends: [{address: 10.1.0.12}]}
`

// TestChoices: VIPs that choose and are known otherwise than most are applied, changed, shown, and adopted by the next engine.
func TestChoices(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	n := open(t, p)
	s := parse(t, choices)
	mustApply(t, n, s, 0)
	changed := s.Clone()
	changed.VIP("net").Hash, changed.VIP("far").Local, changed.VIP("quic").QUIC = spec.HashTuple, false, spec.QUIC2
	changed.VIP("near").Backends = append(changed.VIP("near").Backends, s.VIP("far").Backends...)
	mustApply(t, n, changed, 0)
	check := func(when string, n Node) {
		t.Helper()
		st := n.State()
		if len(st.VIPs) != len(changed.VIPs) {
			t.Fatalf("%s: %d VIPs are shown", when, len(st.VIPs))
		}
		for i, v := range st.VIPs {
			want := &changed.VIPs[i]
			if v.Choice.Hash != want.Hash.String() || v.Choice.QUIC != want.QUIC.String() || v.Choice.Local != want.Local || v.LastPort != want.LastPort ||
				len(v.Prefixes) != len(want.Prefixes) || len(v.Sources) != len(want.Sources) || len(v.Backends) != len(want.Backends) {
				t.Errorf("%s: vip %s is shown as %+v", when, want.Name, v)
			}
			for j, b := range v.Backends {
				if want.QUIC != spec.NoQUIC && b.Server != want.ServerID(want.Backends[j]) {
					t.Errorf("%s: server id %d, want %d", when, b.Server, want.ServerID(want.Backends[j]))
				}
			}
		}
	}
	check("after a change", n)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	o := running(t, p)
	check("by the next engine", o)
	inside(t, o, func() {
		for i := range changed.VIPs {
			if o.kernel.Recover(changed).VIPs[changed.VIPs[i].Name].Num == 0 {
				t.Errorf("vip %s is not found in the kernel", changed.VIPs[i].Name)
			}
		}
	})
	mustApply(t, o, s, 0)
}
