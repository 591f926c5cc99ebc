package spec

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// What a document cannot say wrongly, a program can.
func TestValidate(t *testing.T) {
	addr := netip.MustParseAddr
	for _, row := range []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"nothing", func(s *Spec) {}, ""},
		{"version", func(s *Spec) { s.Version = 2 }, "version: 2 is not 1"},
		{"protocol", func(s *Spec) { s.VIPs[0].Protocol = 0 }, "vips[0].protocol: protocol(0) is not known"},
		{"encap", func(s *Spec) { s.VIPs[0].Encap = 9 }, "vips[0].encap: encap(9) is not known"},
		{"encap port", func(s *Spec) { s.VIPs[0].EncapPort = 0 }, "vips[0].encap_port: 0 is not within 1 to 65535"},
		{"ring", func(s *Spec) { s.VIPs[0].Ring = 0 }, "vips[0].ring: a ring cannot have 0 slots: write one of 251, 509, 1021, 2039, 4099, 8191, 16381, 32749, 65537, 131071"},
		{"flow", func(s *Spec) { s.VIPs[0].Flow = 9 }, "vips[0].flow: flow(9) is not known"},
		{"settle", func(s *Spec) { s.VIPs[0].Settle = 0 }, "vips[0].settle: 0s is not within 1s to 1h"},
		{"zero address", func(s *Spec) { s.VIPs[0].Addresses[0] = netip.Addr{} }, "vips[0].addresses[0]: empty: write an IP address"},
		{"weight", func(s *Spec) { s.VIPs[0].Backends[0].Weight = 65536 }, "vips[0].backends[0].weight: 65536 is not within 0 to 65535"},
		{"state", func(s *Spec) { s.VIPs[0].Backends[0].State = 4 }, "vips[0].backends[0].state: state(4) is not known"},
		{"mode", func(s *Spec) { s.Agent.Mode = 9 }, "agent.mode: mode(9) is not known"},
		{"agent's port", func(s *Spec) { s.Agent.EncapPort = 0 }, "agent.encap_port: 0 is not within 1 to 65535"},
		{"agent's address", func(s *Spec) { s.Agent.VIPs = []netip.Addr{{}} }, "agent.vips[0]: empty: write an IP address"},
		{"NIC twice", func(s *Spec) { s.NICs = append(s.NICs, NIC{Name: "eth0"}) }, "nics.eth0: given twice"},
		{"several", func(s *Spec) {
			s.VIPs[0].Backends = append(s.VIPs[0].Backends, Backend{Address: addr("10.99.0.1"), Weight: 70000})
		},
			"vips[0].backends[1].address: 10.99.0.1 is the VIP itself: packets would come back for ever\n" +
				"vips[0].backends[1].weight: 70000 is not within 0 to 65535"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := wholeSpec()
			s.NICs = []NIC{{Name: "eth0", XDP: Stands(Balancer)}, {Name: "eth1", XDP: Stands(Decap)}}
			row.change(s)
			got, err := "", s.Validate()
			if err != nil {
				got = strings.ReplaceAll(err.Error(), "check spec: ", "")
			}
			if got != row.want {
				t.Errorf("got\n%s\nwant\n%s", got, row.want)
			}
			if e := (*Error)(nil); err != nil && (!errors.As(err, &e) || e.Faults[0].Line != 0) {
				t.Errorf("%#v is no *Error without lines", err)
			}
		})
	}
}

func TestErrorIsBounded(t *testing.T) {
	s := &Spec{Version: 1}
	for range 3000 {
		s.NICs = append(s.NICs, NIC{Name: strings.Repeat("long", 1000)})
	}
	var e *Error
	if !errors.As(s.Validate(), &e) || len(e.Faults) != MaxFaults || e.More != 1+3000+2999-MaxFaults {
		t.Fatalf("%d faults and %d more", len(e.Faults), e.More)
	}
	if n := len(e.Error()); n > 8000 {
		t.Errorf("the text has %d bytes", n)
	}
}

func TestWarnings(t *testing.T) {
	lb := "version: 1\nnics: {eth0: {xdp: [balancer]}}\nvips:\n  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp"
	for _, row := range []struct{ name, text, want string }{
		{"none", lb + ", backends: [{address: 10.1.1.1}]}", ""},
		{"no NIC", "version: 1", "nics: none, so this node handles no packet"},
		{"idle NIC", "version: 1\nnics: {eth0: {}}", "nics.eth0: no chain has a stage, so nothing is attached to it"},
		{"decap twice", "version: 1\nnics: {eth0: {xdp: [decap], tcx_ingress: [decap]}}\nagent: {vips: [10.99.0.1]}",
			"nics.eth0: decap stands in xdp and in tcx_ingress: what the first unwraps, the second no longer sees"},
		{"ring", lb + ", ring: 251, backends: [{address: 10.1.1.1}, {address: 10.1.1.2}, {address: 10.1.1.3}]}",
			"vips[0].ring: 251 slots share the load of web unevenly among 3 backends: write 509"},
		{"ring that is large enough", lb + ", ring: 251, backends: [{address: 10.1.1.1}, {address: 10.1.1.2}]}", ""},
		{"no backend", lb + "}", "vips[0].backends: none of web takes new flows, so they are dropped with reason no_backend"},
		{"no backend in use", lb + ", backends: [{address: 10.1.1.1, weight: 0}, {address: 10.1.1.2, state: drain}]}",
			"vips[0].backends: none of web takes new flows, so they are dropped with reason no_backend"},
		{"backend that is a VIP", lb + ", backends: [{address: 10.99.0.2}]}\n" +
			"  - {name: dns, addresses: [10.99.0.2], port: 53, protocol: udp, backends: [{address: 10.1.1.1}]}",
			"vips[0].backends[0]: 10.99.0.2 is also an address of VIP dns"},
		{"firewall without settings", "version: 1\nnics: {eth0: {xdp: [firewall]}}\nstages: {firewall: {}}",
			"stages.firewall: neither rules nor lists, so it lets everything pass"},
		{"large prefix", "version: 1\nnics: {eth0: {xdp: [firewall]}}\nstages: {firewall: {drop: {sources: [10.0.0.0/8], destinations: [\"2001::/16\", \"::/0\"]}}}",
			"stages.firewall.drop.destinations[1]: ::/0 is a large part of all addresses: let those pass that must by a rule with action pass"},
		{"rule that hides others, idle group", "version: 1\nnics: {eth0: {tcx_egress: [steer]}}\nstages: {steer: {" +
			"rules: [{name: all, nic: eth1}, {name: v, to: [10.0.0.0/8], nic: eth1}], " +
			"groups: [{name: two, paths: [{name: a, nic: eth1}, {name: b, nic: eth2}]}]}}",
			"stages.steer.rules[0]: all is true of every packet, so no rule behind it is asked\nstages.steer.groups: no rule names two"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := strings.Join(parse(t, row.text).Warnings(), "\n"); got != row.want {
				t.Errorf("got\n%s\nwant\n%s", got, row.want)
			}
		})
	}
}
