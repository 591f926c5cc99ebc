package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
)

// fill makes the folder of the new pins.
func (t *takeover) fill(temporary string, changed map[string]becomes) error {
	if err := t.linkAll(temporary, changed); err != nil {
		return err
	}
	t.step("takeover: pins linked")
	k := &Kernel{dir: temporary, maps: map[string]*ebpf.Map{}}
	defer k.Close()
	for _, of := range parts() {
		specs, err := mapSpecs(of)
		if err != nil {
			return err
		}
		for pin, spec := range specs {
			if err := t.bring(k, of == "", pin, spec, changed); err != nil {
				return fmt.Errorf("map %s: %w", pin, err)
			}
		}
	}
	if t.inherits() {
		if err := inherit(temporary, t.from); err != nil {
			return err
		}
	}
	t.step("takeover: maps converted")
	return k.noteMeta(func(m *meta) { m.From = uint32(t.abi) })
}

// linkAll gives every pin that stays a second name.
func (t *takeover) linkAll(temporary string, changed map[string]becomes) error {
	return filepath.WalkDir(t.from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(t.from, path)
		_, other := changed[strings.TrimPrefix(name, "maps/")]
		switch {
		case err != nil:
			return err
		case strings.Contains(name, unfinishedMark), filepath.Dir(name) == "programs":
			return fs.SkipDir // what a kill left, and programs of the older ABI, which the rows hold
		case d.IsDir():
			return os.MkdirAll(filepath.Join(temporary, name), 0o700)
		case other && strings.HasPrefix(name, "maps/"):
			return nil
		}
		return os.Link(path, filepath.Join(temporary, name))
	})
}

// bring sees that the new folder has a map as it must be today: the older one, or a new one that has become of it.
func (t *takeover) bring(k *Kernel, always bool, pin string, spec *ebpf.MapSpec, changed map[string]becomes) error {
	was, err := ebpf.LoadPinnedMap(filepath.Join(t.from, "maps", pin), nil)
	if errors.Is(err, os.ErrNotExist) && !always && !(pin == inheritedPin && t.inherits()) {
		return nil // made when it is needed
	}
	if err == nil {
		defer was.Close()
	} else if !errors.Is(err, os.ErrNotExist) {
		return explain(err)
	}
	each, other := changed[pin]
	if was != nil && !other {
		return spec.Compatible(was)
	}
	now, err := k.createMap(pin, spec)
	switch {
	case err != nil || was == nil:
		return err
	case pin == vips4Pin:
		return bringParts[vip4, vip4Table](k, pin, was)
	case pin == vips6Pin:
		return bringParts[vip6, vip6Table](k, pin, was)
	case each != nil:
		return convert(now, was, each, moveSince(t.abi, pin))
	}
	return nil
}

// bringParts makes the parts of a VIP table whose versions were runs of one array: each is the first of its version.
func bringParts[E, T any](k *Kernel, store string, was *ebpf.Map) error {
	older, err := mapMemory[E](was, false)
	if err != nil {
		return err
	}
	defer older.unmap()
	for version := range Generations {
		size := len(older.raw) / Generations
		entries := older.raw[version*size : (version+1)*size]
		if allZero(entries) {
			continue
		}
		n := version * VIPParts
		part, err := addSegment[T](k, store, partPin(store)(n), n)
		if err != nil {
			return fmt.Errorf("part %d: %w", n, err)
		}
		copy(part.raw, entries)
		part.unmap()
	}
	return nil
}

// countAgain brings what the older programs have counted of flows since: today's go on with it from the switch on.
func (t *takeover) countAgain(k *Kernel) error {
	const pin = "tallies"
	changed, _ := changesSince(t.abi)
	each, now := changed[pin], k.maps[pin]
	if each == nil || now == nil {
		return nil
	}
	was, err := ebpf.LoadPinnedMap(filepath.Join(t.from, "maps", pin), nil)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return explain(err)
	}
	defer was.Close()
	return convert(now, was, each, moveSince(t.abi, pin))
}

// inheritAll brings what the older programs counted to the end: none of them is met by a packet any more.
func (t *takeover) inheritAll() error {
	if !t.inherits() {
		return nil
	}
	awaitPackets()
	return inherit(t.dir, t.from)
}

// inherits tells whether today's programs count in another map.
func (t *takeover) inherits() bool {
	changed, _ := changesSince(t.abi)
	_, other := changed["counters"]
	return other
}
