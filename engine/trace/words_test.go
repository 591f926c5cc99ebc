package trace

import (
	"net/netip"
	"strings"
	"testing"

	"hairpin/engine/datapath"
	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// room1 says of every limit that one connection was counted.
type room1 struct{ Counts }

func (room1) SourceNow(uint64, uint32) int { return 1 }

// TestInside: behind a decap that gives packets on, the words are about what was inside.
func TestInside(t *testing.T) {
	s, err := spec.Parse("node.yaml", []byte(`
version: 1
stages: {strict: {kind: ratelimit, limits: [{per: source, rate: 10}]}}
nics: {eth0: {xdp: [decap, strict, balancer]}}
agent: {}
vips: [{name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, backends: [{address: 10.1.1.11}]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	inside := Packet{Src: netip.MustParseAddr("198.51.100.7"), Dst: netip.MustParseAddr("10.99.0.1")}
	c := Chain{Spec: s, Hook: "xdp", Positions: s.NICs[0].XDP, Kernel: room1{}, VIP: func(uint16) string { return "web" },
		Packet: Packet{Src: netip.MustParseAddr("10.1.5.5"), Dst: netip.MustParseAddr("10.1.0.2"), Inside: &inside}}
	r := datapath.DryResult{Note: datapath.Note{Reason: 1}, Spans: []datapath.Span{{Reached: true}, {Reached: true}, {Reached: true}, {Reached: true}},
		Sights: []datapath.Sight{{Position: 1, Kind: datapath.SawInner, A: 28, B: 0x0800}, {Position: 1, Kind: datapath.SawVIP, A: 1 << 8, B: 3},
			{Position: 2, Kind: datapath.SawSource, B: 10 | 1<<40}}}
	o := c.Explain(r)
	if o.VIP != "web" || len(o.Steps) != 4 {
		t.Fatalf("%+v", o)
	}
	if got := o.Steps[1].Facts; len(got) != 2 || got[0].Value != "IPv4, 28 bytes come off" || got[1] != (Fact{"vip", "web"}) {
		t.Errorf("decap says %+v", got)
	}
	if got := o.Steps[2].Facts; len(got) != 1 || got[0].Value != "198.51.100.7: 1 of 10 new connections in a second: room" {
		t.Errorf("the limit says %+v", got)
	}
}

// TestDoubt: what no dry run can tell is said where it may be, and of what is rare only where it was.
func TestDoubt(t *testing.T) {
	for _, row := range []struct {
		reason  string
		dropped map[string]uint64
		want    string
	}{
		{"echo_answered", nil, "a CPU answers some 950 pings in a second: it may be dropped with reason echo_limited, as 0 packets were here"},
		{"too_big_told", map[string]uint64{"too_big": 2}, "a CPU tells some 950 senders in a second: it may be dropped with reason too_big, as 2 packets were here"},
		{"forwarded", nil, ""},
		{"forwarded", map[string]uint64{"no_headroom": 7}, "a driver may leave no room in front of a packet: it may be dropped with reason no_headroom, as 7 packets were here"},
		{"no_vip", map[string]uint64{"": 7, "no_headroom": 7}, ""},
	} {
		o := Outcome{Reason: row.reason}
		o.Doubt(func(why string) uint64 { return row.dropped[why] })
		if got := strings.Join(o.Unsure, "; "); got != row.want {
			t.Errorf("%s: %q, want %q", row.reason, got, row.want)
		}
	}
}

// TestSocket: whether a server gets a packet is said, for each state of the socket that takes it.
func TestSocket(t *testing.T) {
	dst := netip.MustParseAddr("10.99.0.1")
	for _, row := range []struct {
		protocol     uint8
		flags, state string
		want         string
	}{
		{packet.ProtoTCP, "S", "", "nothing listens at port 80 of 10.99.0.1, so the kernel answers with a reset"},
		{packet.ProtoTCP, "S", "listen", "one listens at port 80 of 10.99.0.1"},
		{packet.ProtoTCP, "A", "listen", "no connection has these ends"},
		{packet.ProtoTCP, "A", "established", "of a connection, established"},
		{packet.ProtoUDP, "", "", "nothing is bound to port 80 of 10.99.0.1, so the kernel answers port unreachable"},
		{packet.ProtoUDP, "", "bound", "one is bound to port 80 of 10.99.0.1"},
	} {
		if got := Socket(packet.Summary{Protocol: row.protocol, Flags: row.flags, Dst: dst, DstPort: 80}, row.state); !strings.HasSuffix(got, row.want) && !strings.Contains(got, row.want+":") {
			t.Errorf("%+v: %q", row, got)
		}
	}
}

// TestOthers: what is for no VIP, but for an address of one, is told which ports that has.
func TestOthers(t *testing.T) {
	s, err := spec.Parse("node.yaml", []byte(`
version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, backends: [{address: 10.1.1.11}]}
  - {name: many, addresses: [10.99.0.1, 10.99.0.2], port: 1000-1999, protocol: udp, backends: [{address: 10.1.1.11}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{"10.99.0.1": "none; 10.99.0.1 is an address of web (tcp 80), many (udp 1000-1999)", "10.99.0.3": "none"} {
		c, step := Chain{Spec: s, Packet: Packet{Dst: netip.MustParseAddr(address)}}, Step{}
		c.tellVIP(&step, datapath.Sight{}, datapath.Note{})
		if len(step.Facts) != 1 || step.Facts[0].Value != want {
			t.Errorf("%s: %+v, want %q", address, step.Facts, want)
		}
	}
}
