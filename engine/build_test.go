package engine

import (
	"os"
	"path/filepath"
	"testing"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

// TestAnotherBuild: an engine of another build puts its programs into every chain, and settings, shadows and counters are what
// they were.
func TestAnotherBuild(t *testing.T) {
	t.Parallel()
	for name, chains := range map[string]spec.NIC{
		"at every hook": {Name: "eth0", XDP: spec.Stands("wall", "firewall", "balancer"), TCXIngress: spec.Stands("firewall"), TCXEgress: spec.Stands("wall")},
		"at tc alone":   {Name: "eth0", TCXIngress: spec.Stands("wall"), TCXEgress: spec.Stands("firewall")},
	} {
		t.Run(name, func(t *testing.T) {
			p := privateNode(t)
			s := parse(t, lbSpec)
			if len(chains.XDP) == 0 {
				s.VIPs = nil
			}
			s.Stages, s.NICs = stagesOfVictims().Stages, []spec.NIC{chains}
			o := running(t, p)
			mustApply(t, o, s, 0)
			w := newWire(t, "eth0")
			if len(chains.XDP) > 0 {
				forwards(t, p, w)
			}
			before, was := exits(t, p), o.State()
			o.Close()
			folders := filepath.Join(datapath.Dir(p.BPFFS, p.Node), "programs")
			entries, err := os.ReadDir(folders)
			if err != nil || len(entries) != 1 {
				t.Fatalf("%v %v", entries, err)
			}
			if err := os.Rename(filepath.Join(folders, entries[0].Name()), filepath.Join(folders, "0123456789abcdef")); err != nil {
				t.Fatal(err)
			}
			o = running(t, p)
			consistent(t, p, o)
			inside(t, o, func() {
				if !o.kernel.OwnPrograms(o.active) {
					t.Error("programs of another build run")
				}
			})
			if st := o.State(); st.Generation.Active == was.Generation.Active || st.Revision != was.Revision {
				t.Errorf("%+v %s, before %+v %s", st.Generation, st.Revision, was.Generation, was.Revision)
			}
			for reason, n := range exits(t, p) {
				if n < before[reason] {
					t.Errorf("%s was %d and is %d", reason, before[reason], n)
				}
			}
			if len(chains.XDP) > 0 {
				forwards(t, p, w)
			}
		})
	}
}
