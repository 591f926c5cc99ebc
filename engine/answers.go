package engine

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"hairpin/engine/nexthop"
)

// hop is whose MAC frames to a backend carry.
type hop struct {
	nic     string
	address netip.Addr
}

// answers are the MACs by which next hops have answered, to notice where somebody wrote down another: its packets go to the
// wrong machine or to none, and no count shows it. A permanent entry from before the engine is nobody's mistake.
type answers struct {
	known map[hop]net.HardwareAddr
	wrong map[hop]net.HardwareAddr
}

// follow takes the ways to all backends as they are now.
func (a *answers) follow(found map[netip.Addr]nexthop.NextHop) {
	before := a.known
	a.known, a.wrong = map[hop]net.HardwareAddr{}, map[hop]net.HardwareAddr{}
	for address, now := range found {
		h := hop{now.NIC, now.Gateway}
		if !h.address.IsValid() {
			h.address = address
		}
		answer, known := before[h]
		if now.Usable() && now.State != nexthop.Permanent {
			answer, known = now.MAC, true
		}
		if !known {
			continue
		}
		a.known[h] = answer
		if now.State == nexthop.Permanent && !bytes.Equal(now.MAC, answer) {
			a.wrong[h] = now.MAC
		}
	}
}

func (a *answers) problems() (warn []Problem) {
	for _, h := range slices.SortedFunc(maps.Keys(a.wrong), func(x, y hop) int { return x.address.Compare(y.address) }) {
		warn = append(warn, Problem{Key: "written " + h.nic + " " + h.address.String(), Severity: "warn",
			What: fmt.Sprintf("somebody wrote down %s as the MAC of %s on %s, which has answered as %s", a.wrong[h], h.address, h.nic, a.known[h]),
			Cure: fmt.Sprintf("ip neigh del %s dev %s, if that is wrong", h.address, h.nic)})
	}
	return warn
}
