package datapath

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"

	"hairpin/bpf"
	"hairpin/engine/spec"
)

// stageExternal is the id of external stages, see enum stage.
const stageExternal = 7

// An instance is one external program as it was loaded once: with its own maps, filled, and pinned with them in a folder
// NUMBER_SETTINGS_FILE_BUILD. Its number is its place in the arrays by which `enter` finds it. An instance is never changed. It goes
// when no live generation names it.
type instance struct {
	number   int
	settings string // the stage's name and settings, and the hook
	file     string // what stood in the object's file
	build    string // of hairpin's programs that it goes on by
}

func (i instance) folder() string {
	return fmt.Sprintf("%d_%s_%s_%s", i.number, i.settings, i.file, i.build)
}

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
		if number, err := strconv.Atoi(part[0]); err == nil && len(part) == 4 {
			all = append(all, instance{number, part[1], part[2], part[3]})
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
	all, err := k.instances()
	if err != nil {
		return fmt.Errorf("look for instances: %w", err)
	}
	xdp := k.chains.all[p.chain].Hook == XDP
	build := bpf.Build()
	want := instance{settings: stageSettings(x, p.stage.Name, xdp), build: hex.EncodeToString(build[:6])}
	o, err := readObject(x.File)
	if at := slices.IndexFunc(all, want.outlives); errors.Is(err, os.ErrNotExist) && at >= 0 {
		s.settings = uint16(all[at].number) // an edit of something else does not fail for a file that is gone
		return k.putInstance(all[at], xdp)
	}
	if err != nil {
		return err
	}
	want.file = hex.EncodeToString(o.sum[:6])
	i, err := k.external(want, all, o, x, xdp)
	if err != nil {
		return err
	}
	if err := k.canWatch(filepath.Join("externals", i.folder()), x.Watch); err != nil {
		return o.wrong("%w", err)
	}
	s.settings = uint16(i.number)
	return k.putInstance(i, xdp)
}

// outlives tells whether another instance can stand for this one, whose file cannot be read any more.
func (i instance) outlives(have instance) bool {
	return have.settings == i.settings && have.build == i.build
}

// external is the instance of all that is wanted, or a new one.
func (k *Kernel) external(want instance, all []instance, o *object, x *spec.ExternalStage, xdp bool) (instance, error) {
	if err := o.knows(&x.Object); err != nil {
		return want, err
	}
	var taken [Externals]bool
	var older *instance // the same by another build of hairpin's: its maps go on being used
	for i, have := range all {
		taken[have.number&(Externals-1)] = true
		if have.settings != want.settings || have.file != want.file {
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

// stageSettings names everything of a spec that makes an instance another one. What is watched does not.
func stageSettings(x *spec.ExternalStage, name string, xdp bool) string {
	loaded := *x
	loaded.Watch = nil
	named := spec.Spec{Stages: []spec.Named{{Name: name, Kind: spec.External, Settings: &loaded}}}
	sum := sha256.New()
	fmt.Fprintf(sum, "%t ", xdp)
	_, _ = sum.Write(spec.Marshal(&named)) // never fails
	return hex.EncodeToString(sum.Sum(nil)[:8])
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
	info, err := p.Info()
	if err != nil {
		return fmt.Errorf("adopt external: %w", err)
	}
	var there uint32
	if id, ok := info.ID(); ok && k.maps[array].Lookup(uint32(i.number), &there) == nil && there == uint32(id) {
		return nil // the kernel changes the code of those who jump here for each that is put
	}
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
