package nexthop

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Attributes and flags of neighbours that are newer than the names in package unix.
const (
	ndaProtocol   = 12
	ndaFlagsExt   = 15
	ntfExtManaged = 1 // the kernel resolves the entry and keeps it fresh; since 5.16
)

// hop is what a neighbour entry is for.
type hop struct {
	oif  int
	addr netip.Addr
}

// neighbour is one entry of the kernel's table.
type neighbour struct {
	nud      uint16 // unix.NUD_...
	flags    uint8
	managed  bool
	protocol uint8
	mac      string // bytes
}

// neighbours are the entries of hops; one that the kernel does not have is left out.
func (c *conn) neighbours(hops []hop) (map[hop]neighbour, error) {
	requests := make([][]byte, len(hops))
	for i, h := range hops {
		requests[i] = neighbourRequest(unix.RTM_GETNEIGH, 0, h, 0)
	}
	found, refused, err := c.readNeighbours(requests)
	if err != nil {
		return nil, err
	}
	for i, e := range refused {
		if e != nil && e != unix.ENOENT && e != unix.ENODEV {
			return nil, fmt.Errorf("read neighbour %s: %w", hops[i].addr, e)
		}
	}
	return found, nil
}

// allNeighbours are the entries of both families and all NICs. One that is made or goes meanwhile may be missing or not.
func (c *conn) allNeighbours() (map[hop]neighbour, error) {
	dump := request(unix.RTM_GETNEIGH, unix.NLM_F_DUMP, make([]byte, unix.SizeofNdMsg))
	found, refused, err := c.readNeighbours([][]byte{dump})
	if err == nil && refused[0] != nil {
		err = fmt.Errorf("read neighbours: %w", refused[0])
	}
	return found, err
}

func (c *conn) readNeighbours(requests [][]byte) (map[hop]neighbour, []error, error) {
	found := map[hop]neighbour{}
	refused, err := c.ask(requests, func(a answer) {
		if h, n, ok := parseNeighbour(a.body); ok && a.kind == unix.RTM_NEWNEIGH {
			found[h] = n
		}
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read neighbours: %w", err)
	}
	return found, refused, nil
}

func parseNeighbour(body []byte) (h hop, n neighbour, ok bool) {
	if len(body) < unix.SizeofNdMsg {
		return hop{}, neighbour{}, false
	}
	h.oif = int(binary.NativeEndian.Uint32(body[4:]))
	n.nud = binary.NativeEndian.Uint16(body[8:])
	n.flags = body[10]
	for kind, value := range attributes(body, unix.SizeofNdMsg) {
		switch kind {
		case unix.NDA_DST:
			h.addr = address(value)
		case unix.NDA_LLADDR:
			n.mac = string(value)
		case ndaProtocol:
			if len(value) == 1 {
				n.protocol = value[0]
			}
		case ndaFlagsExt:
			n.managed = number(value)&ntfExtManaged != 0
		}
	}
	return h, n, h.addr.IsValid() && n.flags&unix.NTF_PROXY == 0
}

// state is what n says about its hop, known telling whether there is an entry at all.
func (n neighbour) state(known bool) State {
	switch {
	case !known || n.nud == unix.NUD_NONE:
		return Unasked
	case n.nud&unix.NUD_FAILED != 0:
		return Failed
	case n.nud&unix.NUD_INCOMPLETE != 0 || len(n.mac) != 6:
		return Incomplete
	case n.nud&(unix.NUD_PERMANENT|unix.NUD_NOARP) != 0:
		return Permanent
	case n.nud&unix.NUD_REACHABLE != 0:
		return Reachable
	}
	return Stale
}

// silence says in words why there is no MAC for h in state s.
func (h hop) silence(s State, nic string) string {
	switch s {
	case Unasked:
		return fmt.Sprintf("nobody asked for the MAC of %s on %s yet", h.addr, nic)
	case Incomplete:
		return fmt.Sprintf("%s has not answered on %s yet", h.addr, nic)
	case Failed:
		return fmt.Sprintf("%s does not answer on %s", h.addr, nic)
	}
	return ""
}

// fixed tells whether somebody decides about n who is not the kernel's own resolution.
func (n neighbour) fixed() bool {
	return n.nud&(unix.NUD_PERMANENT|unix.NUD_NOARP) != 0 || n.flags&unix.NTF_EXT_LEARNED != 0
}

// neighbourRequest is about the entry of h.
func neighbourRequest(kind, flags uint16, h hop, use uint8, attrs ...[]byte) []byte {
	fixed := make([]byte, unix.SizeofNdMsg)
	fixed[0] = family(h.addr)
	binary.NativeEndian.PutUint32(fixed[4:], uint32(h.oif))
	fixed[10] = use
	return request(kind, flags, fixed, append([][]byte{attribute(unix.NDA_DST, h.addr.AsSlice())}, attrs...)...)
}
