package nexthop

import (
	"encoding/binary"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// skipStatistics is RTEXT_FILTER_SKIP_STATS.
const skipStatistics = 1 << 3

// link is one NIC.
type link struct {
	name  string
	flags uint32
	mac   string // bytes
	mtu   int
	under int // index of the NIC under a VLAN's; 0 = it is none's, or that NIC is in another namespace
	vlan  vlan
}

// vlan is what frames that leave by a VLAN's NIC get.
type vlan struct {
	tpid uint16 // type of the tag
	id   uint16
}

// links are the NICs of the given indexes; one that does not exist is left out.
func (c *conn) links(indexes []int) (map[int]link, error) {
	requests := make([][]byte, len(indexes))
	for i, index := range indexes {
		fixed := make([]byte, unix.SizeofIfInfomsg)
		binary.NativeEndian.PutUint32(fixed[4:], uint32(index))
		requests[i] = request(unix.RTM_GETLINK, 0, fixed, attribute32(unix.IFLA_EXT_MASK, skipStatistics))
	}
	found := map[int]link{}
	refused, err := c.ask(requests, func(a answer) {
		if index, l, ok := parseLink(a.body); ok && a.kind == unix.RTM_NEWLINK {
			found[index] = l
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read NICs: %w", err)
	}
	for i, e := range refused {
		if e != nil && e != unix.ENODEV {
			return nil, fmt.Errorf("read NIC %d: %w", indexes[i], e)
		}
	}
	return found, nil
}

func parseLink(body []byte) (index int, l link, ok bool) {
	if len(body) < unix.SizeofIfInfomsg {
		return 0, link{}, false
	}
	index = int(binary.NativeEndian.Uint32(body[4:]))
	l.flags = binary.NativeEndian.Uint32(body[8:])
	elsewhere := false
	for kind, value := range attributes(body, unix.SizeofIfInfomsg) {
		switch kind {
		case unix.IFLA_IFNAME:
			l.name = unix.ByteSliceToString(value)
		case unix.IFLA_ADDRESS:
			l.mac = string(value)
		case unix.IFLA_MTU:
			l.mtu = int(number(value))
		case unix.IFLA_LINK:
			l.under = int(number(value))
		case unix.IFLA_LINK_NETNSID:
			elsewhere = true
		case unix.IFLA_LINKINFO:
			l.vlan = parseVLAN(value)
		}
	}
	if elsewhere || l.vlan == (vlan{}) {
		l.under, l.vlan = 0, vlan{}
	}
	return index, l, true
}

// Attributes of a VLAN that package unix has no names for.
const (
	vlanID       = 1
	vlanProtocol = 5
)

// parseVLAN reads what kind of NIC it is; the zero vlan where it is no VLAN's.
func parseVLAN(info []byte) (v vlan) {
	var kind string
	for at, value := range attributes(info, 0) {
		switch at {
		case unix.IFLA_INFO_KIND:
			kind = unix.ByteSliceToString(value)
		case unix.IFLA_INFO_DATA:
			v.tpid = unix.ETH_P_8021Q // which kernels before 3.10 did not say
			for at, value := range attributes(value, 0) {
				switch {
				case len(value) != 2:
				case at == vlanID:
					v.id = binary.NativeEndian.Uint16(value)
				case at == vlanProtocol:
					v.tpid = binary.BigEndian.Uint16(value)
				}
			}
		}
	}
	if kind != "vlan" {
		return vlan{}
	}
	return v
}

// unfit says why no frame can leave by l, or nothing.
func (l link) unfit() (State, string) {
	switch {
	case l.name == "":
		return Down, "the NIC of its route is gone"
	case l.flags&unix.IFF_UP == 0:
		return Down, l.name + " is down"
	case l.flags&unix.IFF_RUNNING == 0:
		return Down, l.name + " has no carrier"
	case len(l.mac) != 6 || l.flags&(unix.IFF_LOOPBACK|unix.IFF_POINTOPOINT) != 0:
		return Unfit, l.name + " has no Ethernet addresses"
	}
	return "", ""
}

// hardware is nil for no bytes.
func hardware(mac string) net.HardwareAddr {
	if mac == "" {
		return nil
	}
	return net.HardwareAddr(mac)
}
