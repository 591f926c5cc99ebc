// Package nexthop is how a backend is reached from this node: NIC, source address and the next hop's MAC, as the
// kernel's routes and neighbours say it and for as long as they say it.
package nexthop

import (
	"net"
	"net/netip"
)

// NextHop is the way to one address. Fields that the kernel does not know are zero.
type NextHop struct {
	IfIndex int
	NIC     string
	Under   string     // the NIC under it, where NIC is a VLAN's; empty = it is none's, or is in a VLAN in turn
	VLAN    VLAN       // whose tag frames get that leave by Under
	Source  netip.Addr // what the kernel would write as source address
	Gateway netip.Addr // zero = on link; may be IPv6 for an IPv4 address
	MAC     net.HardwareAddr
	NICMAC  net.HardwareAddr
	MTU     int // bytes of an IP packet: the route's where it has one, else the NIC's
	State   State
	Why     string // one sentence when it is not usable
}

// VLAN is what a tag says; zero = there is none.
type VLAN struct {
	TPID uint16 // type of the tag, as 0x8100
	ID   uint16
}

// Leaves is the NIC by which frames leave, of those for which has is true; empty when there is none. It is the one under a
// VLAN's where that has nothing of its own.
func (n NextHop) Leaves(has func(nic string) bool) string {
	for _, nic := range []string{n.NIC, n.Under} {
		if nic != "" && has(nic) {
			return nic
		}
	}
	return ""
}

// Usable tells whether a frame can be addressed.
func (n NextHop) Usable() bool {
	return n.State == Reachable || n.State == Stale || n.State == Permanent
}

// State is what the kernel knows of a next hop.
type State string

// States. The first three are usable.
const (
	Reachable  State = "reachable"  // answered lately
	Stale      State = "stale"      // the last known MAC; nobody asked lately, or the kernel is asking now
	Permanent  State = "permanent"  // somebody wrote the MAC down
	Unasked    State = "unasked"    // nobody ever asked for the MAC
	Incomplete State = "incomplete" // asked, no answer yet
	Failed     State = "failed"     // asked, no answer came
	NoRoute    State = "no route"   // or a route that says so
	Local      State = "local"      // an address of this node
	Unfit      State = "unfit"      // reached in a way that a frame out of an Ethernet NIC cannot be
	Down       State = "down"       // the NIC is
)
