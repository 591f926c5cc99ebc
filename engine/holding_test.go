package engine

import (
	"strings"
	"testing"
	"time"

	"hairpin/engine/fleet"
)

// TestBehind: a node that booted waits for its fleet, for a time that is stated.
func TestBehind(t *testing.T) {
	booted := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	head := fleet.Head{Revision: fleet.Revision{Number: 7}}
	for _, row := range []struct {
		name string
		v    fleet.View
		why  string
		end  time.Duration
	}{
		{"it has all", fleet.View{Reached: true, Caught: true, Head: head}, "", holdsMost},
		{"it had all before the store went", fleet.View{Caught: true, Since: booted}, "", holdsMost},
		{"the store was never there", fleet.View{Since: booted, Why: "refused"}, "the store is away: refused", holdsAlone},
		{"the store went", fleet.View{Since: booted.Add(time.Minute), Why: "refused"}, "the store is away: refused", time.Minute + holdsAlone},
		{"the store goes again and again", fleet.View{Since: booted.Add(holdsMost), Why: "refused"}, "the store is away: refused", holdsMost},
		{"it takes one", fleet.View{Reached: true, Step: "takes revision 7"}, "takes revision 7", holdsMost},
		{"it cannot take one", fleet.View{Reached: true, Waits: "something waits"}, "something waits", holdsMost},
		{"it is not asked yet", fleet.View{Reached: true, Own: 5, Head: head}, "it has revision 5, and 7 is the newest", holdsMost},
	} {
		why, end := behind(row.v, booted)
		if why != row.why || end.Sub(booted) != row.end {
			t.Errorf("%s: %q until %s later", row.name, why, end.Sub(booted))
		}
	}
}

// TestHolds: a node that boots in a fleet whose store is away announces nothing, says why, and comes to an end of that. One whose engine is
// started again announces at once, unless routers have dropped its routes long ago.
func TestHolds(t *testing.T) {
	p := privateNode(t)
	n := open(t, p)
	mustApply(t, n, parse(t, lbSpec+"bgp: {as: 65001, router_id: 10.1.0.2, neighbors: [{address: 127.0.0.1, as: 65000, port: 1}]}\n"), 0)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Remove(p); err != nil { // what a boot does
		t.Fatal(err)
	}
	store, err := ParseStore("etcd://127.0.0.1:1/test")
	if err != nil {
		t.Fatal(err)
	}
	n, err = Open(t.Context(), Options{Paths: p, Version: "test", Store: store})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n, err = Open(t.Context(), Options{Paths: p, Version: "test", Store: store}) // it did not come to an end of that
	if err != nil {
		t.Fatal(err)
	}
	o := n.(*owner)
	s := until(t, n, "it holds back", func(s *State) bool { return s.BGP != nil && len(s.BGP.Routes) > 0 && s.Fleet != nil })
	if r := s.BGP.Routes[0]; r.State != withdrawn || r.Why != s.Fleet.Holds || r.Why == "" {
		t.Errorf("%+v: %+v", r, s.Fleet)
	}
	until(t, n, "one problem of it", func(s *State) bool {
		keys := map[string]bool{}
		for _, p := range s.Problems {
			keys[p.Key] = true
		}
		return keys["fleet holds"] && !keys["route 10.99.0.1/32"]
	})
	inside(t, o, func() { o.publish(o.since.Add(holdsMost)) })
	if s := n.State(); s.Fleet.Holds != "" || s.BGP.Routes[0].State != announced || o.fleet.fresh.Load() {
		t.Errorf("after %s: %+v %+v", holdsMost, s.Fleet, s.BGP.Routes[0])
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		gone time.Duration // 0 = as it is
		why  string
	}{{0, ""}, {2 * time.Minute, ""}, {time.Hour, "this node had no engine for 1h0m"}, {0, "this node had no engine for 1h0m"}} { // which did not come to an end
		if row.gone > 0 {
			text, err := spoken(sinceBoot() - row.gone)
			if err != nil {
				t.Fatal(err)
			}
			write(t, p.spokenFile(), text)
		}
		n, err = Open(t.Context(), Options{Paths: p, Version: "test", Store: store}) // packets flow
		if err != nil {
			t.Fatal(err)
		}
		s := until(t, n, "its fleet", func(s *State) bool { return s.Fleet != nil && s.BGP != nil })
		if held := row.why != ""; (s.Fleet.Holds != "") != held || !strings.HasPrefix(s.Fleet.Holds, row.why) || (s.BGP.Routes[0].State == announced) == held ||
			n.(*owner).fleet.fresh.Load() != held {
			t.Errorf("an engine that is started after %s: %+v %+v", row.gone, s.Fleet, s.BGP.Routes[0])
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
