package engine

import (
	"fmt"
	"io/fs"
	"os"

	"hairpin/engine/privilege"
)

// Capability is a part of root's power that the engine makes use of.
type Capability struct {
	Name   string
	For    string
	Always bool // there is no engine without it
	Held   bool // by this process
}

// Capabilities are all of them.
func Capabilities() ([]Capability, error) {
	held, err := privilege.Held()
	if err != nil {
		return nil, err
	}
	var list []Capability
	for _, n := range privilege.Needs() {
		list = append(list, Capability{n.Name, n.For, n.Always, held[n.Name]})
	}
	return list, nil
}

// DropPrivileges gives up, for good, what an engine of this process on these paths does not need.
func DropPrivileges(p Paths) error { return privilege.Drop(p.State, armsGroup) }

// makeFolder makes one of the node's folders. What everybody may write there would be read as the engine's own.
func makeFolder(dir string, mode fs.FileMode) error {
	if err := os.MkdirAll(dir, mode); err != nil {
		return fmt.Errorf("%w; make it as root, for the user that the engine is to be", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode()&(0o002|fs.ModeSticky) == 0o002 {
		return fmt.Errorf("%s can be written by everybody; run: chmod o-w %s", dir, dir)
	}
	return nil
}
