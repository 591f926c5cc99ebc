package spec

import (
	"fmt"
	"net/netip"
	"slices"
)

// Edits leave the spec they are given as it is and return a changed copy, which is valid if the spec was, or an error
// that says why there is none.

// SetWeight changes the share of new flows that a backend takes.
func SetWeight(s *Spec, vip string, addr netip.Addr, weight uint32) (*Spec, error) {
	s, b, err := backendOf(s, vip, addr)
	if err != nil {
		return nil, fmt.Errorf("set weight: %w", err)
	}
	if why := badWeight(weight); why != "" {
		return nil, fmt.Errorf("set weight of %s in %s: %s", addr, vip, why)
	}
	b.Weight = weight
	return s, nil
}

// SetState changes what the operator wants of a backend.
func SetState(s *Spec, vip string, addr netip.Addr, state State) (*Spec, error) {
	s, b, err := backendOf(s, vip, addr)
	if err != nil {
		return nil, fmt.Errorf("set state: %w", err)
	}
	if !has(states, state) {
		return nil, fmt.Errorf("set state of %s in %s: %s is not known", addr, vip, state)
	}
	b.State = state
	return s, nil
}

// AddBackend puts a backend behind a VIP, after those it has. Weight 0 means 0, not the default.
func AddBackend(s *Spec, vip string, b Backend) (*Spec, error) {
	s, v, err := vipOf(s, vip)
	if err != nil {
		return nil, fmt.Errorf("add backend: %w", err)
	}
	why := badBackend(v, b.Address)
	switch {
	case why != "":
	case v.Backend(b.Address) != nil:
		why = "it is there already"
	case backends(s) >= MaxBackends:
		why = fmt.Sprintf("the spec has %d backends, the most there can be", backends(s))
	case badWeight(b.Weight) != "":
		why = "weight " + badWeight(b.Weight)
	case !has(states, b.State):
		why = fmt.Sprintf("%s is not known", b.State)
	}
	if why != "" {
		return nil, fmt.Errorf("add backend %s to %s: %s", b.Address, vip, why)
	}
	v.Backends = append(v.Backends, b)
	return s, nil
}

// RemoveBackend takes a backend away from behind a VIP. The last one may go too: the VIP then drops what it gets.
func RemoveBackend(s *Spec, vip string, addr netip.Addr) (*Spec, error) {
	s, b, err := backendOf(s, vip, addr)
	if err != nil {
		return nil, fmt.Errorf("remove backend: %w", err)
	}
	v := s.VIP(vip)
	if b.Found.Is {
		return nil, fmt.Errorf("remove backend: %s was found by %s, and would come back: drain it, or put it in maintenance", addr, v.From)
	}
	v.Backends = slices.DeleteFunc(v.Backends, func(b Backend) bool { return b.Address == addr })
	return s, nil
}

// backendOf is a copy of s and, within the copy, a backend.
func backendOf(s *Spec, vip string, addr netip.Addr) (*Spec, *Backend, error) {
	s, v, err := vipOf(s, vip)
	if err != nil {
		return nil, nil, err
	}
	b := v.Backend(addr)
	if b == nil {
		return nil, nil, fmt.Errorf("vip %s has no backend %s", vip, addr)
	}
	return s, b, nil
}

// vipOf is a copy of s and, within the copy, a VIP.
func vipOf(s *Spec, name string) (*Spec, *VIP, error) {
	if s == nil {
		return nil, nil, fmt.Errorf("vip %s: there is no spec yet", quote(name))
	}
	s = s.Clone()
	if v := s.VIP(name); v != nil {
		return s, v, nil
	}
	return nil, nil, fmt.Errorf("vip %s", unknown(name, s.vipNames()))
}

func (s *Spec) vipNames() []string {
	names := make([]string, len(s.VIPs))
	for i, v := range s.VIPs {
		names[i] = v.Name
	}
	return names
}

// backends counts those of all VIPs.
func backends(s *Spec) (n int) {
	for i := range s.VIPs {
		n += len(s.VIPs[i].Backends)
	}
	return n
}
