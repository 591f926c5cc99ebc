package engine

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// steeredSpec measures two ways to a server that both NICs lead to.
const steeredSpec = `
version: 1
stages:
  ways:
    kind: steer
    rules: [{name: all, to: [192.0.2.0/24], paths: both}]
    groups:
      - name: both
        probe: {to: 192.0.2.1, interval: 100ms, fall: 3, rise: 2}
        paths: [{name: a, nic: eth0, via: 10.1.0.9}, {name: b, nic: up1, via: 10.8.1.1}]
nics:
  eth0: {tcx_egress: [ways]}
`

// farEnds moves the peers of NICs into a namespace of their own, which has the server's address and one for each of them.
func farEnds(t *testing.T, addresses map[string]string) {
	t.Helper()
	home, err := netns.Get()
	step(t, err)
	defer home.Close()
	far, err := netns.New()
	step(t, err)
	t.Cleanup(func() { _ = far.Close() })
	step(t, netns.Set(home))
	for name := range addresses {
		step(t, netlink.LinkSetNsFd(nic(t, name+"peer"), int(far)))
	}
	step(t, netns.Set(far))
	defer func() { step(t, netns.Set(home)) }()
	for _, which := range []string{"all", "default"} {
		step(t, os.WriteFile("/proc/sys/net/ipv4/conf/"+which+"/rp_filter", []byte("0"), 0))
	}
	addresses["lo"] = "192.0.2.1/32"
	for name, address := range addresses {
		if name != "lo" {
			name += "peer"
		}
		a, err := netlink.ParseAddr(address)
		step(t, err)
		step(t, netlink.AddrAdd(nic(t, name), a))
		step(t, netlink.LinkSetUp(nic(t, name)))
	}
}

func step(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// steeredBy is a path as a snapshot has it.
func steeredBy(s *State, name string) SteeredPath {
	for _, p := range s.Paths {
		if p.Name == name {
			return p
		}
	}
	return SteeredPath{}
}

// TestSteeredPaths: paths are measured by the way that flows take; one that answers no more is left, also by the next engine, and
// taken again when it answers.
func TestSteeredPaths(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	addNIC(t, "up1", "10.8.1.2/24")
	farEnds(t, map[string]string{"eth0": "10.1.0.9/24", "up1": "10.8.1.1/24"})
	for _, which := range []string{"all", "eth0", "up1"} {
		step(t, os.WriteFile("/proc/sys/net/ipv4/conf/"+which+"/rp_filter", []byte("0"), 0))
	}
	_, far, err := net.ParseCIDR("192.0.2.0/24")
	step(t, err)
	step(t, netlink.RouteAdd(&netlink.Route{Dst: far, Gw: net.ParseIP("10.1.0.9"), LinkIndex: nic(t, "eth0").Attrs().Index}))
	step(t, os.WriteFile(p.SpecFile(), []byte(steeredSpec), 0o644))
	o := running(t, p)
	s := until(t, o, "both paths are measured", func(s *State) bool {
		a, b := steeredBy(s, "a"), steeredBy(s, "b")
		return a.Measured != nil && b.Measured != nil && a.Measured.Worth > 0 && b.Measured.Worth > 0
	})
	for _, name := range []string{"a", "b"} {
		if x := steeredBy(s, name); x.State != "up" || x.Why != "" || x.Measured.RTT <= 0 || x.Share == 0 || x.Packets != 0 {
			t.Errorf("%+v, measured %+v", x, x.Measured)
		}
	}
	wrong := &netlink.Neigh{LinkIndex: nic(t, "up1").Attrs().Index, State: netlink.NUD_PERMANENT, IP: netip.MustParseAddr("10.8.1.1").AsSlice(),
		HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 0x77}}
	step(t, netlink.NeighSet(wrong))
	dead := func(s *State) bool {
		b := steeredBy(s, "b")
		return b.State == "dead" && b.Share == 0 && strings.HasPrefix(b.Why, "no answer")
	}
	s = until(t, o, "a path that answers no more is dead", dead)
	if x := steeredBy(s, "a"); x.State != "up" || x.Share < 0.99 {
		t.Errorf("the other path: %+v", x)
	}
	if !hasProblem(s, "warn", "the path ways both/b") {
		t.Errorf("problems: %+v", s.Problems)
	}
	o.Close()
	o = running(t, p)
	if b := steeredBy(o.State(), "b"); b.State != "dead" || b.Share != 0 {
		t.Errorf("the next engine let flows take a dead path, before it had measured: %+v", b)
	}
	until(t, o, "the next engine finds it dead", dead)
	step(t, netlink.NeighDel(wrong))
	until(t, o, "it answers again", func(s *State) bool { b := steeredBy(s, "b"); return b.State == "up" && b.Share > 0.1 })
	told := 0
	for _, e := range o.State().Events {
		if strings.HasPrefix(e.What, "path both/b, up1 via 10.8.1.1 of ways is ") {
			told++
		}
	}
	if told < 2 {
		t.Errorf("events: %+v", o.State().Events)
	}
}
