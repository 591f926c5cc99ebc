package datapath

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"hairpin/bpf"
	"hairpin/engine/spec"
)

// stageExternal is the id of external stages, see enum stage.
const stageExternal = 7

// An instance is one external program as it was loaded once: with its own maps, filled, and pinned with them in a folder
// NUMBER_CONTENT_BUILD. Its number is its place in the arrays by which `enter` finds it. An instance is never changed. It goes
// when no live generation names it.
type instance struct {
	number  int
	content string // what it was made of: the stage's name and settings, the file, the hook
	build   string // of hairpin's programs that it goes on by
}

func (i instance) folder() string { return fmt.Sprintf("%d_%s_%s", i.number, i.content, i.build) }

// instances are those that are pinned, whole ones only.
func (k *Kernel) instances() ([]instance, error) {
	entries, err := os.ReadDir(k.pin("externals", ""))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []instance
	for _, e := range entries {
		part := strings.Split(e.Name(), "_")
		if number, err := strconv.Atoi(part[0]); err == nil && len(part) == 3 {
			all = append(all, instance{number, part[1], part[2]})
		}
	}
	return all, nil
}

// hookPrograms are the programs around an external one at a hook.
type hookPrograms struct {
	externals string // pin of the array
	resume    string
	what      string // what the program must be
	section   string
	kind      ebpf.ProgramType
	attach    ebpf.AttachType
}

func hookOf(xdp bool) hookPrograms {
	if xdp {
		return hookPrograms{"externals_xdp", "resume", `a stage at xdp: write it in SEC("xdp")`, "xdp", ebpf.XDP, ebpf.AttachXDP}
	}
	return hookPrograms{"externals_tc", "resume_tc", `a stage at tc: write it in SEC("tc")`, "tc", ebpf.SchedCLS, ebpf.AttachNone}
}

// standExternal is what a row goes by at an external stage: the number of an instance of these settings, made if there is none.
func standExternal(k *Kernel, p spot, s *standing) error {
	x, ok := p.stage.Settings.(*spec.ExternalStage)
	if !ok {
		return errors.New("has no settings")
	}
	o, err := readObject(x.File)
	if err != nil {
		return err
	}
	xdp := k.chains.all[p.chain].Hook == XDP
	i, err := k.external(o, x, p.stage.Name, xdp)
	if err != nil {
		return err
	}
	if err := k.canWatch(filepath.Join("externals", i.folder()), x.Watch); err != nil {
		return o.wrong("%w", err)
	}
	s.settings = uint16(i.number)
	return k.putInstance(i, xdp)
}

// external is the instance of these settings.
func (k *Kernel) external(o *object, x *spec.ExternalStage, name string, xdp bool) (instance, error) {
	all, err := k.instances()
	if err != nil {
		return instance{}, fmt.Errorf("look for instances: %w", err)
	}
	if err := o.knows(&x.Object); err != nil {
		return instance{}, err
	}
	build := bpf.Build()
	want := instance{content: contentOf(o, x, name, xdp), build: hex.EncodeToString(build[:6])}
	var taken [Externals]bool
	var older *instance // the same by another build of hairpin's: its maps go on being used
	for i, have := range all {
		taken[have.number&(Externals-1)] = true
		if have.content != want.content {
			continue
		}
		if have.build == want.build {
			return have, nil
		}
		older = &all[i]
	}
	for want.number = 1; want.number < Externals && taken[want.number]; {
		want.number++
	}
	if want.number == Externals {
		return want, fmt.Errorf("all %d numbers of external programs are in use by the specs of the last second and this one: wait, or use fewer", Externals-1)
	}
	return want, k.makeInstance(want, older, o, x, xdp)
}

// contentOf names everything that makes an instance another one. What is watched does not.
func contentOf(o *object, x *spec.ExternalStage, name string, xdp bool) string {
	loaded := *x
	loaded.Watch = nil
	named := spec.Spec{Stages: []spec.Named{{Name: name, Kind: spec.External, Settings: &loaded}}}
	sum := sha256.New()
	fmt.Fprintf(sum, "%t %x ", xdp, o.sum)
	_, _ = sum.Write(spec.Marshal(&named)) // never fails
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// makeInstance loads an external program and pins it whole, in one step.
func (k *Kernel) makeInstance(i instance, older *instance, o *object, x *spec.ExternalStage, xdp bool) error {
	hook := hookOf(xdp)
	program, err := o.choose(x.Program, hook.what, func(p *ebpf.ProgramSpec) bool { return p.Type == hook.kind })
	if err != nil {
		return err
	}
	if next := o.spec.Maps[x.Next]; next == nil || next.Type != ebpf.ProgramArray {
		return o.wrong("has no PROG_ARRAY %s by which it could go on to the next stage; %s: declare one, or name another, as next: NAME", x.Next, o.mapNames())
	} else if x.Index >= next.MaxEntries {
		return o.wrong("index %d: the PROG_ARRAY %s has %d elements", x.Index, x.Next, next.MaxEntries)
	}
	// What shares an array of programs must agree in these, from Linux 6.18 on.
	program.AttachType, program.Flags = hook.attach, program.Flags&^unix.BPF_F_XDP_HAS_FRAGS
	folder := k.pin("externals", i.folder())
	temporary := fmt.Sprintf("%s_new_%d", folder, os.Getpid())
	if err := errors.Join(removeUnfinished(k.pin("externals", "*")), os.MkdirAll(filepath.Join(temporary, "dry"), 0o700)); err != nil {
		return fmt.Errorf("pin external: %w", err)
	}
	if err := k.loadInstance(temporary, older, o, program, x, xdp); err != nil {
		_ = os.RemoveAll(temporary) // else by the next that is made
		return err
	}
	if err := os.Rename(temporary, folder); err != nil {
		_ = os.RemoveAll(temporary)
		return fmt.Errorf("pin external: %w", err)
	}
	return nil
}

func (k *Kernel) loadInstance(folder string, older *instance, o *object, program *ebpf.ProgramSpec, x *spec.ExternalStage, xdp bool) error {
	kept, err := k.olderMaps(o, older)
	if err != nil {
		return err
	}
	defer closeMaps(kept)
	loaded, err := o.load(program, kept)
	if err != nil {
		return err
	}
	defer loaded.Close()
	if older == nil {
		for _, m := range x.Maps {
			if err := fillMap(loaded.Maps[m.Map], m.Map, m.Entries); err != nil {
				return o.wrong("%w", err)
			}
		}
	}
	if err := k.finish(folder, o, loaded, program, x, hookOf(xdp).resume); err != nil || !xdp || !x.DrySafe {
		return err
	}
	return k.loadDry(filepath.Join(folder, "dry"), o, loaded.Maps, program, x)
}

// finish gives a loaded program the one that comes next, and pins it.
func (k *Kernel) finish(folder string, o *object, loaded *ebpf.Collection, program *ebpf.ProgramSpec, x *spec.ExternalStage, resume string) error {
	if err := loaded.Maps[x.Next].Put(x.Index, k.programs[resume]); err != nil {
		return o.wrong("put the next stage into %s: %w", x.Next, explain(err))
	}
	if err := pinAll(folder, loaded.Programs[program.Name], loaded.Maps); err != nil {
		return fmt.Errorf("pin external: %w", err)
	}
	return nil
}

// loadDry loads the program a second time, with the same maps but for the array that leads on: to the dry row.
func (k *Kernel) loadDry(folder string, o *object, shared map[string]*ebpf.Map, program *ebpf.ProgramSpec, x *spec.ExternalStage) error {
	instead := map[string]*ebpf.Map{}
	for name, m := range shared {
		if m.Type() != ebpf.ProgramArray {
			instead[name] = m
		}
	}
	loaded, err := o.load(program, instead)
	if err != nil {
		return err
	}
	defer loaded.Close()
	for name := range instead {
		_ = loaded.Maps[name].Close() // they are pinned once
		delete(loaded.Maps, name)
	}
	return k.finish(folder, o, loaded, program, x, "resume_dry")
}

// olderMaps are those of the same instance made by another build, but for arrays of programs.
func (k *Kernel) olderMaps(o *object, older *instance) (map[string]*ebpf.Map, error) {
	kept := map[string]*ebpf.Map{}
	if older == nil {
		return kept, nil
	}
	for name, m := range o.spec.Maps {
		if m.Type == ebpf.ProgramArray || strings.HasPrefix(name, ".") {
			continue
		}
		pinned, err := ebpf.LoadPinnedMap(k.pin("externals", filepath.Join(older.folder(), mapPin(name))), nil)
		if err != nil {
			closeMaps(kept)
			return nil, fmt.Errorf("adopt map %s: %w", name, err)
		}
		kept[name] = pinned
	}
	return kept, nil
}

func closeMaps(all map[string]*ebpf.Map) {
	for _, m := range all {
		_ = m.Close()
	}
}

// putInstance puts a pinned instance where `enter` looks for it.
func (k *Kernel) putInstance(i instance, xdp bool) error {
	if err := k.putPinned(hookOf(xdp).externals, i, "program"); err != nil || !xdp {
		return err
	}
	err := k.putPinned("externals_dry", i, "dry/program")
	if errors.Is(err, os.ErrNotExist) {
		return nil // not said to be safe
	}
	return err
}

func (k *Kernel) putPinned(array string, i instance, pin string) error {
	p, err := ebpf.LoadPinnedProgram(k.pin("externals", filepath.Join(i.folder(), pin)), nil)
	if err != nil {
		return fmt.Errorf("adopt external: %w", err)
	}
	defer p.Close()
	if err := k.maps[array].Put(uint32(i.number), p); err != nil {
		return fmt.Errorf("array of external programs: %w", explain(err))
	}
	return nil
}

// RetireExternals takes away the instances that no live generation names.
func (k *Kernel) RetireExternals() error {
	if err := removeUnfinished(k.pin("externals", "*")); err != nil {
		return fmt.Errorf("retire external programs: %w", err)
	}
	all, err := k.instances()
	if err != nil || len(all) == 0 {
		return err
	}
	used := k.usedSettings(stageExternal)
	var errs []error
	for _, i := range all {
		if used[uint16(i.number)] {
			continue
		}
		for _, array := range []string{"externals_xdp", "externals_tc", "externals_dry"} {
			if err := k.maps[array].Delete(uint32(i.number)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				errs = append(errs, err)
			}
		}
		errs = append(errs, removePins(k.pin("externals", i.folder())))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("retire external programs: %w", err)
	}
	return nil
}

// removePins removes a folder of pins so that it is whole for as long as it has its name.
func removePins(folder string) error {
	gone := folder + "_new_gone" // what a kill leaves of it is found by removeUnfinished
	if err := errors.Join(os.RemoveAll(gone), os.Rename(folder, gone)); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}
