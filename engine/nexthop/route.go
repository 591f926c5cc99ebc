package nexthop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// route is the kernel's answer to where packets to one address go. Asking for each address, instead of reading the
// tables and matching here, gets rules, VRFs, nexthop groups and learned path MTUs right.
type route struct {
	kind    uint8 // unix.RTN_UNICAST, ...
	oif     int
	gateway netip.Addr
	source  netip.Addr
	mtu     int   // 0 = the NIC's
	encap   bool  // the kernel would put something around the packet
	refused error // the kernel's answer when there is none of the above
}

// routes are the ways to addrs, in their order.
func (c *conn) routes(addrs []netip.Addr) ([]route, error) {
	requests := make([][]byte, len(addrs))
	for i, a := range addrs {
		requests[i] = routeRequest(a)
	}
	found := make([]route, len(addrs))
	refused, err := c.ask(requests, func(a answer) {
		if a.kind == unix.RTM_NEWROUTE {
			found[a.i] = parseRoute(a.body)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("look up %d routes: %w", len(addrs), err)
	}
	for i, e := range refused {
		found[i].refused = e
	}
	return found, nil
}

func routeRequest(a netip.Addr) []byte {
	fixed := make([]byte, unix.SizeofRtMsg)
	fixed[0] = family(a)
	fixed[1] = uint8(a.BitLen())
	binary.NativeEndian.PutUint32(fixed[8:], unix.RTM_F_LOOKUP_TABLE)
	return request(unix.RTM_GETROUTE, 0, fixed, attribute(unix.RTA_DST, a.AsSlice()))
}

func parseRoute(body []byte) route {
	if len(body) < unix.SizeofRtMsg {
		return route{refused: errShort}
	}
	r := route{kind: body[7]}
	for kind, value := range attributes(body, unix.SizeofRtMsg) {
		switch kind {
		case unix.RTA_OIF:
			r.oif = int(number(value))
		case unix.RTA_GATEWAY:
			r.gateway = address(value)
		case unix.RTA_VIA: // a gateway of the other family: two bytes of family, then the address
			r.gateway = address(value[min(2, len(value)):])
		case unix.RTA_PREFSRC:
			r.source = address(value)
		case unix.RTA_ENCAP_TYPE:
			r.encap = true
		case unix.RTA_METRICS:
			for metric, v := range attributes(value, 0) {
				if metric == unix.RTAX_MTU {
					r.mtu = int(number(v))
				}
			}
		}
	}
	return r
}

// unfit says why no frame can follow r to a, or nothing.
func (r route) unfit(a netip.Addr) (State, string) {
	switch {
	case errors.Is(r.refused, unix.ENETUNREACH):
		return NoRoute, fmt.Sprintf("no route leads to %s", a)
	case errors.Is(r.refused, unix.EHOSTUNREACH):
		return NoRoute, fmt.Sprintf("a route says that %s is unreachable", a)
	case errors.Is(r.refused, unix.EACCES):
		return NoRoute, fmt.Sprintf("a route prohibits %s", a)
	case errors.Is(r.refused, unix.EINVAL):
		return NoRoute, fmt.Sprintf("a blackhole route takes %s", a)
	case r.refused != nil:
		return NoRoute, fmt.Sprintf("the kernel gives no route to %s: %v", a, r.refused)
	case r.kind == unix.RTN_LOCAL:
		return Local, fmt.Sprintf("%s is an address of this node", a)
	case r.kind != unix.RTN_UNICAST:
		return Unfit, fmt.Sprintf("%s is not the address of one machine", a)
	case r.encap:
		return Unfit, fmt.Sprintf("the route to %s encapsulates, which only the kernel's own packets get", a)
	}
	return "", ""
}
