package datapath

import (
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"hairpin/bpf"
	"hairpin/engine/spec"
)

// member is where a field of a C struct lies, in bytes.
type member struct{ offset, size int }

// members are the fields of a C struct, those of unnamed structs and unions inside it too, by their names in lower case
// without underlines.
func members(t *testing.T, s btf.Type, base int, into map[string]member) {
	t.Helper()
	var list []btf.Member
	switch s := btf.UnderlyingType(s).(type) {
	case *btf.Struct:
		list = s.Members
	case *btf.Union:
		list = s.Members
	default:
		t.Fatalf("%v is no struct", s)
	}
	for _, m := range list {
		offset := base + int(m.Offset.Bytes())
		if m.Name == "" {
			members(t, m.Type, offset, into)
			continue
		}
		size, err := btf.Sizeof(m.Type)
		if err != nil {
			t.Fatal(err)
		}
		into[strings.ReplaceAll(strings.ToLower(m.Name), "_", "")] = member{offset, size}
	}
}

// memberOf is where a member of a struct of an object lies.
func memberOf(t *testing.T, types *btf.Spec, name, field string) member {
	t.Helper()
	var c *btf.Struct
	if err := types.TypeByName(name, &c); err != nil {
		t.Fatal(err)
	}
	fields := map[string]member{}
	members(t, c, 0, fields)
	return fields[field]
}

// TestLayout compares every struct that both sides read with what the compiler made of bpf/abi.h.
func TestLayout(t *testing.T) {
	names := map[string]string{"MAC": "machead", "Addresses": "src4"} // several fields of C in one of Go
	for _, row := range []struct {
		load func() (*ebpf.CollectionSpec, error)
		name string
		of   any
	}{
		{bpf.LoadGate, "control", Control{}},
		{bpf.LoadGate, "gate_args", gateArgs{}},
		{bpf.LoadParse, "generation", Generation{}},
		{bpf.LoadParse, "row", rowSettings{}},
		{bpf.LoadParse, "vip", VIP{}},
		{bpf.LoadBalancer, "backend", backend{}},
		{bpf.LoadBalancer, "settling", settling{}},
		{bpf.LoadBalancer, "quic", QUICCount{}},
		{bpf.LoadBalancer, "counters", counters{}},
		{bpf.LoadBalancer, "count", Count{}},
		{bpf.LoadBalancer, "drop", drop{}},
		{bpf.LoadBalancer, "cost", Cost{}}, {bpf.LoadBalancer, "told", told{}},
		{bpf.LoadBalancer, "passage", passage{}},
		{bpf.LoadBalancer, "note", Note{}},
		{bpf.LoadBalancer, "clients", Clients{}},
		{bpf.LoadBalancer, "sight", Sight{}},
		{bpf.LoadDry, "trail", trail{}},
		{bpf.LoadFirewall, "firewall", firewall{}},
		{bpf.LoadRatelimit, "ratelimit", rateLimit{}},
		{bpf.LoadRatelimit, "scope", sourceScope{}},
		{bpf.LoadRatelimit, "vip_rates", vipRates{}},
		{bpf.LoadRatelimit, "vip_tenants", vipTenants{}},
		{bpf.LoadRatelimit, "window", window{}},
		{bpf.LoadRatelimit, "judged", Judged{}},
		{bpf.LoadRatelimit, "source_set", sourceSet{}},
		{bpf.LoadRatelimit, "offender", offender{}},
		{bpf.LoadDecap, "agent_settings", agentSettings{}},
		{bpf.LoadDecap, "agent_vip", agentVIP{}},
		{bpf.LoadDecap, "agent_count", AgentCount{}},
		{bpf.LoadDecap, "agent_counts", agentCounts{}},
		{bpf.LoadDecap, "stranger", stranger{}},
		{bpf.LoadDecap, "strange", strange{}},
		{bpf.LoadSnat, "nat_set", natSet{}},
		{bpf.LoadRoot, "entry", entry{}},
		{bpf.LoadTlswall, "tlswall", tlsWall{}},
		{bpf.LoadTlswall, "wall_allow", wallAllow{}},
		{bpf.LoadTlswall, "wall_flow", wallFlow{}},
		{bpf.LoadTlswall, "wall_set", wallSet{}},
		{bpf.LoadMirror, "mirror", mirror{}},
		{bpf.LoadMirror, "mirrored", mirrored{}},
		{bpf.LoadSteer, "steer", steer{}}, {bpf.LoadSteer, "steer_rule", steerRule{}}, {bpf.LoadSteer, "steer_path", steerPath{}},
		{bpf.LoadSteer, "steer_group", steerGroup{}}, {bpf.LoadSteer, "steer_cgroup", steerCgroup{}}, {bpf.LoadSteer, "steer_flow", steerFlow{}},
		{bpf.LoadSteer, "steer_set", steerSet{}}, {bpf.LoadSteer, "steer_hot", steerHot{}}, {bpf.LoadSteer, "steer_counts", steerCounts{}},
		{bpf.LoadTlswall, "own_counts", ownCounts{}},
		{bpf.LoadCapture, "capture", captureSettings{}},
		{bpf.LoadCapture, "capture_tally", captureTally{}},
		{bpf.LoadCapture, "captured", Captured{}},
	} {
		objects, err := row.load()
		if err != nil {
			t.Fatal(err)
		}
		var c *btf.Struct
		if err := objects.Types.TypeByName(row.name, &c); err != nil {
			t.Errorf("struct %s: %v", row.name, err)
			continue
		}
		fields := map[string]member{}
		members(t, c, 0, fields)
		of := reflect.TypeOf(row.of)
		if int(of.Size()) != int(c.Size) {
			t.Errorf("struct %s has %d bytes in C, %d in Go", row.name, c.Size, of.Size())
		}
		for i := range of.NumField() {
			f := of.Field(i)
			name, several := names[f.Name]
			if f.Name == "_" {
				continue
			}
			if !several {
				name = strings.ToLower(f.Name)
			}
			m, ok := fields[name]
			if !ok || m.offset != int(f.Offset) || !several && m.size != int(f.Type.Size()) {
				t.Errorf("struct %s: %s lies at %d with %d bytes in Go, in C at %+v", row.name, f.Name, f.Offset, f.Type.Size(), m)
			}
		}
	}
}

// TestConstants compares the numbers of bpf/abi.h with those of this package.
func TestConstants(t *testing.T) {
	defined := map[string]string{}
	for _, name := range []string{"abi.h", "abi_vip.h", "abi_ratelimit.h", "abi_clients.h", "abi_capture.h", "abi_tlswall.h", "abi_mirror.h", "abi_steer.h", "own.h"} {
		header, err := os.ReadFile("../../bpf/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^#define (\w+)\s+(\w+)`).FindAllSubmatch(header, -1) {
			defined[string(m[1])] = string(m[2])
		}
	}
	for name, want := range map[string]int64{
		"GENERATIONS": Generations, "CHAINS": Chains, "POSITIONS": Positions, "REASONS": Reasons, "VIPS": VIPs,
		"VIP_TABLE": VIPTable, "VIP_CHAIN": VIPChain, "BACKENDS": Backends, "SEGMENTS": Segments,
		"SEGMENT_SLOTS": SegmentSlots, "SETS": Sets, "SET_WAYS": SetWays,
		"GENERATION_LIVE": GenerationLive, "GENERATION_ANY_PORT": GenerationAnyPort,
		"VIP_SETTLING": VIPSettling, "VIP_IPIP": VIPIPIP, "VIP_STICKY": VIPSticky, "VIP_ADDRESS": VIPAddress,
		"VIP_QUIC": VIPQUIC, "VIP_ID": VIPID, "WAYS": Ways, "WAY_LENGTHS": wayLengths, "VIP_BITS4": vipBits4, "VIP_BITS6": vipBits6, "GENERATION_WIDE": GenerationWide, "ROUTES": spec.MaxRoutes, "VIP_LOCAL": VIPLocal, "VIP_TUNNEL": VIPTunnel, "VIP_HANDOVER": VIPHandover, "VIP_REHASHED": VIPRehashed, "VIP_HASH_SHIFT": vipHashShift, "VIP_PARTS": VIPParts,
		"QUIC_PARTS": QUICParts, "QUIC_NUM_SHIFT": quicNumShift, "QUIC_BACKEND_SHIFT": quicBackendShift, "BACKEND_DOWN": BackendDown,
		"FIREWALLS": Firewalls, "RULES": Rules, "RULE_COUNTERS": RuleCounters,
		"PREFIX_SEGMENTS": PrefixSegments, "PREFIX_NODES": PrefixNodes, "PREFIX_BLOCK": PrefixBlock,
		"RATELIMITS": RateLimits, "RATES": Rates, "SCOPES": Scopes, "WINDOWS": Windows, "WINDOW_SLOTS": WindowSlots,
		"RATELIMIT_VIPS": VIPs, "SOURCE_SETS": SourceSets, "SOURCE_WAYS": SourceWays, "SOURCE_SLOTS": SourceSlots,
		"OFFENDERS": Offenders, "SEEN_SYNS": seenSYNs, "RATELIMIT_OFFERED": rateLimitOffered, "RATELIMIT_RESET": rateLimitReset,
		"RATELIMIT_SEVERAL": rateLimitSeveral,
		"CAPTURES":          Captures, "CAPTURE_SNAP": CaptureSnap, "POINT_CAME": PointCame, "POINT_LEFT": PointLeft, "POINT_BETWEEN": PointBetween,
		"GENERATION_CAPTURED": GenerationCaptured,
		"TLSWALLS":            TLSWalls, "WALL_SETS": WallSets, "WALL_WAYS": WallWays, "WALL_ALLOWS": WallAllows, "TLSWALL_RESET": tlsWallReset,
		"TLSWALL_STRICT": tlsWallStrict, "TLSWALL_OF_VIP": tlsWallOfVIP, "OWN_COUNTS": ownEach, "MIRRORS": Mirrors, "MIRROR_SNAP": MirrorSnap, "MIRROR_MARK": MirrorMark,
		"STEERS": Steers, "STEER_RULES": SteerRules, "STEER_PATHS": SteerPaths, "STEER_GROUPS": SteerGroups, "STEER_GROUP_PATHS": SteerGroupPaths,
		"STEER_SLOTS": SteerSlots, "STEER_CGROUPS": SteerCgroups, "STEER_SETS": SteerSets, "STEER_WAYS": SteerWays, "STEER_HOTS": SteerHots,
		"STEER_DEVICES": SteerDevices, "STEER_MARK": SteerMark, "STEER_STRICT": steerStrict, "STEER_ASKS_SOURCE": steerAsksSource,
		"STEER_PATH_UP": steerPathUp, "STEER_PATH_ALIVE": steerPathAlive,
		"SLOT_MARK": slotMark, "SLOT_ID": slotID,
		"BACKEND_NEW": BackendNew, "BACKEND_GONE": BackendGone, "BACKEND_REACHABLE": BackendReachable, "BACKEND_OUT": BackendOut,
		"ENTRY_AGE_SHIFT": entryAgeShift, "ENTRY_AGE_MASK": entryAgeMask,
		"LIFE_UNCONFIRMED": lifeUnconfirmed, "LIFE_CLOSING": lifeClosing, "SKEW": skew,
	} {
		if got, err := strconv.ParseInt(defined[name], 0, 64); err != nil || got != want {
			t.Errorf("%s is %q in C, %d in Go", name, defined[name], want)
		}
	}
}

// TestElementsAreSmall: an element of more than 4 MiB is refused before Linux 6.0.
func TestElementsAreSmall(t *testing.T) {
	for _, st := range append([]stage{{name: ""}}, stages...) {
		specs, err := mapSpecs(st.name)
		if err != nil {
			t.Fatal(err)
		}
		for pin, s := range specs {
			if s.InnerMap != nil {
				s = s.InnerMap
			}
			if s.ValueSize > 4<<20 {
				t.Errorf("map %s: an element has %d bytes", pin, s.ValueSize)
			}
		}
	}
}

// TestFlowHashes: these numbers are the same on every node and in every version, or a rolling upgrade moves connections.
func TestFlowHashes(t *testing.T) {
	for _, row := range []struct {
		src, dst string
		want     uint64
	}{
		{"198.51.100.7:40000", "10.99.0.1:80", 0x204ffa065105791d},
		{"198.51.100.7:40001", "10.99.0.1:80", 0x24706bbb5e81eeb7},
		{"255.255.255.255:65535", "10.99.0.1:65535", 0x64b5720b4b825f21},
		{"[2001:db8::7]:40000", "[fd00:99::1]:80", 0xf4ada3adacd6489d},
		{"[2001:db8::7]:40000", "[fd00:99::1]:443", 0xf9f50699188e5445},
	} {
		if got := FlowHash(netip.MustParseAddrPort(row.src), netip.MustParseAddrPort(row.dst)); got != row.want {
			t.Errorf("%s to %s: %#x, want %#x", row.src, row.dst, got, row.want)
		}
	}
}
