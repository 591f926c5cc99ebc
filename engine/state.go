// Package engine is the node's load balancer as one value and a few verbs: it owns the kernel objects through
// datapath, keeps the spec, and publishes immutable snapshots for whoever shows them.
package engine

import (
	"net/netip"
	"time"

	"hairpin/engine/spec"
)

// State is one immutable snapshot of the node: what front ends draw. Rates are per second over the last tick.
type State struct {
	Time    time.Time
	Span    time.Duration // what its rates are the averages of; 0 = a second or so, as always where it was not read from a record
	Node    string
	Version string // of the program that owns the data path
	PID     int    // of the owner; 0 = no engine runs, the data path was read from its pins
	Role    Role
	Since   time.Time // when the owner took over
	Epoch   uint64    // of the gate

	Generation Generation
	Spec       *spec.Spec `record:"-"` // the running spec; nil when nothing was ever applied
	Revision   string     // names Spec; the same on every node that runs the same spec

	NICs     []NIC
	Reasons  []Reason // summed over NICs, every reason that ever counted, by descending rate
	VIPs     []VIP
	Drops    []Drop  // by descending rate
	Rules    []Rule  // of firewalls, in their order
	Lists    []List  // of prefixes, by firewall
	Limits   []Limit // by NIC, position, scope and VIP; behind each scope of sources, those that it refused last
	Sockets  SocketCount
	Agents   []Agent        // whose reports limits count by
	Reports  []ReportTarget // to whom this node reports its connections
	Hosting  *Hosting       // nil: there is no agent here
	Events   []Event        `record:"-"` // newest last, bounded
	Problems []Problem
	Watched  bool     // somebody looks at what stages cost, so it is measured
	Metrics  []Metric // of external stages and probes, and what stages count of their own, in the spec's order
	Armed    *Armed   // who may change the node now; nil = nobody
	Operator []string `json:",omitempty" record:"-"` // of these tenants is who sees this, and he sees nothing else; empty = he is not limited
	Barred   string   // why this process may not be armed at all; empty = it may
	Handoff  *Handoff // nil: none that this engine knows of
	BGP      *BGP     // nil: no router is told of VIPs
	Fleet    *Fleet   // nil: the node has its spec for itself
	Drained  *Drained // nil: it is not

	Routes   []Route         // to backends, in the spec's order
	Paths    []SteeredPath   // of steers, in the spec's order
	Doctor   *Diagnosis      // what of the machine stands in the way, by the last look; nil = none yet
	Captures []CaptureStatus `record:"-"` // of packets, that go on now

	Talkers *Talkers // who sent most lately; nil = nobody looked, or little comes

	UsualOver time.Duration // of how much of the last day it is known what is usual; 0 = too little

	DropsLost  uint64 // drops that Drops had no row for, ever
	FlowsLost  uint64 // connections refused because the flow table of connlimit had no room for one more, ever
	Unplaced   uint64 // flows that connlimit does not count for their source, for want of room, ever
	EventsLost uint64 // events the ring buffer had no room for, ever
}

// Role is what this process is on the node.
type Role string

// Roles.
const (
	Owner    Role = "owner"    // this process's engine writes
	Observer Role = "observer" // another process's engine writes
	Pins     Role = "pins"     // no engine runs
	Recorded Role = "recorded" // nothing runs: it is read from an incident file
)

// Armed is the one party that may change the node.
type Armed struct {
	Party        uint64 // which connection; 0 = the owner's own console
	Who          string // the user
	From         string // the address of his SSH session, or else his terminal
	Why          string
	Since, Until time.Time
	Own          bool `json:"-" record:"-"` // it is this process
}

// Generation is the gate's word on what is live.
type Generation struct {
	Active    int // -1 = none
	Confirmed int
	Deadline  time.Time // zero = nothing waits for confirmation
	Fallbacks uint64    // how often the kernel went back by itself
}

// Counter is a total since the data path was attached, and its rates.
type Counter struct {
	Packets uint64
	Bytes   uint64
	PPS     float64 `rate:"Packets"`
	BPS     float64 `rate:"Bytes"`      // bytes per second
	Peak    float64 `json:",omitempty"` // the highest PPS in State.Span; 0 = PPS, as always of backends
}

// NIC is one network interface with a chain.
type NIC struct {
	Name    string
	Hook    string // xdp, tcx_ingress, tcx_egress, clsact_ingress, clsact_egress
	Mode    string // native, generic, tc
	State   string // attached, detached, missing
	Why     string // one sentence when State is not "attached" or the mode is not the best one
	Index   int    // ifindex; 0 when missing
	Stages  []Stage
	ParseNS float64 // what parsing costs a packet, as Stage.NS
	In      Counter
	Forward Counter
	Pass    Counter
	Drop    Counter
	Own     Counter // ended by external stages, with verdicts of their own
	Reasons []Reason
	History []float64 `record:"-"`        // In.PPS of the last 60 ticks, oldest first
	Usual   float64   `json:",omitempty"` // Forward.PPS in the median minute of State.UsualOver

	// What the NIC itself says, where this chain is the first to see what it receives:
	// Received = In + Lost before the chain - Uncounted.
	Received  Counter
	Lost      []Lost
	Uncounted uint64 // packets that the chain saw and the NIC's own count has not
	Unread    string // why all this is not known; empty when it is, or when another chain of the NIC has it
}

// Lost are packets that no stage can explain, by the word of the NIC or its driver, or as what remains.
type Lost struct {
	Name   string // as its source calls it
	Source string // netlink, ethtool and the driver's name, difference
	Where  string // before the chain; after it, and so also among Forward; either: cannot be told, and not in the sum
	What   string // one sentence
	Counter
}

// Stage is one kernel function of a chain, with the packets that reached it.
type Stage struct {
	Name     string // as the spec calls it
	Kind     string // the kernel function
	Position int    // in the row; 0 = disabled
	Disabled bool   // no packet meets it
	Shadow   bool   // it drops nothing, and counts in Would what it would have dropped
	In       Counter
	Drop     Counter
	Would    Counter
	NS       float64 // what it costs a packet, the mean of a few seconds' samples; 0 = not known, as while nobody looks
}

// Drop is one row of the drop ledger: what one stage dropped of one VIP for one reason.
type Drop struct {
	NIC      string
	Hook     string
	Position int // of the stage now; 0 = it stands there no more, or is parse
	Stage    string
	VIP      string // empty: of no VIP
	Reason   string
	Shadow   bool // it would have dropped them
	Counter
}

// Rule is one rule of a firewall. It keeps its counter while firewall and rule have their names.
type Rule struct {
	Stage  string // as the spec calls it
	Name   string
	Match  string // the filter
	Action string // drop, pass, count
	Counter
}

// List is prefixes that a firewall drops packets for: those of one list that stand in the spec, or those of one file.
type List struct {
	Stage    string    // as the spec calls it
	Of       string    // sources, destinations
	File     string    // empty: the spec
	Prefixes int       // -1 = not known, as where no engine runs
	Loaded   time.Time // when this process read the file; zero = not yet, or it is no file
	Why      string    // why the newest content of the file is not in use; empty = it is
}

// Limit is one limit of one stage on one NIC, against what it counts now. A limit of sources has a row for the scope as a
// whole, and one for each of the sources that were over it most.
type Limit struct {
	NIC      string
	Hook     string
	Position int
	Stage    string        // as the spec calls it
	Kind     string        // the kernel function: ratelimit, connlimit
	Shadow   bool          // it refuses nothing, and counts in Over what it would have refused
	Scope    string        // nic, vip, source, source_vip, tenant
	VIP      string        // empty: of no VIP, or of all of them
	Tenant   string        // of the scope tenant
	Source   netip.Prefix  // zero: the scope as a whole
	Max      uint64        // new connections in any second, or connections at a time; 0 = the sources' differ by VIP
	Now      float64       // counted in the last second, or now; of a scope of sources as a whole, the fullest one's
	Passed   Counter       // what it let pass; zero for scopes of sources
	Over     Counter       // what it refused
	Counts   string        // of what: accepted, offered; sockets, flows, agents
	Past     *Past         `record:"-"` // nil: not known, as of sources
	Pending  uint64        // of connections, handshakes that hold a place besides those of Now
	Late     time.Duration // of connections, how long one may be in Now that has ended
}

// Whose is the VIP or the tenant that a limit is for; empty = it is for neither.
func (l Limit) Whose() string { return l.VIP + l.Tenant }

// Past is what a limit would have refused of what it let pass lately, had it been lower. It is computed of the average of
// each second: a burst within one is not seen, and what is sent again after a refusal is not either.
type Past struct {
	Over    time.Duration // how far back it goes, ten minutes at most
	Passed  float64       // in that time
	Refused []float64     // had the limit been i parts of Max, for i = 0 … len-1: Max is len-1 parts
}

// Lower is how many of Passed a limit of max would have refused, were it n instead; between two parts in a straight line,
// which is never too few.
func (p *Past) Lower(max uint64, n uint64) float64 {
	parts := len(p.Refused) - 1
	if parts < 1 || n >= max {
		return 0
	}
	at := float64(n) / float64(max) * float64(parts)
	i := int(at)
	return p.Refused[i] + (at-float64(i))*(p.Refused[i+1]-p.Refused[i])
}

// SocketCount is how connections are counted by this host's sockets.
type SocketCount struct {
	By         string // tp_btf, raw_tp, tracepoint, kprobe; empty: they are not
	Open       uint64
	Unrecorded uint64 // sockets that were not counted, ever
	Unplaced   uint64 // sockets that were not counted for their source, ever
}

// Reason is one way out of the chain.
type Reason struct {
	Name    string
	Verdict string // forward, pass, drop
	Stage   string
	Counter
	History []float64 `record:"-"`        // PPS of the last 60 ticks, oldest first
	Usual   float64   `json:",omitempty"` // PPS in the median minute of State.UsualOver
	Often   float64   `json:",omitempty"` // share of those minutes in which there was any
	Senders *Senders  `json:",omitempty"` // of what is dropped; nil: not known
}

// VIP is one virtual address with its backends.
type VIP struct {
	Name      string
	Tenant    string `json:",omitempty"` // whose it is; empty = the node's alone
	Addresses []netip.Addr
	Prefixes  []netip.Prefix // every address that begins so is the VIP's as well
	Port      uint16
	LastPort  uint16         // of a range that begins with Port; 0 = it is one
	Sources   []netip.Prefix // from which alone it takes packets; empty = from all
	Protocol  string
	Encap     string
	Counter
	Drop     Counter   // packets of this VIP that were dropped
	History  []float64 `record:"-"`
	Settling *Settling // nil = quiet
	Ring     int       // slots
	Empty    bool      // no backend takes new flows
	Choice   Choice
	Health   *VIPHealth `json:",omitempty"` // nil: its backends are not checked
	Found    *FoundBy   `json:",omitempty"` // nil: all its backends are typed
	Backends []Backend
}

// Choice is how a VIP chooses, but for its ring.
type Choice struct {
	Hash     string // what of a packet says where in the ring it goes
	Flow     string // sticky, none
	QUIC     string // off, or the layout of the ids of servers
	IDIn     string // off, or where else packets have such ids
	Local    bool   // sockets of this host are served
	Migrate  bool   // UDP flows leave a backend that is down at once
	Handover bool   // its backends pass on to another what they have no socket for
	Known    uint64 // packets that named a server of the VIP, ever
	Unknown  uint64 // that named none it has, ever
}

// Settling is a VIP whose ring changed: older flows still follow the ring before.
type Settling struct {
	Since    time.Time
	Marked   float64   // share of slots that ask the connection table
	Stray    float64   // packets per second that still go elsewhere than the ring says
	LastSeen time.Time // of such a packet; zero = never
	Ends     time.Time // when it ends if none is seen again
	Unheld   uint64    // SYNs that could not be remembered
}

// Backend is a server behind a VIP.
type Backend struct {
	Address netip.Addr
	Weight  uint32
	State   string  // up, drain, down, maintenance
	Gone    bool    // no longer in the spec, shown while its flows end
	Share   float64 // of the ring
	Counter
	History []float64 `record:"-"`
	NextHop string    // MAC, or why there is none
	Server  uint32    // its id, by which packets may name it; 0 = none

	Health   string    `json:",omitempty"` // what its checks say: up, down, unknown; empty = it has none
	Says     string    `json:",omitempty"` // what they say, in words
	Why      string    `json:",omitempty"` // why it is in its state, in one line; empty = it is not known, as some are without an engine
	Since    time.Time `json:",omitzero"`  // it is down; zero = it is not
	Out      bool      `json:",omitempty"` // its checks took it out of the ring
	Held     bool      `json:",omitempty"` // it is down, and stays in the ring since too little would be left
	Starting float64   `json:",omitempty"` // part of its weight that it has while it starts slowly; 0 = it has all
	Drain    *Drain    `json:",omitempty"` // nil: it takes new flows, or nothing

	Found      bool      `json:",omitempty"` // by the VIP's source; else somebody has typed it
	FoundSince time.Time `json:",omitzero"`  // zero = it is not known
	Edited     bool      `json:",omitempty"` // it was found, and somebody has given it another weight or state
	Dropped    *Dropped  `json:",omitempty"` // nil: its source names it, or somebody typed it
}

// Event is something that happened.
type Event struct {
	Seq      uint64
	Time     time.Time
	Severity string // info, warn, crit, audit
	Who      string // engine, kernel, or a person
	What     string
	Detail   []string
	Change   int    // of the history that it is about; 0 = none
	Packet   string `json:",omitempty"` // that it is about, as a TraceRequest names it; empty = none
}

// Metric is one number of a map of an external stage or a probe.
type Metric struct {
	Stage string // or Probe: by the name in the spec
	Probe string
	Map   string
	Name  string
	Kind  string  // scalar, max_rate, average
	Value float64 // max_rate per second
	Why   string  // not empty: why it could not be read, and Value says nothing
}

// Problem is one way in which the node is not as it should be.
type Problem struct {
	Key      string // names it for as long as it lasts, while its numbers change
	Severity string // warn, crit
	Since    time.Time
	What     string // one sentence
	Cure     string // what to do; may be empty
}
