// Package spec is the desired state of one node: what the operator wrote, typed, defaulted and checked.
package spec

import (
	"net/netip"
	"time"
)

// Version is the document version this package writes; older ones are migrated when read.
const Version = 1

// Limits of one spec, checked before anything reaches the kernel.
const (
	MaxNICs      = 64
	MaxStages    = 256
	MaxVIPs      = 4096
	MaxAddresses = 4096 // over all VIPs, per family
	MaxBackends  = 32767
	MaxWeight    = 65535
	MaxSettle    = time.Hour
	MinRing      = 251
	MaxRing      = 131071
)

// Defaults that Parse writes out where the document is silent.
const (
	DefaultRing      = 65537
	DefaultEncapPort = 6080
	DefaultSettle    = 15 * time.Minute
	DefaultWeight    = 100
)

// Rings are the sizes a VIP's ring may have: primes, so that every Maglev step visits every slot.
var Rings = [...]uint32{251, 509, 1021, 2039, 4099, 8191, 16381, 32749, 65537, 131071}

// Spec is one whole desired state. Slices keep the order of the document.
type Spec struct {
	Version int
	Stages  []Named
	NICs    []NIC
	VIPs    []VIP
	Agent   *Agent
	Probes  []Probe
	BGP     *BGP // nil = no router is told of VIPs
	Tenants []Tenant
}

// NIC names a network interface and the stages of its chains, one list a hook, first stage first.
type NIC struct {
	Name       string
	XDP        []Position
	TCXIngress []Position
	TCXEgress  []Position
}

// Protocol is the transport of a VIP.
type Protocol uint8

// Protocols by their IANA numbers.
const (
	TCP Protocol = 6
	UDP Protocol = 17
)

// Encap is how packets travel from the load balancer to a backend.
type Encap uint8

// Encapsulations. GUE is variant 1: the inner IP packet follows the UDP header.
const (
	GUE Encap = iota
	IPIP
)

// Flow says what a VIP owes to flows older than a change of its ring.
type Flow uint8

// FlowSticky keeps them, those of UDP for 30 s and longer where they were seen; FlowNone always follows the ring.
const (
	FlowSticky Flow = iota
	FlowNone
)

// VIP is a virtual address (or several), port and protocol, and the backends behind it.
type VIP struct {
	Name      string
	Tenant    string // whose it is; empty = the node's alone
	Addresses []netip.Addr
	Prefixes  []netip.Prefix // every address that begins so is the VIP's as well
	Port      uint16         // 0 = every port
	LastPort  uint16         // of a range that begins with Port; 0 = it is one
	Sources   []netip.Prefix // it is for packets from these alone; empty = for whatever no other VIP of the same service is for
	Protocol  Protocol
	Encap     Encap
	EncapPort uint16 // outer UDP destination port; 0 with IPIP
	Ring      uint32 // slots
	Flow      Flow
	Hash      Hash
	QUIC      QUIC
	IDIn      IDPlace
	Local     bool // packets that a socket of this host serves pass up to it
	Migrate   bool // UDP flows leave a backend that is down at once
	Handover  bool // its backends pass on to another what they have no socket for
	Settle    time.Duration
	Backends  []Backend
	From      *From // where further backends are found; nil = nowhere
	Checks    []Check
	Health    *Health       // what checks may do; nil = there are none
	SlowStart time.Duration // in which a backend that comes back gets its whole weight; 0 = at once
	Announce  *Announce     // nil = as BGP says, with one backend
}

// Backend is a server behind a VIP. Its identity within the VIP is its address.
type Backend struct {
	Address netip.Addr
	Weight  uint32 // share of new flows relative to the others; 0 = none
	State   State
	ID      uint32 // by which packets name it; 0 = one made of the address
	Found   Found  `json:",omitzero"`
}

// State is what the operator wants of a backend.
type State uint8

// Backend states: Up takes new flows; Drain keeps the established ones only; Down and Maintenance take nothing.
const (
	Up State = iota
	Drain
	Down
	Maintenance
)

// TakesNew tells whether new flows may go to b.
func (b Backend) TakesNew() bool { return b.State == Up && b.Weight > 0 }
