package spec

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// dice make valid specs of every kind. The seed is in the test's log.
type dice struct{ *rand.Rand }

func newDice(t *testing.T) dice {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return dice{rand.New(rand.NewPCG(seed, 0))}
}

func pick[T any](d dice, from ...T) T { return from[d.IntN(len(from))] }

func (d dice) spec() *Spec {
	s := &Spec{Version: Version}
	odd := []string{"eth0", "eth0.100", "null", "-", "123", "0x1f", "~", "a#b", "{x}", `"q"`, "[", "%d", "&a", "*a", "!t", "yes"}
	for _, i := range d.Perm(len(odd))[:1+d.IntN(4)] {
		s.NICs = append(s.NICs, NIC{Name: odd[i]})
	}
	if d.IntN(3) > 0 {
		s.NICs[0].XDP = Stands(Balancer)
		if d.IntN(2) == 0 {
			n := Named{"mine", External, &ExternalStage{d.object(), pick(d, "next", "jmp table"), uint32(d.IntN(9)), d.IntN(2) == 0}}
			s.Stages = append(s.Stages, n)
			s.NICs[0].XDP = append(Stands("mine"), s.NICs[0].XDP...)
			s.Probes = append(s.Probes, Probe{"seen", d.object(), pick(d, ProbeAuto, BTFTracepoint, Uprobe), pick(d, "", "a/b", "/bin/x:y")})
		}
		if d.IntN(2) == 0 {
			n := Named{pick(d, "ratelimit", "strict", "null"), RateLimit, d.rates()}
			s.Stages = append(s.Stages, n)
			s.NICs[0].XDP = append([]Position{{n.Name, d.IntN(2) == 0, d.IntN(2) == 0}}, s.NICs[0].XDP...)
		}
		if d.IntN(2) == 0 {
			s.Stages = append(s.Stages, Named{"guard", TLSWall, d.wall()}, Named{"copies", Mirror, d.copies()})
			s.NICs[0].XDP = append(Stands("copies"), s.NICs[0].XDP...)
			s.Stages = append(s.Stages, Named{"ways", Steer, d.steering()})
			s.NICs[0].TCXEgress = Stands("ways")
			s.NICs[0].XDP = append([]Position{{"guard", d.IntN(2) == 0, d.IntN(2) == 0}}, s.NICs[0].XDP...)
		}
		if d.IntN(2) == 0 {
			s.Stages = append(s.Stages, Named{"fw", Firewall, d.policy()})
			s.NICs[0].XDP = append([]Position{{"fw", d.IntN(2) == 0, d.IntN(2) == 0}}, s.NICs[0].XDP...)
		}
		if d.IntN(2) == 0 {
			n := Named{pick(d, "connlimit", "few", "true"), ConnLimit, d.connections()}
			s.Stages = append(s.Stages, n)
			s.NICs[0].XDP = append([]Position{{n.Name, d.IntN(2) == 0, d.IntN(2) == 0}}, s.NICs[0].XDP...)
		}
		for i := range d.IntN(6) {
			s.VIPs = append(s.VIPs, d.vip(i))
		}
		if d.IntN(2) == 0 {
			d.announce(s)
		}
	}
	if n := &s.NICs[len(s.NICs)-1]; len(n.XDP) == 0 && d.IntN(2) == 0 {
		if d.IntN(2) == 0 {
			n.XDP = Stands(Decap)
		} else {
			n.TCXIngress = Stands(Decap)
		}
		s.Agent = &Agent{VIPs: d.addresses(10, 1+d.IntN(3)), EncapPort: uint16(1 + d.IntN(65535)), Orphans: pick(d, OrphansIgnored, OrphansCounted)}
		if slices.ContainsFunc(s.NICs, func(n NIC) bool { return s.stands(n.XDP, Decap) }) {
			s.Agent.Handover = pick(d, nil, []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")})
		}
		if d.IntN(2) == 0 {
			n.TCXEgress = Stands(SNAT)
			s.Agent.MSS = uint16(MinMSS + d.IntN(MaxMSS-MinMSS))
		}
		if len(n.TCXEgress) > 0 && d.IntN(2) == 0 {
			local := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
			s.Agent.Mode, s.Agent.Local = SNATMode, local
			if d.IntN(2) == 0 {
				s.Agent.Taps = []Tap{{"vm", d.addresses(20, 1+d.IntN(3)), local}}
				s.NICs = append(s.NICs, NIC{Name: "vm", TCXEgress: Stands(Decap), TCXIngress: Stands(SNAT)})
			}
		}
		if d.IntN(2) == 0 {
			s.Agent.Report = &Report{Every: pick(d, MinReport, DefaultReport, 1500*time.Millisecond), Key: pick(d, "/k", "/{a}, b")}
			for _, a := range d.addresses(50, 1+d.IntN(3)) {
				s.Agent.Report.To = append(s.Agent.Report.To, netip.AddrPortFrom(a, uint16(1+d.IntN(65535))))
			}
		}
	}
	d.tenants(s)
	return s
}

func (d dice) rates() *Rates {
	r := &Rates{Action: pick(d, LimitDrop, LimitReset), Count: pick(d, Accepted, Offered)}
	for _, per := range []Scope{PerNIC, PerVIP, PerTenant, PerSource, PerSourceVIP}[d.IntN(5):] {
		l := Rate{Rate: uint32(1 + d.IntN(maxRate)), Per: per}
		if per.ofSource() {
			l.Rate = uint32(1 + d.IntN(MaxSourceRate))
		}
		if per.ofSource() {
			l.Prefix4, l.Prefix6 = uint8(1+d.IntN(32)), uint8(1+d.IntN(128))
		}
		r.Limits = append(r.Limits, l)
	}
	return r
}

// serverID is most likely no other backend's.
func (d dice) serverID(v VIP) uint32 {
	if !v.NamesServers() || d.IntN(2) == 0 {
		return 0
	}
	return uint32(1 + d.IntN(1<<v.idBits()-1))
}

func (d dice) object() Object {
	x := Object{File: pick(d, "/a.o", "/with space.o", "/null"), Program: pick(d, "", "count", "yes")}
	for i := range d.IntN(3) {
		e := MapEntry{Key: pick(d, "0", "0x1f", "-1", "10.0.0.1", "fd00::1", "0a:0b"), Values: []MapField{{"", pick(d, "18446744073709551615", "00:01")}}}
		if d.IntN(2) == 0 {
			e.Values = []MapField{{"port", "53"}, {"null", "fd00::1"}}
		}
		x.Maps = append(x.Maps, MapFill{fmt.Sprint("m", i), []MapEntry{e}})
		x.Watch = append(x.Watch, Watch{"m", e.Key, pick(d, "", "port"), pick(d, WatchScalar, WatchMaxRate, WatchAverage), fmt.Sprint("w", i)})
	}
	return x
}

func (d dice) connections() *Connections {
	x := &Connections{Action: pick(d, LimitDrop, LimitReset), Source: pick(d, Flows, Sockets, Agents), Idle: DefaultIdle}
	if x.Source == Flows {
		x.Idle = pick(d, MinIdle, 90*time.Second, MaxIdle)
	}
	scopes := []Scope{PerNIC, PerVIP, PerTenant, PerSource, PerSourceVIP}[d.IntN(5):]
	if x.Source == Agents {
		scopes = []Scope{PerNIC, PerVIP, PerTenant}[d.IntN(3):]
		x.Reported = Reported{pick(d, netip.MustParseAddrPort("0.0.0.0:1"), netip.MustParseAddrPort("[fd00::1]:6090")),
			pick(d, "/etc/agents.key", "/a b: #", "/null"), pick(d, MinHold, DefaultHold, MaxHold)}
	}
	for _, per := range scopes {
		l := Connection{Max: uint32(1 + d.IntN(maxConnections)), Per: per}
		if per.ofSource() {
			l.Prefix4, l.Prefix6 = uint8(1+d.IntN(32)), uint8(1+d.IntN(128))
		}
		x.Limits = append(x.Limits, l)
	}
	return x
}

func (d dice) wall() *Wall {
	x := &Wall{Ports: []uint16{uint16(1 + d.IntN(1000)), uint16(2000 + d.IntN(1000))}[d.IntN(2):], Full: pick(d, FullPass, FullDrop),
		Action: pick(d, LimitDrop, LimitReset), Wait: pick(d, MinWait, 90*time.Second, DefaultWait, MaxWait)}
	for _, a := range d.addresses(30, d.IntN(4)) {
		x.Allow = append(x.Allow, netip.PrefixFrom(a, d.IntN(a.BitLen()+1)).Masked())
	}
	return x
}

func (d dice) steering() *Steering {
	ways := []Way{{NIC: "eth1"}, {NIC: "a#b", Via: netip.MustParseAddr("10.0.0.1")}, {NIC: "eth1", Via: netip.MustParseAddr("fd00::1")}, {Table: 1 + d.Uint32N(1<<31)}}
	x := &Steering{Groups: []PathGroup{{Name: "null", Paths: []SteerPath{{"one", ways[0], 1}, {"two", ways[1+d.IntN(3)], 1 + d.Uint32N(MaxPathWeight)}}}}}
	if d.IntN(2) == 0 {
		x.Groups[0].Probe = Probing{netip.MustParseAddr("192.0.2.1"), uint16(d.IntN(65536)), time.Second, MinTimeout, 1 + d.Uint32N(MaxInARow), 1}
	}
	for i := range 1 + d.IntN(4) {
		u := SteerRule{Name: fmt.Sprint("rule", i), From: d.prefixes(), Mark: pick(d, PacketMark{}, PacketMark{1, 3}, PacketMark{7, 1<<32 - 1}), Otherwise: pick(d, OtherwisePass, OtherwiseDrop),
			Cgroup: pick(d, "", "/a b/c"), DSCP: pick(d, nil, []DSCP{0, 63})}
		if u.Way = pick(d, ways...); d.IntN(2) == 0 {
			u.Paths, u.Way = "null", Way{}
		}
		x.Rules = append(x.Rules, u)
	}
	if d.IntN(2) == 0 {
		x.Hot = MinHot
	}
	return x
}

func (d dice) prefixes() []netip.Prefix {
	return pick(d, nil, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, []netip.Prefix{netip.MustParsePrefix("::/0"), netip.MustParsePrefix("10.0.0.0/8")})
}

func (d dice) copies() *Copies {
	x := &Copies{To: pick(d, netip.MustParseAddrPort("192.0.2.9:4789"), netip.MustParseAddrPort("[fd00::9]:1")), Encap: pick(d, CopyVXLAN, CopyGUE),
		Match: pick(d, "", "tcp port 80", `!(host ::1) && udp`), OneIn: uint32(1 + d.IntN(MaxOneIn)), Snap: uint32(MinCopySnap + d.IntN(MaxCopySnap-MinCopySnap)),
		Rate: uint32(1 + d.IntN(MaxCopyRate))}
	if x.Encap == CopyVXLAN {
		x.VNI = uint32(d.IntN(MaxVNI))
	}
	return x
}

func (d dice) policy() *Policy {
	p := &Policy{}
	for i := range d.IntN(4) {
		match := pick(d, "tcp port 23", `!(host ::1) && proto \tcp || net ::/0`, "net 2001:db8::/32 and (udp or\ttcp)")
		p.Rules = append(p.Rules, Rule{fmt.Sprint("rule-", i), match, pick(d, RuleDrop, RulePass, RuleCount)})
	}
	for _, list := range []*[]netip.Prefix{&p.Drop.Sources, &p.Drop.Destinations} {
		for _, a := range d.addresses(30, d.IntN(4)) {
			*list = append(*list, netip.PrefixFrom(a, d.IntN(a.BitLen()+1)).Masked())
		}
	}
	for _, list := range []*[]string{&p.Drop.SourceFiles, &p.Drop.DestinationFiles} {
		for i := range d.IntN(3) {
			*list = append(*list, fmt.Sprintf("%s%d", pick(d, "/a b", "/etc/{x}: #", "/-"), i))
		}
	}
	return p
}

func (d dice) vip(i int) VIP {
	v := VIP{
		Name:      fmt.Sprint(pick(d, "", "-", "web-", "0"), i),
		Addresses: d.addresses(20+i, 1+d.IntN(3)),
		Port:      uint16(pick(d, 0, 1, 80, 65535)),
		Protocol:  pick(d, TCP, UDP),
		Encap:     pick(d, GUE, IPIP),
		Ring:      pick(d, Rings[:]...),
		Settle:    time.Second + time.Duration(d.Int64N(int64(MaxSettle-time.Second+1))),
	}
	if d.IntN(2) == 0 {
		v.Settle = pick(d, time.Second, time.Minute, time.Hour, 61*time.Second, 1500*time.Millisecond)
	}
	if v.Encap == GUE {
		v.EncapPort = uint16(1 + d.IntN(65535))
	}
	switch d.IntN(4) {
	case 0:
		v.Prefixes = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(i), 0}), 24), netip.PrefixFrom(netip.MustParseAddr(fmt.Sprintf("fd00:%x::", 1+i)), 32)}
	case 1:
		v.Sources = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	}
	if len(v.Sources) == 0 && v.Port != 0 && v.Port < 60000 && d.IntN(4) == 0 {
		v.LastPort = v.Port + 1 + uint16(d.IntN(9))
	}
	v.Flow, v.Hash, v.Local = pick(d, FlowSticky, FlowNone), pick(d, HashTuple, HashNoSourcePort, HashAddresses, HashDestinationPort), d.IntN(4) == 0
	if v.Protocol == UDP {
		v.QUIC, v.Migrate = pick(d, NoQUIC, QUIC2, QUIC3), d.IntN(2) == 0
		if v.QUIC == NoQUIC {
			v.IDIn = pick(d, IDNowhere, IDPayload)
		}
	} else {
		v.IDIn = pick(d, IDNowhere, IDOption)
	}
	v.Handover = v.Protocol == TCP && v.Encap == GUE && d.IntN(3) == 0
	for _, a := range d.addresses(200, d.IntN(5)) {
		v.Backends = append(v.Backends, Backend{a, uint32(d.IntN(MaxWeight + 1)), pick(d, Up, Drain, Down, Maintenance), d.serverID(v), Found{}})
	}
	if d.IntN(3) == 0 {
		v.From = d.from(v)
		for i := range v.Backends {
			if b := &v.Backends[i]; d.IntN(2) == 0 {
				b.Found = Found{true, pick(d, b.Weight, 7), pick(d, Up, Drain, Down), pick(d, false, true)}
			}
		}
	}
	if d.IntN(2) == 0 {
		v.SlowStart = pick(d, MinSlowStart, 30*time.Second, MaxSlowStart)
	}
	for range d.IntN(3) {
		v.Checks = append(v.Checks, d.check(v))
	}
	if len(v.Checks) > 0 {
		v.Health = &Health{Watermark: uint32(d.IntN(101)), WarmUp: pick(d, 0, MaxWarmUp), Damping: pick(d, 0, MaxDamping)}
		if len(v.Backends) > 1 {
			v.Health.Quorum, v.Health.Hysteresis = 1, uint32(d.IntN(len(v.Backends)))
		}
	}
	return v
}

func (d dice) from(v VIP) *From {
	f := &From{Family: pick(d, IPv4, IPv6), Interval: pick(d, MinFromInterval, 90*time.Second, MaxFromInterval), Hold: pick(d, 0, time.Minute, MaxFromHold), Drain: pick(d, 0, DefaultFromDrain, MaxFromDrain),
		Weight: 1 + d.Uint32N(MaxWeight), Most: 1 + d.Uint32N(MaxBackends)}
	switch d.IntN(3) {
	case 0:
		f.DNS, f.Records = pick(d, "a.example.com.", "_http._tcp.null", "yes"), pick(d, Addresses, Services)
		f.Server = pick(d, netip.AddrPort{}, netip.MustParseAddrPort("10.0.0.53:53"), netip.MustParseAddrPort("[fd00::53]:5353"))
	case 1:
		f.File, f.Family = pick(d, "/a b: #", "/null", "/x.backends"), pick(d, AnyFamily, IPv6)
	case 2:
		f.Service, f.Namespace, f.Port = pick(d, "web", "null", "123"), pick(d, DefaultNamespace, "no"), pick(d, "", "http", "on")
		f.Kubeconfig = pick(d, "", "/etc/{k}: config")
	}
	return f
}

func (d dice) check(v VIP) Check {
	c := Check{To: ToBackend, Port: uint16(1 + d.IntN(65535)), Interval: pick(d, MinInterval, time.Second, MaxInterval),
		Rise: uint32(1 + d.IntN(MaxInARow)), Fall: uint32(1 + d.IntN(MaxInARow))}
	c.Timeout = pick(d, MinTimeout, c.Interval)
	text := func() string { return pick(d, "x", "a, b: {c} # d", "null", `"q"`, "é") }
	switch c.Kind = pick(d, CheckTCP, CheckHTTP, CheckHTTPS, CheckTLS, CheckDNS, CheckUDP, CheckPing, CheckCommand); c.Kind {
	case CheckTCP:
		if v.Protocol == TCP {
			c.To = ToVIP
			c.Port = max(v.Port, 1)
		}
	case CheckHTTP, CheckHTTPS:
		c.Host, c.Path, c.Header, c.Body = pick(d, "", "a.b"), "/"+pick(d, "", "x?y=z"), text(), text()
		c.Status = []StatusSpan{{200, 299}, {404, 404}}[:1+d.IntN(2)]
	case CheckTLS:
		c.Host, c.Verify = "null", d.IntN(2) == 0
	case CheckDNS:
		c.Name, c.Type = pick(d, ".", "a.example."), pick(d, queryA, queryNS)
	case CheckUDP:
		c.Send, c.Expect = text(), text()
	case CheckPing:
		c.Port = 0
	case CheckCommand:
		c.Port, c.To, c.Command = 0, ToVIP, []string{"/bin/a b", "", "-x: {}", text()}
	}
	return c
}

// announce has routers told of the VIPs of s.
func (d dice) announce(s *Spec) {
	seconds := func(lo, hi time.Duration) time.Duration {
		return (lo + time.Duration(d.Int64N(int64(hi-lo+1)))).Truncate(time.Second)
	}
	s.BGP = &BGP{AS: 1 + d.Uint32N(1<<32-1), RouterID: netip.AddrFrom4([4]byte{10, 1, 0, 2}), HoldTime: seconds(MinHoldTime, MaxHoldTime),
		Restart: seconds(0, MaxRestart), DrainWait: seconds(0, MaxDrainWait), Path: d.path()}
	for _, a := range d.addresses(90, 1+d.IntN(3)) {
		p := Neighbor{a, 1 + d.Uint32N(1<<32-1), uint16(1 + d.IntN(65535)), pick(d, "", "/k", "/a b: #"), uint8(1 + d.IntN(255)), BFD{}}
		if d.IntN(2) == 0 {
			p.Hops, p.BFD = 1, BFD{MinBFDInterval + time.Duration(d.IntN(9000))*time.Millisecond, uint8(2 + d.IntN(MaxBFDMultiplier-1)), s.BGP.Restart > 0}
		}
		s.BGP.Neighbors = append(s.BGP.Neighbors, p)
	}
	for i := range s.VIPs {
		switch x := (&Announce{MinBackends: 1 + d.Uint32N(MaxBackends)}); d.IntN(3) {
		case 0:
			s.VIPs[i].Announce = &Announce{Off: true, MinBackends: 1}
		case 1:
			if p := d.path(); !p.Equal(Path{}) {
				x.Path = &p
			}
			if x.Path != nil || x.MinBackends > 1 {
				s.VIPs[i].Announce = x
			}
		}
	}
}

func (d dice) path() (p Path) {
	for range d.IntN(3) {
		if c := Community(d.Uint32()); !slices.Contains(p.Communities, c) {
			p.Communities = append(p.Communities, c)
		}
	}
	if d.IntN(2) == 0 {
		p.MED, p.LocalPreference = new(d.Uint32()), new(d.Uint32())
	}
	return p
}

// addresses are n different ones of a network that no other number has.
func (d dice) addresses(network, n int) (all []netip.Addr) {
	for i := range n {
		a := netip.AddrFrom4([4]byte{10, byte(network), byte(d.IntN(256)), byte(i)})
		if d.IntN(2) == 0 {
			a = netip.AddrFrom16([16]byte{0xfd, byte(network), 8: byte(d.IntN(2)), 14: byte(i), 15: byte(d.IntN(2))})
		}
		all = append(all, a)
	}
	return all
}

// tenants gives some of the VIPs to tenants that may have them.
func (d dice) tenants(s *Spec) {
	for i := range d.IntN(3) {
		t := Tenant{Name: fmt.Sprint(pick(d, "shop", "null", "-", "0"), i), Operators: []string{"ann", "Bob.x@y", "yes"}[:d.IntN(4)], Groups: []string{"web"}[:d.IntN(2)]}
		for j := range s.VIPs {
			if s.VIPs[j].Tenant == "" && d.IntN(2) == 0 {
				s.VIPs[j].Tenant = t.Name
			}
		}
		vips, backends := s.Owned(t.Name)
		if d.IntN(2) == 0 {
			t.MaxVIPs, t.MaxBackends = uint32(vips+1), uint32(backends+1)
			t.Prefixes = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
			t.BackendPrefixes = t.Prefixes
		}
		s.Tenants = append(s.Tenants, t)
	}
}
