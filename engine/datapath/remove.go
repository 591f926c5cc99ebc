package datapath

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf/link"
)

// Remove takes everything of hairpin's off the node: links, filters, programs, maps, and the folders of the pins. Nothing
// else is touched. The Kernel is of no use afterwards.
func (k *Kernel) Remove() error {
	dir := k.dir
	k.takenOver() // what is left of an older ABI holds the same links
	if err := k.hide(); err != nil {
		return fmt.Errorf("remove data path: %w", err)
	}
	k.step("remove: out of sight")
	var errs []error
	for _, c := range k.Chains() {
		errs = append(errs, k.DetachChain(c.Number))
	}
	k.Close()
	return errors.Join(append(errs, RemovePins(dir))...)
}

// hide takes the folder of the pins out of sight in one step, as it was published: whoever comes after a kill in the middle
// of its end does not take what is left for a data path.
func (k *Kernel) hide() error {
	if err := removeUnfinished(k.dir); err != nil {
		return err
	}
	hidden := k.dir + unfinishedMark + "removed"
	if err := os.Rename(k.dir, hidden); err != nil {
		return err
	}
	k.dir = hidden
	return nil
}

// RemovePins removes a pin folder and its empty parents, whatever is in it: links, rows and maps go with their last
// reference. Filters have no pins and are taken off the NICs of this network namespace. For a data path that cannot be
// opened any more.
func RemovePins(dir string) error {
	if err := errors.Join(removeFilters(clsactName(dir)), removeFilters(checkFilter(clsactName(dir))), removeFolder(dir), removeUnfinished(dir)); err != nil {
		return fmt.Errorf("remove pins: %w", err)
	}
	for parent := filepath.Dir(dir); filepath.Base(filepath.Dir(parent)) != "/" && parent != "/"; parent = filepath.Dir(parent) {
		if os.Remove(parent) != nil || filepath.Base(parent) == "hairpin" {
			break // not empty: another node's or layout's
		}
	}
	return nil
}

// unfinishedMark stands in the names of folders that are no data path yet, or no more.
const unfinishedMark = "_new_"

// removeUnfinished takes away the folders that were to get a name like dir, or had it, by processes that were killed in the
// middle.
func removeUnfinished(dir string) error {
	left, err := filepath.Glob(dir + unfinishedMark + "*")
	if err != nil {
		return fmt.Errorf("find unfinished: %w", err)
	}
	for _, folder := range left {
		if err := removeFolder(folder); err != nil {
			return fmt.Errorf("remove unfinished: %w", err)
		}
	}
	return nil
}

// removeFolder ends the links in a pin folder, which would last for a while after their pins, and removes all of it.
func removeFolder(dir string) error {
	links, err := filepath.Glob(filepath.Join(dir, "links", "*"))
	if err != nil {
		return err
	}
	for _, pin := range links {
		if l, err := link.LoadPinnedLink(pin, nil); err == nil {
			_ = l.Detach() // fails on a NIC that is gone
			_ = l.Close()
		}
	}
	return os.RemoveAll(dir)
}
