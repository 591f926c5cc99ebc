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
	quicPin  = "quic_servers"
	waysPin  = "vip_ways"
)

func partPin(store string) func(n int) string {
	return func(n int) string { return fmt.Sprintf("%s_%03d", store, n) }
}

// mapParts makes the parts that are there memory.
func (k *Kernel) mapParts() error {
	return errors.Join(openSegments(k, vips4Pin, partPin(vips4Pin), k.vips4[:]), openSegments(k, vips6Pin, partPin(vips6Pin), k.vips6[:]),
		openSegments(k, quicPin, partPin(quicPin), k.quicServers[:]), openSegments(k, waysPin, partPin(waysPin), k.ways[:]))
}

var errCrowded = errors.New("the VIP table is too full")

const seeds = 256

// vipVersion is everything that one version of the tables is to say.
type vipVersion struct {
	vips    [2][]vipEntry // of IPv4, and of IPv6
	servers []uint64      // of QUIC
	ways    []vipWay
	bits    [2][wayLengths]uint8
}

func (v *vipVersion) add(e vipEntry) {
	family := 0
	if !e.four() {
		family = 1
	}
	v.vips[family] = append(v.vips[family], e)
}

// tables are those of a version that hold all of v, with a seed to be found. Three quarters of each part stay free, of those of
// QUIC more.
func (v *vipVersion) tables(version int) (vipTables, error) {
	t := vipTables{version: version, parts: 1, quicParts: 1}
	most := max(len(v.vips[0]), len(v.vips[1]))
	for t.parts < VIPParts && most > t.parts*VIPTable/4 {
		t.parts *= 2
	}
	for t.quicParts < QUICParts && len(v.servers) > t.quicParts*VIPTable/8 {
		t.quicParts *= 2
	}
	if len(v.ways) > Ways {
		return t, fmt.Errorf("%w: %d runs of ports and lists of sources, room for %d", errCrowded, len(v.ways), Ways)
	}
	if most > VIPParts*VIPTable/2 || len(v.servers) > QUICParts*VIPTable/4 {
		return t, fmt.Errorf("%w: %d entries, %d servers", errCrowded, most, len(v.servers))
	}
	return t, nil
}

// writeVIPs writes one version of the tables, with a seed by which every entry is found in VIPChain probes. The version must not
// be in use.
func (k *Kernel) writeVIPs(version int, v *vipVersion) (vipTables, error) {
	t, err := v.tables(version)
	if err != nil {
		return t, err
	}
	if err := k.needParts(t, v); err != nil {
		return t, err
	}
	o := &occupied{}
	var servers []uint32
	for try := uint64(1); ; try++ {
		if try > seeds {
			return t, fmt.Errorf("%w: %d entries", errCrowded, len(v.vips[0])+len(v.vips[1]))
		}
		t.seed = try * mix1
		o.v4, o.v6 = t.place(v.vips[0]), t.place(v.vips[1])
		servers = placeAll(t.quicHashes(v.servers), version*QUICParts, t.quicParts)
		if o.v4 != nil && o.v6 != nil && servers != nil {
			break
		}
	}
	o.of = t
	for i, e := range v.vips[0] {
		at := o.v4[i]
		o.nums[e.VIP.Num&(VIPs-1)] = true
		k.vips4[at/VIPTable].all[0][at%VIPTable] = vip4{Key: e.key4(), VIP: e.VIP}
	}
	for i, e := range v.vips[1] {
		at := o.v6[i]
		o.nums[e.VIP.Num&(VIPs-1)] = true
		address, key := e.key6()
		k.vips6[at/VIPTable].all[0][at%VIPTable] = vip6{Address: address, Key: key, VIP: e.VIP}
	}
	for i, at := range servers {
		k.quicServers[at/VIPTable].all[0][at%VIPTable] = v.servers[i]
	}
	if len(v.ways) > 0 {
		w := &k.ways[version].all[0]
		w.Bits = v.bits
		copy(w.Way[:], v.ways)
	}
	k.occupied[version] = o
	return t, nil
}

// needParts sees that the parts of a version that something may lie in are there, and empties them all.
func (k *Kernel) needParts(t vipTables, v *vipVersion) error {
	return errors.Join(needTables(k, vips4Pin, k.vips4[:], t.version*VIPParts, t.parts, len(v.vips[0]) > 0),
		needTables(k, vips6Pin, k.vips6[:], t.version*VIPParts, t.parts, len(v.vips[1]) > 0),
		needTables(k, quicPin, k.quicServers[:], t.version*QUICParts, t.quicParts, len(v.servers) > 0),
		needTables(k, waysPin, k.ways[:], t.version, 1, len(v.ways) > 0))
}

func needTables[T any](k *Kernel, store string, all []memory[T], first, n int, needed bool) (err error) {
	for i := first; i < first+n; i++ {
		if all[i].all == nil && needed {
			if all[i], err = addSegment[T](k, store, partPin(store)(i), i); err != nil {
				return fmt.Errorf("part %d of %s: %w", i, store, err)
			}
		}
		clear(all[i].raw)
	}
	return nil
}

// place finds each entry's place, part × VIPTable + place, or nil if some are farther than VIPChain from their homes.
func (t vipTables) place(entries []vipEntry) []uint32 {
	hashes := make([]uint64, len(entries))
	for i := range entries {
		hashes[i] = entries[i].hash(t.seed)
	}
	return placeAll(hashes, t.version*VIPParts, t.parts)
}

func (t vipTables) quicHashes(servers []uint64) []uint64 {
	hashes := make([]uint64, len(servers))
	for i, s := range servers {
		hashes[i] = keyHash(s&(1<<quicBackendShift-1), t.seed)
	}
	return hashes
}

// placeAll finds a place for each hash in parts of a store, those of one part in the order of their homes, which keeps the longest
// way short. Nil if some are too far from theirs.
func placeAll(hashes []uint64, firstPart, parts int) []uint32 {
	places := make([]uint32, len(hashes))
	homes := make([]uint64, len(hashes)) // part, home, and which entry
	for i, hash := range hashes {
		part, home := partOf(hash, firstPart, parts)
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
