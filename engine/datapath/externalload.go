package datapath

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

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
	if value, err := k.meta(); err != nil {
		return err
	} else if xdp {
		program.Flags |= value.programFlags()
	}
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
