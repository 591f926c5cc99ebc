// Package nicstats is what a NIC and its driver count by themselves: the kernel's link statistics and the driver's named
// counters, the ones that `ethtool -S` prints.
package nicstats

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Link are packets by the kernel's own definition (rtnl_link_stats64), since the NIC was made.
type Link struct {
	RxPackets uint64 // good ones, those that XDP took included where the driver counts them
	RxBytes   uint64
	RxErrors  uint64 // broken frames
	RxDropped uint64 // for want of memory, or by the kernel behind the hook
	RxFIFO    uint64 // lost in the NIC for want of room
	RxMissed  uint64 // lost in the NIC, its receive ring was full
	TxErrors  uint64
	TxDropped uint64
}

// Driver are a driver's named counters.
type Driver struct {
	Name     string            // of the driver; empty when it does not say
	Counters map[string]uint64 // nil when it has none
}

// Reader reads the statistics of the NICs of one network namespace. It belongs to one goroutine.
type Reader struct {
	route   *nl.SocketHandle
	control int                // socket for ethtool's calls
	names   map[string]nameset // of counters, by NIC
}

// Open is a reader for the calling thread's network namespace.
func Open() (*Reader, error) {
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open nic statistics: netlink: %w", err)
	}
	if err := s.SetReceiveTimeout(&unix.Timeval{Sec: 5}); err != nil {
		s.Close()
		return nil, fmt.Errorf("open nic statistics: netlink: %w", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_GENERIC)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("open nic statistics: socket: %w", err)
	}
	return &Reader{route: &nl.SocketHandle{Socket: s}, control: fd, names: map[string]nameset{}}, nil
}

// Close releases the reader.
func (r *Reader) Close() {
	r.route.Socket.Close()
	unix.Close(r.control)
}

// statsLink64 is IFLA_STATS_LINK_64, which also is bit 0 of a request's mask.
const statsLink64 = 1

// statsRequest is struct if_stats_msg.
type statsRequest struct {
	index uint32
	mask  uint32
}

func (statsRequest) Len() int { return 12 }

func (m statsRequest) Serialize() []byte {
	b := make([]byte, 12)
	nl.NativeEndian().PutUint32(b[4:], m.index)
	nl.NativeEndian().PutUint32(b[8:], m.mask)
	return b
}

// Link are the statistics of the NIC with that ifindex.
func (r *Reader) Link(index int) (Link, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETSTATS, 0)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: r.route}
	req.AddData(statsRequest{uint32(index), 1 << (statsLink64 - 1)})
	answers, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWSTATS)
	if err != nil {
		return Link{}, fmt.Errorf("read statistics of ifindex %d: %w", index, err)
	}
	for _, answer := range answers {
		if l, ok := linkOf(answer); ok {
			return l, nil
		}
	}
	return Link{}, fmt.Errorf("read statistics of ifindex %d: the kernel gave none", index)
}

// linkOf takes an answer apart: struct if_stats_msg and attributes, one of them struct rtnl_link_stats64.
func linkOf(answer []byte) (Link, bool) {
	if len(answer) < 12 {
		return Link{}, false
	}
	attrs, err := nl.ParseRouteAttr(answer[12:])
	if err != nil {
		return Link{}, false
	}
	for _, a := range attrs {
		const words = 23 // up to rx_compressed and tx_compressed, which every kernel with 64-bit statistics has
		if a.Attr.Type != statsLink64 || len(a.Value) < words*8 {
			continue
		}
		word := func(i int) uint64 { return nl.NativeEndian().Uint64(a.Value[8*i:]) }
		return Link{RxPackets: word(0), RxBytes: word(2), RxErrors: word(4), TxErrors: word(5), RxDropped: word(6),
			TxDropped: word(7), RxFIFO: word(14), RxMissed: word(15)}, true
	}
	return Link{}, false
}
