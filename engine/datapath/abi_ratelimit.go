package datapath

// Sizes of bpf/abi_ratelimit.h.
const (
	RateLimits  = 128
	Rates       = 128
	Scopes      = 4
	Windows     = 4096
	WindowSlots = 128
	SourceSets  = 16384
	SourceWays  = 7
	SourceSlots = 8
	Offenders   = 256
)

// Judged is how many connections a window let pass and refused.
type Judged struct{ Passed, Refused uint64 }

// Flags of a ratelimit stage's settings.
const (
	rateLimitOffered = 1
	rateLimitReset   = 2
	rateLimitSeveral = 4
	rateLimitTenants = 8
)

// rateLimit is what a ratelimit stage goes by. Rates are elements of Rate; 0 is none.
type rateLimit struct {
	Flags     uint32
	Lag       uint32
	NICWindow uint32
	NICRate   uint32
	Scopes    uint32
	_         [3]uint32
	Scope     [Scopes]sourceScope
	Rate      [Rates]uint32
	VIP       [VIPs]vipRates
}

type sourceScope struct {
	Identity uint64
	Mask6    [16]byte
	Mask4    [4]byte
	Window   uint32
}

type vipRates struct {
	Window uint16
	Rate   uint8
	VIPs   uint8
	Source [Scopes]uint8
}

// window is the log of one limit. Stage 0 is a free one.
type window struct {
	Stage uint64
	Chain uint16
	VIP   uint16
	_     uint32
	At    uint64
	_     [5]uint64
	Stamp [WindowSlots]uint64
}

type stamps [SourceSlots / 4]uint64

// sourceSet is the logs of the sources of one hash, and one more of those that had to leave.
type sourceSet struct {
	Lock   uint32
	_      uint32
	Key    [SourceWays]uint64
	State  [SourceWays + 1]uint64
	Stamps [SourceWays + 1]stamps
}

type offender struct {
	Key      uint64
	Identity uint64
	Address  [16]byte
	Refused  uint64
	At       uint64
	Weight   uint32
	VIP      uint16
	Family   uint8
	Scope    uint8
	_        uint64
}

type offenders struct{ Of [Offenders]offender }
