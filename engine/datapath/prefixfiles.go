package datapath

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"hairpin/engine/spec"
)

// maxPrefixFile is the size of the largest file of prefixes that is read.
const maxPrefixFile = 64 << 20

// fileVersion tells two contents of a file apart without reading them. The time is that of the last change of the file or
// of its name: the other one can be set back.
type fileVersion struct {
	inode   uint64
	changed syscall.Timespec
	size    int64
}

// prefixFile is what was read of one file of prefixes.
type prefixFile struct {
	used   fileVersion // what is read
	failed fileVersion // what cannot be read
	seen   fileVersion // at the last look: what still changes is not read
	serial uint64      // of the reading
	loaded time.Time
	count  int
	lists  [2][]prefix // IPv4, IPv6
	err    error       // why the newest content is not in use

	uncopied error // why no copy of it is kept
}

// PrefixFile is one file of prefixes that a firewall goes by.
type PrefixFile struct {
	Name     string
	Prefixes int
	Loaded   time.Time // zero = never by this process
	Err      error     // why its newest content is not in use
}

// PrefixFiles are the files that were looked at, by name.
func (k *Kernel) PrefixFiles() []PrefixFile {
	var all []PrefixFile
	for name, f := range k.files {
		all = append(all, PrefixFile{name, f.count, f.loaded, cmp.Or(f.err, f.uncopied)})
	}
	slices.SortFunc(all, func(a, b PrefixFile) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// prefixFilesOf are the files that the firewalls of a spec name, and which stage names each.
func prefixFilesOf(s *spec.Spec) map[string]string {
	all := map[string]string{}
	for _, n := range s.Stages {
		if policy, ok := n.Settings.(*spec.Policy); ok {
			for _, name := range policy.Drop.Files() {
				all[name] = n.Name
			}
		}
	}
	return all
}

// LoadPrefixFiles reads the files that the firewalls of a spec name and that were not read before. The error is of those
// that cannot be read, unless tables of the same lists are there already.
func (k *Kernel) LoadPrefixFiles(s *spec.Spec, now time.Time) error {
	for _, n := range s.Stages {
		policy, ok := n.Settings.(*spec.Policy)
		if !ok {
			continue
		}
		for _, name := range policy.Drop.Files() {
			f := k.file(name)
			if !f.loaded.IsZero() {
				continue
			}
			k.readFile(name, f, now)
			if _, there := k.tablesOf(policy.Drop); f.err != nil && !there {
				return fmt.Errorf("stages.%s.drop: %w", n.Name, f.err)
			}
		}
	}
	return nil
}

// LookAtPrefixFiles reads the files of the running spec that have changed since they were read, once they have come to rest:
// a look later they are still the same. It returns what it has read. Files of no interest any more are forgotten.
func (k *Kernel) LookAtPrefixFiles(s *spec.Spec, now time.Time) (read []PrefixFile) {
	wanted := prefixFilesOf(s)
	for name := range k.files {
		if wanted[name] == "" {
			delete(k.files, name)
		}
	}
	for name := range wanted {
		f := k.file(name)
		version, err := look(name)
		switch before := f.seen; {
		case err != nil:
			f.seen, f.failed, f.err = fileVersion{}, fileVersion{}, err
		case f.loaded.IsZero() && version != f.failed, version == before && version != f.used && version != f.failed:
			f.seen = version
			if k.readFile(name, f, now); f.err == nil {
				read = append(read, PrefixFile{Name: name, Prefixes: f.count, Loaded: now})
			}
		default:
			f.seen = version
			if version == f.used {
				f.err = nil
			}
		}
	}
	return read
}

func (k *Kernel) file(name string) *prefixFile {
	if k.files == nil {
		k.files = map[string]*prefixFile{}
	}
	if k.files[name] == nil {
		k.files[name] = &prefixFile{}
	}
	return k.files[name]
}

// look is the version of a file that may be read.
func look(name string) (fileVersion, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return fileVersion{}, err
	case !info.Mode().IsRegular():
		return fileVersion{}, fmt.Errorf("%s: not a file: write prefixes into one, one a line", name)
	case info.Size() > maxPrefixFile:
		return fileVersion{}, fmt.Errorf("%s: %d bytes are too many: at most %d; split it, and name each part", name, info.Size(), maxPrefixFile)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileVersion{}, fmt.Errorf("%s: its times cannot be read", name)
	}
	return fileVersion{stat.Ino, stat.Ctim, stat.Size}, nil
}

// readFile reads a file, and keeps a copy of it.
func (k *Kernel) readFile(name string, f *prefixFile, now time.Time) {
	f.read(name, now)
	if f.err == nil {
		f.uncopied = k.keepCopy(name, f)
	}
}

var errChanging = errors.New("it is being written")

// read takes the content of a file, or notes why it cannot be.
func (f *prefixFile) read(name string, now time.Time) {
	version, err := look(name)
	var list []netip.Prefix
	if err == nil {
		list, err = parsePrefixFile(name)
	}
	if after, e := look(name); err == nil && (e != nil || after != version) {
		err = fmt.Errorf("%s: %w", name, errChanging)
	}
	if f.err = err; err != nil {
		f.failed = version
		return
	}
	f.take(list, now)
	f.used, f.failed = version, fileVersion{}
}

// take makes a list the content of a file.
func (f *prefixFile) take(list []netip.Prefix, now time.Time) {
	f.lists = [2][]prefix{}
	for _, p := range list {
		family := 0
		if p.Addr().Is6() {
			family = 1
		}
		f.lists[family] = append(f.lists[family], prefixOf(p))
	}
	f.lists[0], f.lists[1] = disjoint(f.lists[0]), disjoint(f.lists[1])
	f.loaded, f.count = now, len(list)
	f.serial++
}

func parsePrefixFile(name string) ([]netip.Prefix, error) {
	f, err := openRegular(name) // which it was when it was looked at
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPrefixFile))
	if err != nil {
		return nil, err
	}
	list, err := spec.ParsePrefixes(text)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	return list, nil
}
