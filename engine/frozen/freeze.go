package frozen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// freezing is a folder of pins that is read.
type freezing struct {
	node     *Node
	dir      string
	pins     map[ebpf.MapID]string
	programs map[ebpf.ProgramID]int
}

// Freeze reads what is pinned below dir. objects are all that its programs may be from. It needs the right to open what
// it finds by number.
func Freeze(dir string, objects map[string][]byte) (*Node, error) {
	f := &freezing{&Node{Objects: objects}, dir, map[ebpf.MapID]string{}, map[ebpf.ProgramID]int{}}
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	for _, do := range []func(string) error{f.openMap, f.program, f.link} { // links name programs, and those maps
		for _, name := range names {
			if err == nil {
				err = do(name)
			}
		}
	}
	for i := range f.node.Maps {
		if err == nil {
			err = f.contents(&f.node.Maps[i])
		}
	}
	if err != nil {
		return nil, fmt.Errorf("freeze: %w", err)
	}
	return f.node, nil
}

// openMap notes a pinned map, if it is one.
func (f *freezing) openMap(name string) error {
	m, err := ebpf.LoadPinnedMap(filepath.Join(f.dir, name), nil)
	if err != nil {
		return nil // of another kind
	}
	defer m.Close()
	info, err := m.Info()
	if err != nil {
		return err
	}
	id, _ := info.ID()
	f.pins[id] = name
	cpus, err := ebpf.PossibleCPU()
	f.node.Maps = append(f.node.Maps, Map{Pin: name, Type: info.Type, KeySize: info.KeySize, ValueSize: info.ValueSize,
		Entries: info.MaxEntries, Flags: uint32(info.Flags), Frozen: info.Frozen(),
		CPUs: slices.Contains([]string{"maps/counters", "maps/offenders"}, name) && int(info.MaxEntries) == cpus})
	return err
}

func (f *freezing) program(name string) error {
	if !strings.HasPrefix(name, "programs/") {
		return nil
	}
	p, err := ebpf.LoadPinnedProgram(filepath.Join(f.dir, name), nil)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer p.Close()
	_, err = f.describe(name, p)
	return err
}

// describe notes a program, and what it reads.
func (f *freezing) describe(pin string, p *ebpf.Program) (number int, err error) {
	info, err := p.Info()
	if err != nil {
		return 0, err
	}
	d := Program{Pin: pin, Maps: map[string]string{}, Constants: map[string][]byte{}}
	if d.Object, d.Function, err = f.find(info); err != nil {
		return 0, err
	}
	spec, err := f.node.Object(d.Object)
	if err != nil {
		return 0, err
	}
	ids, _ := info.MapIDs()
	for _, id := range ids {
		if err := f.reads(&d, spec, id); err != nil {
			return 0, fmt.Errorf("program %s: %w", d.Function, err)
		}
	}
	id, _ := info.ID()
	f.programs[id] = len(f.node.Programs)
	f.node.Programs = append(f.node.Programs, d)
	return f.programs[id], nil
}

// reads notes one map of a program: a pinned one, or constants.
func (f *freezing) reads(d *Program, spec *ebpf.CollectionSpec, id ebpf.MapID) error {
	m, err := ebpf.NewMapFromID(id)
	if err != nil {
		return err
	}
	defer m.Close()
	info, err := m.Info()
	if err != nil {
		return err
	}
	if strings.HasPrefix(info.Name, ".") {
		data, err := m.LookupBytes(uint32(0))
		for _, v := range spec.Variables {
			if v.SectionName == info.Name {
				d.Constants[v.Name] = data[v.Offset:][:len(v.Value)]
			}
		}
		return err
	}
	for name := range spec.Maps {
		if short(name) != info.Name {
			continue
		}
		d.Maps[name] = f.pins[id]
		for i := range f.node.Maps {
			if f.node.Maps[i].Pin == f.pins[id] {
				f.node.Maps[i].Object, f.node.Maps[i].Name = d.Object, name
			}
		}
		return nil
	}
	return fmt.Errorf("object %s has no map %s", d.Object, info.Name)
}

// short is a name as the kernel keeps it.
func short(name string) string { return name[:min(len(name), 15)] }

// find is the object and function that a program was loaded from.
func (f *freezing) find(info *ebpf.ProgramInfo) (object, function string, err error) {
	for _, object = range slices.Sorted(maps.Keys(f.node.Objects)) {
		spec, err := f.node.Object(object)
		if err != nil {
			return "", "", err
		}
		for _, function = range slices.Sorted(maps.Keys(spec.Programs)) {
			if (function == info.Name || short(function) == info.Name) && spec.Programs[function].Type == info.Type {
				return object, function, nil
			}
		}
	}
	return "", "", fmt.Errorf("no object has a program %s", info.Name)
}

func (f *freezing) link(name string) error {
	l, err := link.LoadPinnedLink(filepath.Join(f.dir, name), nil)
	if err != nil {
		return nil // of another kind
	}
	defer l.Close()
	info, err := l.Info()
	if err != nil {
		return err
	}
	p, err := ebpf.NewProgramFromID(info.Program)
	if err != nil {
		return err
	}
	defer p.Close()
	d := Link{Pin: name}
	if d.Program, err = f.describe("", p); err != nil {
		return err
	}
	index := 0
	if x := info.XDP(); x != nil {
		index = int(x.Ifindex)
	} else if x := info.TCX(); x != nil {
		index, d.Ingress = int(x.Ifindex), true
	}
	nic, err := net.InterfaceByIndex(index)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	d.NIC = nic.Name
	f.node.Links = append(f.node.Links, d)
	return nil
}

// contents notes what is in a map.
func (f *freezing) contents(d *Map) error {
	m, err := ebpf.LoadPinnedMap(filepath.Join(f.dir, d.Pin), nil)
	if err != nil {
		return err
	}
	defer m.Close()
	switch {
	case d.Type == ebpf.ProgramArray || d.Type == ebpf.ArrayOfMaps:
		return f.references(d, m)
	case d.Type != ebpf.Array && d.Type != ebpf.Hash || d.CPUs || d.Name == "alarms":
		return nil // counts of this machine, or what only the kernel writes
	}
	if d.Flags&unix.BPF_F_MMAPABLE != 0 {
		return d.read(m)
	}
	for key, err := m.NextKeyBytes(nil); key != nil || err != nil; key, err = m.NextKeyBytes(key) {
		if err != nil {
			return fmt.Errorf("%s: %w", d.Pin, err)
		}
		value, err := m.LookupBytes(key)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Pin, err)
		}
		if e := (Element{key, runs(value)}); e.Runs != nil || d.Type == ebpf.Hash {
			d.Elements = append(d.Elements, e)
		}
	}
	return nil
}

// read notes what is in an array that is memory.
func (d *Map) read(m *ebpf.Map) error {
	memory, err := m.Memory()
	if err != nil {
		return fmt.Errorf("%s: %w", d.Pin, err)
	}
	value, apart := make([]byte, d.ValueSize), int64(d.ValueSize+7)&^7
	for i := range d.Entries {
		if _, err := memory.ReadAt(value, int64(i)*apart); err != nil {
			return fmt.Errorf("%s: %w", d.Pin, err)
		}
		if found := runs(value); found != nil {
			d.Elements = append(d.Elements, Element{binary.NativeEndian.AppendUint32(nil, i), found})
		}
	}
	return nil
}

// references notes which programs or maps an array names.
func (f *freezing) references(d *Map, m *ebpf.Map) error {
	d.Row, d.Inner = map[uint32]int{}, map[uint32]string{}
	for i := range d.Entries {
		var id uint32
		err := m.Lookup(i, &id)
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			continue
		}
		number, known := f.programs[ebpf.ProgramID(id)]
		pin := f.pins[ebpf.MapID(id)]
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", d.Pin, err)
		case d.Type == ebpf.ArrayOfMaps && pin != "":
			d.Inner[i] = pin
		case d.Type == ebpf.ProgramArray && known:
			d.Row[i] = number
		default:
			return fmt.Errorf("%s: element %d is not pinned: %w", d.Pin, i, os.ErrNotExist)
		}
	}
	return nil
}

// runs are the bytes of a value that are not 0, in pieces that lie more than a word apart.
func runs(value []byte) (all []Run) {
	for at, b := range value {
		if b == 0 {
			continue
		}
		if n := len(all) - 1; n >= 0 && at-all[n].At-len(all[n].Data) < 16 {
			all[n].Data = append(all[n].Data, value[all[n].At+len(all[n].Data):at+1]...)
			continue
		}
		all = append(all, Run{at, []byte{b}})
	}
	return all
}
