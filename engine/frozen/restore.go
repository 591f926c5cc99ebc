package frozen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// restoring is a node on its way back into the kernel.
type restoring struct {
	*Node
	dir      string
	maps     map[string]*ebpf.Map
	programs []*ebpf.Program
}

// Restore makes all of n anew, pinned below dir, in the network namespace of the calling thread, whose NICs must have
// the names and numbers that n knows.
func (n *Node) Restore(dir string) error {
	r := &restoring{Node: n, dir: dir, maps: map[string]*ebpf.Map{}}
	defer r.close()
	for _, do := range []func() error{r.makeMaps, r.loadPrograms, r.fill, r.attach} {
		if err := do(); err != nil {
			return fmt.Errorf("restore frozen node: %w", err)
		}
	}
	return nil
}

func (r *restoring) close() {
	for _, m := range r.maps {
		_ = m.Close()
	}
	for _, p := range r.programs {
		_ = p.Close()
	}
}

// path is that of a pin, whose folder is made.
func (r *restoring) path(pin string) (string, error) {
	path := filepath.Join(r.dir, pin)
	return path, os.MkdirAll(filepath.Dir(path), 0o700)
}

func (r *restoring) makeMaps() error {
	for i := range r.Maps {
		d := &r.Maps[i]
		spec, err := r.shape(d)
		if err != nil {
			return err
		}
		m, err := ebpf.NewMap(spec)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Pin, err)
		}
		r.maps[d.Pin] = m
		path, err := r.path(d.Pin)
		if err := errors.Join(err, m.Pin(path)); err != nil {
			return fmt.Errorf("%s: %w", d.Pin, err)
		}
	}
	return nil
}

// shape is a map's definition.
func (r *restoring) shape(d *Map) (*ebpf.MapSpec, error) {
	if d.Object == "" {
		return &ebpf.MapSpec{Name: short(filepath.Base(d.Pin)), Type: d.Type, KeySize: d.KeySize, ValueSize: d.ValueSize,
			MaxEntries: d.Entries, Flags: d.Flags}, nil
	}
	object, err := r.Object(d.Object)
	if err != nil {
		return nil, err
	}
	spec := object.Maps[d.Name]
	spec.MaxEntries = d.Entries
	if d.CPUs {
		cpus, err := ebpf.PossibleCPU()
		if err != nil {
			return nil, err
		}
		spec.MaxEntries = uint32(cpus)
	}
	return spec, nil
}

func (r *restoring) loadPrograms() error {
	for _, d := range r.Programs {
		p, err := r.load(d)
		if err != nil {
			return fmt.Errorf("program %s: %w", d.Function, err)
		}
		r.programs = append(r.programs, p)
		if d.Pin == "" {
			continue
		}
		path, err := r.path(d.Pin)
		if err := errors.Join(err, p.Pin(path)); err != nil {
			return fmt.Errorf("%s: %w", d.Pin, err)
		}
	}
	return nil
}

func (r *restoring) load(d Program) (*ebpf.Program, error) {
	spec, err := r.Object(d.Object)
	if err != nil {
		return nil, err
	}
	instead := map[string]*ebpf.Map{}
	for name := range spec.Maps {
		if m := r.maps[d.Maps[name]]; m != nil {
			spec.Maps[name].MaxEntries, instead[name] = m.MaxEntries(), m
		} else if !strings.HasPrefix(name, ".") {
			delete(spec.Maps, name) // of other functions
		}
	}
	for name := range spec.Programs {
		if name != d.Function {
			delete(spec.Programs, name)
		}
	}
	for name, value := range d.Constants {
		spec.Variables[name].Value = value
	}
	loaded, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: instead})
	if err != nil {
		return nil, err
	}
	defer loaded.Close()
	return loaded.DetachProgram(d.Function), nil
}

// fill writes what was in the maps.
func (r *restoring) fill() error {
	for _, d := range r.Maps {
		m := r.maps[d.Pin]
		var errs []error
		for _, e := range d.Elements {
			value := make([]byte, d.ValueSize)
			for _, run := range e.Runs {
				copy(value[run.At:], run.Data)
			}
			errs = append(errs, m.Put(e.Key, value))
		}
		for at, pin := range d.Inner {
			errs = append(errs, m.Put(at, r.maps[pin]))
		}
		for at, number := range d.Row {
			errs = append(errs, m.Put(at, r.programs[number]))
		}
		if d.Frozen {
			errs = append(errs, m.Freeze())
		}
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("%s: %w", d.Pin, err)
		}
	}
	return nil
}

func (r *restoring) attach() error {
	for _, d := range r.Links {
		nic, err := net.InterfaceByName(d.NIC)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Pin, err)
		}
		var l link.Link
		if d.Ingress {
			l, err = link.AttachTCX(link.TCXOptions{Interface: nic.Index, Program: r.programs[d.Program], Attach: ebpf.AttachTCXIngress})
		} else {
			l, err = link.AttachXDP(link.XDPOptions{Interface: nic.Index, Program: r.programs[d.Program], Flags: link.XDPDriverMode})
		}
		if err != nil {
			return fmt.Errorf("%s: %w", d.Pin, err)
		}
		path, err := r.path(d.Pin)
		err = errors.Join(err, l.Pin(path), l.Close())
		if err != nil {
			return fmt.Errorf("%s: %w", d.Pin, err)
		}
	}
	return nil
}
