package filter

import "net/netip"

// kind is what a term asks about.
type kind uint8

const (
	kindFamily kind = iota
	kindProto
	kindHost
	kindNet
	kindPort
	kindFlags
	kindTTL
	kindLength
	kindVLAN
	kindFragment
	kindVIP
	kindBackend
	kindStage
	kindVerdict
	kindReason
	kindPortRange // only while it is read; then it is a port
)

// layer is of which header a term asks.
type layer uint8

const (
	first layer = iota // that of the packet as the chain sees it
	outer
	inner
)

// String is the layer as it stands before a term, with a space.
func (l layer) String() string { return [...]string{"", "outer ", "inner "}[l] }

// String is the keyword of a kind.
func (k kind) String() string {
	return [...]string{"ip", "proto", "host", "net", "port", "flags", "ttl", "len", "vlan", "fragment", "vip", "backend", "stage",
		"verdict", "reason", "portrange"}[k]
}

// direction says which end of a packet a term asks about.
type direction uint8

const (
	either direction = iota
	src
	dst
	both
)

// String is the direction as it stands before a word, with a space.
func (d direction) String() string { return [...]string{"", "src ", "dst ", "src and dst "}[d] }

// relation compares a number in the packet with one in the filter.
type relation uint8

const (
	equal relation = iota
	unequal
	below
	atMost
	above
	atLeast
)

var relations = map[string]relation{"==": equal, "!=": unequal, "<": below, "<=": atMost, ">": above, ">=": atLeast}

// String is the relation as it is written.
func (r relation) String() string { return [...]string{"==", "!=", "<", "<=", ">", ">="}[r] }

// holds tells whether a stands in this relation to b.
func (r relation) holds(a, b uint32) bool {
	switch r {
	case equal:
		return a == b
	case unequal:
		return a != b
	case below:
		return a < b
	case atMost:
		return a <= b
	case above:
		return a > b
	}
	return a >= b
}

const (
	icmp  = 1
	tcp   = 6
	udp   = 17
	icmp6 = 58

	everyVLAN = 4095 // as the upper end of a range from 0: any tag
)

// term is one question about a packet. What its kind does not name is 0.
type term struct {
	kind      kind
	layer     layer
	direction direction    // of host, net and port
	family    uint8        // 4, 6; of family, and of proto where 0 is either
	proto     uint8        // of proto; of port 6, 17 or 0, which is either
	low, high uint16       // of port and vlan, both included
	prefix    netip.Prefix // of host, net and backend: a full one, or one of which no bit behind its end is set
	relation  relation     // of flags, ttl and length
	mask      uint32       // that is laid over the packet's number first
	value     uint32
	name      string // of vip, stage, verdict and reason
}

// expr is the expression of this term alone.
func (t term) expr() *Expr { return &Expr{term: t} }
