package engine

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

// tooMany has a limit for each of its VIPs in each of its stages.
func tooMany(t *testing.T) *spec.Spec {
	const each = 12
	s := parse(t, lbSpec)
	v := s.VIPs[0]
	v.Ring = 251
	for i := len(s.VIPs); i <= datapath.Windows/each; i++ {
		v.Name, v.Port = fmt.Sprintf("v%d", i), uint16(1000+i)
		s.VIPs = append(s.VIPs, v)
	}
	s.NICs[0].XDP = nil
	for i := range each {
		name := fmt.Sprintf("r%d", i)
		s.Stages = append(s.Stages, spec.Named{Name: name, Kind: spec.RateLimit, Settings: &spec.Rates{Limits: []spec.Rate{{Rate: 1000, Per: spec.PerVIP}}}})
		s.NICs[0].XDP = append(s.NICs[0].XDP, spec.Position{Name: name})
	}
	s.NICs[0].XDP = append(s.NICs[0].XDP, spec.Position{Name: string(spec.Balancer)})
	return s
}

func tooManyBackends(t *testing.T) *spec.Spec {
	s := parse(t, lbSpec)
	s.VIPs[0].Backends = nil
	for i := range spec.MaxBackends + 1 {
		s.VIPs[0].Backends = append(s.VIPs[0].Backends, spec.Backend{Address: netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)}), Weight: 1})
	}
	return s
}

// careless has an external stage that reads what may not be there.
func careless(t *testing.T) *spec.Spec {
	return parse(t, strings.Replace(lbSpec, "nics: {eth0: {xdp: [balancer]}}", fmt.Sprintf(`
stages: {odd: {kind: external, object: %s, program: careless, next: onward}}
nics: {eth0: {xdp: [odd, balancer]}}`, example("odd.o")), 1))
}

// TestExceeded: what there is no room for, or what the kernel does not take, is refused with the reason before anything is
// live, and nothing of it is left behind.
func TestExceeded(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), 0)
	before := o.State()
	for _, row := range []struct {
		what     string
		spec     *spec.Spec
		sentinel error
		words    []string
	}{
		{"limits of more VIPs than are counted at a time", tooMany(t), nil, []string{"stage r", "windows are in use", "limit fewer VIPs"}},
		{"more backends than ids", tooManyBackends(t), ErrInvalid, []string{"32768", "at most 32767"}},
		{"a program that the verifier refuses", careless(t), ErrInvalid, []string{"odd.o", "the verifier refuses it", "invalid access to packet"}},
	} {
		_, err := o.Apply(t.Context(), ApplyRequest{Spec: row.spec, Who: "test"})
		t.Log(row.what, ": ", err)
		says(t, err, row.sentinel, row.words...)
		if st := o.State(); st.Generation != before.Generation || st.Revision != before.Revision {
			t.Errorf("%s: %+v, was %+v", row.what, st.Generation, before.Generation)
		}
		consistent(t, p, o)
		inside(t, o, func() {
			if ids := len(o.kernel.Backends()); ids != 2 {
				t.Errorf("%s: %d backend ids are in use", row.what, ids)
			}
		})
	}
	forwards(t, p, w)
}
