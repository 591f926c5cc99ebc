package doctor

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/nexthop"
	"hairpin/engine/nicstats"
	"hairpin/engine/privilege"
	"hairpin/engine/spec"
)

const balancerSpec = `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, encap: gue, backends: [{address: 10.1.1.11}, {address: 10.1.1.12}]}
`

const agentSpec = `
version: 1
nics: {eth0: {xdp: [decap]}}
agent: {vips: [10.99.0.1, "fd00:99::1"], mode: dsr}
`

func parsed(t *testing.T, text string) *spec.Spec {
	t.Helper()
	s, err := spec.Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var (
	b11 = netip.MustParseAddr("10.1.1.11")
	b12 = netip.MustParseAddr("10.1.1.12")
)

// machine has nothing to complain of.
func machine() *Facts {
	held := map[string]bool{}
	for _, n := range privilege.Needs() {
		held[n.Name] = true
	}
	hop := nexthop.NextHop{NIC: "eth0", IfIndex: 2, MTU: 1600, State: nexthop.Reachable, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}}
	off := nicstats.Feature{}
	return &Facts{CPUs: 4, Held: held,
		Kernel: Kernel{Release: "6.12.1", Version: version(6, 12), Probed: true, BTF: true, Lockdown: "none"},
		Clock:  Clock{Known: true, Synchronized: true, Source: "tsc"},
		Memory: Memory{Available: 1 << 30, Maps: 100 << 20},
		BPFFS:  BPFFS{Path: "/sys/fs/bpf", Mounted: true},
		State:  Folder{Path: "/var/lib/hairpin"},
		NICs: []NIC{{Name: "eth0", Index: 2, Kind: "device", Up: true, Carrier: true, MTU: 1600, Foreign: true,
			XDP: XDP{Known: true, Native: true}, Sitting: []datapath.Sitting{{Hook: "xdp", Mode: "native", ID: 7, Ours: true}},
			Settings: nicstats.Settings{Driver: "ice", RxRing: nicstats.Bound{Now: 2048, Most: 4096}, Channels: nicstats.Bound{Now: 4, Most: 8},
				Features: map[string]nicstats.Feature{"rx-lro": off, "rx-gro-hw": off, "rx-gro": {On: true}, "rx-checksum": {On: true}, "rx-vlan-hw-parse": {On: true}}},
			IRQs: []IRQ{{30, "ice-eth0-TxRx-0", []int{0}}, {31, "ice-eth0-TxRx-1", []int{1}}, {32, "ice-eth0-TxRx-2", []int{2}}, {33, "ice-eth0-TxRx-3", []int{3}}}}},
		Hops:      map[netip.Addr]nexthop.NextHop{b11: hop, b12: hop},
		Addresses: map[netip.Addr]string{netip.MustParseAddr("10.99.0.1"): "lo", netip.MustParseAddr("fd00:99::1"): "lo"},
		Defaults:  []Default{{NIC: "eth0", Gateway: netip.MustParseAddr("10.1.1.1")}},
		Sysctls: map[string]string{"net/core/bpf_jit_enable": "1", "net/core/bpf_jit_harden": "0", "kernel/bpf_stats_enabled": "0",
			"net/netfilter/nf_conntrack_count": "10", "net/netfilter/nf_conntrack_max": "1000", "net/ipv4/neigh/default/gc_thresh3": "1024",
			"net/ipv4/tcp_mtu_probing": "1", "net/ipv4/conf/all/rp_filter": "0", "net/ipv4/conf/eth0/rp_filter": "0",
			"net/ipv4/conf/all/arp_ignore": "1", "net/ipv4/conf/all/arp_announce": "2", "net/ipv4/conf/eth0/arp_ignore": "0",
			"net/ipv4/conf/eth0/arp_announce": "0"}}
}

// ill is a machine with one thing wrong, and what is to be said of it.
type ill struct {
	sentence string
	make     func(*Facts)
	want     string // level, check, on
	cure     string // part of it
}

func hop(f *Facts, a netip.Addr, change func(*nexthop.NextHop)) {
	h := f.Hops[a]
	change(&h)
	f.Hops[a] = h
}

func feature(f *Facts, name string, on bool) {
	f.NICs[0].Settings.Features[name] = nicstats.Feature{On: on}
}

func everywhere() []ill {
	nic := func(change func(*NIC)) func(*Facts) { return func(f *Facts) { change(&f.NICs[0]) } }
	setting := func(name, value string) func(*Facts) { return func(f *Facts) { f.Sysctls[name] = value } }
	return []ill{
		{"an old kernel", func(f *Facts) { f.Kernel.Version = version(5, 10) }, "crit kernel", "5.15"},
		{"one that keeps no neighbours", func(f *Facts) { f.Kernel.Version = version(5, 15) | 7 }, "info kernel", ""},
		{"one without tcx", func(f *Facts) { f.Kernel.Version = version(6, 1) }, "info kernel", ""},
		{"no timers", func(f *Facts) { f.Kernel.Missing = map[string]string{"timers": "not supported"} }, "crit kernel functions", "CONFIG_BPF_SYSCALL"},
		{"no types", func(f *Facts) { f.Kernel.BTF = false }, "warn btf", "CONFIG_DEBUG_INFO_BTF"},
		{"an interpreter", setting("net/core/bpf_jit_enable", "0"), "warn jit", "sysctl -w net.core.bpf_jit_enable=1"},
		{"blinded constants", setting("net/core/bpf_jit_harden", "2"), "warn jit", "sysctl -w net.core.bpf_jit_harden=1"},
		{"timed programs", setting("kernel/bpf_stats_enabled", "1"), "warn statistics", "sysctl -w kernel.bpf_stats_enabled=0"},
		{"a locked kernel", func(f *Facts) { f.Kernel.Lockdown = "confidentiality" }, "warn lockdown", "boot without"},
		{"nobody's rights", func(f *Facts) { f.Held = map[string]bool{} }, "warn privileges", "sudo"},
		{"rights for less", func(f *Facts) { f.Held["cap_sys_ptrace"] = false }, "info privileges", "hairpin privileges"},
		{"no bpffs", func(f *Facts) { f.BPFFS.Mounted = false }, "crit bpffs", "mount -t bpf bpf /sys/fs/bpf"},
		{"a bpffs of one's own", func(f *Facts) { f.BPFFS.Private = true }, "warn bpffs", "nsenter"},
		{"a clock that drifts", func(f *Facts) { f.Clock.Synchronized = false }, "warn clock", "timedatectl"},
		{"a slow clock", func(f *Facts) { f.Clock.Source = "hpet" }, "warn clock source", "current_clocksource"},
		{"no memory", func(f *Facts) { f.Memory.Available = 50 << 20 }, "crit memory", "free"},
		{"little memory", func(f *Facts) { f.Memory.Available = 150 << 20 }, "warn memory", "free"},
		{"a full disk", func(f *Facts) { f.State.Why, f.State.Full = "is full", true }, "crit state folder", "du "},
		{"a disk that fills up", func(f *Facts) { f.State.Why = "is nearly full" }, "warn state folder", "du "},
		{"full tracking", setting("net/netfilter/nf_conntrack_count", "990"), "crit conntrack", "sysctl -w net.netfilter.nf_conntrack_max=4000"},
		{"tracking that fills up", setting("net/netfilter/nf_conntrack_count", "800"), "warn conntrack", "4000"},
		{"no NIC", nic(func(n *NIC) { *n = NIC{Name: "eth0"} }), "crit nic eth0", "ip -br link"},
		{"a NIC that is off", nic(func(n *NIC) { n.Up = false }), "crit link eth0", "ip link set dev eth0 up"},
		{"no carrier", nic(func(n *NIC) { n.Carrier = false }), "crit link eth0", "cable"},
		{"a NIC on which somebody captures", nic(func(n *NIC) { n.Promisc = true }), "info stations eth0", ""},
		{"generic for its MTU", nic(func(n *NIC) {
			n.Sitting[0].Mode = "generic"
			n.Settings.Features["rx-gro"] = nicstats.Feature{}
			n.XDP.Why = "the driver refused native XDP at MTU 9000; it runs up to 3506: ip link set dev eth0 mtu 3506"
		}), "warn xdp eth0", "ip link set dev eth0 mtu 3506"},
		{"generic for its driver", nic(func(n *NIC) { n.Sitting, n.XDP.Native = nil, false }), "warn xdp eth0", "another|put the chain on a NIC"},
		{"native, but not so", nic(func(n *NIC) { n.Sitting, n.XDP.Why = nil, "too few queues: give it 8" }), "warn xdp eth0", "give it 8"},
		{"an unknown driver", nic(func(n *NIC) { n.Sitting, n.XDP = nil, XDP{} }), "info xdp eth0", ""},
		{"somebody's XDP", nic(func(n *NIC) { n.Sitting[0] = datapath.Sitting{Hook: "xdp", Mode: "native", ID: 9, Name: "cil_xdp"} }),
			"crit foreign program eth0", "ip link set dev eth0 xdp off"},
		{"somebody's tc", nic(func(n *NIC) { n.Sitting = append(n.Sitting, datapath.Sitting{Hook: "tcx_ingress", ID: 9}) }), "info foreign program eth0", ""},
		{"who knows whose", nic(func(n *NIC) {
			n.Foreign = false
			n.Sitting = append(n.Sitting, datapath.Sitting{Hook: "tc", Name: "u32"})
		}), "unknown foreign program eth0", "sudo"},
		{"LRO", func(f *Facts) { feature(f, "rx-lro", true) }, "crit lro eth0", "ethtool -K eth0 lro off"},
		{"GRO in hardware", func(f *Facts) { feature(f, "rx-gro-hw", true) }, "warn gro eth0", "ethtool -K eth0 rx-gro-hw off"},
		{"VLANs", nic(func(n *NIC) { n.VLANs = true }), "warn vlan offload eth0", "ethtool -K eth0 rxvlan off"},
		{"idle CPUs", nic(func(n *NIC) { n.Settings.Channels.Now = 1 }), "warn queues eth0", "ethtool -L eth0 combined 4"},
		{"one queue", nic(func(n *NIC) { n.Settings.Channels = nicstats.Bound{Now: 1, Most: 1} }), "info queues eth0", ""},
		{"one CPU for all interrupts", nic(func(n *NIC) {
			for i := range n.IRQs {
				n.IRQs[i].CPUs = []int{2}
			}
		}), "warn irqs eth0", "echo 3 > /proc/irq/33/smp_affinity_list"},
		{"a small ring", nic(func(n *NIC) { n.Settings.RxRing.Now = 256 }), "info rings eth0", "ethtool -G eth0 rx 1024"},
		{"a full ring", nic(func(n *NIC) { n.Stats.RxMissed = 3 }), "warn lost by the nic eth0", "ethtool -G eth0 rx 4096"},
		{"a full backlog", func(f *Facts) { f.Softnet.Dropped = 3 }, "warn backlog", "net.core.netdev_max_backlog"},
		{"a squeezed backlog", func(f *Facts) { f.Softnet.Squeezed = 3 }, "info backlog", "net.core.netdev_budget"},
		{"what cannot be read", func(f *Facts) { f.Unread = []Unread{{"eth0", "settings", "no", "sudo hairpin doctor"}} }, "unknown unread eth0", "sudo"},
	}
}

func ofBalancers() []ill {
	state := func(s nexthop.State) func(*Facts) {
		return func(f *Facts) { hop(f, b12, func(h *nexthop.NextHop) { h.State, h.Why = s, "so it is" }) }
	}
	return []ill{
		{"GRO before generic XDP", func(f *Facts) { f.NICs[0].Sitting[0].Mode = "generic" }, "warn gro eth0", "ethtool -K eth0 gro off"},
		{"no route", state(nexthop.NoRoute), "crit next hop 10.1.1.12", "ip route add 10.1.1.12/32 via"},
		{"no answer", state(nexthop.Failed), "crit next hop 10.1.1.12", "ping -c 3 -I eth0 10.1.1.12"},
		{"its own backend", state(nexthop.Local), "crit next hop 10.1.1.12", "another machine"},
		{"a NIC that is down", state(nexthop.Down), "crit next hop 10.1.1.12", "ip link set dev eth0 up"},
		{"a tunnel", state(nexthop.Unfit), "crit next hop 10.1.1.12", "ip route get"},
		{"another NIC", func(f *Facts) { hop(f, b11, func(h *nexthop.NextHop) { h.NIC = "eth1" }) }, "crit next hop 10.1.1.11", "ip route get eth1|balancer"},
		{"a MAC by hand", state(nexthop.Permanent), "warn next hop 10.1.1.12", "ip neigh del 10.1.1.12 dev eth0"},
		{"no room for the tunnel", func(f *Facts) { hop(f, b11, func(h *nexthop.NextHop) { h.MTU = 1500 }) }, "warn mtu eth0", "ip link set dev eth0 mtu 1600"},
		{"tunnels that come back", func(f *Facts) {
			f.Earlier = &Returned{At: time.Unix(100, 0), Messages: 40}
			f.Returned = Returned{At: time.Unix(130, 0), Messages: 45}
		}, "warn returned", "hairpin capture"},
		{"tunnels that came back", func(f *Facts) { f.Returned = Returned{At: time.Unix(130, 0), Messages: 45} }, "info returned", "hairpin capture"},
		{"few neighbours", func(f *Facts) { f.Sysctls["net/ipv4/neigh/default/gc_thresh3"] = "2" }, "warn neighbour table", "sysctl -w net.ipv4.neigh.default.gc_thresh3=8"},
		{"a veth that leaves sums", func(f *Facts) { f.NICs[0].Kind, f.NICs[0].Peer = "veth", Peer{"veth1", true, true} }, "crit veth eth0", "ethtool -K veth1 tx off"},
		{"a veth without a program", func(f *Facts) { f.NICs[0].Kind, f.NICs[0].Peer = "veth", Peer{"veth1", false, false} }, "crit veth eth0", "xdp_pass"},
		{"a veth that leads elsewhere", func(f *Facts) { f.NICs[0].Kind = "veth" }, "info veth eth0", "ethtool -K NIC tx off"},
	}
}

func ofBackends() []ill {
	setting := func(name, value string) func(*Facts) { return func(f *Facts) { f.Sysctls[name] = value } }
	return []ill{
		{"no sums", func(f *Facts) { feature(f, "rx-checksum", false) }, "info checksum eth0", "ethtool -K eth0 rx on"},
		{"a VIP that is not there", func(f *Facts) { delete(f.Addresses, netip.MustParseAddr("fd00:99::1")) }, "crit vip address fd00:99::1",
			"ip addr add fd00:99::1/128 dev lo"},
		{"answers for the VIP", setting("net/ipv4/conf/all/arp_ignore", "0"), "crit arp eth0", "sysctl -w net.ipv4.conf.all.arp_ignore=1"},
		{"asks as the VIP", setting("net/ipv4/conf/all/arp_announce", "0"), "warn arp eth0", "sysctl -w net.ipv4.conf.all.arp_announce=2"},
		{"strict, replies elsewhere", func(f *Facts) { f.Sysctls["net/ipv4/conf/eth0/rp_filter"], f.Defaults[0].NIC = "1", "eth1" }, "crit rp_filter eth0",
			"sysctl -w net.ipv4.conf.eth0.rp_filter=0"},
		{"strict", setting("net/ipv4/conf/all/rp_filter", "1"), "warn rp_filter eth0", "sysctl -w net.ipv4.conf.all.rp_filter=0"},
		{"loose, no way to clients", func(f *Facts) { f.Sysctls["net/ipv4/conf/eth0/rp_filter"], f.Defaults = "2", nil }, "crit rp_filter eth0", "rp_filter=0"},
		{"full packets", func(f *Facts) { f.NICs[0].MTU = 1500 }, "warn mss eth0", "ip route change default via 10.1.1.1 dev eth0 advmss 1428"},
		{"no probing", setting("net/ipv4/tcp_mtu_probing", "0"), "info mtu probing", "sysctl -w net.ipv4.tcp_mtu_probing=1"},
	}
}

// TestChecks: one thing wrong is one finding, with a cure, and nothing else changes its level.
func TestChecks(t *testing.T) {
	seen := map[string]bool{}
	for role, text := range map[string]string{"balancer": balancerSpec, "backend": agentSpec} {
		rows := append(everywhere(), ofBalancers()...)
		if role == "backend" {
			rows = append(everywhere(), ofBackends()...)
		}
		for _, r := range rows {
			t.Run(role+": "+r.sentence, func(t *testing.T) {
				f := machine()
				f.Spec = parsed(t, text)
				r.make(f)
				bad := slices.DeleteFunc(Examine(f), func(x Finding) bool { return x.Level == OK })
				if r.sentence == "GRO before generic XDP" { // which is another warning
					bad = slices.DeleteFunc(bad, func(x Finding) bool { return x.Check == "xdp" })
				}
				if len(bad) != 1 {
					t.Fatalf("%d findings, want one: %+v", len(bad), bad)
				}
				x := bad[0]
				if got := strings.TrimSpace(fmt.Sprintf("%s %s %s", x.Level, x.Check, x.On)); got != r.want {
					t.Errorf("found %q, want %q: %+v", got, r.want, x)
				}
				if !slices.ContainsFunc(strings.Split(r.cure, "|"), func(part string) bool { return strings.Contains(x.Cure, part) }) || (x.Level == Crit || x.Level == Warn) && x.Cure == "" {
					t.Errorf("cure %q, want %q", x.Cure, r.cure)
				}
				if x.What == "" || strings.HasSuffix(x.What, ".") || x.Level != Unknown && x.Level != Info && x.Means == "" {
					t.Errorf("says too little: %+v", x)
				}
				seen[x.Check] = true
			})
		}
	}
	for _, c := range checks() {
		if !seen[c.name] {
			t.Errorf("no row makes %q complain", c.name)
		}
	}
}

// TestTranslating: where an agent translates, the addresses that must be the machine's are those of its servers, and nobody asks
// it for the VIPs.
func TestTranslating(t *testing.T) {
	f := machine()
	f.Spec = parsed(t, strings.NewReplacer("xdp: [decap]", "xdp: [decap], tcx_egress: [snat]", "mode: dsr", "mode: snat, local: [10.1.1.2, \"fd00:1:1::9\"]").Replace(agentSpec))
	f.Addresses = map[netip.Addr]string{netip.MustParseAddr("10.1.1.2"): "eth0"}
	f.Sysctls["net/ipv4/conf/all/arp_ignore"] = "0"
	var crit []string
	for _, x := range Examine(f) {
		if x.Level == Crit {
			crit = append(crit, x.Check+" "+x.On)
		}
	}
	if !slices.Equal(crit, []string{"vip address fd00:1:1::9"}) {
		t.Errorf("%q", crit)
	}
}

// TestHealthy: what is as it should be is said too, and the worst stands first.
func TestHealthy(t *testing.T) {
	for _, text := range []string{balancerSpec, agentSpec} {
		f := machine()
		f.Spec = parsed(t, text)
		for _, x := range Examine(f) {
			if x.Level != OK || x.What == "" || x.Cure != "" {
				t.Errorf("%+v", x)
			}
		}
	}
	f := machine()
	f.Spec = parsed(t, balancerSpec)
	f.BPFFS.Mounted, f.Kernel.BTF, f.Softnet.Squeezed = false, false, 1
	f.Unread = []Unread{{What: "a"}}
	var levels []Level
	for _, x := range Examine(f) {
		levels = append(levels, x.Level)
	}
	if !slices.IsSortedFunc(levels, func(a, b Level) int { return a.rank() - b.rank() }) || levels[0] != Crit || levels[len(levels)-1] != OK {
		t.Error(levels)
	}
}

// TestNothingKnown: no check takes what is not known for wrong, or panics.
func TestNothingKnown(t *testing.T) {
	for _, s := range []*spec.Spec{nil, parsed(t, balancerSpec), parsed(t, agentSpec)} {
		for _, x := range Examine(&Facts{Spec: s}) {
			if x.Level == Crit && x.Check != "nic" {
				t.Errorf("%+v", x)
			}
		}
	}
}
