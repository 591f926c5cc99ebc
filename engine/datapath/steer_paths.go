package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"hairpin/engine/spec"
)

// SteerPath is a path of a running spec, as the kernel has it.
type SteerPath struct {
	ID             int
	Stage          string
	Group          string // empty: it is a rule's own
	Name           string // of the path in its group, or of the rule
	Way            spec.Way
	Weight         uint32  // as the spec says
	Share          float64 // of the flows that begin, 0 to 1
	Up             bool    // its NIC takes packets
	Alive          bool    // nobody measured that it is dead
	Packets, Bytes uint64
}

// SteerPathsOf are the paths that the steer stages of s name, each as often as it is named.
func (k *Kernel) SteerPathsOf(s *spec.Spec) (all []SteerPath) {
	if s == nil || len(k.steerPaths.all) == 0 {
		return nil
	}
	for _, n := range s.Stages {
		x, ok := n.Settings.(*spec.Steering)
		if !ok {
			continue
		}
		for _, u := range x.Rules {
			if u.Paths == "" {
				all = k.addPath(all, SteerPath{Stage: n.Name, Name: u.Name, Way: u.Way, Share: 1}, 0)
			}
		}
		for _, g := range x.Groups {
			group, _ := groupName(n.Name, &g)
			shares := k.shares(n.Name, &g)
			for i, p := range g.Paths {
				all = k.addPath(all, SteerPath{Stage: n.Name, Group: g.Name, Name: p.Name, Way: p.Way, Weight: p.Weight, Share: shares[i]}, group)
			}
		}
	}
	return all
}

// String is its name and way: "two/a, up1 via 10.9.1.7".
func (p SteerPath) String() string {
	name := p.Name
	if p.Group != "" {
		name = p.Group + "/" + p.Name
	}
	return name + ", " + p.Way.String()
}

// SteerPathName is the path of that number in words, as s names it.
func (k *Kernel) SteerPathName(s *spec.Spec, id int) string {
	for _, p := range k.SteerPathsOf(s) {
		if p.ID == id {
			return p.String()
		}
	}
	return fmt.Sprint("path ", id)
}

// addPath adds a path with what is counted and known of it, unless the kernel has none such: no stage stands that names it.
func (k *Kernel) addPath(all []SteerPath, p SteerPath, group uint64) []SteerPath {
	want := wayOfSpec(group, p.Way)
	i := slices.IndexFunc(k.steerPaths.all, func(h steerPath) bool { return h.way() == want })
	if i < 0 {
		return all
	}
	flags := k.steerPaths.all[i].Flags
	p.ID, p.Up, p.Alive = i, flags&steerPathUp != 0, flags&steerPathAlive != 0
	n := k.steerCount(i)
	p.Packets, p.Bytes = n.Packets, n.Bytes
	return append(all, p)
}

func (k *Kernel) steerCount(id int) (sum Count) {
	for cpu := range k.steerCounts.all {
		c := k.steerCounts.all[cpu].Path[id]
		sum.Packets, sum.Bytes = sum.Packets+c.Packets, sum.Bytes+c.Bytes
	}
	return sum
}

// SteerMeasured is how many probes of a path came by the data path.
func (k *Kernel) SteerMeasured(id int) (sum uint64) {
	for cpu := range k.steerCounts.all {
		sum += k.steerCounts.all[cpu].Measured[id]
	}
	return sum
}

// SteerCounts are what was sent by each path that there is, by its number.
func (k *Kernel) SteerCounts() map[int]Count {
	all := map[int]Count{}
	for id := range k.steerPaths.all {
		if k.steerPaths.all[id].way() != (steerPath{}) {
			all[id] = k.steerCount(id)
		}
	}
	return all
}

// groupOf is the element of a group, nil when no stage stands that names it.
func (k *Kernel) groupOf(stage string, g *spec.PathGroup) *steerGroup {
	_, name := groupName(stage, g)
	i := slices.IndexFunc(k.steerGroups.all, func(h steerGroup) bool { return h.Name == name })
	if i < 0 {
		return nil
	}
	return &k.steerGroups.all[i]
}

// shares are those of the paths of a group, in their order.
func (k *Kernel) shares(stage string, g *spec.PathGroup) []float64 {
	shares := make([]float64, len(g.Paths))
	if h := k.groupOf(stage, g); h != nil {
		for _, path := range h.Slot {
			if i := slices.Index(h.Path[:], path); path != 0 && i < len(shares) {
				shares[i] += 1.0 / SteerSlots
			}
		}
	}
	return shares
}

// WeighPaths has the flows that begin take the paths of a group of s by these weights, in the order of the paths; 0 = none
// does. Those that have a path keep it while it takes packets.
func (k *Kernel) WeighPaths(s *spec.Spec, stage, group string, weights []uint32) error {
	n := s.Stage(stage)
	if n == nil {
		return fmt.Errorf("weigh paths of %s: no such stage", stage)
	}
	x, ok := n.Settings.(*spec.Steering)
	if !ok || x.Group(group) == nil {
		return fmt.Errorf("weigh paths of %s: it has no group %s", stage, group)
	}
	h := k.groupOf(stage, x.Group(group))
	if h == nil {
		return nil // it stands nowhere
	}
	return h.weigh(weights)
}

// SetPathAlive writes what was measured of a path. Flows leave one that is dead at once.
func (k *Kernel) SetPathAlive(id int, alive bool) {
	if p := &k.steerPaths.all[id]; p.Flags&steerPathAlive != 0 != alive {
		p.Flags ^= steerPathAlive
	}
}

// FollowPaths looks again at the NICs of all paths that live generations name, and at which NICs XDP may send by. Reports whether a path came up or went down.
func (k *Kernel) FollowPaths() (changed bool, err error) {
	for i := range k.steersUsed().paths {
		before := k.steerPaths.all[i]
		if i == 0 {
			continue
		}
		k.lookAtPath(i)
		changed = changed || k.steerPaths.all[i] != before
	}
	return changed, k.followDevices()
}

// followDevices names the NICs whose drivers send what came in by others, those that run XDP themselves, and the addresses
// by which frames are for this node.
func (k *Kernel) followDevices() error {
	if k.maps["steer_devices"] == nil || k.aside != nil {
		return nil
	}
	devices, stations := map[uint32]uint32{}, map[uint32]uint64{}
	for n := range k.chains.all {
		c := &k.chains.all[n]
		if c.Used == 0 || c.Hook != XDP {
			continue
		}
		if c.Mode == Native {
			devices[c.Ifindex] = c.Ifindex
		}
		if nic, err := netlink.LinkByIndex(int(c.Ifindex)); err == nil && len(nic.Attrs().HardwareAddr) == 6 {
			var frame [8]byte
			copy(frame[:], nic.Attrs().HardwareAddr)
			stations[c.Ifindex] = binary.LittleEndian.Uint64(frame[:])
		}
	}
	return errors.Join(holdAlone(k.maps["steer_devices"], devices), holdAlone(k.maps["steer_stations"], stations))
}

// holdAlone has a map hold what is wanted, by the index of NICs, and nothing else.
func holdAlone[V uint32 | uint64](m *ebpf.Map, want map[uint32]V) error {
	var errs []error
	var key uint32
	var value V
	var gone []uint32
	for i := m.Iterate(); i.Next(&key, &value); {
		if wanted, is := want[key]; !is {
			gone = append(gone, key)
		} else if wanted == value {
			delete(want, key)
		}
	}
	for _, key := range gone {
		errs = append(errs, ignore(m.Delete(key), ebpf.ErrKeyNotExist))
	}
	for key, value := range want {
		if err := m.Put(key, value); err != nil {
			errs = append(errs, fmt.Errorf("NIC %d: %w", key, err))
		}
	}
	return errors.Join(errs...)
}

func ignore(err, which error) error {
	if errors.Is(err, which) {
		return nil
	}
	return err
}
