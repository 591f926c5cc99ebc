package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// service is a key of the VIP tables. Port and protocol 0 ask for the address alone.
type service struct {
	Address  netip.Addr
	Port     uint16
	Protocol uint8
}

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
	a := s.Address.As4()
	port := wirePort(s.Port)
	return uint64(binary.LittleEndian.Uint32(a[:])) | uint64(binary.LittleEndian.Uint16(port[:]))<<32 |
		uint64(s.Protocol)<<48 | 1<<63
}

func (s service) key6() (address [2]uint64, key uint64) {
	a := s.Address.As16()
	port := wirePort(s.Port)
	return [2]uint64{binary.LittleEndian.Uint64(a[:8]), binary.LittleEndian.Uint64(a[8:])},
		uint64(binary.LittleEndian.Uint16(port[:])) | uint64(s.Protocol)<<16 | 1<<63
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

func vipHome(key, seed uint64) int {
	h := (key ^ seed) * mix1
	h = (h ^ h>>32) * mix2
	return int(h >> 52)
}

// home is where the search for s begins.
func (s service) home(seed uint64) int {
	if s.Address.Is4() {
		return vipHome(s.key4(), seed)
	}
	address, key := s.key6()
	return vipHome(mix(address[0]^key)+address[1], seed)
}

var errCrowded = errors.New("the VIP table is too full")

const seeds = 4096

// writeVIPs writes one version of the tables and returns the seed with which every entry is found in VIPChain probes.
// The version must not be in use.
func (k *Kernel) writeVIPs(version int, entries []vipEntry) (seed uint64, err error) {
	places := make([]int, len(entries))
	for seed = 1; seed <= seeds; seed++ {
		if placeAll(entries, seed*mix1, places) {
			break
		}
	}
	if seed > seeds {
		return 0, fmt.Errorf("%w: %d entries", errCrowded, len(entries))
	}
	table4 := k.vips4.all[version*VIPTable : (version+1)*VIPTable]
	table6 := k.vips6.all[version*VIPTable : (version+1)*VIPTable]
	clear(table4)
	clear(table6)
	o := &occupied{v4: make([]uint16, 0, len(entries))}
	for i, e := range entries {
		o.nums[e.VIP.Num&(VIPs-1)] = true
		if e.Address.Is4() {
			table4[places[i]] = vip4{Key: e.key4(), VIP: e.VIP}
			o.v4 = append(o.v4, uint16(places[i]))
			continue
		}
		address, key := e.key6()
		table6[places[i]] = vip6{Address: address, Key: key, VIP: e.VIP}
		o.v6 = append(o.v6, uint16(places[i]))
	}
	k.occupied[version] = o
	return seed * mix1, nil
}

// placeAll finds each entry's place, and tells whether all are within VIPChain of their homes.
func placeAll(entries []vipEntry, seed uint64, places []int) bool {
	var used [2][VIPTable]bool
	for i, e := range entries {
		table := &used[0]
		if !e.Address.Is4() {
			table = &used[1]
		}
		home := e.home(seed)
		places[i] = -1
		for j := range VIPChain {
			if p := (home + j) % VIPTable; !table[p] {
				table[p], places[i] = true, p
				break
			}
		}
		if places[i] < 0 {
			return false
		}
	}
	return true
}

// findVIP is the entry of s in a version, or nil. It may be written by words, while packets read it.
func (k *Kernel) findVIP(version int, seed uint64, s service) *VIP {
	home := s.home(seed)
	for j := range VIPChain {
		i := version*VIPTable + (home+j)%VIPTable
		if s.Address.Is4() {
			if e := &k.vips4.all[i]; e.Key == s.key4() {
				return &e.VIP
			}
			continue
		}
		address, key := s.key6()
		if e := &k.vips6.all[i]; e.Key == key && e.Address == address {
			return &e.VIP
		}
	}
	return nil
}

// occupied are the places of one version that hold an entry, and the VIP numbers of these.
type occupied struct {
	v4, v6 []uint16
	nums   [VIPs]bool
}

// places are those of a version's entries. The owner looks for them once.
func (k *Kernel) places(version int) *occupied {
	if o := k.occupied[version]; o != nil && k.Owns() {
		return o
	}
	o, base := &occupied{}, version*VIPTable
	for i := range VIPTable {
		if e := &k.vips4.all[base+i]; e.Key != 0 {
			o.v4, o.nums[e.VIP.Num&(VIPs-1)] = append(o.v4, uint16(i)), true
		}
		if e := &k.vips6.all[base+i]; e.Key != 0 {
			o.v6, o.nums[e.VIP.Num&(VIPs-1)] = append(o.v6, uint16(i)), true
		}
	}
	if k.Owns() {
		k.occupied[version] = o
	}
	return o
}

// eachVIP calls f with every entry of a version.
func (k *Kernel) eachVIP(version int, f func(*VIP)) {
	o, base := k.places(version), version*VIPTable
	for _, i := range o.v4 {
		f(&k.vips4.all[base+int(i)].VIP)
	}
	for _, i := range o.v6 {
		f(&k.vips6.all[base+int(i)].VIP)
	}
}
