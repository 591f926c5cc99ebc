package datapath

import (
	"errors"
	"fmt"
	"slices"
)

// The stores of the parts of VIP tables, and the pins of these.
const (
	vips4Pin = "vips4"
	vips6Pin = "vips6"
)

func partPin(store string) func(n int) string {
	return func(n int) string { return fmt.Sprintf("%s_%03d", store, n) }
}

// mapParts makes the parts that are there memory.
func (k *Kernel) mapParts() error {
	return errors.Join(openSegments(k, vips4Pin, partPin(vips4Pin), k.vips4[:]), openSegments(k, vips6Pin, partPin(vips6Pin), k.vips6[:]))
}

var errCrowded = errors.New("the VIP table is too full")

const seeds = 256

// writeVIPs writes one version of the tables, with as many parts as leave three quarters of each free, about, and a seed with
// which every entry is found in VIPChain probes. The version must not be in use.
func (k *Kernel) writeVIPs(version int, entries []vipEntry) (vipTables, error) {
	families := [2][]vipEntry{}
	for _, e := range entries {
		if e.Address.Is4() {
			families[0] = append(families[0], e)
		} else {
			families[1] = append(families[1], e)
		}
	}
	t := vipTables{version: version, parts: 1}
	most := max(len(families[0]), len(families[1]))
	for t.parts < VIPParts && most > t.parts*VIPTable/4 {
		t.parts *= 2
	}
	if most > VIPParts*VIPTable/2 {
		return t, fmt.Errorf("%w: %d entries", errCrowded, most)
	}
	if err := k.needParts(t, families); err != nil {
		return t, err
	}
	var places [2][]uint32
	for try := uint64(1); ; try++ {
		if try > seeds {
			return t, fmt.Errorf("%w: %d entries", errCrowded, len(entries))
		}
		t.seed = try * mix1
		if places[0] = t.place(families[0]); places[0] == nil {
			continue
		}
		if places[1] = t.place(families[1]); places[1] != nil {
			break
		}
	}
	o := &occupied{of: t, v4: places[0], v6: places[1]}
	for i, e := range families[0] {
		at := places[0][i]
		o.nums[e.VIP.Num&(VIPs-1)] = true
		k.vips4[at/VIPTable].all[0][at%VIPTable] = vip4{Key: e.key4(), VIP: e.VIP}
	}
	for i, e := range families[1] {
		at := places[1][i]
		o.nums[e.VIP.Num&(VIPs-1)] = true
		address, key := e.key6()
		k.vips6[at/VIPTable].all[0][at%VIPTable] = vip6{Address: address, Key: key, VIP: e.VIP}
	}
	k.occupied[version] = o
	return t, nil
}

// needParts sees that the parts of a version that entries may lie in are there, and empties them all.
func (k *Kernel) needParts(t vipTables, families [2][]vipEntry) (err error) {
	for n := t.version * VIPParts; n < t.version*VIPParts+t.parts; n++ {
		if k.vips4[n].all == nil && len(families[0]) > 0 {
			if k.vips4[n], err = addSegment[vip4Table](k, vips4Pin, partPin(vips4Pin)(n), n); err != nil {
				return fmt.Errorf("part %d of %s: %w", n, vips4Pin, err)
			}
		}
		if k.vips6[n].all == nil && len(families[1]) > 0 {
			if k.vips6[n], err = addSegment[vip6Table](k, vips6Pin, partPin(vips6Pin)(n), n); err != nil {
				return fmt.Errorf("part %d of %s: %w", n, vips6Pin, err)
			}
		}
		clear(k.vips4[n].all)
		clear(k.vips6[n].all)
	}
	return nil
}

// place finds each entry's place, part × VIPTable + place, or nil if some are farther than VIPChain from their homes. Those
// of one part are placed in the order of their homes, which keeps the longest way short.
func (t vipTables) place(entries []vipEntry) []uint32 {
	places := make([]uint32, len(entries))
	homes := make([]uint64, len(entries)) // part, home, and which entry
	for i := range entries {
		part, home := t.part(entries[i].hash(t.seed))
		homes[i] = uint64(part)<<48 | uint64(home)<<32 | uint64(i)
	}
	slices.Sort(homes)
	for len(homes) > 0 {
		n := 1
		for n < len(homes) && homes[n]>>48 == homes[0]>>48 {
			n++
		}
		if !placePart(homes[:n], places) {
			return nil
		}
		homes = homes[n:]
	}
	return places
}

// placePart places those of one part. What flows over its end goes to its beginning, and pushes the first ones on.
func placePart(homes []uint64, places []uint32) bool {
	free, over := 0, 0 // over is how many have gone to the beginning
	for {
		free = over
		for _, h := range homes {
			home := int(h >> 32 & (VIPTable - 1))
			at := max(free, home)
			if at >= home+VIPChain {
				return false
			}
			places[uint32(h)] = uint32(h>>48)*VIPTable + uint32(at%VIPTable)
			free = at + 1
		}
		if free-VIPTable <= over {
			return true
		}
		over = free - VIPTable
	}
}
