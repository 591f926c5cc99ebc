package doctor

import (
	"net"
	"os"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// sums has a NIC leave the checksums of what it sends to its hardware, or not (ETHTOOL_STXCSUM).
func sums(t *testing.T, name string, left uint32) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	command := struct{ number, value uint32 }{unix.ETHTOOL_STXCSUM, left}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // struct ifreq is 40 bytes
	}{data: unsafe.Pointer(&command)}
	copy(request.name[:], name)
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); e != 0 {
		t.Fatalf("sums of %s: %v", name, e)
	}
}

// TestWaysToLose: a machine on which somebody did one of these loses packets that no stage sees, and doctor names it, read
// from the kernel: what was not named before is named after, on what it was done to, with a command.
func TestWaysToLose(t *testing.T) {
	write := func(t *testing.T, name, value string) { must(t, os.WriteFile("/proc/sys/"+name, []byte(value), 0)) }
	eth0 := func(t *testing.T) netlink.Link { return nic(t, "eth0") }
	for _, way := range []struct {
		sentence string
		spec     string
		lose     func(t *testing.T)
		level    Level
		check    string
		on       string
	}{
		{"an MTU without room for the tunnel", balancerSpec, func(t *testing.T) { must(t, netlink.LinkSetMTU(eth0(t), 1500)) }, Warn, "mtu", "eth0"},
		{"a neighbour written down", balancerSpec, func(t *testing.T) {
			must(t, netlink.NeighSet(&netlink.Neigh{LinkIndex: eth0(t).Attrs().Index, IP: net.IPv4(10, 1, 1, 12), State: netlink.NUD_PERMANENT,
				HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 99}}))
		}, Warn, "next hop", "10.1.1.12"},
		{"no route to a backend", balancerSpec, func(t *testing.T) {
			_, host, err := net.ParseCIDR("10.1.1.12/32")
			must(t, err)
			must(t, netlink.RouteAdd(&netlink.Route{Dst: host, Type: 7})) // unreachable
		}, Crit, "next hop", "10.1.1.12"},
		{"a backend on this node", balancerSpec, func(t *testing.T) { address(t, "lo", "10.1.1.12/32") }, Crit, "next hop", "10.1.1.12"},
		{"a NIC that is switched off", balancerSpec, func(t *testing.T) { must(t, netlink.LinkSetDown(eth0(t))) }, Crit, "link", "eth0"},
		{"a cable without an other end", balancerSpec, func(t *testing.T) { must(t, netlink.LinkSetDown(nic(t, "far"))) }, Crit, "link", "eth0"},
		{"a NIC with another name", balancerSpec, func(t *testing.T) {
			must(t, netlink.LinkSetDown(eth0(t)))
			must(t, netlink.LinkSetName(eth0(t), "ens3"))
		}, Crit, "nic", "eth0"},
		{"somebody else's program", balancerSpec, func(t *testing.T) { pass(t, "eth0") }, Crit, "foreign program", "eth0"},
		{"an offload that leaves checksums to nobody", balancerSpec, func(t *testing.T) { sums(t, "far", 1) }, Crit, "veth", "eth0"},
		{"rp_filter, with replies by another NIC", agentSpec, func(t *testing.T) {
			write(t, "net/ipv4/conf/all/rp_filter", "1")
			must(t, netlink.RouteReplace(&netlink.Route{LinkIndex: nic(t, "far").Attrs().Index, Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}}))
		}, Crit, "rp_filter", "eth0"},
		{"a VIP that is no address of its backend", agentSpec, func(t *testing.T) {
			a, err := netlink.ParseAddr("10.99.0.1/32")
			must(t, err)
			must(t, netlink.AddrDel(nic(t, "lo"), a))
		}, Crit, "vip address", "10.99.0.1"},
		{"a backend that answers for the VIP", agentSpec, func(t *testing.T) { write(t, "net/ipv4/conf/all/arp_ignore", "0") }, Crit, "arp", "eth0"},
		{"clients that send full packets", agentSpec, func(t *testing.T) {
			must(t, netlink.LinkSetMTU(eth0(t), 1500))
			must(t, netlink.RouteReplace(&netlink.Route{LinkIndex: eth0(t).Attrs().Index, Gw: net.IPv4(10, 1, 1, 1)}))
		}, Warn, "mss", "eth0"},
	} {
		t.Run(way.sentence, func(t *testing.T) {
			wired(t)
			must(t, netlink.LinkSetMTU(eth0(t), 1600))
			write(t, "net/ipv4/conf/eth0/rp_filter", "0")
			write(t, "net/ipv4/conf/all/rp_filter", "0")
			write(t, "net/ipv4/conf/all/arp_ignore", "1")
			write(t, "net/ipv4/conf/all/arp_announce", "2")
			o := Options{Spec: parsed(t, way.spec), BPFFS: t.TempDir(), Node: "test", State: t.TempDir()}
			if way.check == "veth" {
				pass(t, "far")
				sums(t, "far", 0)
			}
			named := func() int {
				return slices.IndexFunc(Examine(Read(o)), func(f Finding) bool {
					return f.Level == way.level && f.Check == way.check && f.On == way.on && f.Cure != "" && f.Means != ""
				})
			}
			if way.sentence == "no route to a backend" || way.sentence == "a backend on this node" || way.sentence == "a neighbour written down" {
				must(t, netlink.NeighSet(&netlink.Neigh{LinkIndex: eth0(t).Attrs().Index, IP: net.IPv4(10, 1, 1, 12), State: netlink.NUD_STALE,
					HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 12}}))
			}
			if i := named(); i >= 0 {
				t.Fatal("it is named before it was done")
			}
			way.lose(t)
			i := named()
			for until := time.Now().Add(10 * time.Second); i < 0 && time.Now().Before(until); i = named() {
				time.Sleep(10 * time.Millisecond) // of a carrier the kernel tells a moment later
			}
			if i < 0 {
				for _, f := range Examine(Read(o)) {
					if f.Level != OK {
						t.Logf("%+v", f)
					}
				}
				t.Error("it is not named")
			}
		})
	}
}
