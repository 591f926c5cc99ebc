package datapath

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Remove takes everything of hairpin's off the node: links, filters, programs, maps, and the folders of the pins. Nothing
// else is touched. The Kernel is of no use afterwards.
func (k *Kernel) Remove() error {
	var errs []error
	for _, c := range k.Chains() {
		errs = append(errs, k.DetachChain(c.Number))
	}
	dir := k.dir
	k.Close()
	return errors.Join(append(errs, RemovePins(dir))...)
}

// RemovePins removes a pin folder and its empty parents, whatever is in it: links, rows and maps go with their last
// reference. Filters have no pins and are taken off the NICs of this network namespace. For a data path that cannot be
// opened any more.
func RemovePins(dir string) error {
	if err := errors.Join(removeFilters(clsactName(dir)), os.RemoveAll(dir), removeUnfinished(dir)); err != nil {
		return fmt.Errorf("remove pins: %w", err)
	}
	for parent := filepath.Dir(dir); filepath.Base(filepath.Dir(parent)) != "/" && parent != "/"; parent = filepath.Dir(parent) {
		if os.Remove(parent) != nil || filepath.Base(parent) == "hairpin" {
			break // not empty: another node's or layout's
		}
	}
	return nil
}
