package engine

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"hairpin/engine/datapath"
)

// foreignXDP is somebody else's XDP program on a NIC of its own.
func foreignXDP(t *testing.T, name string) {
	t.Helper()
	addNIC(t, name, "")
	attachTheirs(t, name)
}

func attachTheirs(t *testing.T, name string) link.Link {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "theirs", Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.LoadImm(asm.R0, 2, asm.DWord), asm.Return()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: nic(t, name).Attrs().Index})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// sabotage does something to the pins of a node while its engine runs, and gives that a few ticks' time.
func sabotage(t *testing.T, o *owner, what string, do func() error) *State {
	t.Helper()
	var err error
	inside(t, o, func() { err = do() }) // between two ticks of the engine
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for range 2 {
		inside(t, o, func() { o.upkeep(time.Now()) })
	}
	return o.State()
}

// TestPinsTaken: pins that somebody removes or puts something else in the place of are made again, and packets notice
// nothing; so do they when the whole file system is gone, until it is mounted again.
func TestPinsTaken(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	o := running(t, p)
	s := parse(t, lbSpec)
	mustApply(t, o, s, 0)
	root, dir := filepath.Join(p.BPFFS, "hairpin"), datapath.Dir(p.BPFFS, p.Node)
	had, ids, xdp := pins(t, p), kernelObjects(t, root), xdpOf(t, "eth0")
	other, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	replaced := filepath.Join(dir, "maps", "backends")
	for what, do := range map[string]func() error{
		"a map, a link and all programs are removed": func() error {
			return errors.Join(os.Remove(filepath.Join(dir, "maps", "control")), os.Remove(filepath.Join(dir, "links", "chain_0")),
				os.RemoveAll(filepath.Join(dir, "programs")))
		},
		"a map is replaced":     func() error { return errors.Join(os.Remove(replaced), other.Pin(replaced)) },
		"everything is removed": func() error { return os.RemoveAll(root) },
		"bpffs is mounted anew": func() error {
			return errors.Join(unix.Unmount(p.BPFFS, unix.MNT_DETACH), unix.Mount("bpf", p.BPFFS, "bpf", 0, ""))
		},
		"nothing at all is done": func() error { return nil },
	} {
		sabotage(t, o, what, do)
		if diff := cmp.Diff(had, pins(t, p)); diff != "" {
			t.Errorf("%s: -had +has\n%s", what, diff)
		}
		if diff := cmp.Diff(ids, kernelObjects(t, root), cmpopts.SortSlices(func(a, b uint32) bool { return a < b })); diff != "" {
			t.Errorf("%s: -had +has\n%s", what, diff)
		}
		if xdpOf(t, "eth0") != xdp {
			t.Errorf("%s: program %d is on eth0, %d was", what, xdpOf(t, "eth0"), xdp)
		}
		forwards(t, p, w)
		consistent(t, p, o)
	}
	st := sabotage(t, o, "bpffs is unmounted", func() error { return unix.Unmount(p.BPFFS, unix.MNT_DETACH) })
	if !hasProblem(st, "crit", "packets are handled only for as long as this engine runs") || xdpOf(t, "eth0") != xdp {
		t.Errorf("program %d is on eth0; %+v", xdpOf(t, "eth0"), st.Problems)
	}
	st = sabotage(t, o, "bpffs is back", func() error { return unix.Mount("bpf", p.BPFFS, "bpf", 0, "") })
	if len(ownProblems(st)) != 0 {
		t.Errorf("%+v", st.Problems)
	}
	forwards(t, p, w)
	mustApply(t, o, setWeight(t, s, "10.1.0.11", 9), 0)
	o.Close()
	o = running(t, p)
	if xdpOf(t, "eth0") != xdp || o.State().Spec.VIPs[0].Backends[0].Weight != 9 {
		t.Errorf("the next engine found program %d, not %d", xdpOf(t, "eth0"), xdp)
	}
	forwards(t, p, w)
	consistent(t, p, o)
}

// TestLinkTaken: a chain that somebody detaches comes back within a few ticks, unless another program sits there now.
func TestLinkTaken(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), 0)
	detach := func() error {
		l, err := link.LoadPinnedLink(filepath.Join(datapath.Dir(p.BPFFS, p.Node), "links", "chain_0"), nil)
		if err != nil {
			return err
		}
		return errors.Join(l.Detach(), l.Close())
	}
	st := sabotage(t, o, "detach", detach)
	if xdpOf(t, "eth0") == 0 || len(ownProblems(st)) != 0 ||
		!slices.ContainsFunc(st.Events, func(e Event) bool { return strings.Contains(e.What, "had been detached by somebody else") }) {
		t.Errorf("%+v %+v", st.Problems, st.Events)
	}
	forwards(t, p, w)
	consistent(t, p, o)
	var theirs link.Link
	st = sabotage(t, o, "take its place", func() error {
		if err := detach(); err != nil {
			return err
		}
		theirs = attachTheirs(t, "eth0")
		return nil
	})
	if !hasProblem(st, "crit", `"theirs"`) {
		t.Errorf("%+v", st.Problems)
	}
	sabotage(t, o, "leave", func() error { return theirs.Close() })
	until(t, o, "it is attached again", func(st *State) bool { return len(ownProblems(st)) == 0 })
	forwards(t, p, w)
}

// TestRowsTaken: programs that somebody takes out of the rows, or puts others in the place of, are put back.
func TestRowsTaken(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), 0)
	maps := filepath.Join(datapath.Dir(p.BPFFS, p.Node), "maps")
	for what, change := range map[string]func(rows *ebpf.Map, at uint32) error{
		"emptied": func(rows *ebpf.Map, at uint32) error { return rows.Delete(at) },
		"replaced": func(rows *ebpf.Map, at uint32) error {
			parse, err := ebpf.LoadPinnedProgram(pinnedProgram(t, p, "parse"), nil)
			if err != nil {
				return err
			}
			return errors.Join(rows.Put(at, parse), parse.Close())
		},
	} {
		before := o.State()
		inside(t, o, func() { o.upkeep(time.Now()) }) // it has looked
		st := sabotage(t, o, what, func() error {
			rows, err := ebpf.LoadPinnedMap(filepath.Join(maps, "rows_xdp"), nil)
			if err != nil {
				return err
			}
			defer rows.Close()
			return change(rows, uint32(before.Generation.Active*datapath.Chains*datapath.Positions+1))
		})
		if st.Revision != before.Revision || st.Generation.Active == before.Generation.Active || len(ownProblems(st)) != 0 {
			t.Errorf("%s: %+v, was %+v; %+v", what, st.Generation, before.Generation, st.Problems)
		}
		forwards(t, p, w)
		consistent(t, p, o)
	}
}

func pinnedProgram(t *testing.T, p Paths, name string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(datapath.Dir(p.BPFFS, p.Node), "programs", "*", name))
	if err != nil || len(found) != 1 {
		t.Fatalf("%q, %v", found, err)
	}
	return found[0]
}
