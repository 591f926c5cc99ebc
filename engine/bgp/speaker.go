// Package bgp tells routers of prefixes, and learns nothing from them (RFC 4271, by GoBGP in process).
package bgp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/apiutil"
	"github.com/osrg/gobgp/v4/pkg/server"

	"hairpin/engine/spec"
)

// Secrets are the passwords of neighbors by their addresses (RFC 2385); a neighbor that is missing has none.
type Secrets map[netip.Addr]string

// Speaker holds the sessions with all neighbors. One goroutine at a time.
type Speaker struct {
	server  *server.BgpServer // nil: none runs
	of      *spec.BGP
	secrets Secrets // of the sessions as they are
	changed Secrets // of sessions that go on by another
	told    map[netip.Prefix]Route
	log     *slog.Logger
	levels  slog.LevelVar

	mu       sync.Mutex
	reasons  map[netip.Addr]string // why the last session with a neighbor was not, or ended
	watching watching
}

// New is a speaker that has no session.
func New(log *slog.Logger) *Speaker {
	s := &Speaker{log: log}
	s.levels.Set(slog.LevelWarn)
	return s
}

// Runs tells whether there are sessions, or attempts at them.
func (s *Speaker) Runs() bool { return s.server != nil }

// Follow makes the sessions those of want, and what is told in them routes. Sessions that stay as they are go on, and so does one
// of which only the password is another: the router ends it when it is given that too. With restarted, routers are asked to have kept what the process before this one told them, until all of it was told again.
func (s *Speaker) Follow(want *spec.BGP, secrets Secrets, routes []Route, restarted bool) error {
	if s.server != nil && (s.of.AS != want.AS || s.of.RouterID != want.RouterID) {
		s.Stop(false)
	}
	if s.server == nil {
		if err := s.start(want); err != nil {
			return err
		}
	}
	secrets = s.outlive(want, secrets)
	err := s.Tell(routes) // before the sessions: they begin with all of it, and nothing that was kept is taken back in between
	for _, p := range s.of.Neighbors {
		if !s.same(p, want, secrets) {
			err = errors.Join(err, s.server.DeletePeer(context.Background(), &api.DeletePeerRequest{Address: p.Address.String()}))
		}
	}
	for _, p := range want.Neighbors {
		if i := slices.IndexFunc(s.of.Neighbors, func(o spec.Neighbor) bool { return o.Address == p.Address }); i < 0 || !s.same(s.of.Neighbors[i], want, secrets) {
			err = errors.Join(err, s.add(want, p, secrets[p.Address], restarted))
		}
	}
	s.of, s.secrets = want, secrets
	if err != nil {
		return fmt.Errorf("bgp: %w", err)
	}
	return nil
}

func (s *Speaker) add(want *spec.BGP, p spec.Neighbor, secret string, restarted bool) error {
	as := func(watched bool) *api.Peer {
		x := peer(want, p, secret, restarted)
		if watched {
			x.Bfd = bfd(p.BFD)
		}
		return x
	}
	s.mu.Lock()
	delete(s.watching, p.Address)
	if p.BFD.Interval > 0 {
		s.watching[p.Address] = &watched{peer: as}
	}
	s.mu.Unlock()
	return s.server.AddPeer(context.Background(), &api.AddPeerRequest{Peer: as(false)})
}

// same tells whether a neighbor of today's needs the same session in want.
func (s *Speaker) same(p spec.Neighbor, want *spec.BGP, secrets Secrets) bool {
	return s.alike(p, want) && secrets[p.Address] == s.secrets[p.Address]
}

// alike is same but for the password.
func (s *Speaker) alike(p spec.Neighbor, want *spec.BGP) bool {
	return slices.Contains(want.Neighbors, p) && want.HoldTime == s.of.HoldTime && want.Restart == s.of.Restart
}

// outlive is secrets, but for the sessions that go on by the one before.
func (s *Speaker) outlive(want *spec.BGP, secrets Secrets) Secrets {
	going := Secrets{}
	maps.Copy(going, secrets)
	s.changed = Secrets{}
	for _, p := range s.of.Neighbors {
		if s.alike(p, want) && !s.same(p, want, secrets) && s.established(p.Address) {
			s.changed[p.Address], going[p.Address] = secrets[p.Address], s.secrets[p.Address]
		}
	}
	return going
}

func (s *Speaker) established(a netip.Addr) (is bool) {
	err := s.server.ListPeer(context.Background(), &api.ListPeerRequest{Address: a.String()}, func(p *api.Peer) {
		is = p.GetState().GetSessionState() == api.PeerState_SESSION_STATE_ESTABLISHED
	})
	return err == nil && is
}

func (s *Speaker) start(want *spec.BGP) error {
	running := server.NewBgpServer(server.LoggerOption(s.log, &s.levels))
	go running.Serve()
	err := running.StartBgp(context.Background(), &api.StartBgpRequest{Global: &api.Global{Asn: want.AS, RouterId: want.RouterID.String(),
		ListenPort: -1}}) // routers are called: nothing is open to the network, but BFD where it is asked for
	if err != nil {
		running.Stop()
		return fmt.Errorf("bgp: %w", err)
	}
	s.mu.Lock()
	s.reasons, s.watching = map[netip.Addr]string{}, watching{}
	s.mu.Unlock()
	heed := server.WatchEventMessageCallbacks{OnPeerUpdate: func(e *apiutil.WatchEventMessage_PeerEvent, _ time.Time) { s.heed(running, e) }}
	if err := running.WatchEvent(context.Background(), heed, server.WatchPeer()); err != nil {
		running.Stop()
		return fmt.Errorf("bgp: %w", err)
	}
	s.server, s.of, s.told = running, &spec.BGP{AS: want.AS, RouterID: want.RouterID}, map[netip.Prefix]Route{}
	return nil
}

// Stop ends all sessions. With keep, routers that have agreed to it keep the routes for as long as the spec says, or until
// somebody goes on; else they drop them at once.
func (s *Speaker) Stop(keep bool) {
	if s.server == nil {
		return
	}
	if err := s.server.StopBgp(context.Background(), &api.StopBgpRequest{AllowGracefulRestart: keep}); err != nil {
		s.log.Warn("bgp: stop", "error", err)
	}
	s.server, s.of, s.secrets, s.changed, s.told = nil, nil, nil, nil, nil
}

// deferral is how long a speaker that was restarted waits for what routers say before it speaks.
const deferral = 5 * time.Second

// maxLearned is how many prefixes a neighbor may tell of, none of which is used: more would only take memory.
const maxLearned = 10_000

func peer(want *spec.BGP, p spec.Neighbor, secret string, restarted bool) *api.Peer {
	keeps := want.Restart > 0
	f := family(p.Address)
	peer := &api.Peer{
		Conf:      &api.PeerConf{NeighborAddress: p.Address.String(), PeerAsn: p.AS, AuthPassword: secret},
		Transport: &api.Transport{RemotePort: uint32(p.Port)},
		Timers:    &api.Timers{Config: &api.TimersConfig{HoldTime: uint64(want.HoldTime / time.Second), KeepaliveInterval: uint64(want.HoldTime / time.Second / 3), ConnectRetry: 2, IdleHoldTimeAfterReset: 1}},
		GracefulRestart: &api.GracefulRestart{Enabled: keeps, RestartTime: uint32(want.Restart / time.Second),
			DeferralTime: uint32(deferral / time.Second), LocalRestarting: keeps && restarted},
		ApplyPolicy: &api.ApplyPolicy{ImportPolicy: &api.PolicyAssignment{DefaultAction: api.RouteAction_ROUTE_ACTION_REJECT}},
		AfiSafis: []*api.AfiSafi{{
			Config:            &api.AfiSafiConfig{Family: f, Enabled: true},
			MpGracefulRestart: &api.MpGracefulRestart{Config: &api.MpGracefulRestartConfig{Enabled: keeps}},
			PrefixLimits:      &api.PrefixLimit{Family: f, MaxPrefixes: maxLearned},
		}},
	}
	if p.AS != want.AS && p.Hops > 1 {
		peer.EbgpMultihop = &api.EbgpMultihop{Enabled: true, MultihopTtl: uint32(p.Hops)}
	}
	return peer
}

func family(a netip.Addr) *api.Family {
	f := &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST}
	if a.Is6() {
		f.Afi = api.Family_AFI_IP6
	}
	return f
}
