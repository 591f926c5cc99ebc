package overlay

import (
	"net/netip"
	"strings"
	"testing"

	"hairpin/engine"
	"hairpin/engine/spec"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

func vips(list ...spec.VIP) *spec.Spec { return &spec.Spec{VIPs: list} }

func vip(name string, states ...spec.State) spec.VIP {
	v := spec.VIP{Name: name}
	for i, s := range states {
		v.Backends = append(v.Backends, spec.Backend{
			Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), Weight: 100, State: s,
		})
	}
	return v
}

func TestWeigh(t *testing.T) {
	moved := func(name string, n int) engine.VIPPlan { return engine.VIPPlan{Name: name, Slots: 1000, Moved: n} }
	two := vips(vip("web", spec.Up, spec.Up), vip("api", spec.Up))
	for _, c := range []struct {
		name  string
		plan  []engine.VIPPlan
		after *spec.Spec
		typed string
		why   string
	}{
		{"a hundredth: a button is enough", []engine.VIPPlan{moved("web", 10)}, two, "", ""},
		{"more: the VIP's name", []engine.VIPPlan{moved("web", 11)}, two, "web", "1.1% of the slots of web move"},
		{"two VIPs: the node's name", []engine.VIPPlan{moved("web", 500), moved("api", 20)}, two, "lb-1", "2% of the slots of api move"},
		{"one of two: its own name", []engine.VIPPlan{moved("web", 1), moved("api", 20)}, two, "api", "2%"},
		{"the last backend", []engine.VIPPlan{moved("api", 0)}, vips(vip("web", spec.Up, spec.Up), vip("api", spec.Drain)),
			"api", "api loses its last backend"},
		{"one that was empty before", []engine.VIPPlan{moved("web", 0)}, vips(), "web", "web loses its last backend"},
		{"a ring of unknown size", []engine.VIPPlan{{Name: "web"}}, two, "web", "100% of the slots of web move"},
	} {
		i := Weigh(nil, "lb-1", &engine.Plan{VIPs: c.plan}, two, c.after)
		if i.Name != c.typed || !strings.Contains(strings.Join(i.Why, "; "), c.why) || (c.typed == "") != (len(i.Why) == 0) {
			t.Errorf("%s: type %q because of %q", c.name, i.Name, i.Why)
		}
	}
}

// TestLastHealthyBackend: one that is down by what is seen of it does not stand in for the last one that is not.
func TestLastHealthyBackend(t *testing.T) {
	before := vips(vip("web", spec.Up, spec.Up, spec.Up))
	shown := &engine.State{VIPs: []engine.VIP{{Name: "web", Backends: []engine.Backend{
		{Address: before.VIPs[0].Backends[0].Address, State: "up"}, {Address: before.VIPs[0].Backends[1].Address, State: "down"},
		{Address: before.VIPs[0].Backends[2].Address, State: "down"}}}}}
	plan := &engine.Plan{VIPs: []engine.VIPPlan{{Name: "web", Slots: 1000}}}
	for _, c := range []struct {
		after *spec.Spec
		typed string
	}{
		{vips(vip("web", spec.Drain, spec.Up, spec.Up)), "web"},
		{vips(vip("web", spec.Up, spec.Drain, spec.Drain)), ""},
		{vips(vip("web", spec.Drain, spec.Up, spec.Up, spec.Up)), ""}, // a new one, of which nothing is known
	} {
		i := Weigh(shown, "lb-1", plan, before, c.after)
		if i.Name != c.typed || (c.typed != "") != strings.Contains(strings.Join(i.Why, "; "), "web loses its last healthy backend") {
			t.Errorf("%v: type %q because of %q", c.after.VIPs[0].Backends, i.Name, i.Why)
		}
	}
}
