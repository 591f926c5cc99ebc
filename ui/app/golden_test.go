package app

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/engine/spec"
	"hairpin/ui/action"
	"hairpin/ui/uitest"
	"hairpin/ui/uitest/fake"
)

// scene is a screen worth looking at: a node, and what a person did on it.
type scene struct {
	name  string
	state func() *engine.State
	setup []setup
	do    func(d *driver)
}

func scenes() []scene {
	nothing := func(*driver) {}
	openVIP := func(n int) func(d *driver) {
		return func(d *driver) {
			d.do(action.GoVIPs)
			for range n {
				d.do(action.Down)
			}
			d.do(action.Open)
		}
	}
	stage := func(d *driver) {
		openVIP(0)(d)
		d.do(action.Down, action.Drain, action.Down, action.Heavier, action.Heavier)
		d.run(d.m.act(call{ID: action.Add, Arg: "10.1.1.15 40", Target: d.m.page().Target()}))
	}
	stageChain := func(d *driver) {
		d.do(action.GoChain, action.StageToggle, action.Down, action.StageShadow, action.StageSooner, action.Bottom, action.StageRemove)
	}
	armed := []setup{isArmed}
	return []scene{
		{"overview-busy", fake.Busy, nil, nothing},
		{"overview-incident", fake.Incident, nil, nothing},
		{"overview-empty", fake.Empty, nil, nothing},
		{"vips", fake.Busy, nil, func(d *driver) { d.do(action.GoVIPs) }},
		{"backends-settling", fake.Busy, nil, openVIP(1)},
		{"vips-tenant", fake.Found, nil, func(d *driver) { d.do(action.GoVIPs, action.Filter); d.text("tenant=shop"); d.press("enter") }},
		{"backends-found", fake.Found, nil, func(d *driver) { openVIP(1)(d); d.do(action.Down) }},
		{"backends-staged", fake.Incident, armed, stage},
		{"chain", fake.Incident, nil, func(d *driver) { d.do(action.GoChain, action.Top, action.Down) }},
		{"chain-open", fake.Incident, nil, func(d *driver) { d.do(action.GoChain, action.Open) }},
		{"chain-firewall", guarded, nil, func(d *driver) { d.do(action.GoChain, action.Open) }},
		{"chain-staged", fake.Busy, armed, stageChain},
		{"chain-preview", fake.Busy, armed, func(d *driver) { stageChain(d); d.do(action.Apply) }},
		{"limits", fake.Incident, nil, func(d *driver) { d.do(action.GoLimits) }},
		{"limits-agents", reported, nil, func(d *driver) { d.do(action.GoLimits) }},
		{"limits-staged", fake.Busy, armed, func(d *driver) {
			d.do(action.GoLimits, action.LimitLower)
			d.run(d.m.act(call{ID: action.LimitEdit, Arg: "30000", Target: d.m.page().Target()}))
		}},
		{"trace-none", fake.Busy, nil, func(d *driver) { d.do(action.GoTrace) }},
		{"trace", fake.Incident, armed, func(d *driver) {
			stage(d)
			answering(d)
			d.run(d.m.act(call{ID: action.GoTrace, Arg: tracedText}))
		}},
		{"trace-refused", fake.Busy, nil, func(d *driver) {
			d.node.Refuse(fmt.Errorf("%w: nothing is known to run on this node; trace by a spec", engine.ErrInvalid))
			d.do(action.GoTrace, action.TraceShells)
		}},
		{"trace-input", fake.Busy, nil, func(d *driver) {
			d.do(action.GoTrace, action.TracePacket)
			d.text("tcp 1.2.3.4 > 10.99.0.1:80")
			d.press("enter")
		}},
		{"handoff", handedOver(engine.HandoffConfirmed), nil, func(d *driver) { d.do(action.GoHandoff) }},
		{"handoff-watch", handedOver(engine.HandoffGoesOn), nil, func(d *driver) { d.do(action.GoHandoff) }},
		{"handoff-back", handedOver(engine.HandoffWentBack), nil, func(d *driver) { d.do(action.GoHandoff) }},
		{"handoff-never", fake.Busy, armed, func(d *driver) { d.do(action.GoHandoff, action.HandOver) }},
		{"events", fake.Incident, nil, func(d *driver) { d.do(action.GoEvents, action.Down) }},
		{"doctor", fake.Ailing, nil, func(d *driver) { d.do(action.GoDoctor) }},
		{"routing", fake.Ailing, nil, func(d *driver) { d.do(action.GoRouting, action.Down) }},
		{"bgp", fake.Announcing, nil, func(d *driver) { d.do(action.GoBGP, action.Down, action.Down) }},
		{"bgp-drained", fake.Leaving, nil, func(d *driver) { d.do(action.GoBGP) }},
		{"fleet", fake.Fleeted, nil, func(d *driver) {
			d.do(action.GoFleet)
			d.pass(time.Second)
			d.do(action.Down)
		}},
		{"fleet-none", fake.Busy, nil, func(d *driver) { d.do(action.GoFleet) }},
		{"agent", fake.Hosting, nil, func(d *driver) { d.do(action.GoAgent) }},
		{"tenants", fake.Owned, nil, func(d *driver) { d.do(action.GoTenants) }},
		{"tenants-operator", fake.Operated, nil, func(d *driver) { d.do(action.GoTenants) }},
		{"overview-operator", fake.Operated, nil, nothing},
		{"connections", fake.Busy, nil, func(d *driver) {
			d.node.Talk(fake.Talkers())
			d.do(action.GoConnections, action.TalkersBy)
			d.pass(time.Second)
			d.do(action.Down)
		}},
		{"capture", fake.Busy, nil, func(d *driver) {
			d.node.Catch(fake.Caught())
			d.do(action.GoCapture)
			d.run(d.m.act(call{ID: action.CaptureStart, Arg: "vip web"}))
			d.pass(time.Second)
			d.do(action.Down)
		}},
		{"capture-open", fake.Busy, nil, func(d *driver) {
			d.node.Catch(fake.Caught())
			d.do(action.GoCapture)
			d.run(d.m.act(call{ID: action.CaptureStart, Arg: "vip web"}))
			d.do(action.Open)
		}},
		{"preview", fake.Busy, armed, func(d *driver) { stage(d); d.do(action.Apply) }},
		{"unconfirmed", fake.Busy, armed, func(d *driver) {
			stage(d)
			d.do(action.Apply)
			d.text("web")
			d.press("enter")
		}},
		{"palette", fake.Busy, armed, func(d *driver) { openVIP(0)(d); d.do(action.Palette); d.text("back") }},
		{"help", fake.Busy, nil, func(d *driver) { d.do(action.Help) }},
		{"quit", fake.Busy, nil, func(d *driver) { d.do(action.Back) }},
		{"filter", fake.Incident, nil, func(d *driver) { openVIP(0)(d); d.do(action.Filter); d.text("state=down") }},
		{"then", fake.Incident, nil, func(d *driver) { d.recordTenMinutes(); d.run(d.m.act(call{ID: action.GoTime, Arg: "03:02:31"})) }},
		{"paused", fake.Busy, nil, func(d *driver) { d.do(action.Pause); d.pass(90e9) }},
	}
}

// reported is a node that limits connections by what agents report, of which some lack.
func reported() *engine.State {
	s := fake.Busy()
	s.Limits = []engine.Limit{{NIC: "eth0", Hook: "xdp", Position: 1, Stage: "open", Kind: "connlimit", Scope: "vip", VIP: "web", Max: 20_000, Now: 17_000,
		Pending: 120, Counts: "agents 1 of 4", Late: 9 * time.Second}}
	s.Agents = []engine.Agent{
		{Node: "web-1", State: "fresh", Heard: s.Time, Open: 9000},
		{Node: "web-2", State: "stale", Heard: s.Time.Add(-9 * time.Second), Open: 8000},
		{Node: "web-3", State: "silent", Heard: s.Time.Add(-time.Hour)},
		{State: "unheard", Backends: []netip.Addr{netip.MustParseAddr("10.1.1.14")}},
	}
	return s
}

// guarded is Busy behind a firewall that has rules, lists and, for want of an external stage, metrics.
func guarded() *engine.State {
	s := fake.Busy()
	s.Spec.Stages = append(s.Spec.Stages, spec.Named{Name: "edge", Kind: spec.Firewall, Settings: &spec.Policy{}})
	n := &s.Spec.NICs[0]
	n.XDP = slices.Insert(n.XDP, 0, spec.Position{Name: "edge"})
	run := s.NICs[0].Stages[0]
	run.Name, run.Kind, run.Drop = "edge", "firewall", engine.Counter{Packets: 900, PPS: 9}
	s.NICs[0].Stages = slices.Insert(s.NICs[0].Stages, 0, run)
	s.Rules = []engine.Rule{
		{Stage: "edge", Name: "scanners", Match: "src net 192.0.2.0/24 and tcp port 22", Action: "drop", Counter: engine.Counter{Packets: 900, PPS: 9}},
		{Stage: "edge", Name: "office", Match: "src net 198.51.100.0/24", Action: "pass"},
		{Stage: "other", Name: "not shown"},
	}
	s.Lists = []engine.List{
		{Stage: "edge", Of: "sources", Prefixes: 12},
		{Stage: "edge", Of: "sources", File: "/etc/hairpin/bad.txt", Prefixes: 100_000, Loaded: s.Time.Add(-time.Hour), Why: "line 7: no prefix"},
	}
	s.Metrics = []engine.Metric{
		{Stage: "edge", Map: "seen", Name: "packets", Kind: "scalar", Value: 17}, {Stage: "edge", Map: "gone", Name: "n", Kind: "average", Why: "no such map"},
	}
	return s
}

// handedOver is Busy in or after a handoff.
func handedOver(outcome engine.HandoffOutcome) func() *engine.State {
	return func() *engine.State {
		s := fake.Busy()
		h := &engine.Handoff{Who: "ops", Why: "INC-7", From: engine.Party{PID: 2211, Version: "v2.8.1"}, To: engine.Party{PID: 9904, Version: "v2.9.0"},
			Began: s.Time.Add(-2 * time.Second), Watch: engine.DefaultWatch, Steps: engine.HandoffSteps(), Outcome: outcome,
			Figures: []engine.HandoffFigure{{Name: "dropped", Before: 0.0012, Now: 0.0011, Limit: 0.0114},
				{Name: "forwarded", Before: 0.98, Now: 0.981, Limit: 0.955, AtLeast: true},
				{Name: "resets", Before: 0.004, Now: 0.003, Limit: 0.017}, {Name: "SYN repeats", Before: 0.001, Now: 0, Limit: 0.023}}}
		for i := range h.Steps {
			h.Steps[i].Began, h.Steps[i].Took, h.Steps[i].Done = h.Began, time.Duration(i*i+1)*3*time.Millisecond, true
		}
		switch outcome {
		case engine.HandoffGoesOn:
			h.Steps[5].Took, h.Steps[5].Done, h.Steps[6] = 0, false, engine.HandoffSteps()[6]
			h.Deadline = s.Time.Add(17 * time.Second)
		case engine.HandoffWentBack:
			h.Steps[5].Done, h.Steps[6] = false, engine.HandoffSteps()[6]
			h.Figures[0].Now, h.Figures[0].Exceeded = 0.31, true
			h.Ended, h.Fault = s.Time, "the successor: 31.00 % of the packets are dropped, the limit is 1.14 %, before it were 0.12 %"
		default:
			h.Ended = s.Time
		}
		s.Handoff = h
		return s
	}
}

func glyphs(name string) setup { return func(o *Options) { o.Glyphs = name } }

// TestGolden: what every screen looks like, at the smallest whole size and at the wide one, with and without UTF-8.
func TestGolden(t *testing.T) {
	for _, sc := range scenes() {
		for _, size := range [][2]int{{80, 24}, {140, 40}} {
			for _, set := range []string{"block", "ascii"} {
				name := fmt.Sprintf("%s-%dx%d-%s.txt", sc.name, size[0], size[1], set)
				t.Run(name, func(t *testing.T) {
					d := open80(t, sc.state(), append(sc.setup, glyphs(set))...)
					d.size(size[0], size[1])
					sc.do(d)
					uitest.Golden(t, name, d.screen().Text())
				})
			}
		}
	}
}

// TestNothingOverflows: every screen and dialog, in every size from a phone's to a wall's, is exactly as large as
// the terminal.
func TestNothingOverflows(t *testing.T) {
	for _, sc := range scenes() {
		for _, set := range []string{"braille", "ascii"} {
			d := open80(t, sc.state(), append(sc.setup, glyphs(set))...)
			sc.do(d)
			for w := 20; w <= 200; w += 1 + w/8 {
				for h := 5; h <= 60; h += 1 + h/4 {
					d.size(w, h)
					frame := d.m.View()
					if over := uitest.Overflow(frame, w, h); over != "" {
						t.Fatalf("%s %s %dx%d: %s", sc.name, set, w, h, over)
					}
					checkFilled(t, sc.name, frame, w, h)
				}
			}
		}
	}
}
