package bgp

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/osrg/gobgp/v4/pkg/apiutil"
	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"hairpin/engine/spec"
)

// GracefulShutdown asks routers to prefer any other way (RFC 8326).
const GracefulShutdown spec.Community = 0xffff0000

// Route is one prefix and what is told along with it.
type Route struct {
	Prefix netip.Prefix
	spec.Path
}

// Equal tells whether two routes tell the same.
func (r Route) Equal(o Route) bool { return r.Prefix == o.Prefix && r.Path.Equal(o.Path) }

// Tell makes what neighbors are told exactly routes, of different prefixes.
func (s *Speaker) Tell(routes []Route) error {
	want := map[netip.Prefix]Route{}
	var err error
	for _, r := range routes {
		want[r.Prefix] = r
		if old, told := s.told[r.Prefix]; told && old.Equal(r) {
			continue
		}
		if e := s.tell(r); e != nil {
			err = errors.Join(err, e)
			continue
		}
		s.told[r.Prefix] = r
	}
	for prefix := range s.told {
		if _, stays := want[prefix]; stays {
			continue
		}
		if e := s.withdraw(prefix); e != nil {
			err = errors.Join(err, e)
			continue
		}
		delete(s.told, prefix)
	}
	return err
}

// Told is what neighbors of the prefix's family are told, by prefix.
func (s *Speaker) Told() []Route {
	return slices.SortedFunc(maps.Values(s.told), func(a, b Route) int { return a.Prefix.Addr().Compare(b.Prefix.Addr()) })
}

func (s *Speaker) tell(r Route) error {
	path, err := path(r.Prefix)
	if err != nil {
		return err
	}
	if len(r.Communities) > 0 {
		all := make([]uint32, len(r.Communities))
		for i, c := range r.Communities {
			all[i] = uint32(c)
		}
		path.Attrs = append(path.Attrs, wire.NewPathAttributeCommunities(all))
	}
	if r.MED != nil {
		path.Attrs = append(path.Attrs, wire.NewPathAttributeMultiExitDisc(*r.MED))
	}
	if r.LocalPreference != nil {
		path.Attrs = append(path.Attrs, wire.NewPathAttributeLocalPref(*r.LocalPreference))
	}
	if _, err := s.server.AddPath(apiutil.AddPathRequest{Paths: []*apiutil.Path{path}}); err != nil {
		return fmt.Errorf("announce %s: %w", r.Prefix, err)
	}
	return nil
}

func (s *Speaker) withdraw(prefix netip.Prefix) error {
	path, err := path(prefix)
	if err != nil {
		return err
	}
	path.Withdrawal = true
	if err := s.server.DeletePath(apiutil.DeletePathRequest{Paths: []*apiutil.Path{path}}); err != nil {
		return fmt.Errorf("withdraw %s: %w", prefix, err)
	}
	return nil
}

// path is a route whose next hop is, in each session, this end of it.
func path(prefix netip.Prefix) (*apiutil.Path, error) {
	nlri, err := wire.NewIPAddrPrefix(prefix)
	if err != nil {
		return nil, err
	}
	p := &apiutil.Path{Family: wire.RF_IPv4_UC, Nlri: nlri, Attrs: []wire.PathAttributeInterface{wire.NewPathAttributeOrigin(wire.BGP_ORIGIN_ATTR_TYPE_IGP)}}
	if prefix.Addr().Is4() {
		hop, err := wire.NewPathAttributeNextHop(netip.IPv4Unspecified())
		p.Attrs = append(p.Attrs, hop)
		return p, err
	}
	p.Family = wire.RF_IPv6_UC
	reach, err := wire.NewPathAttributeMpReachNLRI(wire.RF_IPv6_UC, []wire.PathNLRI{{NLRI: nlri}}, netip.IPv6Unspecified())
	p.Attrs = append(p.Attrs, reach)
	return p, err
}
