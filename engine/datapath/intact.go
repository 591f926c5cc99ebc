package datapath

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// pinned is an object of which this process has a descriptor, and where its pin belongs.
type pinned struct {
	path string
	fd   int
	id   func() (uint32, error) // of the object
	at   func() (uint32, error) // of what is pinned there
}

// MendPins makes the pins anew that somebody took away or put something else in the place of, from the descriptors of this
// process, which alone kept the objects meanwhile. It returns the names of those. Who does not own the node mends nothing.
func (k *Kernel) MendPins() (mended []string, err error) {
	if !k.Owns() {
		return nil, nil
	}
	if inodes := k.inodes(); maps.Equal(inodes, k.seen) {
		return nil, nil // nobody touched any
	}
	home := k.dir
	if _, err := os.Stat(home); errors.Is(err, os.ErrNotExist) { // all at once: they appear by one rename again
		k.dir = home + unfinishedMark + "mended"
	}
	err = k.makeFolders()
	if err == nil {
		mended, err = k.mendPins()
	}
	if k.dir != home {
		if err == nil {
			err = os.Rename(k.dir, home)
		}
		k.dir = home
	}
	if err != nil {
		return nil, fmt.Errorf("mend pins: %w", err)
	}
	k.seen = k.inodes()
	return mended, nil
}

func (k *Kernel) makeFolders() error {
	for _, dir := range []string{k.pin("maps", ""), k.pin("links", ""), k.pin(k.folder, "")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}

func (k *Kernel) mendPins() (mended []string, err error) {
	for _, p := range k.pinned() {
		id, err := p.id()
		if err != nil {
			return nil, err
		}
		there, err := p.at()
		if err == nil && there == id {
			continue
		}
		if err := os.Remove(p.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		if err := pinAt(p.path, p.fd); err != nil {
			return nil, fmt.Errorf("%s: %w", p.path, err)
		}
		mended = append(mended, filepath.Base(p.path))
	}
	return mended, nil
}

// pinned are the maps, programs and links of this process that have pins.
func (k *Kernel) pinned() (list []pinned) {
	for _, name := range slices.Sorted(maps.Keys(k.maps)) {
		m, path := k.maps[name], k.pin("maps", name)
		list = append(list, pinned{path, m.FD(), func() (uint32, error) { id, err := idOf(m); return uint32(id), err }, func() (uint32, error) {
			there, err := ebpf.LoadPinnedMap(path, nil)
			if err != nil {
				return 0, err
			}
			defer there.Close()
			id, err := idOf(there)
			return uint32(id), err
		}})
	}
	for _, name := range slices.Sorted(maps.Keys(k.programs)) {
		p, path := k.programs[name], k.pin(k.folder, name)
		list = append(list, pinned{path, p.FD(), func() (uint32, error) { return programID(p) }, func() (uint32, error) {
			there, err := ebpf.LoadPinnedProgram(path, nil)
			if err != nil {
				return 0, err
			}
			defer there.Close()
			return programID(there)
		}})
	}
	for _, n := range slices.Sorted(maps.Keys(k.links)) {
		l, path := k.links[n], k.linkPin(n)
		list = append(list, pinned{path, l.(interface{ FD() int }).FD(), func() (uint32, error) { return idOfLink(l) }, func() (uint32, error) {
			there, err := link.LoadPinnedLink(path, nil)
			if err != nil {
				return 0, err
			}
			defer there.Close()
			return idOfLink(there)
		}})
	}
	return list
}

func programID(p *ebpf.Program) (uint32, error) {
	info, err := p.Info()
	if err != nil {
		return 0, err
	}
	id, ok := info.ID()
	if !ok {
		return 0, errors.New("the kernel does not say which program it is")
	}
	return uint32(id), nil
}

func idOfLink(l link.Link) (uint32, error) {
	info, err := l.Info()
	if err != nil {
		return 0, err
	}
	return uint32(info.ID), nil
}

// inodes are those of all pins: one that was removed has none, one in the place of another has a new one.
func (k *Kernel) inodes() map[string]uint64 {
	inodes := map[string]uint64{}
	note := func(path string) {
		var st unix.Stat_t
		if unix.Stat(path, &st) != nil {
			st.Ino = 0
		}
		inodes[path] = st.Ino
	}
	for name := range k.maps {
		note(k.pin("maps", name))
	}
	for name := range k.programs {
		note(k.pin(k.folder, name))
	}
	for n := range k.links {
		note(k.linkPin(n))
	}
	return inodes
}

// pinAt pins a descriptor, also of an object that had a pin before.
func pinAt(path string, fd int) error {
	name, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	attr := struct {
		name      unsafe.Pointer
		fd, flags uint32
	}{unsafe.Pointer(name), uint32(fd), 0}
	if _, _, no := unix.Syscall(unix.SYS_BPF, unix.BPF_OBJ_PIN, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr)); no != 0 {
		return no
	}
	return nil
}

// RowsWhole tells whether the rows of a generation hold what was put there. What they held is noted when they are first
// looked at.
func (k *Kernel) RowsWhole(generation int) bool {
	if k.noted.generation != generation {
		k.noted.generation, k.noted.rows = generation, map[uint32]uint32{}
	}
	for c := range k.chains.all {
		if k.chains.all[c].Used == 0 {
			continue
		}
		rows := k.maps["rows_tc"]
		if k.chains.all[c].Hook == XDP {
			rows = k.maps["rows_xdp"]
		}
		for i := range k.rows.all[generation*Chains+c].Length {
			at := rowOf(generation, c) + i
			var id uint32
			_ = rows.Lookup(at, &id) // stays 0: it is empty
			if was, known := k.noted.rows[at]; id == 0 || known && was != id {
				return false
			}
			k.noted.rows[at] = id
		}
	}
	return true
}

// LinksAlive tells whether every chain whose link this process holds is attached where it was.
func (k *Kernel) LinksAlive() bool {
	for n, l := range k.links {
		if info, err := l.Info(); err != nil || !holds(info, int(k.chains.all[n].Ifindex)) {
			return false
		}
	}
	return true
}
