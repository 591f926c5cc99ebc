// Package sockets steers new connections and datagrams for addresses and ports to sockets of this host (sk_lookup). What is
// pinned is its whole state: no process is needed, and none keeps anything of it in mind.
package sockets

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

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

// Table is the services of one network namespace. Whoever has it open is the only one to look at it or change it, and
// should not for long.
type Table struct {
	dir                               string
	bindings, counts, sockets, naming *ebpf.Map
	lock                              *os.File
}

// name of a service; an element of the map by which services have their numbers.
type name [32]byte

// Open is the table of a node. ErrNone where there is none, an error where another has it for long.
func Open(dir string) (*Table, error) {
	t := &Table{dir: dir}
	if err := t.open(); err != nil {
		t.Close()
		if errors.Is(err, ErrNone) {
			return nil, ErrNone
		}
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	return t, nil
}

func (t *Table) open() (err error) {
	if t.lock, err = lockFolder(t.dir); err != nil {
		return err
	}
	for pin, m := range map[string]**ebpf.Map{"bindings": &t.bindings, "service_counts": &t.counts, "service_sockets": &t.sockets, "service_names": &t.naming} {
		if *m, err = ebpf.LoadPinnedMap(filepath.Join(t.dir, pin), nil); err != nil {
			return fmt.Errorf("map %s: %w: \"hairpin socket detach\" clears it away", pin, err)
		}
	}
	return nil
}

// How long another may have the table, and how often it is asked for.
const (
	lockPatience = 10 * time.Second
	lockAgain    = 10 * time.Millisecond
)

// lockFolder is a folder that nobody else has until it is closed. ErrNone where there is none.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	for last := time.Now().Add(lockPatience); ; time.Sleep(lockAgain) {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil || !errors.Is(err, unix.EWOULDBLOCK) {
			break
		}
		if time.Now().After(last) {
			err = fmt.Errorf("another process has held it for %v: fuser %s", lockPatience, dir)
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if !isStill(f, dir) { // removed, and perhaps made anew
		_ = f.Close()
		return lockFolder(dir)
	}
	return f, nil
}

// isStill tells whether a folder is the one of that name.
func isStill(f *os.File, dir string) bool {
	there, err := os.Stat(dir)
	own, err2 := f.Stat()
	return err == nil && err2 == nil && os.SameFile(there, own)
}

const unfinishedMark = "_new_"

// Create is Open, and makes the table of this thread's network namespace where there is none. It appears by one rename.
func Create(dir string) (*Table, error) {
	if t, err := Open(dir); !errors.Is(err, ErrNone) {
		return t, err
	}
	unfinished := fmt.Sprint(dir, unfinishedMark, os.Getpid())
	err := errors.Join(os.RemoveAll(unfinished), os.MkdirAll(unfinished, 0o700))
	if err == nil {
		err = pinAll(unfinished)
	}
	if err == nil {
		err = os.Rename(unfinished, dir)
	}
	if err != nil {
		err = errors.Join(err, os.RemoveAll(unfinished))
	}
	if err != nil && !errors.Is(err, os.ErrExist) { // another was faster: a folder with anything in it stays
		return nil, fmt.Errorf("create %s: %w", dir, err)
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

// Remove ends all steering of a node, and takes away what is left of it, whatever state it is in. New connections go where they
// would have gone without it. ErrNone where there is nothing.
func Remove(dir string) error {
	unfinished, err := filepath.Glob(dir + unfinishedMark + "*") // of those that were killed while they made one
	if err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	lock, err := lockFolder(dir)
	if errors.Is(err, ErrNone) && len(unfinished) > 0 {
		lock, err = nil, nil
	}
	if errors.Is(err, ErrNone) {
		return err
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	for _, d := range append(unfinished, dir) {
		err = errors.Join(err, os.RemoveAll(d))
	}
	if lock != nil {
		_ = lock.Close()
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	node := filepath.Dir(dir)
	if os.Remove(node) == nil { // it has nothing else
		_ = os.Remove(filepath.Dir(node))
	}
	return nil
}
