package bgp

import (
	"context"
	"net/netip"
	"time"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/server"

	"hairpin/engine/spec"
)

// watching is how neighbors are watched by BFD while they have a session, and no longer. The server would note that BFD is down also
// where no session is, and end the next one for it as soon as it stands; a router that has BFD only beside sessions, as BIRD does, would
// then never get one.
type watching map[netip.Addr]*watched

type watched struct {
	peer func(bfd bool) *api.Peer
	on   bool
}

// bfd is that of a neighbor; nil = none.
func bfd(b spec.BFD) *api.BfdPeerConfig {
	if b.Interval == 0 {
		return nil
	}
	every := uint32(b.Interval / time.Microsecond)
	return &api.BfdPeerConfig{Enabled: true, DesiredMinimumTxInterval: every, RequiredMinimumReceive: every, DetectionMultiplier: uint32(b.Multiplier)}
}

// watch begins or ends to watch a neighbor by BFD, as its session stands or does not. It is called by one goroutine alone.
func (s *Speaker) watch(running *server.BgpServer, a netip.Addr, stands bool) {
	s.mu.Lock()
	w := s.watching[a]
	due := w != nil && w.on != stands
	if due {
		w.on = stands
	}
	s.mu.Unlock()
	if !due {
		return
	}
	if _, err := running.UpdatePeer(context.Background(), &api.UpdatePeerRequest{Peer: w.peer(stands)}); err != nil {
		s.log.Warn("bgp: watch a neighbor by BFD", "neighbor", a, "error", err)
	}
}
