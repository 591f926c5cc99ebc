// Package collector is a router's end of BGP sessions: it is called by nodes, and knows what they tell of.
package collector

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/apiutil"
	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
	"github.com/osrg/gobgp/v4/pkg/server"
)

// Config says whom to expect.
type Config struct {
	AS      uint32
	ID      netip.Addr // IPv4
	Listen  []netip.Addr
	Port    uint16
	Restart time.Duration // how long routes stay of a node that is gone; 0 = not at all
	Nodes   []Node
}

// Node is one that calls.
type Node struct {
	Address netip.Addr
	AS      uint32
	Secret  string // RFC 2385; empty = none
}

// Collector hears nodes until it is stopped.
type Collector struct {
	Server *server.BgpServer
	of     Config
}

// New listens.
func New(ctx context.Context, c Config) (*Collector, error) {
	x := &Collector{Server: server.NewBgpServer(server.LoggerOption(slog.New(slog.DiscardHandler), new(slog.LevelVar))), of: c}
	go x.Server.Serve()
	listen := make([]string, len(c.Listen))
	for i, a := range c.Listen {
		listen[i] = a.String()
	}
	err := x.Server.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{Asn: c.AS, RouterId: c.ID.String(), ListenPort: int32(c.Port), ListenAddresses: listen}})
	for _, n := range c.Nodes {
		if err == nil {
			err = x.Server.AddPeer(ctx, &api.AddPeerRequest{Peer: peer(n, c.Restart)})
		}
	}
	if err != nil {
		x.Server.Stop()
		return nil, fmt.Errorf("collect routes: %w", err)
	}
	return x, nil
}

func peer(n Node, restart time.Duration) *api.Peer {
	f := &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST}
	if n.Address.Is6() {
		f.Afi = api.Family_AFI_IP6
	}
	return &api.Peer{
		Conf:            &api.PeerConf{NeighborAddress: n.Address.String(), PeerAsn: n.AS, AuthPassword: n.Secret},
		Transport:       &api.Transport{PassiveMode: true},
		Timers:          &api.Timers{Config: &api.TimersConfig{IdleHoldTimeAfterReset: 1}},
		GracefulRestart: &api.GracefulRestart{Enabled: restart > 0, RestartTime: uint32(restart / time.Second)},
		AfiSafis: []*api.AfiSafi{{Config: &api.AfiSafiConfig{Family: f, Enabled: true},
			MpGracefulRestart: &api.MpGracefulRestart{Config: &api.MpGracefulRestartConfig{Enabled: restart > 0}}}},
	}
}

// Drop ends the session with a node and forgets what it told of, until it calls again.
func (x *Collector) Drop(ctx context.Context, node netip.Addr) error {
	for _, n := range x.of.Nodes {
		if n.Address != node {
			continue
		}
		if err := x.Server.DeletePeer(ctx, &api.DeletePeerRequest{Address: node.String()}); err != nil {
			return fmt.Errorf("drop %s: %w", node, err)
		}
		if err := x.Server.AddPeer(ctx, &api.AddPeerRequest{Peer: peer(n, x.of.Restart)}); err != nil {
			return fmt.Errorf("expect %s again: %w", node, err)
		}
	}
	return nil
}

// Stop ends all sessions.
func (x *Collector) Stop() { x.Server.Stop() }

// Watch calls changed whenever routes may have changed, until ctx ends. The calls come from another goroutine, which they must not hold.
func (x *Collector) Watch(ctx context.Context, changed func()) error {
	seen := server.WatchEventMessageCallbacks{
		OnPathUpdate: func([]*apiutil.Path, time.Time) { changed() },
		OnBestPath:   func([]*apiutil.Path, time.Time) { changed() },
		OnPeerUpdate: func(*apiutil.WatchEventMessage_PeerEvent, time.Time) { changed() },
	}
	return x.Server.WatchEvent(ctx, seen, server.WatchPostUpdate(true, "", ""), server.WatchBestPath(true), server.WatchPeer())
}

// Routes are the nodes that tell of each prefix, in the order of addresses. Those that ask for it are left out where others are there.
func (x *Collector) Routes() (map[netip.Prefix][]netip.Addr, error) {
	routes := map[netip.Prefix][]netip.Addr{}
	for _, family := range []wire.Family{wire.RF_IPv4_UC, wire.RF_IPv6_UC} {
		err := x.Server.ListPath(apiutil.ListPathRequest{TableType: api.TableType_TABLE_TYPE_GLOBAL, Family: family}, func(nlri wire.NLRI, paths []*apiutil.Path) {
			if prefix, err := netip.ParsePrefix(nlri.String()); err == nil {
				routes[prefix] = hops(paths)
			}
		})
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
	}
	maps.DeleteFunc(routes, func(_ netip.Prefix, by []netip.Addr) bool { return len(by) == 0 })
	return routes, nil
}

func hops(paths []*apiutil.Path) []netip.Addr {
	var ready, leaving []netip.Addr
	for _, p := range paths {
		switch {
		case p.Withdrawal || !p.PeerAddress.IsValid():
		case leaves(p):
			leaving = append(leaving, p.PeerAddress)
		default:
			ready = append(ready, p.PeerAddress)
		}
	}
	if len(ready) == 0 {
		ready = leaving
	}
	slices.SortFunc(ready, netip.Addr.Compare)
	return ready
}

// leaves tells whether the node of p asks to be left (RFC 8326).
func leaves(p *apiutil.Path) bool {
	return slices.ContainsFunc(p.Attrs, func(a wire.PathAttributeInterface) bool {
		c, is := a.(*wire.PathAttributeCommunities)
		return is && slices.Contains(c.Value, uint32(wire.COMMUNITY_PLANNED_SHUT))
	})
}
