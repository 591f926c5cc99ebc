package engine

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hairpin/engine/datapath"
	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// consistent checks what must hold of a node at any time with an engine: kernel, disk and memory say the same.
func consistent(t *testing.T, p Paths, o *owner) {
	t.Helper()
	inside(t, o, func() {
		t.Helper()
		o.upkeep(o.State().Time)
		control := o.kernel.Control()
		if o.spec == nil || int(control.Active) != o.active || spec.Revision(o.spec) != o.kernel.Revision(o.active) {
			t.Errorf("active %d, engine says %d with spec %v", control.Active, o.active, o.spec != nil)
			return
		}
		specs := []*spec.Spec{o.spec}
		if control.Pending != 0 {
			_, s, err := o.store.read(int(control.Confirmed))
			if err != nil {
				t.Errorf("confirmed: %v", err)
				return
			}
			specs = append(specs, s)
		} else if control.Active != control.Confirmed || onDisk(t, p) != int(control.Confirmed) {
			t.Errorf("active %d, confirmed %d, on disk %d", control.Active, control.Confirmed, onDisk(t, p))
		}
		chainsMatch(t, o.kernel, specs)
		backendsMatch(t, o.kernel, specs)
		if o.kernel.Outdated(o.spec) {
			t.Error("a firewall has other tables than its spec says")
		}
		othersMatch(t, o)
	})
	filesWhole(t, p)
	pinsMatch(t, p, o)
}

// chainsMatch: what is attached is what the specs name, and nothing else; what stands in each chain is what the running one
// says.
func chainsMatch(t *testing.T, k *datapath.Kernel, specs []*spec.Spec) {
	t.Helper()
	type place struct {
		nic  string
		hook spec.Hook
	}
	want := map[place]bool{}
	for _, s := range specs {
		for _, n := range s.NICs {
			for _, c := range n.Chains() {
				want[place{n.Name, c.Hook}] = true
			}
		}
	}
	for _, a := range k.Attached() {
		at := place{a.Chain.NIC, a.Chain.Hook.Spec()}
		if !want[at] {
			t.Errorf("nic %s has a chain at %s, and no spec names it", at.nic, at.hook)
		}
		if a.Err != nil {
			t.Errorf("nic %s: %v", at.nic, a.Err)
		}
		delete(want, at)
		var stands []spec.Position
		for _, s := range a.Chain.Stages {
			stands = append(stands, spec.Position{Name: a.Chain.Names[s.Account], Shadow: s.Shadow})
		}
		var named []spec.Position
		if n := specs[0].NIC(at.nic); n != nil {
			named = spec.Enabled(*n.At(at.hook))
		}
		if !slices.Equal(stands, named) {
			t.Errorf("nic %s at %s: %v stands, the spec says %v", at.nic, at.hook, stands, named)
		}
	}
	for at := range want {
		t.Errorf("nic %s has no chain at %s", at.nic, at.hook)
	}
}

// backendsMatch: every backend of the running spec takes what the spec says, and all others are gone, unless the kernel may
// still go back to them.
func backendsMatch(t *testing.T, k *datapath.Kernel, specs []*spec.Spec) {
	t.Helper()
	world, err := k.World(specs[0])
	if err != nil {
		t.Error(err)
		return
	}
	wanted := map[uint16]spec.Backend{}
	for _, v := range specs[0].VIPs {
		for _, b := range v.Backends {
			id, ok := world.IDs[plan.Key{VIP: world.VIPs[v.Name].Num, Address: b.Address}]
			if !ok {
				t.Errorf("vip %s: backend %s has no id", v.Name, b.Address)
			}
			wanted[id] = b
		}
	}
	waits := k.Control().Pending != 0
	for _, b := range k.Backends() {
		w, ok := wanted[b.ID]
		switch {
		case !ok && (b.New || !b.Gone && !waits):
			t.Errorf("backend %s (id %d) is in no spec and not gone", b.Address, b.ID)
		case ok && (b.New != w.TakesNew() || b.Gone != (w.State == spec.Maintenance) && w.State != spec.Down && !waits):
			t.Errorf("backend %s (id %d) is %s and takes new %v, gone %v", b.Address, b.ID, w.State, b.New, b.Gone)
		}
	}
}

// othersMatch: programs of somebody else's are loaded and attached as the running spec says, and none is half made.
func othersMatch(t *testing.T, o *owner) {
	t.Helper()
	if got := o.kernel.AttachedProbes(); len(got) != len(o.spec.Probes) || o.probeTrouble != nil {
		t.Errorf("probes %v are attached, %v; the spec has %d", got, o.probeTrouble, len(o.spec.Probes))
	}
	watched := 0
	for i := range o.spec.Probes {
		watched += len(o.spec.Probes[i].Watch)
	}
	for _, n := range o.spec.Stages {
		if x, ok := n.Settings.(*spec.ExternalStage); ok {
			watched += len(x.Watch)
		}
	}
	metrics := o.kernel.Metrics(o.spec)
	for _, m := range metrics {
		if m.Err != nil {
			t.Errorf("metric %s of %s%s: %v", m.Watch.Name, m.Stage, m.Probe, m.Err)
		}
	}
	if len(metrics) != watched {
		t.Errorf("%d metrics, the spec watches %d", len(metrics), watched)
	}
	for _, room := range []string{"externals", "probes"} {
		if half, _ := filepath.Glob(filepath.Join(datapath.Dir(o.options.Paths.BPFFS, o.options.Paths.Node), room, "*_new_*")); len(half) > 0 {
			t.Errorf("%q are left", half)
		}
	}
}

// filesWhole: whatever is stored can be read, and nothing half written is left.
func filesWhole(t *testing.T, p Paths) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.State, "generations", "*"))
	if err != nil {
		t.Fatal(err)
	}
	hidden, _ := filepath.Glob(filepath.Join(p.State, "generations", ".*"))
	for _, name := range hidden {
		t.Errorf("%s is left", name)
	}
	for _, name := range files {
		if filepath.Base(name) == "confirmed" {
			continue
		}
		generation, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(name), ".yaml"))
		if err != nil {
			t.Error(err)
		}
		if r, s, err := storeOf(p.State).read(generation); err != nil || spec.Revision(s) != r.Revision {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// pinsMatch: one folder of programs, and no half-made ones.
func pinsMatch(t *testing.T, p Paths, o *owner) {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(datapath.Dir(p.BPFFS, p.Node), "programs", "*"))
	if err != nil || len(folders) != 1 {
		t.Errorf("folders of programs: %q, %v", folders, err)
	}
	half, _ := filepath.Glob(datapath.Dir(p.BPFFS, p.Node) + "_*")
	for _, name := range half {
		t.Errorf("%s is left", name)
	}
	links := 0
	for name := range pins(t, p) {
		if strings.Contains(name, "/links/") {
			links++
		}
	}
	inside(t, o, func() {
		if chains := len(o.kernel.Chains()); links != chains {
			t.Errorf("%d links, %d chains", links, chains)
		}
	})
}
