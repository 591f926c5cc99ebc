// Package frozen keeps the data path of one ABI in files, as its own hairpin made it, and brings it back for tests: objects,
// maps with what is in them, programs, rows and links.
package frozen

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
)

// Node is all that is pinned below one folder of a node.
type Node struct {
	Maps     []Map
	Programs []Program
	Links    []Link

	Objects map[string][]byte `json:"-"` // ELF, by name; in files of their own
}

// Map is a pinned map. Of those that only the kernel can fill nothing is kept but their shape.
type Map struct {
	Pin       string // below the folder
	Object    string // that defines it; empty = no program reads it
	Name      string // in the object
	Type      ebpf.MapType
	KeySize   uint32
	ValueSize uint32
	Entries   uint32
	Flags     uint32
	CPUs      bool              `json:",omitempty"` // it has an element for each CPU
	Frozen    bool              `json:",omitempty"`
	Elements  []Element         `json:",omitempty"`
	Inner     map[uint32]string `json:",omitempty"` // of an array of maps: their pins
	Row       map[uint32]int    `json:",omitempty"` // of a program array: numbers of programs
}

// Element is a key and those bytes of its value that are not 0.
type Element struct {
	Key  []byte
	Runs []Run
}

// Run is some bytes of a value.
type Run struct {
	At   int
	Data []byte
}

// Program is one function of an object, as it was loaded.
type Program struct {
	Pin       string // empty = only a link holds it
	Object    string
	Function  string
	Maps      map[string]string // by their names in the object, pins
	Constants map[string][]byte
}

// Link is a program's place on a NIC.
type Link struct {
	Pin     string
	Program int
	NIC     string
	Ingress bool // tcx; else XDP in the driver
}

const nodeFile = "node.json.gz"

// Write stores n in a folder that is not there yet.
func (n *Node) Write(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("freeze: %w", err)
	}
	data, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("freeze: %w", err)
	}
	errs := []error{writePacked(filepath.Join(dir, nodeFile), data)}
	for name, object := range n.Objects {
		errs = append(errs, writePacked(filepath.Join(dir, name+".o.gz"), object))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("freeze: %w", err)
	}
	return nil
}

// Read is the node that Write stored.
func Read(dir string) (*Node, error) {
	data, err := readPacked(filepath.Join(dir, nodeFile))
	if err != nil {
		return nil, fmt.Errorf("read frozen node: %w", err)
	}
	n := &Node{Objects: map[string][]byte{}}
	if err := json.Unmarshal(data, n); err != nil {
		return nil, fmt.Errorf("read frozen node: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.o.gz"))
	if err != nil {
		return nil, fmt.Errorf("read frozen node: %w", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".o.gz")
		if n.Objects[name], err = readPacked(file); err != nil {
			return nil, fmt.Errorf("read frozen node: %w", err)
		}
	}
	return n, nil
}

// Object is what an object defines.
func (n *Node) Object(name string) (*ebpf.CollectionSpec, error) {
	s, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(n.Objects[name]))
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", name, err)
	}
	return s, nil
}

func writePacked(name string, data []byte) error {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression) // without a time: equal data makes equal files
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	return os.WriteFile(name, packed.Bytes(), 0o644)
}

func readPacked(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}
