package nexthop

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Arrival is what the kernel does with a packet that comes in by a NIC and that no program keeps from it.
type Arrival struct {
	Local   bool       // this node takes it
	NIC     string     // by which it is forwarded; empty: it is not
	Gateway netip.Addr // zero = on link
	Why     string     // why it is dropped; empty: it is not
}

// Arrive asks for the way of a packet from src to dst that comes in by the NIC of that index. It must be called in the
// resolver's network namespace.
func (r *Resolver) Arrive(ifindex int, nic string, src, dst netip.Addr) (Arrival, error) {
	src, dst = src.Unmap().WithZone(""), dst.Unmap().WithZone("")
	var found route
	refused, err := r.conn.ask([][]byte{arriveRequest(ifindex, src, dst)}, func(a answer) {
		if a.kind == unix.RTM_NEWROUTE {
			found = parseRoute(a.body)
		}
	})
	if err != nil {
		return Arrival{}, fmt.Errorf("look up the way of %s to %s: %w", src, dst, err)
	}
	back, err := r.look([]netip.Addr{src, dst})
	if err != nil {
		return Arrival{}, fmt.Errorf("look up the way back to %s: %w", src, err)
	}
	a := arrival{ifindex: ifindex, nic: nic, src: src, dst: dst, found: found, back: back.routes[0], out: back.routes[1]}
	if a.found.refused = cmp.Or(refused[0], found.refused); a.found.refused != nil {
		return Arrival{Why: a.refusal()}, nil
	}
	switch {
	case found.kind == unix.RTN_LOCAL:
		return Arrival{Local: true}, nil
	case found.kind != unix.RTN_UNICAST:
		return Arrival{Why: fmt.Sprintf("the route to %s takes no packets", dst)}, nil
	case !forwards(dst, nic):
		return Arrival{Why: a.unforwarded()}, nil
	}
	links, err := r.conn.links([]int{found.oif})
	return Arrival{NIC: links[found.oif].name, Gateway: found.gateway}, err
}

// arrival is what is known of a packet when it is to be said what becomes of it.
type arrival struct {
	ifindex  int
	nic      string
	src, dst netip.Addr
	found    route
	back     route // to src
	out      route // to dst, for the node's own packets
}

func arriveRequest(ifindex int, src, dst netip.Addr) []byte {
	fixed := make([]byte, unix.SizeofRtMsg)
	fixed[0] = family(dst)
	fixed[1], fixed[2] = uint8(dst.BitLen()), uint8(src.BitLen())
	return request(unix.RTM_GETROUTE, 0, fixed, attribute(unix.RTA_DST, dst.AsSlice()), attribute(unix.RTA_SRC, src.AsSlice()),
		attribute(unix.RTA_IIF, binary.NativeEndian.AppendUint32(nil, uint32(ifindex))))
}

// refusal says why the kernel drops the packet. Kernels from 6.13 on only say that they do, so what they look at is looked at
// here.
func (a arrival) refusal() string {
	strict := 0
	if a.dst.Is4() {
		strict = max(setting("ipv4", "all", "rp_filter"), setting("ipv4", a.nic, "rp_filter"))
	}
	reachable := a.back.refused == nil && a.back.kind == unix.RTN_UNICAST
	switch {
	case a.back.refused == nil && a.back.kind == unix.RTN_LOCAL:
		return fmt.Sprintf("%s is an address of this node, so nobody else may send from it", a.src)
	case strict == 1 && (!reachable || a.back.oif != a.ifindex):
		return fmt.Sprintf("rp_filter is 1 on %s, and packets to %s would not leave by it; cure: sysctl net.ipv4.conf.%s.rp_filter=2", a.nic, a.src, a.nic)
	case strict == 2 && !reachable:
		return fmt.Sprintf("rp_filter is 2 on %s, and no route leads back to %s", a.nic, a.src)
	case a.out.refused == nil && a.out.kind == unix.RTN_UNICAST && !forwards(a.dst, a.nic):
		return a.unforwarded()
	}
	if _, why := a.out.unfit(a.dst); why != "" {
		return why
	}
	if errors.Is(a.found.refused, unix.EINVAL) {
		return fmt.Sprintf("the kernel takes no packet from %s to %s by %s: its addresses do not go together there", a.src, a.dst, a.nic)
	}
	return fmt.Sprintf("the kernel gives no way for it: %v", a.found.refused)
}

func (a arrival) unforwarded() string {
	name := "net.ipv4.ip_forward"
	if a.dst.Is6() {
		name = "net.ipv6.conf.all.forwarding"
	}
	return fmt.Sprintf("%s is no address of this node, which does not forward: %s is 0", a.dst, name)
}

// forwards tells whether the kernel passes packets on that come in by a NIC.
func forwards(dst netip.Addr, nic string) bool {
	if dst.Is6() {
		return setting("ipv6", "all", "forwarding") != 0
	}
	return setting("ipv4", nic, "forwarding") != 0
}

// setting is a number that the kernel goes by for a NIC, in the network namespace of the calling thread; 0 where it cannot be
// read.
func setting(family, nic, name string) int {
	text, err := os.ReadFile("/proc/sys/net/" + family + "/conf/" + nic + "/" + name)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}
