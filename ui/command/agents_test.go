package command

import (
	"net/netip"
	"time"

	"hairpin/engine"
)

// counted is a node that limits connections by what agents report, and reports some itself.
func counted() *engine.State {
	s := balanced()
	s.Limits = []engine.Limit{{NIC: "eth0", Hook: "xdp", Position: 1, Stage: "connlimit", Kind: "connlimit", Scope: "vip", VIP: "web",
		Max: 500, Now: 120, Pending: 3, Passed: counter(9000, 12), Over: counter(0, 0), Counts: "agents 1 of 4", Late: 1100 * time.Millisecond}}
	from := netip.MustParseAddrPort("10.1.1.11:40001")
	one, two := netip.MustParseAddr("10.1.1.11"), netip.MustParseAddr("10.1.1.12")
	s.Agents = []engine.Agent{
		{Node: "b1", From: from, Backends: []netip.Addr{one}, State: "fresh", Heard: noon.Add(-time.Second), Open: 80, Other: 2, Shared: 1},
		{Node: "b2", From: from, State: "stale", Heard: noon.Add(-9 * time.Second), Open: 40, Lacks: 7, Shared: 2},
		{Node: "b3", From: from, State: "silent", Heard: noon.Add(-time.Hour)},
		{Backends: []netip.Addr{two}, State: "unheard"},
	}
	s.Reports = []engine.ReportTarget{
		{To: netip.MustParseAddrPort("10.1.0.10:6090"), Sent: 41, Last: noon.Add(-time.Second)},
		{To: netip.MustParseAddrPort("[fd00::2]:6090"), Why: "nobody listens at [fd00::2]:6090: connection refused"},
	}
	return s
}
