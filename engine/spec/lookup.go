package spec

import (
	"net/netip"
	"slices"
)

// NIC is the NIC of that name within s, or nil.
func (s *Spec) NIC(name string) *NIC {
	if i := slices.IndexFunc(s.NICs, func(n NIC) bool { return n.Name == name }); i >= 0 {
		return &s.NICs[i]
	}
	return nil
}

// Stage is the stage of that name within s, or nil.
func (s *Spec) Stage(name string) *Named {
	if i := slices.IndexFunc(s.Stages, func(n Named) bool { return n.Name == name }); i >= 0 {
		return &s.Stages[i]
	}
	return nil
}

// VIP is the VIP of that name within s, or nil.
func (s *Spec) VIP(name string) *VIP {
	if i := slices.IndexFunc(s.VIPs, func(v VIP) bool { return v.Name == name }); i >= 0 {
		return &s.VIPs[i]
	}
	return nil
}

// Backend is the backend of that address within v, or nil.
func (v *VIP) Backend(a netip.Addr) *Backend {
	if i := slices.IndexFunc(v.Backends, func(b Backend) bool { return b.Address == a }); i >= 0 {
		return &v.Backends[i]
	}
	return nil
}
