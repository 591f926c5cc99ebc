package doctor

import (
	"fmt"
	"maps"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hairpin/engine/datapath"
	"hairpin/engine/nicstats"
)

// readNICs reads the NICs of the spec, or all that are up and carry Ethernet, and the addresses and default routes of the machine.
func (f *Facts) readNICs(o Options) {
	links, err := netlink.LinkList()
	if err != nil {
		f.unread("", "NICs", err)
		return
	}
	reader, err := nicstats.Open()
	if err != nil {
		f.unread("", "what NICs count", err)
		return
	}
	defer reader.Close()
	ours, err := datapath.Roots(o.BPFFS)
	if err != nil {
		f.unread("", "which programs are hairpin's", err)
	}
	maps.Copy(ours, o.Own)
	eye := eye{links, reader, ours, err == nil}
	for _, name := range f.lookedAt(links) {
		f.NICs = append(f.NICs, eye.read(f, name))
	}
	f.readAddresses(links)
	f.readDefaults(links)
}

// lookedAt are the names of the NICs to look at.
func (f *Facts) lookedAt(links []netlink.Link) (names []string) {
	if f.Spec != nil {
		for _, n := range f.Spec.NICs {
			names = append(names, n.Name)
		}
		return names
	}
	for _, l := range links {
		if a := l.Attrs(); a.EncapType == "ether" && a.Flags&net.FlagLoopback == 0 && a.Flags&net.FlagUp != 0 {
			names = append(names, a.Name)
		}
	}
	return names
}

// eye is what NICs are looked at with.
type eye struct {
	links  []netlink.Link
	reader *nicstats.Reader
	ours   map[uint32]bool
	known  bool // ours are all
}

func (e eye) read(f *Facts, name string) NIC {
	l := e.byName(name)
	if l == nil {
		return NIC{Name: name}
	}
	a := l.Attrs()
	n := NIC{Name: name, Index: a.Index, Kind: l.Type(), MTU: a.MTU, Up: a.Flags&net.FlagUp != 0,
		Carrier: a.RawFlags&unix.IFF_RUNNING != 0, Promisc: a.Promisc != 0, Foreign: e.known, IRQs: readIRQs(a)}
	for _, other := range e.links {
		n.VLANs = n.VLANs || other.Type() == "vlan" && other.Attrs().ParentIndex == a.Index
	}
	var err error
	if n.Settings, err = e.reader.Settings(name); err != nil {
		f.unread(name, "settings", err)
	}
	if n.Stats, err = e.reader.Link(a.Index); err != nil {
		f.unread(name, "statistics", err)
	}
	if n.Sitting, err = datapath.SittingOn(l, e.ours); err != nil {
		f.unread(name, "programs at tc", err)
	}
	bits, known := xdpFeatures(a.Index)
	n.XDP = XDP{Known: known, Native: bits&xdpBasic != 0, Frags: bits&xdpRxSG != 0, Why: datapath.WhyNotNative(l, bits&xdpRxSG != 0)}
	if veth, is := l.(*netlink.Veth); is {
		n.Peer = e.peer(veth)
	}
	return n
}

func (e eye) byName(name string) netlink.Link {
	for _, l := range e.links {
		if l.Attrs().Name == name {
			return l
		}
	}
	return nil
}

// peer is the other end of a veth, if it is in this network namespace.
func (e eye) peer(l *netlink.Veth) (p Peer) {
	if l.NetNsID >= 0 {
		return p
	}
	for _, other := range e.links {
		if other.Attrs().Index != l.ParentIndex || other.Type() != "veth" {
			continue
		}
		p.Name = other.Attrs().Name
		x := other.Attrs().Xdp
		p.Program = x != nil && x.Attached
		if s, err := e.reader.Settings(p.Name); err == nil {
			p.Checksum = s.Features["tx-checksum-ip-generic"].On
		}
	}
	return p
}

func (f *Facts) readAddresses(links []netlink.Link) {
	f.Addresses = map[netip.Addr]string{}
	for _, l := range links {
		list, err := netlink.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			f.unread(l.Attrs().Name, "addresses", err)
			continue
		}
		for _, a := range list {
			if addr, ok := netip.AddrFromSlice(a.IP); ok {
				f.Addresses[addr.Unmap()] = l.Attrs().Name
			}
		}
	}
}

// readDefaults reads the routes by which a backend answers clients.
func (f *Facts) readDefaults(links []netlink.Link) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		f.unread("", "routes", fmt.Errorf("list routes: %w", err))
		return
	}
	for _, r := range routes {
		if ones := maskOf(r.Dst); ones != 0 {
			continue
		}
		d := Default{AdvMSS: r.AdvMSS, Six: r.Family == netlink.FAMILY_V6}
		gateway, _ := netip.AddrFromSlice(r.Gw) // none: on link
		d.Gateway = gateway.Unmap()
		for _, l := range links {
			if l.Attrs().Index == r.LinkIndex {
				d.NIC = l.Attrs().Name
			}
		}
		f.Defaults = append(f.Defaults, d)
	}
}

// maskOf is how many bits of an address a route is of.
func maskOf(n *net.IPNet) int {
	if n == nil {
		return 0
	}
	ones, _ := n.Mask.Size()
	return ones
}
