package bgp

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/apiutil"
	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
	"github.com/osrg/gobgp/v4/pkg/server"

	"hairpin/engine/spec"
)

// Session is how things stand with one neighbor.
type Session struct {
	Neighbor  netip.Addr
	AS        uint32
	State     string    // as RFC 4271 calls it: idle, connect, active, opensent, openconfirm, established
	Since     time.Time // of being established, or of not being it any more; zero = it never was
	Keeps     bool      // the neighbor keeps our routes while no engine runs (RFC 4724)
	Announced int       // prefixes that it was told of
	BFD       string    // how BFD stands: down, init or up; empty = the spec asks for none
	Learned   int       // prefixes that it told of, none of which is used
	OldSecret bool      // it goes on by a password that was changed since
	Why       string    // it is not established; empty = it is
}

// Sessions are those with every neighbor, in the order of the spec.
func (s *Speaker) Sessions(ctx context.Context) ([]Session, error) {
	if s.server == nil {
		return nil, nil
	}
	found := map[netip.Addr]Session{}
	err := s.server.ListPeer(ctx, &api.ListPeerRequest{EnableAdvertised: true}, func(p *api.Peer) {
		if a, err := netip.ParseAddr(p.GetConf().GetNeighborAddress()); err == nil {
			found[a] = s.session(a, p)
		}
	})
	if err != nil {
		return nil, err
	}
	list := make([]Session, len(s.of.Neighbors))
	for i, n := range s.of.Neighbors {
		list[i] = found[n.Address]
		list[i].Neighbor, list[i].AS = n.Address, n.AS
		if n.BFD.Interval > 0 && list[i].BFD == "" {
			list[i].BFD = "down" // it begins with the session
		}
		_, list[i].OldSecret = s.changed[n.Address]
	}
	return list, nil
}

func (s *Speaker) session(a netip.Addr, p *api.Peer) Session {
	state := p.GetState()
	x := Session{Neighbor: a, State: strings.ToLower(strings.TrimPrefix(state.GetSessionState().String(), "SESSION_STATE_"))}
	at := p.GetTimers().GetState().GetUptime()
	if x.State != "established" {
		at, x.Why = p.GetTimers().GetState().GetDowntime(), s.why(a, p)
	}
	if at.IsValid() && at.GetSeconds() > 0 {
		x.Since = at.AsTime()
	}
	if p.GetBfd().GetEnabled() {
		x.BFD = strings.ToLower(strings.TrimPrefix(state.GetBfdState().GetSessionState().String(), "BFD_SESSION_STATE_"))
	}
	for _, f := range p.GetAfiSafis() {
		x.Announced += int(f.GetState().GetAdvertised())
		x.Learned += int(f.GetState().GetReceived())
		x.Keeps = x.Keeps || f.GetMpGracefulRestart().GetState().GetReceived()
	}
	return x
}

func (s *Speaker) why(a netip.Addr, p *api.Peer) string {
	if p.GetState().GetAdminState() == api.PeerState_ADMIN_STATE_PFX_CT {
		return fmt.Sprintf("it told of more than %d prefixes: have it send none", maxLearned)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	silent := s.silent(a, p.GetTransport().GetRemotePort())
	if reason := s.reasons[a]; reason != "" {
		if p.GetState().GetSessionState() == api.PeerState_SESSION_STATE_ACTIVE { // it is called again
			reason += "; since then " + silent
		}
		return reason
	}
	if p.GetState().GetMessages().GetReceived().GetOpen() > 0 { // the server does not say on what they differ
		return "it answers and no session comes of it: compare the numbers of both autonomous systems here and there"
	}
	return silent
}

// silent is what it may mean that nobody answers: a router does not say that a password is wrong.
func (s *Speaker) silent(a netip.Addr, port uint32) string {
	text := fmt.Sprintf("nobody answers at port %d", port)
	if i := slices.IndexFunc(s.of.Neighbors, func(n spec.Neighbor) bool { return n.Address == a }); i >= 0 && s.secrets[a] != "" {
		return text + ": either nobody is there, or its password for this node is not that in " + s.of.Neighbors[i].PasswordFile
	}
	return text + ", as is when it wants a password: the spec has none"
}

// heed notes why a session was not, or ended. It is called by a goroutine of the server's own.
func (s *Speaker) heed(running *server.BgpServer, e *apiutil.WatchEventMessage_PeerEvent) {
	state := e.Peer.State
	s.watch(running, state.NeighborAddress, state.SessionState == wire.BGP_FSM_ESTABLISHED)
	reason := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(state.DisconnectReason.String(), "DISCONNECT_REASON_"), "_", " "))
	s.mu.Lock()
	defer s.mu.Unlock()
	if state.DisconnectReason == api.PeerState_DISCONNECT_REASON_UNSPECIFIED || state.DisconnectReason == api.PeerState_DISCONNECT_REASON_IDLE_TIMER_EXPIRED {
		return // it goes on
	}
	if state.DisconnectReason == api.PeerState_DISCONNECT_REASON_GRACEFUL_RESTART {
		reason = "the session broke off without a word"
	}
	if said := strings.TrimPrefix(state.DisconnectMessage, strings.ReplaceAll(reason, " ", "-")+" "); said != "" && said != "graceful-restart" {
		reason += ": " + said
	}
	s.reasons[state.NeighborAddress] = reason
}

// Host is the prefix that stands for one address.
func Host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
