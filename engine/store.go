package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"hairpin/engine/disk"
	"hairpin/engine/spec"
)

// record is what is stored of a generation, under its number.
type record struct {
	Generation int
	Time       time.Time
	Who        string
	Why        string
	Tenants    []string `json:",omitempty"` // whose operator applied it; empty = one who may change the whole node did
	Revision   string
	Document   []byte               `json:"-"`          // canonical YAML
	Sum        uint32               `json:",omitempty"` // of the document, CRC-32C; 0 = not known
	Settling   map[string]time.Time // VIPs whose ring changed, and when
	Fallbacks  uint32               // how often the kernel had gone back by then: more means it went back to this
}

// store keeps the specs of generations on disk: a kill at any moment leaves each file whole or none, and what is confirmed
// is named by a file of its own.
type store struct{ dir string }

func storeOf(state string) store { return store{filepath.Join(state, "generations")} }

func (s store) make() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	if err := disk.Clear(s.dir); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	return nil
}

// file holds a record: a YAML document, whose first line is a comment with all else in JSON.
func (s store) file(generation int) string {
	return filepath.Join(s.dir, strconv.Itoa(generation)+".yaml")
}

func (s store) confirmedFile() string { return filepath.Join(s.dir, "confirmed") }

// write stores r where the next engine finds it, also after a kill. That it outlasts a loss of power is for confirm: until
// then another one would come back.
func (s store) write(r record) error {
	r.Sum = sum(r.Document)
	head, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("store generation %d: %w", r.Generation, err)
	}
	// What has the name is of a generation that nobody goes back to. To replace it in one step would wait for the disk.
	if err := os.Remove(s.file(r.Generation)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("store generation %d: %w", r.Generation, err)
	}
	if err := disk.WriteSoon(s.file(r.Generation), []byte(comment), head, []byte("\n"), r.Document); err != nil {
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
	r := record{Document: data}
	head, document, _ := bytes.Cut(data, []byte("\n"))
	if err := json.Unmarshal(bytes.TrimPrefix(head, []byte(comment)), &r); err != nil {
		return record{}, nil, fmt.Errorf("read generation %d: %s: line 1: %w", generation, name, err)
	}
	if r.Sum != 0 && r.Sum != sum(document) {
		return record{}, nil, fmt.Errorf("read generation %d: %s: it was changed or is torn: its checksum is another", generation, name)
	}
	parsed, err := spec.Parse(name, data)
	if err != nil {
		return record{}, nil, fmt.Errorf("read generation %d: %w", generation, err)
	}
	return r, parsed, nil
}

const comment = "# "

func sum(document []byte) uint32 { return crc32.Checksum(document, crc32.MakeTable(crc32.Castagnoli)) }

// confirm names the generation that a reboot brings back, whose record is on the disk before its name is.
func (s store) confirm(generation int) error {
	err := disk.Flush(s.file(generation))
	if err == nil || errors.Is(err, os.ErrNotExist) { // some runs of which nothing is stored
		err = disk.Flush(s.dir)
	}
	if err == nil {
		err = disk.Write(s.confirmedFile(), []byte(strconv.Itoa(generation)+"\n"))
	}
	if err != nil {
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
	if confirmed == 0 || err == nil && named != generation {
		return nil
	}
	return s.confirm(confirmed)
}
