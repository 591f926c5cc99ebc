package engine

import (
	"cmp"
	"os"
	"path/filepath"
)

// Paths are the places on a node that hairpin uses. Each is a folder.
type Paths struct {
	Config string // spec, keymap, theme
	State  string // generations, history, audit; survives a reboot
	Run    string // socket and lock; does not
	BPFFS  string // a mounted bpffs
	Node   string // the node's name: the folder of its pins below BPFFS/hairpin
}

// DefaultPaths are the node's own, each replaced by its environment variable where that is set: HAIRPIN_CONFIG,
// HAIRPIN_STATE, HAIRPIN_RUN, HAIRPIN_BPFFS, HAIRPIN_NODE.
func DefaultPaths() Paths {
	host, err := os.Hostname()
	if err != nil {
		host = "node"
	}
	return Paths{
		Config: cmp.Or(os.Getenv("HAIRPIN_CONFIG"), "/etc/hairpin"),
		State:  cmp.Or(os.Getenv("HAIRPIN_STATE"), "/var/lib/hairpin"),
		Run:    cmp.Or(os.Getenv("HAIRPIN_RUN"), "/run/hairpin"),
		BPFFS:  cmp.Or(os.Getenv("HAIRPIN_BPFFS"), "/sys/fs/bpf"),
		Node:   cmp.Or(os.Getenv("HAIRPIN_NODE"), host),
	}
}

// Socket is where the owner listens.
func (p Paths) Socket() string { return filepath.Join(p.Run, "engine.sock") }

// Lock is the file whose flock says who may try to own the data path.
func (p Paths) Lock() string { return filepath.Join(p.State, "lock") }

// SpecFile is the operator's document.
func (p Paths) SpecFile() string { return filepath.Join(p.Config, "spec.yaml") }
