package datapath

import (
	"encoding/binary"
	"net"
	"net/netip"

	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// NextHop is the way to a backend as the frame needs it.
type NextHop struct {
	Source  netip.Addr // of the outer header, same family as the backend
	NIC     string
	Under   string // the NIC under it, where NIC is a VLAN's
	TPID    uint16 // and the type of its tag
	VLAN    uint16 // and its id
	Ifindex int    // of NIC
	MTU     int
	MAC     net.HardwareAddr // of the next hop; nil = not known
	NICMAC  net.HardwareAddr
	Unknown string // why it cannot be used; empty = it can
	Asked   bool   // the next hop has not answered yet: what was known of it is the best that there is
}

// Backend is one id as it is realized.
type Backend struct {
	ID        uint16
	VIP       uint16
	Address   netip.Addr
	Source    netip.Addr
	New       bool // takes new flows
	Gone      bool // takes nothing any more
	Reachable bool
	Out       bool // its checks took it out of the ring
	MAC       net.HardwareAddr
	Chain     int
}

// chain is the number of the chain that it is reached by.
func (b *backend) chain() int { return int(b.Chain &^ backendTagged) }

func (b *backend) destination() netip.Addr {
	if b.Family == 4 {
		return netip.AddrFrom4([4]byte(b.Addresses[4:8]))
	}
	return netip.AddrFrom16([16]byte(b.Addresses[16:32]))
}

func (b *backend) source() netip.Addr {
	if b.Family == 4 {
		return netip.AddrFrom4([4]byte(b.Addresses[0:4]))
	}
	return netip.AddrFrom16([16]byte(b.Addresses[0:16]))
}

// Backends are all ids in use, removed ones included.
func (k *Kernel) Backends() []Backend {
	top := k.topBackend()
	list := make([]Backend, 0, top)
	for id := 1; id <= top; id++ {
		if b := &k.backends.all[id]; b.Family != 0 {
			list = append(list, b.shown(id))
		}
	}
	return list
}

func (b *backend) shown(id int) Backend {
	return Backend{ID: uint16(id), VIP: b.VIP, Address: b.destination(), Source: b.source(),
		New: b.Flags&BackendNew != 0, Gone: b.Flags&BackendGone != 0, Reachable: b.Flags&BackendReachable != 0, Out: b.Flags&BackendOut != 0,
		MAC: net.HardwareAddr(b.MAC[:6]), Chain: b.chain()}
}

// Unreached are those that take packets and cannot be reached.
func (k *Kernel) Unreached() []Backend {
	var list []Backend
	for id, top := 1, k.topBackend(); id <= top; id++ {
		if b := &k.backends.all[id]; b.Family != 0 && b.Flags&(BackendGone|BackendReachable) == 0 {
			list = append(list, b.shown(id))
		}
	}
	return list
}

// ids are the ids in use, by identity. The owner looks for them once: they are his until the next change.
func (k *Kernel) ids() map[plan.Key]uint16 {
	if k.backendIDs != nil && k.Owns() {
		return k.backendIDs
	}
	top := k.topBackend()
	ids := make(map[plan.Key]uint16, top)
	for id := 1; id <= top; id++ {
		if b := &k.backends.all[id]; b.Family != 0 {
			ids[plan.Key{VIP: b.VIP, Address: b.destination()}] = uint16(id)
		}
	}
	if k.Owns() {
		k.backendIDs = ids
	}
	return ids
}

// newBackend writes an id that no ring names yet. Its next hop is still unknown.
func (k *Kernel) newBackend(id, vip uint16, address netip.Addr) {
	b := backend{VIP: vip}
	if address.Is4() {
		b.Family = 4
		copy(b.Addresses[4:8], address.AsSlice())
	} else {
		b.Family = 6
		copy(b.Addresses[16:32], address.AsSlice())
	}
	k.top = max(k.topBackend(), int(id))
	k.backends.all[id] = b
	if k.backendIDs != nil {
		k.backendIDs[plan.Key{VIP: vip, Address: address}] = id
	}
}

func pseudoSum(addresses []byte) uint32 {
	var sum uint32
	for i := 0; i+1 < len(addresses); i += 2 {
		sum += uint32(binary.LittleEndian.Uint16(addresses[i:]))
	}
	return sum
}

// SetNextHop writes how an id is reached, while packets go to it: what changes is written before the flag that makes it
// count. Reports whether anything changed.
func (k *Kernel) SetNextHop(id uint16, hop NextHop) bool {
	b := &k.backends.all[id]
	now := *b
	chain, tag, known := k.wayOut(hop)
	if hop.Asked && known && chain == b.chain() && b.Flags&BackendReachable != 0 {
		return false // the packets that would be dropped until it answers reach it
	}
	if hop.Unknown != "" || len(hop.MAC) != 6 || len(hop.NICMAC) != 6 || !known || hop.Source.Is4() != (b.Family == 4) {
		b.Flags &^= BackendReachable
		return *b != now
	}
	next := now
	next.MTU, next.Chain, next.Ifindex, next.Tag = uint16(min(hop.MTU, 65535)), uint16(chain), k.sendsFor(chain), tag
	if tag != [4]byte{} {
		next.Chain |= backendTagged
		k.noteVLAN(id, hop.Ifindex)
	} else {
		delete(k.vlans, id)
	}
	copy(next.MAC[:6], hop.MAC)
	copy(next.MAC[6:], hop.NICMAC)
	copy(next.Addresses[:], hop.Source.AsSlice())
	used := 8
	if b.Family == 6 {
		used = 32
	}
	next.PseudoSum = pseudoSum(next.Addresses[:used])
	if next == now && now.Flags&BackendReachable != 0 {
		return false
	}
	b.Ifindex, b.Tag = next.Ifindex, next.Tag
	b.MTU, b.Chain, b.MAC, b.Addresses, b.PseudoSum = next.MTU, next.Chain, next.MAC, next.Addresses, next.PseudoSum
	b.Flags |= BackendReachable
	return true
}

// sendsFor is the index of a chain's NIC if that sends frames which came in by others: drivers do where they run XDP. Else 0.
func (k *Kernel) sendsFor(chain int) uint32 {
	if c := &k.chains.all[chain]; c.Mode == Native {
		return c.Ifindex
	}
	return 0
}

// wayOut is the chain by which frames leave, and the tag that they get: none where a VLAN has a chain of its own.
func (k *Kernel) wayOut(hop NextHop) (chain int, tag [4]byte, known bool) {
	chain, known = k.chainOf(hop.NIC)
	if known || hop.Under == "" {
		return chain, tag, known
	}
	binary.BigEndian.PutUint16(tag[:], hop.TPID)
	binary.BigEndian.PutUint16(tag[2:], hop.VLAN)
	chain, known = k.chainOf(hop.Under)
	return chain, tag, known
}

// noteVLAN keeps the index of a VLAN's own NIC, which tags what the kernel sends by it.
func (k *Kernel) noteVLAN(id uint16, ifindex int) {
	if k.vlans == nil {
		k.vlans = map[uint16]uint32{}
	}
	k.vlans[id] = uint32(ifindex)
}

// sentBy is the index of the NIC by which the kernel itself sends to a backend.
func (k *Kernel) sentBy(id uint16) uint32 {
	if ifindex, is := k.vlans[id]; is {
		return ifindex
	}
	return k.chains.all[k.backends.all[id].chain()&(Chains-1)].Ifindex
}

// chainOf is the chain that forwards on a NIC.
func (k *Kernel) chainOf(nic string) (int, bool) {
	for i := range k.chains.all {
		if c := &k.chains.all[i]; c.Used != 0 && c.Hook == XDP && cString(c.NIC[:]) == nic {
			return i, true
		}
	}
	return 0, false
}

// MarkBackend says what an id takes from now on: new flows, only known ones, or nothing. One that its checks took out takes
// no new ones.
func (k *Kernel) MarkBackend(id uint16, takesNew, gone bool) {
	flags := k.backends.all[id].Flags & (BackendReachable | BackendOut)
	if takesNew && flags&BackendOut == 0 {
		flags |= BackendNew
	}
	if gone {
		flags |= BackendGone
	}
	k.backends.all[id].Flags = flags
}

// markDown says that a backend does not answer, as far as the spec knows: what may move leaves it.
func (k *Kernel) markDown(id uint16) { k.backends.all[id].Flags |= BackendDown }

// Keeps tells whether an id keeps the flows that it has; those that migrate leave one that is down.
func (k *Kernel) Keeps(id uint16, migrate bool) bool {
	flags := k.backends.all[id].Flags
	return flags&BackendGone == 0 && !(migrate && flags&(BackendDown|BackendOut) != 0)
}

// Gone tells whether an id takes nothing any more.
func (k *Kernel) Gone(id uint16) bool { return k.backends.all[id].Flags&BackendGone != 0 }

// MarkAll says of every id of a plan that went live what it takes, and that all others are gone. One that is down keeps
// its flows until it is marked gone. While the plan waits for confirmation it closes none: the kernel may go back to them
// with nobody left to open them.
func (k *Kernel) MarkAll(p *plan.Plan) {
	top := uint16(k.topBackend())
	wanted, staged := make([]*spec.Backend, int(top)+1), true
	for i := range p.VIPs {
		c := &p.VIPs[i]
		for j := range c.Spec.Backends {
			id := c.IDs[j]
			if id <= top {
				wanted[id] = &c.Spec.Backends[j]
			}
			staged = staged && id <= top && k.backends.all[id].Family != 0
		}
	}
	if k.live = nil; staged {
		k.live = &plan.Plan{Spec: p.Spec, VIPs: p.VIPs} // without what it was made of
	}
	waits := k.Control().Pending != 0
	for id := uint16(1); id <= top; id++ {
		if k.backends.all[id].Family == 0 {
			continue
		}
		b, gone := wanted[id], k.Gone(id)
		closes, down := b == nil || b.State == spec.Maintenance, b != nil && (b.State == spec.Down || k.Out(id))
		k.MarkBackend(id, b != nil && b.TakesNew(), closes && (gone || !waits) || gone && down)
		if b != nil && b.State == spec.Down {
			k.markDown(id)
		}
	}
}
