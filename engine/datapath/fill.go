package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

// fillable are the types of maps that take elements by key.
var fillable = []ebpf.MapType{ebpf.Array, ebpf.Hash, ebpf.LRUHash, ebpf.PerCPUArray, ebpf.PerCPUHash, ebpf.LRUCPUHash, ebpf.LPMTrie}

func perCPU(m *ebpf.Map) bool {
	return slices.Contains([]ebpf.MapType{ebpf.PerCPUArray, ebpf.PerCPUHash, ebpf.LRUCPUHash}, m.Type())
}

// fillMap writes what the spec says a map holds at first.
func fillMap(m *ebpf.Map, name string, entries []spec.MapEntry) error {
	if !slices.Contains(fillable, m.Type()) {
		return fmt.Errorf("map %s: a %s cannot be filled", name, m.Type())
	}
	key, value, err := layouts(m)
	if err != nil {
		return fmt.Errorf("map %s: %w", name, err)
	}
	for _, e := range entries {
		rawKey, err := key.number(e.Key)
		if err != nil {
			return fmt.Errorf("map %s: key %s: %w", name, e.Key, err)
		}
		rawValue, err := value.encode(e.Values)
		if err != nil {
			return fmt.Errorf("map %s: element %s: %w", name, e.Key, err)
		}
		var all any = rawValue
		if perCPU(m) {
			all = slices.Repeat([][]byte{rawValue}, ebpf.MustPossibleCPU())
		}
		switch err := m.Put(rawKey, all); {
		case errors.Is(err, unix.E2BIG):
			return fmt.Errorf("map %s: element %s: it has room for %d", name, e.Key, m.MaxEntries())
		case err != nil:
			return fmt.Errorf("map %s: element %s: %w", name, e.Key, err)
		}
	}
	return nil
}

// layout is how a key or value lies in memory; without BTF only its size is known.
type layout struct {
	size int
	of   btf.Type
}

// layouts are those of a map's key and value, as the kernel knows them.
func layouts(m *ebpf.Map) (key, value layout, err error) {
	key, value = layout{size: int(m.KeySize())}, layout{size: int(m.ValueSize())}
	var info struct { // bpf_map_info
		_              [16]uint32
		ID, Key, Value uint32
		_              uint32
	}
	attr := struct {
		fd, size uint32
		info     unsafe.Pointer
	}{uint32(m.FD()), uint32(unsafe.Sizeof(info)), unsafe.Pointer(&info)}
	if _, _, no := unix.Syscall(unix.SYS_BPF, unix.BPF_OBJ_GET_INFO_BY_FD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr)); no != 0 {
		return key, value, fmt.Errorf("ask the kernel: %w", no)
	}
	if info.ID == 0 {
		return key, value, nil
	}
	handle, err := m.Handle()
	if err != nil {
		return key, value, fmt.Errorf("read types: %w", err)
	}
	defer handle.Close()
	types, err := handle.Spec(nil)
	if err != nil {
		return key, value, fmt.Errorf("read types: %w", err)
	}
	if key.of, err = types.TypeByID(btf.TypeID(info.Key)); err != nil {
		return key, value, fmt.Errorf("read types: %w", err)
	}
	if value.of, err = types.TypeByID(btf.TypeID(info.Value)); err != nil {
		return key, value, fmt.Errorf("read types: %w", err)
	}
	return key, value, nil
}

// encode is an element: one value, or members by their names.
func (l layout) encode(values []spec.MapField) ([]byte, error) {
	if len(values) == 1 && values[0].Name == "" {
		return l.number(values[0].Value)
	}
	raw := make([]byte, l.size)
	for _, v := range values {
		at, member, err := l.member(v.Name)
		if err != nil {
			return nil, err
		}
		part, err := member.number(v.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.Name, err)
		}
		copy(raw[at:], part)
	}
	return raw, nil
}

// member is where a member of the struct lies, and how.
func (l layout) member(name string) (offset int, of layout, err error) {
	if l.of == nil {
		return 0, layout{}, fmt.Errorf("the map has no type information to find %s by: compile the object with -g", name)
	}
	s, ok := btf.UnderlyingType(l.of).(*btf.Struct)
	if !ok {
		return 0, layout{}, fmt.Errorf("has no %s: it is no struct", name)
	}
	var names []string
	for _, m := range s.Members {
		names = append(names, m.Name)
		if m.Name != name || name == "" {
			continue
		}
		size, err := btf.Sizeof(m.Type)
		if err != nil || m.BitfieldSize != 0 {
			return 0, layout{}, fmt.Errorf("%s is no number of whole bytes", name)
		}
		return int(m.Offset.Bytes()), layout{size, m.Type}, nil
	}
	return 0, layout{}, fmt.Errorf("has no %s: struct %s has %s", name, s.Name, strings.Join(names, ", "))
}

// number is a key or value as it lies in memory: in the host's order, but for a type that says it is in the network's.
func (l layout) number(text string) ([]byte, error) {
	d, why := spec.ParseDatum(text)
	switch {
	case why != "":
		return nil, errors.New(why)
	case d.Bytes != nil && len(d.Bytes) != l.size:
		return nil, fmt.Errorf("%s is %d bytes, and %d belong here", text, len(d.Bytes), l.size)
	case d.Bytes != nil:
		return d.Bytes, nil
	case !slices.Contains([]int{1, 2, 4, 8}, l.size):
		return nil, fmt.Errorf("%s cannot stand for %d bytes: write them out, as %s", text, l.size, spell(make([]byte, l.size)))
	case !d.Fits(8 * l.size):
		return nil, fmt.Errorf("%s does not fit %d bytes", text, l.size)
	}
	raw := binary.LittleEndian.AppendUint64(nil, d.Number)[:l.size]
	if l.network() {
		slices.Reverse(raw)
	}
	return raw, nil
}

func spell(raw []byte) string {
	return strings.ReplaceAll(strings.TrimSpace(fmt.Sprintf("% x", raw)), " ", ":")
}

// network tells whether a type is one of the kernel's for numbers in network order.
func (l layout) network() bool {
	for t := l.of; t != nil; {
		d, ok := t.(*btf.Typedef)
		if !ok {
			return false
		}
		if strings.HasPrefix(d.Name, "__be") {
			return true
		}
		t = d.Type
	}
	return false
}

// signed tells whether a type is a signed integer.
func (l layout) signed() bool {
	if l.of == nil {
		return false
	}
	i, ok := btf.UnderlyingType(l.of).(*btf.Int)
	return ok && i.Encoding == btf.Signed
}
