package datapath

import (
	"errors"
	"net"
	"net/netip"

	"hairpin/engine/spec"
)

const tlsWallID = 9 // enum stage

// standWall writes the settings of a tlswall stage.
func (k *Kernel) standWall(p spot, s *standing) (err error) {
	x, ok := p.stage.Settings.(*spec.Wall)
	if !ok {
		return errors.New("has no settings")
	}
	w := tlsWall{Wait: uint64(x.Wait), Allows: uint32(len(x.Allow))}
	for _, port := range x.Ports {
		w.Port[port/64] |= 1 << (port % 64)
	}
	for _, name := range x.VIPs {
		num := p.nums[name]
		w.VIP[num/64] |= 1 << (num % 64)
		w.Flags |= tlsWallOfVIP
	}
	for i, a := range x.Allow {
		w.Allow[i] = allowed(a)
	}
	if x.Full == spec.FullDrop {
		w.Flags |= tlsWallStrict
	}
	if x.Action == spec.LimitReset {
		w.Flags |= tlsWallReset
	}
	s.settings, err = putSettings(k.tlsWalls.all, k.usedSettings(tlsWallID), w)
	return err
}

func allowed(p netip.Prefix) wallAllow {
	a := wallAllow{Family: 4}
	if p.Addr().Is6() {
		a.Family = 6
	}
	copy(a.Address[:], p.Masked().Addr().AsSlice())
	copy(a.Mask[:], net.CIDRMask(p.Bits(), p.Addr().BitLen()))
	return a
}
