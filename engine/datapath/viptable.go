package datapath

import (
	"encoding/binary"
	"net/netip"
)

// service is a key of the VIP tables. Port and protocol 0 ask for the address alone.
type service struct {
	Address  netip.Addr
	Port     uint16
	Protocol uint8
	bits     uint8  // of a prefix, plus 1; 0 = it is an address
	name     uint64 // of a VIP that has an entry by its name; then the rest is nothing
}

// four tells which table s is in. What has a name is in that of IPv4.
func (s service) four() bool { return s.name != 0 || s.Address.Is4() }

// vipEntry is one row of a VIP table to be.
type vipEntry struct {
	service
	VIP VIP
}

func wirePort(port uint16) (b [2]byte) {
	binary.BigEndian.PutUint16(b[:], port)
	return b
}

// key4 is the key as bpf/vip.h makes it: address and port as they lie in the packet.
func (s service) key4() uint64 {
	if s.name != 0 {
		return s.name
	}
	a := s.Address.As4()
	port := wirePort(s.Port)
	return uint64(binary.LittleEndian.Uint32(a[:])) | uint64(binary.LittleEndian.Uint16(port[:]))<<32 |
		uint64(s.Protocol)<<48 | uint64(s.bits)<<vipBits4 | 1<<63
}

func (s service) key6() (address [2]uint64, key uint64) {
	a := s.Address.As16()
	port := wirePort(s.Port)
	return [2]uint64{binary.LittleEndian.Uint64(a[:8]), binary.LittleEndian.Uint64(a[8:])},
		uint64(binary.LittleEndian.Uint16(port[:])) | uint64(s.Protocol)<<16 | uint64(s.bits)<<vipBits6 | 1<<63
}

const (
	mix1 = 0x9e3779b97f4a7c15
	mix2 = 0xff51afd7ed558ccd
	mix3 = 0xc4ceb9fe1a85ec53
)

func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= mix2
	h ^= h >> 33
	h *= mix3
	return h ^ h>>33
}

// hash of the key of s: its upper bits say where in a part the search begins, others in which part.
func (s service) hash(seed uint64) uint64 {
	var key uint64
	if s.four() {
		key = s.key4()
	} else {
		address, rest := s.key6()
		key = mix(address[0]^rest) + address[1]
	}
	return keyHash(key, seed)
}

func keyHash(key, seed uint64) uint64 {
	h := (key ^ seed) * mix1
	return (h ^ h>>32) * mix2
}

// vipTables are where the VIPs of a generation are.
type vipTables struct {
	version, parts, quicParts int
	seed                      uint64
}

func (k *Kernel) vipTablesOf(generation int) vipTables {
	g := &k.generations.all[generation]
	return vipTables{int(g.VIPVersion) % Generations, min(int(g.VIPParts)+1, VIPParts), min(int(g.QUICParts)+1, QUICParts), g.VIPSeed}
}

// part is the part that a hash leads to, of all versions, and home where in it the search begins.
func (t vipTables) part(hash uint64) (part, home int) {
	return partOf(hash, t.version*VIPParts, t.parts)
}

func partOf(hash uint64, first, parts int) (part, home int) {
	return first + int(hash>>40)&(parts-1), int(hash >> 52)
}

// findVIP is the entry of s, or nil. It may be written by words, while packets read it.
func (k *Kernel) findVIP(t vipTables, s service) *VIP {
	part, home := t.part(s.hash(t.seed))
	if s.four() {
		if table := k.vips4[part].all; table != nil {
			return find4(&table[0], home, s.key4())
		}
		return nil
	}
	if table := k.vips6[part].all; table != nil {
		address, key := s.key6()
		return find6(&table[0], home, address, key)
	}
	return nil
}

func find4(table *vip4Table, home int, key uint64) *VIP {
	for i := range VIPChain {
		if e := &table[(home+i)%VIPTable]; e.Key == key {
			return &e.VIP
		}
	}
	return nil
}

func find6(table *vip6Table, home int, address [2]uint64, key uint64) *VIP {
	for i := range VIPChain {
		if e := &table[(home+i)%VIPTable]; e.Key == key && e.Address == address {
			return &e.VIP
		}
	}
	return nil
}

// occupied are the places of one version that hold an entry, part × VIPTable + place, and the VIP numbers of these.
type occupied struct {
	of     vipTables
	v4, v6 []uint32
	nums   [VIPs]bool
}

// places are those of a version's entries. The owner looks for them once.
func (k *Kernel) places(t vipTables) *occupied {
	if o := k.occupied[t.version]; o != nil && o.of == t && k.Owns() {
		return o
	}
	o := &occupied{of: t}
	for part := t.version * VIPParts; part < t.version*VIPParts+t.parts; part++ {
		for i := range VIPTable {
			at := uint32(part*VIPTable + i)
			if table := k.vips4[part].all; table != nil && table[0][i].Key != 0 {
				o.v4, o.nums[table[0][i].VIP.Num&(VIPs-1)] = append(o.v4, at), true
			}
			if table := k.vips6[part].all; table != nil && table[0][i].Key != 0 {
				o.v6, o.nums[table[0][i].VIP.Num&(VIPs-1)] = append(o.v6, at), true
			}
		}
	}
	if k.Owns() {
		k.occupied[t.version] = o
	}
	return o
}

// eachVIP calls f with every entry of a version.
func (k *Kernel) eachVIP(t vipTables, f func(*VIP)) {
	o := k.places(t)
	for _, at := range o.v4 {
		f(&k.vips4[at/VIPTable].all[0][at%VIPTable].VIP)
	}
	for _, at := range o.v6 {
		f(&k.vips6[at/VIPTable].all[0][at%VIPTable].VIP)
	}
}
