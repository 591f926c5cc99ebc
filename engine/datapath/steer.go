package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"hairpin/bpf"
	"hairpin/engine/maglev"
	"hairpin/engine/spec"
)

const steerID = 11 // enum stage

// ErrNoTables is the answer to a spec that names routing tables where the kernel gives programs no routes of them.
var ErrNoTables = errors.New("this kernel gives programs no routes of a table, as Linux does from 6.5 on: write nic and via instead")

// standSteer writes the settings of a steer stage, and the paths, groups and cgroups that it names.
func (k *Kernel) standSteer(p spot, s *standing) error {
	x, ok := p.stage.Settings.(*spec.Steering)
	if !ok {
		return errors.New("has no settings")
	}
	if k.chains.all[p.chain].Hook != XDP {
		s.dry = k.programs["steer_out_dry"]
	}
	used := k.steersUsed()
	all := steer{Hot: x.Hot}
	for i, u := range x.Rules {
		r := steerRule{VIP: p.nums[u.VIP], Mark: u.Mark.Value, MarkMask: u.Mark.Mask, Number: uint8(i)}
		if r.VIP != 0 {
			all.Flags |= steerAsksSource
		}
		for _, d := range u.DSCP {
			r.DSCP |= 1 << d
		}
		if u.Otherwise == spec.OtherwiseDrop {
			r.Flags |= steerStrict
		}
		var err error
		if r.Cgroup, err = k.putCgroup(used, u.Cgroup); err != nil {
			return fmt.Errorf("rule %s: %w", u.Name, err)
		}
		if u.Paths == "" {
			r.Path, err = k.putPath(used, 0, u.Way)
		} else {
			r.Group, err = k.putGroup(used, p.stage.Name, x.Group(u.Paths))
		}
		if err != nil {
			return fmt.Errorf("rule %s: %w", u.Name, err)
		}
		for _, pair := range u.Entries() {
			all.Rule[all.Rules] = r.between(pair)
			all.Rules++
		}
	}
	var err error
	s.settings, err = putSettings(k.steers.all, k.usedSettings(steerID), all)
	return err
}

// between is the rule for a pair of prefixes, each of which may be none.
func (r steerRule) between(pair [2]netip.Prefix) steerRule {
	put := func(p netip.Prefix, address, mask *[16]byte) {
		if !p.IsValid() {
			return
		}
		r.Family = family(p.Addr())
		copy(address[:], p.Masked().Addr().AsSlice())
		copy(mask[:], net.CIDRMask(p.Bits(), p.Addr().BitLen()))
	}
	put(pair[0], &r.From, &r.FromMask)
	put(pair[1], &r.To, &r.ToMask)
	return r
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return 4
	}
	return 6
}

// steersUsed are the elements that settings of live generations name, and those that were given out since.
func (k *Kernel) steersUsed() *steersUsed {
	u := &steersUsed{map[uint16]bool{}, map[uint16]bool{}, map[uint16]bool{}}
	for element := range k.usedSettings(steerID) {
		x := &k.steers.all[element]
		for _, r := range x.Rule[:x.Rules] {
			u.paths[r.Path], u.groups[r.Group], u.cgroups[r.Cgroup] = true, true, true
			for _, id := range k.steerGroups.all[r.Group].Path {
				u.paths[id] = true
			}
		}
	}
	return u
}

type steersUsed struct{ paths, groups, cgroups map[uint16]bool }

// nameDigest names something by words that no two others share.
func nameDigest(words ...string) uint64 {
	h := fnv.New64a()
	for _, w := range words {
		var length [4]byte
		binary.LittleEndian.PutUint32(length[:], uint32(len(w)))
		_, _ = h.Write(append(length[:], w...)) // never fails
	}
	return max(h.Sum64(), 1)
}

// firstFree is the element that is right already, or else one that is not used.
func firstFree[T any](all []T, used map[uint16]bool, right func(*T) bool) (at uint16, found bool, err error) {
	for i := len(all) - 1; i > 0; i-- {
		if right(&all[i]) {
			used[uint16(i)] = true
			return uint16(i), true, nil
		}
		if !used[uint16(i)] {
			at = uint16(i)
		}
	}
	if at == 0 {
		return 0, false, fmt.Errorf("all %d are in use by the specs of the last second and this one: wait, or use fewer", len(all)-1)
	}
	used[at] = true
	return at, false, nil
}

// way is what never changes of a path.
func (p steerPath) way() steerPath {
	p.Ifindex, p.Flags = 0, 0
	return p
}

func wayOfSpec(group uint64, w spec.Way) steerPath {
	p := steerPath{Group: group, Table: w.Table}
	copy(p.NIC[:len(p.NIC)-1], w.NIC)
	if w.Via.IsValid() {
		p.Family = uint32(family(w.Via))
		copy(p.Via[:], w.Via.AsSlice())
	}
	return p
}

func (k *Kernel) putPath(used *steersUsed, group uint64, w spec.Way) (uint16, error) {
	if w.Table != 0 && !k.knowsTables() {
		return 0, fmt.Errorf("table %d: %w", w.Table, ErrNoTables)
	}
	want := wayOfSpec(group, w)
	at, found, err := firstFree(k.steerPaths.all, used.paths, func(p *steerPath) bool { return p.way() == want })
	if err != nil {
		return 0, fmt.Errorf("paths: %w", err)
	}
	if !found {
		for cpu := range k.steerCounts.all {
			k.steerCounts.all[cpu].Path[at] = Count{}
		}
		want.Flags = steerPathAlive
		k.steerPaths.all[at] = want
		k.lookAtPath(at)
	}
	return at, nil
}

// lookAtPath sees whether the NIC of a path is there and up. What it can do with packets beyond that, the kernel is asked at each.
func (k *Kernel) lookAtPath(at uint16) {
	p := &k.steerPaths.all[at]
	index, up := uint32(0), p.Table != 0
	if nic, err := netlink.LinkByName(cString(p.NIC[:])); p.Table == 0 && err == nil {
		index, up = uint32(nic.Attrs().Index), nic.Attrs().Flags&net.FlagUp != 0 && nic.Attrs().OperState != netlink.OperDown
	}
	if p.Ifindex != index {
		p.Ifindex = index
	}
	if is := p.Flags&steerPathUp != 0; is != up {
		p.Flags ^= steerPathUp
	}
}

// groupName is the digest of a group and the weights of its paths; that of its paths' group leaves those out.
func groupName(stage string, g *spec.PathGroup) (group, name uint64) {
	words := []string{stage, g.Name}
	group = nameDigest(words...)
	for _, p := range g.Paths {
		words = append(words, p.Way.String(), fmt.Sprint(p.Weight))
	}
	return group, nameDigest(words...)
}

func (k *Kernel) putGroup(used *steersUsed, stage string, g *spec.PathGroup) (uint16, error) {
	if g == nil {
		return 0, errors.New("names a group that is not there")
	}
	group, name := groupName(stage, g)
	want := steerGroup{Name: name}
	weights := make([]uint32, len(g.Paths))
	for i, p := range g.Paths {
		at, err := k.putPath(used, group, p.Way)
		if err != nil {
			return 0, fmt.Errorf("path %s: %w", p.Name, err)
		}
		want.Path[i], weights[i] = at, p.Weight
	}
	at, found, err := firstFree(k.steerGroups.all, used.groups, func(h *steerGroup) bool { return h.Name == want.Name && h.Path == want.Path })
	if err != nil {
		return 0, fmt.Errorf("groups: %w", err)
	}
	if !found {
		k.steerGroups.all[at] = want
		err = k.steerGroups.all[at].weigh(weights)
	}
	return at, err
}

// weigh makes the ring of a group by the weights of its paths, in their order. Flows read it meanwhile: each slot is one store.
func (g *steerGroup) weigh(weights []uint32) error {
	var entries []maglev.Entry
	for i, w := range weights {
		key := [16]byte{0: 0xfd, 15: byte(g.Path[i])}
		entries = append(entries, maglev.Entry{ID: g.Path[i], Key: netip.AddrFrom16(key), Weight: w})
	}
	var ring [SteerSlots]uint16
	if err := new(maglev.Builder).Build(ring[:], entries); err != nil {
		return fmt.Errorf("weigh paths: %w", err)
	}
	for i, path := range ring {
		if g.Slot[i] != path {
			g.Slot[i] = path
		}
	}
	return nil
}

// knowsTables tells whether the kernel gives programs the routes of a table. It refuses flags that it does not know.
func (k *Kernel) knowsTables() bool {
	if k.tables != nil {
		return *k.tables
	}
	collection, err := k.collection(program{spec.Steer, "", bpf.LoadSteer, "steer_knows", "rows_tc", false})
	if err != nil {
		return false
	}
	loaded, err := ebpf.NewCollectionWithOptions(collection.spec, ebpf.CollectionOptions{MapReplacements: collection.maps})
	if err != nil {
		return false
	}
	defer loaded.Close()
	verdict, err := loaded.Programs["steer_knows"].Run(&ebpf.RunOptions{Data: make([]byte, 64)})
	knows := err == nil && verdict == 1
	k.tables = &knows
	return knows
}
