package nexthop

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// sources are the addresses of the node by NIC and family that a packet may have as source, the best one first.
func (c *conn) sources() (map[source]netip.Addr, error) {
	type candidate struct {
		key  source
		rank int
		addr netip.Addr
	}
	var all []candidate
	_, err := c.ask([][]byte{request(unix.RTM_GETADDR, unix.NLM_F_DUMP, make([]byte, unix.SizeofIfAddrmsg))}, func(a answer) {
		if a.kind != unix.RTM_NEWADDR || len(a.body) < unix.SizeofIfAddrmsg {
			return
		}
		key := source{int(binary.NativeEndian.Uint32(a.body[4:])), a.body[0]}
		addr, rank := parseSource(a.body)
		if addr.IsValid() {
			all = append(all, candidate{key, rank, addr})
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read addresses: %w", err)
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return a.rank - b.rank })
	best := map[source]netip.Addr{}
	for _, k := range all {
		if _, ok := best[k.key]; !ok {
			best[k.key] = k.addr
		}
	}
	return best, nil
}

// source is a NIC's index and an address family.
type source struct {
	oif    int
	family uint8
}

// parseSource is an address of a NIC and its rank as source: wider scopes first, deprecated ones later; invalid when
// it must not be one.
func parseSource(body []byte) (netip.Addr, int) {
	flags, scope := uint32(body[2]), int(body[3])
	var local, peer netip.Addr
	for kind, value := range attributes(body, unix.SizeofIfAddrmsg) {
		switch kind {
		case unix.IFA_LOCAL:
			local = address(value)
		case unix.IFA_ADDRESS:
			peer = address(value)
		case unix.IFA_FLAGS:
			flags = number(value)
		}
	}
	if !local.IsValid() { // IPv6 without a peer has only this one
		local = peer
	}
	if flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) != 0 && flags&unix.IFA_F_OPTIMISTIC == 0 {
		return netip.Addr{}, 0
	}
	rank := scope << 1
	if flags&unix.IFA_F_DEPRECATED != 0 {
		rank++
	}
	return local, rank
}
