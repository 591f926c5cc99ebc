package spec

import (
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// wholeSpec is one in which nothing is empty.
func wholeSpec() *Spec {
	return &Spec{
		Version: 1,
		Stages: []Named{{"a", RateLimit, &Rates{Limits: []Rate{{1, PerSourceVIP, "web", 24, 56, ""}, {1, PerTenant, "", 0, 0, "shop"}}, Action: LimitReset,
			Count: Offered}}, {"f", Firewall, &Policy{Rules: []Rule{{"r", "tcp", RulePass}}, Drop: DropLists{
			[]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")},
			[]string{"/a"}, []string{"/b"}}}}, {"x", External, &ExternalStage{wholeObject(), "next", 1, true}},
			{"s", Steer, &Steering{Rules: []SteerRule{{"r", []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
				"web", []DSCP{46}, PacketMark{1, 1}, "/a", "g", Way{}, OtherwiseDrop}, {"t", []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
				"web", []DSCP{46}, PacketMark{1, 1}, "/a", "", Way{Table: 7}, OtherwiseDrop}},
				Groups: []PathGroup{{"g", []SteerPath{{"p", Way{"eth1", netip.MustParseAddr("10.0.0.1"), 0}, 1}},
					Probing{netip.MustParseAddr("192.0.2.1"), 80, time.Second, time.Second, 1, 2}}}, Hot: 1000}},
			{"m", Mirror, &Copies{netip.MustParseAddrPort("192.0.2.9:4789"), CopyVXLAN, 1, "tcp", 2, 64, 3}},
			{"w", TLSWall, &Wall{Ports: []uint16{443}, VIPs: []string{"web"}, Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Wait: time.Minute,
				Full: FullDrop, Action: LimitReset}},
			{"d", ConnLimit, &Connections{Limits: []Connection{{1, PerSourceVIP, "web", 24, 56, ""}, {1, PerTenant, "", 0, 0, "shop"}}, Idle: time.Minute, Action: LimitReset}},
			{"g", ConnLimit, &Connections{Limits: []Connection{{1, PerVIP, "web", 0, 0, ""}}, Source: Agents, Idle: DefaultIdle,
				Reported: Reported{netip.MustParseAddrPort("10.1.0.2:6090"), "/k", time.Minute}}}},
		Probes: []Probe{{"p", wholeObject(), Tracepoint, "a/b"}},
		NICs:   []NIC{{Name: "eth0", XDP: []Position{{"a", true, true}}, TCXIngress: Stands("b"), TCXEgress: Stands("c")}},
		VIPs: []VIP{{
			Name: "web", Tenant: "shop", Addresses: []netip.Addr{netip.MustParseAddr("10.99.0.1")}, Port: 80, Protocol: TCP,
			Encap: GUE, EncapPort: 6080, Ring: 251, Settle: time.Minute,
			Backends: []Backend{{netip.MustParseAddr("10.1.1.11"), 100, Up, 0, Found{true, 100, Drain, true}}},
			Checks:   []Check{{Port: 80, Interval: time.Second, Timeout: time.Second, Rise: 2, Fall: 3}}, Health: &Health{1, 0, 50, time.Second, time.Minute}, SlowStart: time.Minute,
			From:     &From{"a", Services, netip.MustParseAddrPort("10.0.0.53:53"), "", "", "", "", "", IPv4, time.Minute, time.Hour, time.Second, 7, 9},
			Announce: &Announce{false, 2, &Path{[]Community{1<<16 | 2}, new(uint32(3)), new(uint32(4))}},
		}},
		BGP: &BGP{65001, netip.MustParseAddr("10.1.0.2"), time.Minute, time.Minute, time.Minute, Path{[]Community{1}, new(uint32(5)), new(uint32(6))},
			[]Neighbor{{netip.MustParseAddr("10.1.0.1"), 65000, 179, "/k", 1, BFD{time.Second, 3, true}}}},
		Tenants: []Tenant{{"shop", []string{"ann"}, []string{"web"}, 1, 2, []netip.Prefix{netip.MustParsePrefix("10.99.0.0/16")},
			[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}},
		Agent: &Agent{VIPs: []netip.Addr{netip.MustParseAddr("10.99.0.1")}, EncapPort: 6080,
			Report: &Report{[]netip.AddrPort{netip.MustParseAddrPort("10.1.0.2:6090")}, time.Second, "/k"}},
	}
}

// wholeCheck has every field, as no valid one has.
func wholeCheck() Check {
	return Check{CheckHTTPS, ToBackend, 80, time.Second, time.Second, 2, 3, "a", true, "/", []StatusSpan{{200, 299}}, "a: b", "c", "a", queryA,
		"a", "b", []string{"/a", "b"}}
}

func wholeObject() Object {
	return Object{"/a.o", "main", []MapFill{{"m", []MapEntry{{"0", []MapField{{"f", "2"}}}}}}, []Watch{{"m", "0", "f", WatchAverage, "n"}}}
}

// leaves calls visit for each single value below v, and how to change and restore it.
func leaves(v reflect.Value, path string, visit func(path string, change, restore func())) {
	old := reflect.ValueOf(v.Interface())
	restore := func() { v.Set(old) }
	switch {
	case v.Type() == reflect.TypeFor[netip.Addr]():
		visit(path, func() { v.Set(reflect.ValueOf(netip.MustParseAddr("::5"))) }, restore)
	case v.Type() == reflect.TypeFor[netip.AddrPort]():
		visit(path, func() { v.Set(reflect.ValueOf(netip.MustParseAddrPort("[::5]:5"))) }, restore)
	case v.Type() == reflect.TypeFor[netip.Prefix]():
		visit(path, func() { v.Set(reflect.ValueOf(netip.MustParsePrefix("::/5"))) }, restore)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			leaves(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
		}
	case v.Kind() == reflect.Pointer:
		leaves(v.Elem(), path, visit)
		visit(path, func() { v.SetZero() }, restore)
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			leaves(v.Index(i), path+"[]", visit)
		}
		visit(path, func() { v.SetZero() }, restore)
	case v.Kind() == reflect.String:
		visit(path, func() { v.SetString(v.String() + "x") }, restore)
	case v.Kind() == reflect.Bool:
		visit(path, func() { v.SetBool(!v.Bool()) }, restore)
	case v.Kind() == reflect.Interface:
		leaves(v.Elem().Elem(), path, visit)
		visit(path, func() { v.SetZero() }, restore)
	case v.CanInt():
		visit(path, func() { v.SetInt(v.Int() + 1) }, restore)
	default:
		visit(path, func() { v.SetUint(v.Uint() + 1) }, restore)
	}
}

func TestEveryFieldCounts(t *testing.T) {
	s, same := wholeSpec(), wholeSpec()
	for _, x := range []*Spec{s, same} { // what only agents have that translate
		x.Agent.Local = []netip.Addr{netip.MustParseAddr("10.1.1.11")}
		x.Agent.Handover = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
		x.Agent.Taps = []Tap{{"tap0", []netip.Addr{netip.MustParseAddr("10.99.0.2")}, []netip.Addr{netip.MustParseAddr("10.2.1.2")}}}
	}
	s.VIPs[0].Checks[0], same.VIPs[0].Checks[0] = wholeCheck(), wholeCheck()
	for _, v := range []*VIP{&s.VIPs[0], &same.VIPs[0]} { // no valid one has both
		v.Prefixes, v.Sources = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	}
	visited := 0
	leaves(reflect.ValueOf(s).Elem(), "Spec", func(path string, change, restore func()) {
		visited++
		before := s.Clone()
		change()
		switch {
		case s.Equal(same) || same.Equal(s):
			t.Errorf("Equal does not look at %s", path)
		case Revision(s) == Revision(same):
			t.Errorf("Revision does not look at %s", path)
		case !before.Equal(same):
			t.Errorf("Clone shares %s", path)
		}
		restore()
		if !s.Equal(same) {
			t.Fatalf("%s was not restored", path)
		}
	})
	if visited < 25 {
		t.Errorf("only %d values visited", visited)
	}
}

func TestEqualOfNothing(t *testing.T) {
	var none *Spec
	empty := &Spec{}
	switch {
	case !none.Equal(nil), none.Equal(empty), empty.Equal(none), none.Clone() != nil:
		t.Error("no spec is like an empty one")
	case !empty.Equal(&Spec{NICs: []NIC{}, VIPs: []VIP{}}):
		t.Error("nil and empty slices differ")
	}
}

func TestLookups(t *testing.T) {
	s := wholeSpec()
	s.VIP("web").Backend(s.VIPs[0].Backends[0].Address).Weight = 7
	switch {
	case s.VIPs[0].Backends[0].Weight != 7:
		t.Error("a lookup finds a copy")
	case s.NIC("eth0") != &s.NICs[0], s.NIC("eth1") != nil, s.VIP("dns") != nil:
		t.Error("a lookup by name finds another")
	case s.VIPs[0].Backend(netip.MustParseAddr("10.1.1.12")) != nil:
		t.Error("a lookup by address finds another")
	}
}

func TestChains(t *testing.T) {
	n := NIC{XDP: Stands(Balancer), TCXEgress: Stands("x")}
	want := []Chain{{XDP, Stands(Balancer)}, {TCXEgress, Stands("x")}}
	if got := n.Chains(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	n.TCXIngress = []Position{{Name: string(Decap), Disabled: true}}
	s := &Spec{Stages: []Named{{"x", RateLimit, &Rates{}}}}
	if !s.Has(n, Balancer) || !s.Has(n, RateLimit) || s.Has(n, Decap) {
		t.Error("Has is wrong about a stage")
	}
}
