package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"hairpin/engine/filter"
	"hairpin/engine/talkers"
)

// ConnectionsRequest asks who talks through this node, and over which connections. What is zero has a default. Answers are made
// one at a time, with a rest of four times what one took: anybody may ask, and all who do get a fifth of one CPU at most.
type ConnectionsRequest struct {
	By      string // of talkers: source, prefix, vip, backend
	Sort    string // by packets, bytes, new
	Filter  string // of connections: in the language of package filter, with vip, backend, verdict and reason
	Group   string // of connections: as By; empty = each for itself
	Most    int    // rows of each list; default 20
	Sockets bool   // also of those that end on this host
}

// Connections is who talks through a node, by samples of the packets that come by, and the sockets that end on it.
type Connections struct {
	Time     time.Time     `json:"time"`
	Over     time.Duration `json:"over_ns"`    // what rates are the averages of
	OneIn    int           `json:"one_in"`     // of so many packets one was looked at
	OneInNew int           `json:"one_in_new"` // and of those that begin a connection
	Cut      bool          `json:"cut"`        // samples were left out: rates are lower bounds
	PPS      float64       `json:"pps"`        // packets that came by, counted
	NS       float64       `json:"ns"`         // that looking costs each of them; 0 = not known yet
	Lost     uint64        `json:"lost"`       // samples for which there was no room

	Talkers  []Talker `json:"talkers"`
	Flows    []Flow   `json:"flows"`    // by packets
	Known    int      `json:"known"`    // flows of which one of the last minute's samples was
	Wanted   int      `json:"wanted"`   // of these, what Filter says
	Settling uint64   `json:"settling"` // entries of the connection table, ten seconds ago at most

	Sockets     []Socket `json:"sockets,omitempty"` // by bytes
	SocketsOpen int      `json:"sockets_open"`      // all there are
}

// Talker is a name with what was sent under it, per second, and how far each may be off.
type Talker struct {
	Name   string  `json:"name"`
	PPS    float64 `json:"pps"`
	PPSOff float64 `json:"pps_off"`
	BPS    float64 `json:"bytes_per_second"`
	BPSOff float64 `json:"bytes_per_second_off"`
	New    float64 `json:"new_per_second"`
	NewOff float64 `json:"new_per_second_off"`
}

// Flow is a connection by samples of its client's half, or a group of them.
type Flow struct {
	Group    string         `json:"group,omitempty"` // instead of the ends
	Flows    int            `json:"flows"`           // in the group
	Protocol uint8          `json:"protocol,omitempty"`
	Src      netip.AddrPort `json:"src,omitzero"`
	Dst      netip.AddrPort `json:"dst,omitzero"`
	NIC      string         `json:"nic,omitempty"`
	VIP      string         `json:"vip,omitempty"`
	Backend  netip.Addr     `json:"backend,omitzero"`
	State    string         `json:"state,omitempty"` // syn, open, closing, reset; - where there is none
	Verdict  string         `json:"verdict,omitempty"`
	Reason   string         `json:"reason,omitempty"`
	First    time.Time      `json:"first"` // seen first
	Last     time.Time      `json:"last"`
	Packets  float64        `json:"packets"` // that the samples stand for
	Bytes    float64        `json:"bytes"`
}

// Socket is a TCP connection that ends on this host.
type Socket struct {
	Local       netip.AddrPort `json:"local"`
	Remote      netip.AddrPort `json:"remote"`
	State       string         `json:"state"`
	Received    uint64         `json:"received"` // bytes
	Acked       uint64         `json:"acked"`    // bytes that were sent and acknowledged
	Retransmits uint32         `json:"retransmits"`
	RTT         time.Duration  `json:"rtt_ns"`
	Idle        time.Duration  `json:"idle_ns"`
}

// Words of a ConnectionsRequest.
var (
	talkersBy   = []string{talkers.Source: "source", talkers.Prefix: "prefix", talkers.VIP: "vip", talkers.Backend: "backend"}
	talkersSort = []string{talkers.Packets: "packets", talkers.Bytes: "bytes", talkers.New: "new"}
)

// TalkersBy and TalkersSort are the words for By and Sort.
func TalkersBy() []string   { return slices.Clone(talkersBy) }
func TalkersSort() []string { return slices.Clone(talkersSort) }

const (
	flowWords = filter.VIP | filter.Backend | filter.Verdict | filter.Reason

	defaultRows = 20
	maxRows     = 1000
)

// CheckFlowFilter says what is wrong with a filter of connections.
func CheckFlowFilter(text string) error {
	if text == "" {
		return nil
	}
	_, err := filter.Parse(text, flowWords)
	return err
}

// asked is a ConnectionsRequest that was read.
type asked struct {
	by    talkers.By
	sort  talkers.Measure
	group int // -1 = none
	match *filter.Expr
	most  int
}

func (r ConnectionsRequest) read() (a asked, err error) {
	word := func(name, is string, of []string) int {
		i := slices.Index(of, is)
		if is == "" {
			return 0
		}
		if i < 0 && err == nil {
			err = fmt.Errorf("%w: %s: %q is none of %v", ErrInvalid, name, is, of)
		}
		return i
	}
	a.by, a.sort = talkers.By(word("by", r.By, talkersBy)), talkers.Measure(word("sort", r.Sort, talkersSort))
	if a.group = -1; r.Group != "" {
		a.group = word("group", r.Group, talkersBy)
	}
	if a.most = r.Most; a.most == 0 {
		a.most = defaultRows
	}
	if a.most < 1 || a.most > maxRows {
		return a, fmt.Errorf("%w: rows: %d is not from 1 to %d", ErrInvalid, a.most, maxRows)
	}
	if r.Filter != "" && err == nil {
		if a.match, err = filter.Parse(r.Filter, flowWords); err != nil {
			err = fmt.Errorf("%w: filter: %w", ErrInvalid, err)
		}
	}
	return a, err
}
