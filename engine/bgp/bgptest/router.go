// Package bgptest is a router for tests: it listens on loopback, and says what it was told.
package bgptest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/apiutil"
	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
	"github.com/osrg/gobgp/v4/pkg/server"

	"hairpin/engine/bgp/collector"
	"hairpin/engine/spec"
)

// Router is the other end of sessions, with all that it was told.
type Router struct {
	Neighbor spec.Neighbor // by which a node reaches it

	server    *server.BgpServer
	mu        sync.Mutex
	routes    map[netip.Prefix]*apiutil.Path
	withdrawn []netip.Prefix // in order
}

// AS of routers, and of the nodes that they expect.
const (
	RouterAS = 65000
	NodeAS   = 65001
)

// New is a router at a loopback address, for a node at the same. It keeps the routes of one that is gone for restart.
func New(t *testing.T, at, secret string, restart time.Duration) *Router {
	t.Helper()
	address := netip.MustParseAddr(at)
	r := &Router{Neighbor: spec.Neighbor{Address: address, AS: RouterAS, Port: freePort(t), Hops: 1}, routes: map[netip.Prefix]*apiutil.Path{}}
	x, err := collector.New(t.Context(), collector.Config{AS: RouterAS, ID: netip.MustParseAddr("10.255.0.1"), Listen: []netip.Addr{address},
		Port: r.Neighbor.Port, Restart: restart, Nodes: []collector.Node{{Address: address, AS: NodeAS, Secret: secret}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Stop)
	r.server = x.Server
	seen := server.WatchEventMessageCallbacks{OnBestPath: func(paths []*apiutil.Path, _ time.Time) {
		for _, p := range paths {
			r.learn(p)
		}
	}}
	if err := r.server.WatchEvent(t.Context(), seen, server.WatchBestPath(true)); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *Router) learn(p *apiutil.Path) {
	prefix, err := netip.ParsePrefix(p.Nlri.String())
	if err != nil || !p.IsFromExternal && p.PeerASN != NodeAS {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.Withdrawal {
		r.withdrawn = append(r.withdrawn, prefix)
		delete(r.routes, prefix)
		return
	}
	r.routes[prefix] = p
}

// Knows is what it has been told, a line for each route.
func (r *Router) Knows() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, prefix := range slices.SortedFunc(maps.Keys(r.routes), func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) }) {
		line := prefix.String()
		for _, a := range r.routes[prefix].Attrs {
			switch a := a.(type) {
			case *wire.PathAttributeCommunities:
				for _, c := range a.Value {
					line += " " + spec.Community(c).String()
				}
			case *wire.PathAttributeMultiExitDisc:
				line += fmt.Sprint(" med ", a.Value)
			case *wire.PathAttributeLocalPref:
				line += fmt.Sprint(" preference ", a.Value)
			case *wire.PathAttributeNextHop:
				line += " by " + a.Value.String()
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

// Await waits until the router knows exactly want.
func (r *Router) Await(t *testing.T, want string) {
	t.Helper()
	Await(t, func() string {
		if got := r.Knows(); got != want {
			return fmt.Sprintf("the router knows %q, not %q", got, want)
		}
		return ""
	})
}

// Await waits until why says nothing, for a minute.
func Await(t *testing.T, why func() string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		text := why()
		if text == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(text)
		}
	}
}

// freePort is one that the kernel gives nobody who asks for any: a connection of another test would have it by the time that it is listened at.
func freePort(t *testing.T) uint16 {
	t.Helper()
	for range 100 {
		port := uint16(10_000 + rand.IntN(20_000))
		l, err := net.Listen("tcp", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port).String())
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// Downs says whether the router has not yet seen so many sessions end.
func (r *Router) Downs(t *testing.T, want int) string {
	t.Helper()
	why := "no neighbor"
	if err := r.server.ListPeer(t.Context(), &api.ListPeerRequest{}, func(p *api.Peer) {
		why = ""
		if state := p.GetState(); state.GetSessionState() == api.PeerState_SESSION_STATE_ESTABLISHED || int(state.GetFlops()) < want {
			why = fmt.Sprintf("the router sees %s after %d sessions", state.GetSessionState(), state.GetFlops())
		}
	}); err != nil {
		t.Fatal(err)
	}
	return why
}

// Withdrawn are the prefixes that it was told of no more, in order.
func (r *Router) Withdrawn() []netip.Prefix {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.withdrawn)
}
