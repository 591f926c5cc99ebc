// Package linkwatch tells what others change of NICs: whether they are up, their MTU and MAC, and the programs at their hooks.
package linkwatch

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hairpin/engine/datapath"
)

// NIC is one as it is now; the zero value is not there.
type NIC struct {
	Index    int
	Up       bool
	Carrier  bool
	MTU      int
	MAC      string
	Programs map[string]bool // that are not hairpin's, in words
}

// Read looks at NICs by name, in the network namespace of the calling thread. own are programs of hairpin's without a pin. An
// error means that nothing is known.
func Read(bpffs string, own map[uint32]bool, names []string) (map[string]NIC, error) {
	ours, err := datapath.Roots(bpffs)
	if err != nil {
		return nil, fmt.Errorf("look at NICs: %w", err)
	}
	maps.Copy(ours, own)
	all := map[string]NIC{}
	for _, name := range names {
		l, err := netlink.LinkByName(name)
		if errors.As(err, new(netlink.LinkNotFoundError)) {
			all[name] = NIC{}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look at nic %s: %w", name, err)
		}
		a := l.Attrs()
		n := NIC{Index: a.Index, Up: a.Flags&net.FlagUp != 0, Carrier: a.RawFlags&unix.IFF_RUNNING != 0, MTU: a.MTU, MAC: a.HardwareAddr.String(),
			Programs: map[string]bool{}}
		sitting, err := datapath.SittingOn(l, ours)
		if err != nil {
			return nil, fmt.Errorf("look at nic %s: %w", name, err)
		}
		for _, s := range sitting {
			if !s.Ours {
				n.Programs[fmt.Sprintf("%s (%d) at %s", s.Name, s.ID, s.Hook)] = true
			}
		}
		all[name] = n
	}
	return all, nil
}

// News is one change. Bad: packets are lost by it.
type News struct {
	What string
	Bad  bool
}

// Changes are what is different of NICs that were looked at both times.
func Changes(before, now map[string]NIC) (list []News) {
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if was, known := before[name]; known {
			list = append(list, changes("nic "+name, was, now[name])...)
		}
	}
	return list
}

func changes(nic string, was, is NIC) (list []News) {
	say := func(changed, bad bool, format string, args ...any) {
		if changed {
			list = append(list, News{nic + fmt.Sprintf(format, args...), bad})
		}
	}
	switch {
	case was.Index == 0 && is.Index == 0:
		return nil
	case is.Index == 0:
		say(true, true, " is gone")
		return list
	case was.Index == 0:
		say(true, false, " is there, ifindex %d", is.Index)
		return list
	}
	say(was.Index != is.Index, false, " is another one: ifindex %d, was %d", is.Index, was.Index)
	say(was.Up != is.Up, !is.Up, " was switched %s", map[bool]string{true: "on", false: "off"}[is.Up])
	say(was.Carrier != is.Carrier && is.Up, !is.Carrier, " %s", map[bool]string{true: "has a carrier again", false: "has lost its carrier"}[is.Carrier])
	say(was.MTU != is.MTU, is.MTU < was.MTU, " has MTU %d, had %d", is.MTU, was.MTU)
	say(was.MAC != is.MAC, false, " has MAC %s, had %s", is.MAC, was.MAC)
	for _, p := range slices.Sorted(maps.Keys(is.Programs)) {
		say(!was.Programs[p], false, ": somebody attached program %s", p)
	}
	for _, p := range slices.Sorted(maps.Keys(was.Programs)) {
		say(!is.Programs[p], false, ": somebody detached program %s", p)
	}
	return list
}
