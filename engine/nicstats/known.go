package nicstats

import (
	"slices"
	"strings"
)

// Place is where a counter's packets were lost, seen from the chain of the NIC's first hook.
type Place string

// Places. What was lost Outside or Before never reached the chain: Outside is not part of RxPackets, Before is. What was
// lost After left the chain first and is part of its forwarded packets. Either cannot be told apart from packets that a
// chain passed on and the kernel dropped later.
const (
	Outside Place = "outside"
	Before  Place = "before"
	After   Place = "after"
	Either  Place = "either"
)

// Loss is what one counter, or the same one of every queue, says was lost.
type Loss struct {
	Name    string
	Source  string // netlink, or ethtool and the driver's name
	Place   Place
	What    string // one sentence
	Packets uint64 // since the NIC was made
}

// known is a driver's counter whose meaning is certain: from the driver's documentation or source, and tried where we have
// the device. Digits in names of counters are dropped before they are compared: they number queues.
type known struct {
	driver, name string
	place        Place
	what         string
}

var knowns = []known{
	{"veth", "rx_queue__drops", Before, "the driver had no memory to hand them to XDP"},
	{"veth", "rx_queue__xdp_tx_errors", After, "sent by XDP_TX and refused: the NIC at the other end needs an XDP program too, or its ring was full"},
	{"virtio_net", "tx__xdp_tx_drops", After, "sent by XDP_TX and refused: the send queue was full"},
	{"mlx5_core", "rx_buff_alloc_err", Before, "the driver had no memory to receive them"},
	{"mlx5_core", "rx_xdp_tx_full", After, "sent by XDP_TX and refused: the send queue was full"},
	{"mlx5_core", "rx_xdp_tx_err", After, "sent by XDP_TX, and the NIC reported an error"},
}

// Losses are all that the counters of a NIC call lost, zeros included, always in the same order. A counter whose meaning is
// not known for sure is left out.
func Losses(l Link, d Driver) []Loss {
	list := []Loss{
		{"rx_missed_errors", "netlink", Outside, "the NIC's receive ring was full", l.RxMissed},
		{"rx_fifo_errors", "netlink", Outside, "the NIC had no room for them", l.RxFIFO},
		{"rx_errors", "netlink", Outside, "broken frames", l.RxErrors},
	}
	if !slices.ContainsFunc(knowns, func(k known) bool { return k.driver == d.Name }) {
		list = append(list,
			Loss{"rx_dropped", "netlink", Either, "for want of memory, or by the kernel behind this hook", l.RxDropped},
			Loss{"tx_dropped", "netlink", Either, "on their way out, this node's own packets included", l.TxDropped},
			Loss{"tx_errors", "netlink", Either, "on their way out, this node's own packets included", l.TxErrors})
	}
	sums := map[string]uint64{}
	for name, n := range d.Counters {
		sums[withoutDigits(name)] += n
	}
	for _, k := range knowns {
		if n, has := sums[k.name]; has && k.driver == d.Name {
			list = append(list, Loss{strings.Replace(k.name, "__", "_*_", 1), "ethtool " + d.Name, k.place, k.what, n})
		}
	}
	return list
}

func withoutDigits(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, name)
}
