package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"hairpin/engine/spec"
)

// record is what is stored of a generation, under its number.
type record struct {
	Generation int
	Time       time.Time
	Who        string
	Why        string
	Revision   string
	Spec       string               // canonical YAML
	Settling   map[string]time.Time // VIPs whose ring changed, and when
	Fallbacks  uint32               // how often the kernel had gone back by then: more means it went back to this
}

// store keeps the specs of generations on disk: a kill at any moment leaves each file whole, the old or the new one, and
// what is confirmed is named by a file of its own.
type store struct{ dir string }

func storeOf(state string) store { return store{filepath.Join(state, "generations")} }

func (s store) make() error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(s.dir, unfinished))
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	for _, name := range left { // by a writer that was killed
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("open store: %w", err)
		}
	}
	return nil
}

// unfinished matches the names of files that are being written.
const unfinished = ".new-*"

func (s store) file(generation int) string {
	return filepath.Join(s.dir, strconv.Itoa(generation)+".json")
}

func (s store) confirmedFile() string { return filepath.Join(s.dir, "confirmed") }

func (s store) write(r record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("store generation %d: %w", r.Generation, err)
	}
	if err := writeWhole(s.file(r.Generation), append(data, '\n')); err != nil {
		return fmt.Errorf("store generation %d: %w", r.Generation, err)
	}
	return nil
}

// read is the record of a generation, and its spec. os.ErrNotExist when there is none.
func (s store) read(generation int) (record, *spec.Spec, error) {
	name := s.file(generation)
	data, err := os.ReadFile(name)
	if err != nil {
		return record{}, nil, fmt.Errorf("read generation %d: %w", generation, err)
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return record{}, nil, fmt.Errorf("read generation %d: %s: %w", generation, name, err)
	}
	parsed, err := spec.Parse(name, []byte(r.Spec))
	if err != nil {
		return record{}, nil, fmt.Errorf("read generation %d: %w", generation, err)
	}
	return r, parsed, nil
}

func (s store) confirm(generation int) error {
	if err := writeWhole(s.confirmedFile(), []byte(strconv.Itoa(generation)+"\n")); err != nil {
		return fmt.Errorf("store confirmed generation: %w", err)
	}
	return nil
}

// confirmed is the generation that was confirmed last; 0 = none ever was.
func (s store) confirmed() (int, error) {
	data, err := os.ReadFile(s.confirmedFile())
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read confirmed generation: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0, fmt.Errorf("read confirmed generation: %s: %w", s.confirmedFile(), err)
	}
	return n, nil
}

// spare keeps the record that a reboot would bring back from being overwritten by another spec under its number, where the
// disk could not be told in time that another generation is confirmed.
func (s store) spare(generation, confirmed int) error {
	named, err := s.confirmed()
	if err == nil && named != generation || confirmed == 0 {
		return err
	}
	return s.confirm(confirmed)
}

// writeWhole replaces a file in one step: temporary file, fsync, rename, fsync of the folder.
func writeWhole(name string, data []byte) error {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, unfinished)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // is gone after the rename
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
