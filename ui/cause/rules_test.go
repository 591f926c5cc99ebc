package cause

import (
	"net/netip"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/ui/uitest/fake"
	"hairpin/ui/widget"
)

// quiet is a busy node on which nobody changed anything lately, that knows what is usual.
func quiet() *engine.State {
	s := fake.Busy()
	s.Events, s.UsualOver = nil, 23*time.Hour
	for i := range s.Reasons {
		s.Reasons[i].Usual, s.Reasons[i].Often = s.Reasons[i].PPS, 1
	}
	return s
}

// loses makes the node drop for a reason since some seconds, in all its numbers.
func loses(s *engine.State, name, stage, vip string, pps float64, seconds int) *engine.Reason {
	history := make([]float64, 60)
	for i := 60 - min(60, seconds); i < 60; i++ {
		history[i] = pps
	}
	s.Drops = append(s.Drops, engine.Drop{NIC: "eth0", Hook: "xdp", Stage: stage, VIP: vip, Reason: name, Counter: engine.Counter{PPS: pps}})
	s.Reasons = append(s.Reasons, engine.Reason{Name: name, Verdict: "drop", Stage: stage, Counter: engine.Counter{PPS: pps}, History: history})
	return &s.Reasons[len(s.Reasons)-1]
}

func problem(s *engine.State, key, severity, what string, age time.Duration) {
	s.Problems = append(s.Problems, engine.Problem{Key: key, Severity: severity, What: what, Since: s.Time.Add(-age)})
}

func event(s *engine.State, severity, who, what string, age time.Duration) {
	s.Events = append(s.Events, engine.Event{Time: s.Time.Add(-age), Severity: severity, Who: who, What: what})
}

// TestRules: each thing that can be wrong, said in one line of a small screen.
func TestRules(t *testing.T) {
	limit := engine.Limit{NIC: "eth0", Hook: "xdp", Stage: "syns", Kind: "ratelimit", Scope: "vip", VIP: "web", Max: 40_000}
	for _, row := range []struct {
		name   string
		change func(*engine.State)
		level  Level
		says   string
		screen string
	}{
		{"nothing", func(*engine.State) {}, OK, "all is well", ""},
		{"a backend down explains what is dropped for it", func(s *engine.State) {
			problem(s, "down web", "warn", "web: 1 of 4 backends are down", 312*time.Second)
			loses(s, "no_backend", "balancer", "web", 310, 60)
		}, Warn, "web: 1 of 4 backends are down, dropping 310/s (no_backend) for 5m12s", "3"},
		{"all of them, and most of the traffic", func(s *engine.State) {
			problem(s, "empty web", "crit", "web: no backend takes new flows, they are dropped", 12*time.Second)
			problem(s, "down web", "warn", "web: 4 of 4 backends are down", 12*time.Second)
			loses(s, "no_backend", "balancer", "web", 3e6, 12)
		}, Crit, "web: no backend takes new flows, dropping 3.00M/s (no_backend) for 12s", "3"},
		{"two VIPs of which one backend is down are one cause, which says why", func(s *engine.State) {
			falls(s, "web", 0, "http: no answer", 8*time.Second)
			falls(s, "echo", 2, "udp: no answer", 9*time.Second)
		}, Warn, "web, echo: 10.1.1.12 is down (http: no answer) for 9s", "3"},
		{"since when it is down comes before why", func(s *engine.State) {
			falls(s, "web", 0, "http: 503 Service Unavailable, wanted 200; its checks are dropped on this node", 8*time.Second)
		}, Warn, "web: 10.1.1.12 is down (http: 503 Service Unavailable, wanted 200) for 8s", "3"},
		{"and since when it is down, again", func(s *engine.State) {
			for i, says := range []string{"1 of 2", "3 of 4"} {
				event(s, "info", "engine", "over after 40s: web: 1 of 4 backends is down; 10.1.1.12: http: "+says+" checks succeeded again", time.Duration(3-i)*time.Minute)
			}
			falls(s, "web", 0, "http: 1 of 8 checks succeeded again, went down 3 times lately", 8*time.Second)
		}, Warn, "web: 10.1.1.12 is down for 8s, 3rd time", "3"},
		{"a backend that is down by hand", func(s *engine.State) {
			s.VIPs[0].Backends[1].State = "down"
			problem(s, "down web", "warn", "web: 1 of 4 backends is down", 9*time.Second)
		}, Warn, "web: 10.1.1.12 is down for 9s", "3"},
		{"two of a VIP that are down", func(s *engine.State) {
			falls(s, "web", 0, "http: no answer", 8*time.Second)
			s.VIPs[0].Backends[2].State = "down"
		}, Warn, "web: 2 of 4 backends are down (10.1.1.12: http: no answer) for 8s", "3"},
		{"a neighbour that does not answer explains its drops", func(s *engine.State) {
			problem(s, "unreachable web", "crit", "web: 1 of 4 backends cannot be reached", 9*time.Second)
			loses(s, "no_next_hop", "balancer", "web", 700e3, 8)
		}, Crit, "web: 1 of 4 backends cannot be reached, dropping 700k/s (no_next_hop) for 9s", "3"},
		{"two VIPs that cannot reach one backend are one cause, which says why", func(s *engine.State) {
			for i, name := range []string{"web", "echo"} {
				s.VIPs[2*i].Backends[1].NextHop = "failed: 10.1.1.12 does not answer on eth0"
				problem(s, "unreachable "+name, "crit", name+": 1 of 4 backends cannot be reached", 9*time.Second)
				loses(s, "no_next_hop", "balancer", name, 40e3, 8)
			}
		}, Crit, "web, echo: 10.1.1.12 does not answer on eth0, dropping 80.0k/s for 9s", "3"},
		{"a NIC that is gone", func(s *engine.State) {
			s.NICs[1].State, s.NICs[1].Why = "missing", "nic eth1: no such NIC"
			problem(s, "nic eth1 xdp", "crit", "eth1 xdp: nic eth1: no such NIC", 9*time.Second)
		}, Crit, "eth1 is missing: no such NIC for 9s", "2"},
		{"a NIC with somebody else's program", func(s *engine.State) {
			s.NICs[1].State = "detached"
			s.NICs[1].Why = `nic eth1: attach xdp: not hairpin's: XDP program "theirs" (id 51) is attached already: take it off with "ip link set dev eth1 xdp off"`
			problem(s, "nic eth1 xdp", "crit", "eth1 xdp: "+s.NICs[1].Why, 9*time.Second)
		}, Crit, `eth1 xdp is detached: XDP program "theirs" (id 51) is attached for 9s`, "2"},
		{"the same reason of another VIP is another cause", func(s *engine.State) {
			problem(s, "unreachable web", "crit", "web: 1 of 4 backends cannot be reached", 9*time.Second)
			loses(s, "no_next_hop", "balancer", "api", 900e3, 8)
		}, Crit, "api: dropping 900k/s (no_next_hop), new here for 8s (+1 more)", "2"},
		{"what costs most is said first", func(s *engine.State) {
			problem(s, "nic eth1 xdp", "crit", "eth1 xdp: not attached", time.Hour)
			problem(s, "empty web", "crit", "web: no backend takes new flows", 12*time.Second)
			loses(s, "no_backend", "balancer", "web", 3e6, 12)
		}, Crit, "web: no backend takes new flows, dropping 3.00M/s for 12s (+1 more)", "3"},
		{"a change just before is named", func(s *engine.State) {
			event(s, "audit", "ops-3", "applied generation 41, goes back in 1m0s unless confirmed: INC-4412", 316*time.Second)
			event(s, "audit", "ops-3", "confirmed generation 41", 312*time.Second)
			problem(s, "empty web", "crit", "web: no backend takes new flows", 312*time.Second)
		}, Crit, "web: no backend takes new flows since 03:02:29, 4s after ops-3 applied gen 41", "3"},
		{"and a list that changed", func(s *engine.State) {
			event(s, "info", "engine", "read /etc/hairpin/customers.txt: 3 prefixes", 20*time.Second)
			event(s, "audit", "engine", "applied generation 42", 20*time.Second)
			loses(s, "firewall_source", "firewall", "web", 120_000, 20)
			s.UsualOver = 0
		}, Warn, "web: dropping 120k/s (firewall_source) for 20s, after customers.txt changed", "2"},
		{"one of an hour ago is not", func(s *engine.State) {
			event(s, "audit", "ops-3", "applied generation 41", time.Hour)
			problem(s, "empty web", "crit", "web: no backend takes new flows", 312*time.Second)
		}, Crit, "web: no backend takes new flows for 5m12s", "3"},
		{"a limit that is used up says which and how much", func(s *engine.State) {
			l := limit
			l.Now, l.Over.PPS = 40_000, 2100
			s.Limits = []engine.Limit{l}
			problem(s, "limit "+l.Key(), "warn", "syns is used up", 40*time.Second)
			loses(s, "rate_limited", "ratelimit", "web", 2100, 40)
		}, Warn, "web over its limit of 40.0k/s (syns), 2.10k/s refused for 40s", "4"},
		{"who sends what a limit refuses is said", func(s *engine.State) {
			l := limit
			l.Over.PPS = 2750
			s.Limits = []engine.Limit{l}
			problem(s, "limit "+l.Key(), "warn", "used up", 84*time.Second)
			loses(s, "rate_limited", "syns", "web", 2750, 60)
			sends(s, "rate_limited", engine.Senders{Samples: 64, Addresses: 63, Net: netip.MustParsePrefix("198.18.0.0/15"), NetSamples: 48})
		}, Warn, "web over its limit of 40.0k/s, 2.75k/s refused, from 198.18.0.0/15 for 1m24s", "4"},
		{"who sends what a firewall drops is said, unless few were seen", func(s *engine.State) {
			loses(s, "firewall_source", "firewall", "web", 900e3, 30)
			sends(s, "firewall_source", engine.Senders{Samples: 40, Addresses: 5, Net: netip.MustParsePrefix("198.51.100.8/29"), NetSamples: 40})
		}, Crit, "web: dropping 900k/s (firewall_source), new here, from 198.51.100.8/29 for 30s", "2"},
		{"what was sampled of few packets is not", func(s *engine.State) {
			loses(s, "firewall_source", "firewall", "web", 900e3, 30)
			sends(s, "firewall_source", engine.Senders{Samples: 4, Addresses: 1, Net: netip.MustParsePrefix("198.51.100.8/32")})
		}, Crit, "web: dropping 900k/s (firewall_source), new here for 30s", "2"},
		{"it pauses and goes on", func(s *engine.State) {
			h := loses(s, "firewall_source", "firewall", "web", 900e3, 30).History
			h[len(h)-12], h[len(h)-13] = 0, 0
		}, Crit, "web: dropping 900k/s (firewall_source), new here for 30s", "2"},
		{"a limit that somebody made too low", func(s *engine.State) {
			l := limit
			l.Max, l.Over.PPS = 20, 244
			s.Limits = []engine.Limit{l}
			event(s, "audit", "alexandra", "applied generation 42: protect web", 4*time.Second)
			problem(s, "limit "+l.Key(), "warn", "syns is used up", 4*time.Second)
		}, Warn, "web over its limit of 20/s, 244/s refused for 4s, after alexandra's gen 42", "4"},
		{"and who is over", func(s *engine.State) {
			l, one := limit, limit
			l.Scope, l.VIP, l.Max, l.Over.PPS = "source", "", 500, 310
			one.Scope, one.VIP, one.Source, one.Over.PPS = "source", "", netip.MustParsePrefix("192.0.2.77/32"), 298
			s.Limits = []engine.Limit{l, one}
			problem(s, "limit "+l.Key(), "warn", "syns is used up", 40*time.Second)
			loses(s, "source_rate_limited", "ratelimit", "web", 310, 40)
		}, Warn, "192.0.2.77 over its limit of 500/s (syns), 310/s refused for 40s", "4"},
		{"and who most, of several", func(s *engine.State) {
			l, one := limit, limit
			l.Scope, l.VIP, l.Max, l.Over.PPS = "source", "", 500, 310
			one.Scope, one.VIP, one.Source, one.Over.PPS = "source", "", netip.MustParsePrefix("192.0.2.77/32"), 190
			s.Limits = []engine.Limit{l, one}
			problem(s, "limit "+l.Key(), "warn", "syns is used up", 40*time.Second)
		}, Warn, "a source over its limit of 500/s, 310/s refused, 61% of 192.0.2.77 for 40s", "4"},
		{"a limit all but used up", func(s *engine.State) {
			l := limit
			l.Now = 39_000
			s.Limits = []engine.Limit{l}
		}, Warn, "web near its limit of 40.0k/s (syns): 39.0k now", "4"},
		{"a reason that was never there", func(s *engine.State) { loses(s, "fragment", "balancer", "web", 40, 20) }, Warn,
			"web: dropping 40/s (fragment), new here for 20s", "2"},
		{"a reason far above what is usual", func(s *engine.State) {
			r := loses(s, "fragment", "balancer", "web", 12_400, 20)
			r.Usual, r.Often = 30, 1
		}, Warn, "web: dropping 12.4k/s (fragment), x413 of usual for 20s", "2"},
		{"and one that is always there", func(s *engine.State) {
			r := loses(s, "fragment", "balancer", "web", 12_400, 20)
			r.Usual, r.Often = 12_000, 1
		}, OK, "all is well", ""},
		{"a node too young to know", func(s *engine.State) {
			s.UsualOver = 0
			loses(s, "fragment", "balancer", "web", 12_400, 20)
		}, OK, "all is well", ""},
		{"a black hole, which drops little", func(s *engine.State) { loses(s, "too_big", "balancer", "web", 4, 20) }, Warn,
			"web: MTU: 4/s do not fit once encapsulated (too_big), new here for 20s", "2"},
		{"and the MTU that fell just before", func(s *engine.State) {
			event(s, "warn", "kernel", "nic eth0 has MTU 1500, had 1600", 21*time.Second)
			loses(s, "too_big", "balancer", "web", 400, 20)
			s.UsualOver = 0
			sends(s, "too_big", engine.Senders{Samples: 40, Addresses: 1, Net: netip.MustParsePrefix("198.51.100.11/32"), NetSamples: 40})
		}, Warn, "web: MTU: 400/s do not fit encapsulated for 20s, 1s after eth0 got MTU 1500", "2"},
		{"longer than the history: when it was first told of", func(s *engine.State) {
			loses(s, "fragment", "balancer", "web", 40, 60)
			event(s, "warn", "kernel", "vip web: dropping with reason fragment", 3*time.Hour)
		}, Warn, "web: dropping 40/s (fragment), new here for 3h00m", "2"},
		{"many reasons, none of them large", func(s *engine.State) {
			for _, name := range []string{"fragment", "icmp", "vlan", "other_nic"} {
				r := loses(s, name, "balancer", "web", 30e3, 20)
				r.Usual, r.Often = 30e3, 1
			}
		}, Warn, "dropping 120k/s for 6 reasons, fragment most", "2"},
		{"a backend with far more than its share", func(s *engine.State) {
			b := s.VIPs[0].Backends
			for i := range b {
				for j := range b[i].History {
					b[i].History[j] = [...]float64{2.9e6, 80e3, 80e3, 40e3}[i]
				}
			}
		}, Warn, "web: 10.1.1.11 gets 93% of the packets, by the ring 25%", "3"},
		{"unless it settles", func(s *engine.State) {
			s.VIPs[0].Settling = &engine.Settling{}
			s.VIPs[0].Backends[1].History = make([]float64, 60)
		}, OK, "all is well", ""},
		{"a change that waits", func(s *engine.State) {
			s.Generation = engine.Generation{Active: 42, Confirmed: 41, Deadline: s.Time.Add(41 * time.Second)}
			event(s, "audit", "ops-3", "applied generation 42, goes back in 1m0s unless confirmed", 19*time.Second)
			problem(s, "pending", "warn", "generation 42 goes back", 19*time.Second)
		}, Warn, "ops-3's generation 42 goes back to 41 in 41s unless confirmed", "9"},
		{"one that nobody confirmed", func(s *engine.State) {
			event(s, "warn", "kernel", "generation 42 was not confirmed in time: back to generation 41", time.Minute)
		}, OK, "generation 42 was not confirmed in time: back to generation 41, 1m00s ago", "9"},
		{"somebody else's hands", func(s *engine.State) {
			event(s, "warn", "engine", "nic eth1 had been detached by somebody else, and is attached again", time.Minute)
		}, Warn, "nic eth1 had been detached by somebody else, and is attached again, 1m00s ago", "9"},
		{"routers that are told nothing, and who changed something", func(s *engine.State) {
			event(s, "audit", "alex", "applied generation 2: block bgp", 44*time.Second)
			for _, r := range []string{"10.1.0.1", "fd00:1::1"} {
				problem(s, "router "+r, "crit", "no BGP session with "+r+" (active): the session broke off without a word; so the routes go", 40*time.Second)
			}
		}, Crit, "no BGP session with 2 routers, such as 10.1.0.1 for 40s, after alex's gen 2", "9"},
		{"one that answers again", func(s *engine.State) {
			event(s, "info", "engine", "over after 2s: no BGP session with fd00:1::1 (active): nobody answers at port 179; it is down", time.Minute)
		}, OK, "over after 2s: no BGP session with fd00:1::1, 1m00s ago", "9"},
		{"what is over", func(s *engine.State) {
			event(s, "info", "engine", "over after 40s: web: 1 of 4 backends cannot be reached", time.Minute)
		}, OK, "over after 40s: web: 1 of 4 backends cannot be reached, 1m00s ago", "9"},
		{"what a new engine had to wait for is nothing", func(s *engine.State) {
			s.Since = s.Time.Add(-time.Minute - 2*time.Second)
			event(s, "info", "engine", "over after 2s: no BGP session with fd00:1::1 (active): nobody answers", time.Minute)
		}, OK, "all is well", ""},
		{"a node that somebody drained", func(s *engine.State) {
			event(s, "audit", "ops-3", "applied generation 41", 3*time.Minute)
			s.Drained = &engine.Drained{Who: "alex", Why: "new kernel", Since: s.Time.Add(-94 * time.Second)}
		}, OK, "the node is drained by alex (new kernel) for 1m34s", ""},
		{"what comes and goes", func(s *engine.State) {
			for i := range 3 {
				event(s, "info", "engine", "over after 40s: web: 1 of 4 backends cannot be reached", time.Duration(5-i)*time.Minute)
			}
		}, Warn, "comes and goes, 3 times: web: 1 of 4 backends cannot be reached", "9"},
		{"what comes and goes of two VIPs", func(s *engine.State) { flaps(s, 2, time.Minute) },
			Warn, "comes and goes, 2 times: web, echo: 10.1.1.12 does not answer on eth0", "9"},
		{"it is there again", func(s *engine.State) {
			flaps(s, 2, time.Minute)
			for i, name := range []string{"web", "echo"} {
				s.VIPs[2*i].Backends[1].NextHop = "failed: 10.1.1.12 does not answer on eth0"
				problem(s, "unreachable "+name, "crit", name+": 1 of 4 backends cannot be reached", 9*time.Second)
			}
			loses(s, "no_next_hop", "balancer", "web", 400, 8)
		}, Crit, "web, echo: 10.1.1.12 does not answer on eth0, dropping 400/s for 9s, 3rd time", "3"},
		{"what was just over explains what is left in the rates", func(s *engine.State) {
			flaps(s, 1, 2*time.Second)
			loses(s, "no_next_hop", "balancer", "web", 700e3, 8)
		}, OK, "over after 40s: web, echo: 10.1.1.12 does not answer on eth0, 2s ago", "9"},
		{"and no longer than that", func(s *engine.State) {
			flaps(s, 1, 20*time.Second)
			loses(s, "no_next_hop", "balancer", "web", 700e3, 8)
		}, Warn, "web: dropping 700k/s (no_next_hop), new here for 8s", "2"},
		{"a wrong neighbour", func(s *engine.State) {
			problem(s, "written eth0 10.1.1.12", "warn", "somebody wrote down 02:00:00:00:00:02 as the MAC of 10.1.1.12 on eth0", 22*time.Second)
		}, Warn, "somebody wrote down another MAC for 10.1.1.12 on eth0 for 22s", "3"},
		{"another engine", func(s *engine.State) {
			event(s, "info", "engine", "adopted generation 41, applied by ops-3", 40*time.Second)
		}, OK,
			"the engine was started again, generation 41 goes on, 40s ago", "9"},
		{"a handoff is no restart", func(s *engine.State) {
			handedOver(s, 45*time.Second, 35*time.Second)
			event(s, "info", "engine", "adopted generation 41, applied by ops-3", 40*time.Second)
		}, OK, "ops-3 handed the node over to pid 4712, v2, 35s ago", "8"},
		{"while it goes on, neither", func(s *engine.State) {
			handedOver(s, 45*time.Second, 0)
			s.Handoff.Ended, s.Handoff.Outcome = time.Time{}, engine.HandoffGoesOn
			event(s, "info", "engine", "adopted generation 41, applied by ops-3", 40*time.Second)
		}, OK, "all is well", ""},
		{"nor while another goes on soon after", func(s *engine.State) {
			event(s, "audit", "ops-3", "hands the node over to pid 4712", 50*time.Second)
			event(s, "info", "engine", "adopted generation 41, applied by ops-3", 48*time.Second)
			handedOver(s, 5*time.Second, 0)
			s.Handoff.Ended, s.Handoff.Outcome = time.Time{}, engine.HandoffGoesOn
			event(s, "audit", "ops-3", "hands the node over to pid 4713", 5*time.Second)
		}, OK, "all is well", ""},
		{"a restart after a handoff is one", func(s *engine.State) {
			handedOver(s, 245*time.Second, 235*time.Second)
			event(s, "audit", "ops-3", "hands the node over to pid 4712", 245*time.Second)
			event(s, "info", "engine", "adopted generation 41, applied by ops-3", 240*time.Second)
			event(s, "info", "engine", "adopted generation 41, applied by ops-3", 40*time.Second)
		}, OK, "the engine was started again, generation 41 goes on, 40s ago", "9"},
	} {
		s := quiet()
		row.change(s)
		v := Judge(s, s.Time)
		got := v.Sentence(s.Time, 78)
		if v.Level != row.level || got != row.says || v.Screen != row.screen {
			t.Errorf("%s: %s %q %s", row.name, v.Level, got, v.Screen)
		}
		if widget.Width(got) > 78 && v.More+len(s.Problems) < 2 {
			t.Errorf("%s: %d cells: %s", row.name, widget.Width(got), got)
		}
	}
}

// falls lets the second backend of a VIP be taken out by its checks.
func falls(s *engine.State, vip string, at int, says string, age time.Duration) {
	b := &s.VIPs[at].Backends[1]
	b.Health, b.Out, b.Says = "down", true, says
	problem(s, "down "+vip, "warn", vip+": 1 of 4 backends is down; "+b.Address.String()+": "+says, age)
}

// handedOver is a handoff that began and ended so long ago.
func handedOver(s *engine.State, began, ended time.Duration) {
	s.Handoff = &engine.Handoff{Who: "ops-3", To: engine.Party{PID: 4712, Version: "v2"}, Began: s.Time.Add(-began), Ended: s.Time.Add(-ended),
		Outcome: engine.HandoffConfirmed}
}

// sends says who sends what is dropped for a reason.
func sends(s *engine.State, name string, w engine.Senders) {
	w.Packets, w.NetPackets = uint64(w.Samples)*8, uint64(w.NetSamples)*8
	for i := range s.Reasons {
		if s.Reasons[i].Name == name {
			s.Reasons[i].Senders = &w
		}
	}
}

// flaps lets a backend of two VIPs be lost and back so often, the last time so long ago.
func flaps(s *engine.State, times int, last time.Duration) {
	for i := range times {
		for _, vip := range []string{"echo", "web"} {
			event(s, "info", "engine", "over after 40s: "+vip+": 1 of 4 backends cannot be reached, 10.1.1.12: failed: 10.1.1.12 does not answer on eth0",
				last+time.Duration(times-1-i)*time.Minute)
		}
	}
}
