package discover

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"hairpin/engine/spec"
)

// slice is what matters of an EndpointSlice, discovery.k8s.io/v1. Where it has its endpoints (topology) does not: a VIP's
// packets come from anywhere.
type slice struct {
	Metadata    struct{ Name, ResourceVersion string }
	AddressType string
	Endpoints   []endpoint
	Ports       []port
}

type endpoint struct {
	Addresses  []string
	Conditions struct {
		Ready       *bool // nil = true
		Terminating *bool // nil = false
	}
}

type port struct {
	Name     *string
	Protocol *string // nil = TCP
	Port     *int32  // nil = all
}

// answer is what all slices say together. An endpoint in two of them, as while it moves, is there as it is at its best.
func (k *kubernetes) answer() (a Answer) {
	var left []string
	for _, name := range slices.Sorted(maps.Keys(k.slices)) {
		s := k.slices[name]
		if !strings.EqualFold(s.AddressType, k.Family.String()) {
			continue
		}
		if why := k.unserved(s); why != "" {
			if len(s.Endpoints) > 0 && !slices.Contains(left, why) {
				left = append(left, why)
			}
			continue
		}
		for _, e := range s.Endpoints {
			if len(e.Addresses) == 0 {
				continue
			}
			address, err := netip.ParseAddr(e.Addresses[0]) // they are all the same endpoint's
			if err != nil || !sound(address, k.Family) {
				left = append(left, fmt.Sprintf("%.40q is no address", e.Addresses[0]))
				continue
			}
			a.Endpoints = append(a.Endpoints, spec.Endpoint{Address: address, State: e.state()})
		}
	}
	a.Left = strings.Join(left, "; ")
	return a
}

// state: who is being ended keeps the flows that he has, until he is gone. Who is not ready may be so again in a moment.
func (e endpoint) state() spec.State {
	switch c := e.Conditions; {
	case c.Terminating != nil && *c.Terminating:
		return spec.Drain
	case c.Ready != nil && !*c.Ready:
		return spec.Down
	}
	return spec.Up
}

// unserved is why the endpoints of a slice cannot serve the VIP, whose packets keep their port; empty = they can.
func (k *kubernetes) unserved(s slice) string {
	var others []string
	for _, p := range s.Ports {
		name, protocol := "", "TCP"
		if p.Name != nil {
			name = *p.Name
		}
		if p.Protocol != nil {
			protocol = *p.Protocol
		}
		if k.Port != "" && name != k.Port || !strings.EqualFold(protocol, k.vip.Protocol.String()) {
			continue
		}
		if p.Port == nil || k.vip.Serves(uint16(*p.Port)) {
			return ""
		}
		others = append(others, fmt.Sprint(*p.Port))
	}
	switch {
	case len(others) > 0:
		return fmt.Sprintf("pods listen on port %s, and packets keep the VIP's port %d", strings.Join(others, ", "), k.vip.Port)
	case k.Port != "":
		return fmt.Sprintf("the service has no port %s of %s", k.Port, k.vip.Protocol)
	}
	return fmt.Sprintf("the service has no port of %s", k.vip.Protocol)
}
