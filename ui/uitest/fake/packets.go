package fake

import (
	"net/netip"
	"time"

	"hairpin/engine"
	"hairpin/engine/capture"
	"hairpin/engine/packet"
)

// Talkers are two talkers, their connections, and a socket.
func Talkers() *engine.Connections {
	at := Epoch()
	src, dst := netip.MustParseAddrPort("198.51.100.23:40112"), netip.MustParseAddrPort("203.0.113.10:443")
	f := engine.Flow{Flows: 1, Protocol: 6, Src: src, Dst: dst, NIC: "eth0", VIP: "web", Backend: netip.MustParseAddr("10.1.1.11"), State: "syn", Verdict: "forward",
		Reason: "forwarded", First: at.Add(-12 * time.Second), Last: at, Packets: 900, Bytes: 54_000}
	dropped := f
	dropped.Src, dropped.Verdict, dropped.Reason, dropped.Backend = netip.MustParseAddrPort("198.51.100.91:51877"), "drop", "no_backend", netip.Addr{}
	return &engine.Connections{Time: at, Over: 14 * time.Second, OneIn: 64, OneInNew: 3, PPS: 260_000, NS: 51.2, Known: 812, Wanted: 812,
		Talkers: []engine.Talker{{Name: "198.51.100.23", PPS: 19_400, PPSOff: 640, BPS: 1.2e6, BPSOff: 40_000, New: 310, NewOff: 22},
			{Name: "198.51.100.91", PPS: 17_000, PPSOff: 610, BPS: 1.1e6, BPSOff: 38_000, New: 4100, NewOff: 90}},
		Flows:       []engine.Flow{f, dropped},
		Sockets:     []engine.Socket{{Local: dst, Remote: src, State: "established", Received: 12_000, Acked: 1_400_000, Retransmits: 3, RTT: 1240 * time.Microsecond}},
		SocketsOpen: 1}
}

// Caught is a packet as it came and as it left, and one that was dropped.
func Caught() engine.Captured {
	at := Epoch()
	came := packet.Build(packet.Eth{}, packet.IPv4{}, packet.TCP{Flags: "S"})
	left := packet.Build(packet.Eth{Src: packet.NodeMAC, Dst: packet.RouterMAC}, packet.IPv4{Src: packet.VIP4}, packet.UDP{Dst: packet.GUEPort}, packet.IPv4{}, packet.TCP{Flags: "S"})
	r := engine.CaptureRecord{Time: at, Packet: 1, Point: capture.Came, NIC: "eth0", Hook: "xdp", Stage: "balancer", VIP: "web", Verdict: "forward", Code: 3,
		Reason: "forwarded", OneIn: 1, Bytes: len(came), Frame: came}
	behind, dropped := r, r
	behind.Point, behind.Bytes, behind.Frame = capture.Left, len(left), left
	dropped.Packet, dropped.Verdict, dropped.Reason, dropped.Code = 2, "drop", "no_backend", 1
	return engine.Captured{Records: []engine.CaptureRecord{r, behind, dropped}, Status: engine.CaptureStatus{Filter: "vip web", Where: "all NICs, before and after", OneIn: 1,
		Began: at, Until: at.Add(22 * time.Second), Most: 10_000, MostOf: 16 << 20, Packets: 3, Bytes: 412, Seen: 5120, NS: 61}}
}
