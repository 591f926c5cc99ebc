package bgp

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hairpin/engine/bgp/bgptest"
	"hairpin/engine/spec"
)

func told(restart time.Duration, routers ...spec.Neighbor) *spec.BGP {
	return &spec.BGP{AS: bgptest.NodeAS, RouterID: netip.MustParseAddr("10.1.0.2"), HoldTime: 9 * time.Second, Restart: restart, Neighbors: routers}
}

func newSpeaker(t *testing.T) *Speaker {
	t.Helper()
	s := New(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { s.Stop(false) })
	return s
}

func route(address string, path spec.Path) Route {
	return Route{Host(netip.MustParseAddr(address)), path}
}

// TestTell: routers know what they are told, of their own family, as it changes.
func TestTell(t *testing.T) {
	four, six := bgptest.New(t, "127.0.0.1", "", 0), bgptest.New(t, "::1", "", 0)
	s := newSpeaker(t)
	marked := spec.Path{Communities: []spec.Community{65000<<16 | 100}, MED: new(uint32(7))}
	want := told(0, four.Neighbor, six.Neighbor)
	if err := s.Follow(want, nil, []Route{route("10.99.0.1", marked), route("10.99.0.2", spec.Path{}), route("fd00:99::1", marked)}, false); err != nil {
		t.Fatal(err)
	}
	four.Await(t, "10.99.0.1/32 by 127.0.0.1 med 7 65000:100; 10.99.0.2/32 by 127.0.0.1")
	six.Await(t, "fd00:99::1/128 med 7 65000:100")
	bgptest.Await(t, func() string { return sessions(t, s, "established 2, established 1") })
	marked.Communities = append(marked.Communities, GracefulShutdown)
	if err := s.Tell([]Route{route("10.99.0.1", marked)}); err != nil {
		t.Fatal(err)
	}
	four.Await(t, "10.99.0.1/32 by 127.0.0.1 med 7 65000:100 65535:0")
	six.Await(t, "")
	if err := s.Follow(told(0, six.Neighbor), nil, []Route{route("fd00:99::2", spec.Path{})}, false); err != nil {
		t.Fatal(err)
	}
	four.Await(t, "")
	six.Await(t, "fd00:99::2/128")
	bgptest.Await(t, func() string { return sessions(t, s, "established 1") })
}

// sessions says whether the states of s are not as they should be.
func sessions(t *testing.T, s *Speaker, want string) string {
	t.Helper()
	list, err := s.Sessions(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, x := range list {
		all = append(all, fmt.Sprint(x.State, " ", x.Announced))
	}
	if got := strings.Join(all, ", "); got != want {
		return fmt.Sprintf("sessions are %s, not %s: %+v", got, want, list)
	}
	return ""
}

// TestKept: a router keeps the routes while nobody speaks, where that was agreed on, and loses none when somebody speaks again.
func TestKept(t *testing.T) {
	r := bgptest.New(t, "127.0.0.1", "", 2*time.Minute)
	want, routes := told(2*time.Minute, r.Neighbor), []Route{route("10.99.0.1", spec.Path{}), route("10.99.0.2", spec.Path{})}
	const both = "10.99.0.1/32 by 127.0.0.1; 10.99.0.2/32 by 127.0.0.1"
	for i := range 2 {
		s := newSpeaker(t)
		if err := s.Follow(want, nil, routes, i > 0); err != nil {
			t.Fatal(err)
		}
		bgptest.Await(t, func() string { return sessions(t, s, "established 2") })
		r.Await(t, both)
		if list, _ := s.Sessions(t.Context()); !list[0].Keeps {
			t.Errorf("the router does not say that it keeps routes: %+v", list[0])
		}
		s.Stop(true)
		bgptest.Await(t, func() string { return r.Downs(t, i+1) })
	}
	r.Await(t, both)
	s := newSpeaker(t)
	if err := s.Follow(want, nil, routes[:1], true); err != nil { // one VIP went while nobody spoke
		t.Fatal(err)
	}
	r.Await(t, "10.99.0.1/32 by 127.0.0.1")
	if got := fmt.Sprint(r.Withdrawn()); got != "[10.99.0.2/32]" {
		t.Errorf("withdrawn were %s", got)
	}
	bgptest.Await(t, func() string { return sessions(t, s, "established 1") })
	s.Stop(false)
	r.Await(t, "")
}

// TestSecrets: a session needs the same secret at both ends, and begins when it comes to be.
func TestSecrets(t *testing.T) {
	r := bgptest.New(t, "127.0.0.1", "open sesame", 0)
	s := newSpeaker(t)
	loopback := netip.MustParseAddr("127.0.0.1")
	want := told(0, r.Neighbor)
	if err := s.Follow(want, Secrets{loopback: "something else"}, []Route{route("10.99.0.1", spec.Path{})}, false); err != nil {
		t.Fatal(err)
	}
	if err := s.Follow(want, Secrets{loopback: "open sesame"}, []Route{route("10.99.0.1", spec.Path{})}, false); err != nil {
		t.Fatal(err)
	}
	r.Await(t, "10.99.0.1/32 by 127.0.0.1")
	bgptest.Await(t, func() string { return sessions(t, s, "established 1") })
	for _, row := range []struct {
		secret  string
		changed bool
	}{{"another", true}, {"open sesame", false}} {
		if err := s.Follow(want, Secrets{loopback: row.secret}, []Route{route("10.99.0.1", spec.Path{})}, false); err != nil {
			t.Fatal(err)
		}
		if list, _ := s.Sessions(t.Context()); list[0].State != "established" || list[0].OldSecret != row.changed {
			t.Errorf("by %s: %+v", row.secret, list[0])
		}
	}
	if got := r.Withdrawn(); len(got) > 0 {
		t.Errorf("a change of the password withdrew %s", got)
	}
}

// TestSilent: a router that drops what has no or another password is not taken for one that is away.
func TestSilent(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	r := bgptest.New(t, loopback.String(), "open sesame", 0)
	n := r.Neighbor
	for _, row := range []struct{ file, secret, want string }{
		{"", "", "as is when it wants a password: the spec has none"},
		{"/etc/hairpin/bgp.key", "another", "its password for this node is not that in /etc/hairpin/bgp.key"},
	} {
		s := newSpeaker(t)
		n.PasswordFile = row.file
		if err := s.Follow(told(0, n), Secrets{loopback: row.secret}, nil, false); err != nil {
			t.Fatal(err)
		}
		if list, _ := s.Sessions(t.Context()); !strings.Contains(list[0].Why, "nobody answers at port ") || !strings.Contains(list[0].Why, row.want) {
			t.Errorf("%q: %+v", row.secret, list[0])
		}
	}
}

// TestWhy: a session that cannot be says why.
func TestWhy(t *testing.T) {
	r := bgptest.New(t, "127.0.0.1", "", 0)
	s := newSpeaker(t)
	other := r.Neighbor
	other.AS = 64999
	if err := s.Follow(told(0, other), nil, nil, false); err != nil {
		t.Fatal(err)
	}
	bgptest.Await(t, func() string {
		list, err := s.Sessions(t.Context())
		if err != nil || !strings.Contains(list[0].Why, "compare the numbers of both autonomous systems") {
			return fmt.Sprintf("%+v, %v", list, err)
		}
		return ""
	})
}

// TestBFD: a neighbor is watched as the spec says, in microseconds, and one without is not.
func TestBFD(t *testing.T) {
	if got := bfd(spec.BFD{}); got.GetEnabled() {
		t.Errorf("nobody asked for %v", got)
	}
	got := bfd(spec.BFD{Interval: 300 * time.Millisecond, Multiplier: 4})
	if !got.GetEnabled() || got.GetDesiredMinimumTxInterval() != 300_000 || got.GetRequiredMinimumReceive() != 300_000 || got.GetDetectionMultiplier() != 4 {
		t.Errorf("%v", got)
	}
}
