package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

// kernelObjects are the ids of everything pinned below path, by kind.
func kernelObjects(t *testing.T, path string) map[string][]uint32 {
	t.Helper()
	ids := map[string][]uint32{}
	err := filepath.Walk(path, func(name string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		if m, err := ebpf.LoadPinnedMap(name, nil); err == nil {
			defer m.Close()
			info, err := m.Info()
			id, _ := info.ID()
			ids["map"] = append(ids["map"], uint32(id))
			return err
		}
		if p, err := ebpf.LoadPinnedProgram(name, nil); err == nil {
			defer p.Close()
			info, err := p.Info()
			id, _ := info.ID()
			ids["program"] = append(ids["program"], uint32(id))
			return err
		}
		l, err := link.LoadPinnedLink(name, nil)
		if err != nil {
			return err
		}
		defer l.Close()
		linkInfo, err := l.Info()
		if err == nil {
			ids["link"] = append(ids["link"], uint32(linkInfo.ID))
			ids["program"] = append(ids["program"], uint32(linkInfo.Program)) // root, which is pinned nowhere
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// alive are those of ids that exist still. Maps and programs are looked up in the kernel's list and not opened: opening an
// array of programs while the kernel empties it keeps it for ever.
func alive(ids map[string][]uint32) (left []string) {
	for _, id := range ids["map"] {
		if next, err := ebpf.MapGetNextID(ebpf.MapID(id - 1)); err == nil && next == ebpf.MapID(id) {
			left = append(left, fmt.Sprintf("map %d", id))
		}
	}
	for _, id := range ids["program"] {
		if next, err := ebpf.ProgramGetNextID(ebpf.ProgramID(id - 1)); err == nil && next == ebpf.ProgramID(id) {
			left = append(left, fmt.Sprintf("program %d", id))
		}
	}
	for _, id := range ids["link"] {
		if l, err := link.NewFromID(link.ID(id)); err == nil {
			_ = l.Close()
			left = append(left, fmt.Sprintf("link %d", id))
		}
	}
	return left
}

func TestDetach(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	foreignXDP(t, "eth2")
	addNIC(t, "eth1", "")
	theirs := filepath.Join(p.BPFFS, "theirs")
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.Pin(theirs), m.Close()); err != nil {
		t.Fatal(err)
	}
	o := running(t, p)
	s := twoNICs(t)
	s.NICs[1] = spec.NIC{Name: "eth1", TCXIngress: spec.Stands(spec.Decap)}
	s.Agent = &spec.Agent{VIPs: s.VIPs[0].Addresses, EncapPort: spec.DefaultEncapPort}
	g := guardedSpec(t, 53, "states: {object: STATES, program: raw}")
	s.Stages, s.Probes, s.NICs[0].XDP = g.Stages, g.Probes, g.NICs[0].XDP
	a := mustApply(t, o, s, 0)
	mustApply(t, o, setWeight(t, s, "10.1.0.11", 3), time.Minute) // also in the middle of a change
	ours := kernelObjects(t, filepath.Join(p.BPFFS, "hairpin"))
	if len(ours["map"]) < 20 || len(ours["program"]) < 10 || len(ours["link"]) != 3 || len(alive(ours)) < 30 {
		t.Fatalf("%v", ours)
	}
	foreign := xdpOf(t, "eth2")

	for range 2 {
		if err := o.Detach(t.Context(), "test"); err != nil {
			t.Fatal(err)
		}
	}
	if xdpOf(t, "eth0") != 0 {
		t.Error("eth0 has a program still")
	}
	if st := o.State(); st.Generation.Active != -1 || !hasProblem(st, "crit", "everything was detached") {
		t.Errorf("%+v", st)
	}
	_, err = o.Plan(t.Context(), s)
	says(t, err, ErrRefused, "detached")
	_, err = o.Apply(t.Context(), ApplyRequest{Spec: s})
	says(t, err, ErrRefused, "detached")
	says(t, o.Confirm(t.Context(), "test"), ErrRefused, "detached")
	o.Close()

	left := alive(ours)
	for limit := time.Now().Add(time.Minute); len(left) > 0 && time.Now().Before(limit); left = alive(ours) {
		time.Sleep(10 * time.Millisecond) // the kernel frees them some time after
	}
	if len(left) > 0 {
		t.Errorf("left in the kernel: %v", left)
	}
	entries, err := os.ReadDir(p.BPFFS)
	for _, e := range entries {
		if n := e.Name(); n != "theirs" && n != "maps.debug" && n != "progs.debug" { // the last two are in every bpffs
			t.Errorf("bpffs holds %s", n)
		}
	}
	if _, gone := os.Stat(theirs); err != nil || gone != nil {
		t.Errorf("%v, %v", err, gone)
	}
	if foreign == 0 || xdpOf(t, "eth2") != foreign {
		t.Errorf("eth2 had program %d and has %d", foreign, xdpOf(t, "eth2"))
	}
	if seen, err := Observe(p); err != nil || !hasProblem(seen, "warn", "no data path") || seen.PID != 0 {
		t.Errorf("%+v, %v", seen, err)
	}

	o = running(t, p)
	if st := o.State(); st.Revision != a.Revision { // what was confirmed last, as after a reboot
		t.Errorf("%s runs, not %s", st.Revision, a.Revision)
	}
	consistent(t, p, o)
}

// TestRemove: without an engine, whatever state the pins are in.
func TestRemove(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		what   string
		damage func(dir string) error
	}{
		{"whole", func(string) error { return nil }},
		{"a map is gone", func(dir string) error { return os.Remove(filepath.Join(dir, "maps", "chains")) }},
		{"a map is foreign", func(dir string) error {
			pin := filepath.Join(dir, "maps", "backends")
			m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
			if err != nil {
				return err
			}
			defer m.Close()
			return errors.Join(os.Remove(pin), m.Pin(pin))
		}},
		{"half of a creation is there", func(dir string) error { return os.Rename(dir, dir+"_new_1") }},
	} {
		t.Run(row.what, func(t *testing.T) {
			p := privateNode(t)
			o := running(t, p)
			mustApply(t, o, parse(t, lbSpec), 0)
			says(t, Remove(p), ErrRefused, "node is owned by")
			if xdpOf(t, "eth0") == 0 {
				t.Fatal("it is gone under its engine")
			}
			o.Close()
			dir := filepath.Join(p.BPFFS, "hairpin")
			ours := kernelObjects(t, dir)
			if err := row.damage(datapath.Dir(p.BPFFS, p.Node)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := Remove(p); err != nil {
					t.Fatal(err)
				}
			}
			left := alive(ours)
			for limit := time.Now().Add(time.Minute); len(left) > 0 && time.Now().Before(limit); left = alive(ours) {
				time.Sleep(10 * time.Millisecond) // the kernel frees them some time after
			}
			if len(left) > 0 || xdpOf(t, "eth0") != 0 {
				t.Errorf("left in the kernel: %v, program %d on eth0", left, xdpOf(t, "eth0"))
			}
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("%s is left: %v", dir, err)
			}
		})
	}
}
