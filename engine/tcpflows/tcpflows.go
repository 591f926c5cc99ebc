// Package tcpflows is the TCP connections that end on this host, as its sockets know them, and which socket takes a packet, by sock_diag(7).
package tcpflows

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Flow is one socket.
type Flow struct {
	Local       netip.AddrPort
	Remote      netip.AddrPort
	State       string
	Received    uint64 // bytes
	Acked       uint64 // bytes that were sent and acknowledged
	Retransmits uint32 // segments, ever
	RTT         time.Duration
	Idle        time.Duration // since something was received
}

// states are those of RFC 9293, as the kernel numbers them.
var states = [...]string{1: "established", "syn_sent", "syn_received", "fin_wait_1", "fin_wait_2", "time_wait", "closed", "close_wait", "last_ack",
	"listen", "closing", "syn_received"}

// List is every connection in the network namespace of the calling thread; sockets that listen are none.
func List() ([]Flow, error) {
	var list []Flow
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		all, err := netlink.SocketDiagTCPInfo(family)
		if err != nil {
			return nil, fmt.Errorf("list sockets: %w", err)
		}
		for _, one := range all {
			if f, ok := flowOf(one); ok {
				list = append(list, f)
			}
		}
	}
	return list, nil
}

func flowOf(r *netlink.InetDiagTCPInfoResp) (Flow, bool) {
	s := r.InetDiagMsg
	if s == nil || int(s.State) >= len(states) || states[s.State] == "" || states[s.State] == "listen" || states[s.State] == "closed" {
		return Flow{}, false
	}
	local, _ := netip.AddrFromSlice(s.ID.Source)
	remote, _ := netip.AddrFromSlice(s.ID.Destination)
	f := Flow{Local: netip.AddrPortFrom(local.Unmap(), s.ID.SourcePort), Remote: netip.AddrPortFrom(remote.Unmap(), s.ID.DestinationPort), State: states[s.State]}
	if i := r.TCPInfo; i != nil {
		f.Received, f.Acked, f.Retransmits = i.Bytes_received, i.Bytes_acked, i.Total_retrans
		f.RTT, f.Idle = time.Duration(i.Rtt)*time.Microsecond, time.Duration(i.Last_data_recv)*time.Millisecond
	}
	return f, true
}
