package doctor

import (
	"net/netip"
	"slices"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/nexthop"
	"hairpin/engine/nicstats"
	"hairpin/engine/spec"
)

// Facts are what is known of a machine. What could not be read is zero here and named in Unread.
type Facts struct {
	Spec      *spec.Spec // nil: none, so what the machine can do is what is asked
	CPUs      int
	Kernel    Kernel
	Clock     Clock
	Memory    Memory
	BPFFS     BPFFS
	State     Folder
	Held      map[string]bool // capabilities by name, of this process; nil = not known
	NICs      []NIC           // those of the spec; without one, all that are up and carry Ethernet
	Hops      map[netip.Addr]nexthop.NextHop
	Addresses map[netip.Addr]string // of this machine, and on which NIC
	Defaults  []Default
	Sysctls   map[string]string // by path below /proc/sys; what is not there has no entry
	Softnet   Softnet
	Returned  Returned
	Earlier   *Returned // an earlier reading; nil = none
	Unread    []Unread
}

// Unread is what could not be looked at.
type Unread struct{ On, What, Why, Cure string }

// Kernel is the running one.
type Kernel struct {
	Release  string
	Version  uint32            // major << 16 | minor << 8 | patch; 0 = not known
	Missing  map[string]string // what the data path stands on and is not there, and why
	Probed   bool              // Missing was looked for
	BTF      bool
	Lockdown string // none, integrity, confidentiality; empty where the kernel has no such thing
}

func version(major, minor uint32) uint32 { return major<<16 | minor<<8 }

// Clock is how well the machine knows the time.
type Clock struct {
	Known        bool
	Synchronized bool
	Source       string // of the kernel's time; empty = not known
}

// Memory is in bytes.
type Memory struct {
	Available uint64
	Maps      uint64 // what the maps of this spec take
	Made      bool   // they are there already
}

// BPFFS is where pins are.
type BPFFS struct {
	Path    string
	Mounted bool
	Private bool // only this process and its kin see what is mounted
}

// Folder is one that is written to.
type Folder struct {
	Path string
	Why  string // it cannot be, or soon not; empty = it can
	Full bool   // it cannot be now
}

// NIC is one network interface.
type NIC struct {
	Name     string
	Index    int // 0: it is not there
	Kind     string
	Up       bool
	Carrier  bool
	Promisc  bool // it takes frames for other stations too
	MTU      int
	VLANs    bool // there are VLANs on it
	Peer     Peer // of a veth
	Settings nicstats.Settings
	Stats    nicstats.Link
	XDP      XDP
	Sitting  []datapath.Sitting
	Foreign  bool // which of Sitting are ours is known
	IRQs     []IRQ
}

// XDP is what the driver says of it.
type XDP struct {
	Known  bool // the kernel tells, since Linux 6.3
	Native bool
	Frags  bool
	Why    string // what stands against native XDP here, as far as can be told; empty = nothing known
}

// Peer is the other end of a veth.
type Peer struct {
	Name     string // empty: it is in another network namespace
	Checksum bool   // it leaves checksums to whoever sends its packets on
	Program  bool   // it has an XDP program
}

// IRQ is an interrupt of a NIC's queues.
type IRQ struct {
	Number int
	Name   string
	CPUs   []int // that take it
}

// Default is a route to everywhere.
type Default struct {
	NIC     string
	Gateway netip.Addr
	AdvMSS  int // 0 = of the MTU
	Six     bool
}

// Softnet are packets that the kernel lost or put off on their way from NICs to itself, since it started.
type Softnet struct{ Dropped, Squeezed uint64 }

// Returned is how often others told this machine, by ICMP, that what it sent does not arrive, since it started.
type Returned struct {
	At       time.Time // when it was read; zero = it was not
	Messages uint64    // destination unreachable, with fragmentation needed, and packet too big
}

// wants tells whether the spec has a chain at a hook of the NIC; without a spec it may have one anywhere.
func (f *Facts) wants(nic string, hook spec.Hook) bool {
	if f.Spec == nil {
		return true
	}
	n := f.Spec.NIC(nic)
	return n != nil && len(*n.At(hook)) > 0
}

// decaps tells whether the machine is a backend.
func (f *Facts) decaps() bool { return f.Spec != nil && f.Spec.Agent != nil }

// balances tells whether the machine is a load balancer.
func (f *Facts) balances() bool { return f.Spec != nil && f.Spec.Balances() }

// runs tells which mode an XDP program of ours has on the NIC; empty when there is none.
func (n *NIC) runs() string {
	if i := slices.IndexFunc(n.Sitting, func(s datapath.Sitting) bool { return s.Ours && s.Hook == "xdp" }); i >= 0 {
		return n.Sitting[i].Mode
	}
	return ""
}
