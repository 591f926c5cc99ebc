// Package sockets steers new connections and datagrams for addresses and ports to sockets of this host (sk_lookup). What is
// pinned is its whole state: no process is needed, and none keeps anything of it in mind.
package sockets

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"hairpin/bpf"
)

// Sizes; see bpf/sklookup.bpf.c.
const (
	MaxBindings = 128
	MaxServices = 64
	families    = 2
)

// ErrNone is the answer where nothing was ever bound.
var ErrNone = errors.New("no service is bound on this node: hairpin socket bind")

const linkPin = "link"

// Dir is the folder of the pins of a node on a bpffs.
func Dir(bpffs, node string) string {
	return filepath.Join(bpffs, "hairpin", strings.ReplaceAll(node, ".", "_"), "sockets")
}

// Table is the services of one network namespace. Whoever has it open is the only one to change it.
type Table struct {
	dir                               string
	bindings, counts, sockets, naming *ebpf.Map
	lock                              *os.File
}

// name of a service; an element of the map by which services have their numbers.
type name [32]byte

// Open is the table of a node. ErrNone where there is none.
func Open(dir string) (*Table, error) {
	t := &Table{dir: dir}
	if _, err := os.Stat(filepath.Join(dir, linkPin)); errors.Is(err, os.ErrNotExist) {
		return nil, ErrNone
	}
	if err := t.open(); err != nil {
		t.Close()
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	return t, nil
}

func (t *Table) open() (err error) {
	if t.lock, err = os.Open(t.dir); err != nil {
		return err
	}
	if err := unix.Flock(int(t.lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	for pin, m := range map[string]**ebpf.Map{"bindings": &t.bindings, "service_counts": &t.counts, "service_sockets": &t.sockets, "service_names": &t.naming} {
		if *m, err = ebpf.LoadPinnedMap(filepath.Join(t.dir, pin), nil); err != nil {
			return fmt.Errorf("map %s: %w", pin, err)
		}
	}
	return nil
}

// Create is Open, and makes the table of this thread's network namespace where there is none. It appears by one rename.
func Create(dir string) (*Table, error) {
	if t, err := Open(dir); !errors.Is(err, ErrNone) {
		return t, err
	}
	unfinished := fmt.Sprintf("%s_new_%d", dir, os.Getpid())
	if err := os.MkdirAll(unfinished, 0o700); err != nil {
		return nil, fmt.Errorf("create %s: %w", dir, err)
	}
	if err := pinAll(unfinished); err != nil {
		return nil, errors.Join(fmt.Errorf("create %s: %w", dir, err), os.RemoveAll(unfinished))
	}
	if err := os.Rename(unfinished, dir); err != nil {
		return nil, errors.Join(fmt.Errorf("create %s: %w", dir, err), os.RemoveAll(unfinished))
	}
	return Open(dir)
}

// pinAll makes maps, program and link.
func pinAll(dir string) error {
	objects, err := bpf.LoadSklookup()
	if err != nil {
		return err
	}
	objects.Maps["service_names"] = &ebpf.MapSpec{Name: "service_names", Type: ebpf.Array, KeySize: 4, ValueSize: 32, MaxEntries: MaxServices}
	loaded, err := ebpf.NewCollection(objects)
	if err != nil {
		return err
	}
	defer loaded.Close()
	for pin, m := range loaded.Maps {
		if err := m.Pin(filepath.Join(dir, pin)); err != nil {
			return fmt.Errorf("map %s: %w", pin, err)
		}
	}
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }() // only read
	l, err := link.AttachNetNs(int(ns.Fd()), loaded.Programs["steer_socket"])
	if err != nil {
		return fmt.Errorf("attach to the network namespace: %w", err)
	}
	defer func() { _ = l.Close() }() // its pin holds it
	return l.Pin(filepath.Join(dir, linkPin))
}

// Close lets go of it; everything goes on.
func (t *Table) Close() {
	for _, m := range []*ebpf.Map{t.bindings, t.counts, t.sockets, t.naming} {
		if m != nil {
			_ = m.Close()
		}
	}
	if t.lock != nil {
		_ = t.lock.Close()
	}
}

// Remove ends all steering. New connections go where they would have gone without it.
func (t *Table) Remove() error {
	dir := t.dir
	t.Close()
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	for parent := filepath.Dir(dir); filepath.Base(parent) != "hairpin" && os.Remove(parent) == nil; parent = filepath.Dir(parent) {
	}
	return nil
}
