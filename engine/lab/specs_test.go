package lab

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hairpin/engine/spec"
)

// TestSpecsAreWhole reads back what a node would read: a rule of the spec that the lab breaks shows here.
func TestSpecsAreWhole(t *testing.T) {
	l := &Lab{name: "specs", size: size{balancers: 2, backends: 3}, router: Builtin}
	for name, s := range map[string]*spec.Spec{"lb": l.LBSpec(), "one of several": l.BalancerSpec(Balancer(2)), "backend": l.BackendSpec()} {
		got, err := spec.Parse(name, spec.Marshal(s))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(s, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
