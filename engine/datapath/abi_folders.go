package datapath

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/cilium/ebpf"
)

// Errors of pins that another ABI made.
var (
	ErrNewer = errors.New("a newer hairpin made this data path")
	ErrOlder = errors.New("an older hairpin made this data path")
)

var layoutName = regexp.MustCompile(`^v(\d+)$`)

// pinnedABIs are the ABIs of which a node has pins, oldest first. dir is the folder of today's.
func pinnedABIs(dir string) ([]int, error) {
	all, err := os.ReadDir(filepath.Dir(dir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var numbers []int
	for _, e := range all {
		if m := layoutName.FindStringSubmatch(e.Name()); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				return nil, err
			}
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func layoutDir(dir string, abi int) string {
	return filepath.Join(filepath.Dir(dir), fmt.Sprintf("v%d", abi))
}

// checkLayouts is ErrNewer when a newer hairpin made pins of the node, and else the newest older ABI that did; 0 = none.
func checkLayouts(dir string) (older int, err error) {
	all, err := pinnedABIs(dir)
	if err != nil {
		return 0, err
	}
	for _, abi := range all {
		if abi > ABI {
			return 0, newer(layoutDir(dir, abi), abi)
		}
		if abi < ABI {
			older = abi
		}
	}
	return older, nil
}

// newer says who made the pins of a folder, as far as can be read.
func newer(dir string, abi int) error {
	by := "a hairpin that does not say its version"
	if m, err := ebpf.LoadPinnedMap(filepath.Join(dir, "maps", "meta"), &ebpf.LoadPinOptions{ReadOnly: true}); err == nil {
		defer m.Close()
		if value, err := m.LookupBytes(uint32(0)); err == nil && len(value) >= metaSize {
			by = "hairpin " + cString(value[metaVersion:metaVersion+versionSize])
		}
	}
	return fmt.Errorf("%w: %s has ABI %d, by %s, and this one knows up to %d; nothing was touched: start that version or a newer one, "+
		"or end its data path with its own hairpin detach", ErrNewer, dir, abi, by, ABI)
}

// RemoveOlder removes what older ABIs left on a node, links and all. ErrNewer when a newer one made pins of it.
func RemoveOlder(dir string) error {
	for {
		older, err := checkLayouts(dir)
		if err != nil || older == 0 {
			return errors.Join(err, removeBeside(dir))
		}
		if err := RemovePins(layoutDir(dir, older)); err != nil {
			return err
		}
	}
}
