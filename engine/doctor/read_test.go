package doctor

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"hairpin/engine/nexthop"
)

// wired is a network namespace of the test's own, with eth0 and its other end, far, in which the thread stays.
func wired(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // and never unlocked: the thread ends with the test, and its namespace with it
	ns, err := netns.New()
	must(t, err)
	t.Cleanup(func() { ns.Close() })
	cable := netlink.NewVeth(netlink.LinkAttrs{Name: "eth0", MTU: 1500})
	cable.PeerName = "far"
	must(t, netlink.LinkAdd(cable))
	for _, name := range []string{"lo", "eth0", "far"} {
		must(t, netlink.LinkSetUp(nic(t, name)))
	}
	address(t, "eth0", "10.1.1.2/24")
	address(t, "lo", "10.99.0.1/32")
	must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: nic(t, "eth0").Attrs().Index, Gw: net.IPv4(10, 1, 1, 1), AdvMSS: 1400}))
	must(t, netlink.NeighSet(&netlink.Neigh{LinkIndex: nic(t, "eth0").Attrs().Index, IP: net.IPv4(10, 1, 1, 11), State: netlink.NUD_PERMANENT,
		HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 11}}))
	must(t, os.WriteFile("/proc/sys/net/ipv4/conf/eth0/rp_filter", []byte("1"), 0))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func nic(t *testing.T, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	must(t, err)
	return l
}

func address(t *testing.T, on, prefix string) {
	t.Helper()
	a, err := netlink.ParseAddr(prefix)
	must(t, err)
	must(t, netlink.AddrAdd(nic(t, on), a))
}

// pass attaches a program to far that is nobody's.
func pass(t *testing.T, name string) uint32 {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "stranger", Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}})
	must(t, err)
	t.Cleanup(func() { p.Close() })
	l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: nic(t, name).Attrs().Index})
	must(t, err)
	t.Cleanup(func() { l.Close() })
	info, err := p.Info()
	must(t, err)
	id, _ := info.ID()
	return uint32(id)
}

// TestRead: what a namespace is made of is what is read of it.
func TestRead(t *testing.T) {
	wired(t)
	id := pass(t, "far")
	f := Read(Options{Spec: parsed(t, balancerSpec), BPFFS: t.TempDir(), Node: "test", State: t.TempDir()})
	if len(f.Unread) != 0 {
		t.Errorf("not read: %+v", f.Unread)
	}
	if len(f.NICs) != 1 {
		t.Fatalf("%+v", f.NICs)
	}
	n := f.NICs[0]
	if n.Kind != "veth" || n.MTU != 1500 || !n.Up || !n.Carrier || n.Settings.Driver != "veth" || len(n.Sitting) != 0 || !n.Foreign {
		t.Errorf("%+v", n)
	}
	if n.Peer != (Peer{"far", true, true}) {
		t.Errorf("other end %+v", n.Peer)
	}
	if _, has := n.Settings.Features["rx-gro"]; !has || len(n.Settings.Features) < 30 {
		t.Errorf("features %v", n.Settings.Features)
	}
	if !n.XDP.Known && f.Kernel.Version >= version(6, 3) {
		t.Error("the kernel does not say what the driver can do at XDP")
	}
	if f.Sysctls["net/ipv4/conf/eth0/rp_filter"] != "1" {
		t.Errorf("settings %v: not this namespace's", f.Sysctls)
	}
	if f.Addresses[netip.MustParseAddr("10.99.0.1")] != "lo" || f.Addresses[netip.MustParseAddr("10.1.1.2")] != "eth0" {
		t.Errorf("addresses %v", f.Addresses)
	}
	if want := (Default{NIC: "eth0", Gateway: netip.MustParseAddr("10.1.1.1"), AdvMSS: 1400}); !slices.Contains(f.Defaults, want) {
		t.Errorf("routes %+v", f.Defaults)
	}
	if f.Hops[b11].State != nexthop.Permanent || f.Hops[b12].Usable() {
		t.Errorf("ways %+v", f.Hops)
	}
	if f.CPUs < 1 || f.Kernel.Version < version(5, 0) || !f.Kernel.Probed || f.Memory.Available == 0 || f.Memory.Maps < 1<<20 || f.Held == nil {
		t.Errorf("machine %+v", f)
	}
	if f.Returned.At.IsZero() {
		t.Error("nobody read what others say of what is sent")
	}
	if f.BPFFS.Mounted || f.State.Why != "" {
		t.Errorf("folders %+v %+v", f.BPFFS, f.State)
	}
	f = Read(Options{BPFFS: t.TempDir(), State: filepath.Join(t.TempDir(), "none")})
	i := slices.IndexFunc(f.NICs, func(n NIC) bool { return n.Name == "far" })
	if i < 0 || len(f.NICs) != 2 {
		t.Fatalf("without a spec: %+v", f.NICs)
	}
	if s := f.NICs[i].Sitting; len(s) != 1 || s[0].ID != id || s[0].Name != "stranger" || s[0].Ours || s[0].Mode != "native" {
		t.Errorf("programs %+v", s)
	}
}

// TestReadAsNobody: what only root may see is said to be unknown, and the rest is read.
func TestReadAsNobody(t *testing.T) {
	wired(t)
	for _, id := range []uintptr{unix.SYS_SETRESGID, unix.SYS_SETRESUID} { // of this thread alone, which ends with the test
		if _, _, errno := unix.RawSyscall(id, 65534, 65534, 65534); errno != 0 {
			t.Fatal(errno)
		}
	}
	f := Read(Options{Spec: parsed(t, balancerSpec), BPFFS: "/sys/fs/bpf", State: "/var/lib/hairpin"})
	// The answers of an earlier test are remembered.
	if !f.Kernel.Probed && !slices.ContainsFunc(f.Unread, func(u Unread) bool { return u.What == "what the kernel can do" && u.Cure != "" }) {
		t.Errorf("nobody knows what the kernel can do: %+v", f.Unread)
	}
	if len(f.NICs) != 1 || f.NICs[0].Settings.Driver != "veth" || len(f.Hops) != 2 {
		t.Errorf("nobody sees no NICs: %+v, %+v", f.NICs, f.Unread)
	}
	if i := slices.IndexFunc(Examine(f), func(x Finding) bool { return x.Check == "privileges" && x.Level == Warn }); i < 0 {
		t.Errorf("nobody could own a node: %+v", f.Held)
	}
}

func TestReadings(t *testing.T) {
	for text, want := range map[string]uint32{"6.1.0-28-amd64": version(6, 1), "5.15.167": version(5, 15) | 167, "6.12": version(6, 12), "": 0, "x": 0, "6.6-rc1": version(6, 6)} {
		if got := parseVersion(text); got != want {
			t.Errorf("%q is %#x, want %#x", text, got, want)
		}
	}
	for text, want := range map[string][]int{"0-2,5\n": {0, 1, 2, 5}, "7": {7}, "": nil, "3-1": nil, "a": nil} {
		if got := cpuList(text); !slices.Equal(got, want) {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
	if got := lockdown("none [integrity] confidentiality"); got != "integrity" {
		t.Error(got)
	}
	if got := softnet([]byte("00a0 00000001 00000010 0\n00a0 00000002 00000001 0\nx\n")); got != (Softnet{3, 17}) {
		t.Error(got)
	}
	four := "Icmp: InMsgs InErrors InDestUnreachs\nIcmp: 9 1 3\nIcmpMsg: InType3\nIcmpMsg: 3\nUdp: InDestUnreachs\nUdp: 70\n"
	six := "Ip6InReceives                   	500\nIcmp6InDestUnreachs             	4\nIcmp6InPktTooBigs               	5\nIcmp6OutPktTooBigs              	80\n"
	if got := returned([]byte(four), []byte(six)); got != 12 {
		t.Errorf("%d messages, want 12", got)
	}
	for name, want := range map[string]bool{"virtio0-input.0": true, "virtio0-output.0": false, "virtio0-config": false, "eth0-TxRx-1": true, "mlx5_comp3@pci:0": true} {
		if receivesBy(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
