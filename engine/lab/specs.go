package lab

import (
	"fmt"
	"os"
	"path/filepath"

	"hairpin/engine/spec"
)

// WriteSpec makes s the document that the node's engine reads at its first start; with a store, what the fleet's first revision says for it.
func (l *Lab) WriteSpec(node string, s *spec.Spec) error {
	if err := l.has(node); err != nil {
		return err
	}
	if err := os.WriteFile(l.specFile(node), spec.Marshal(s), 0o644); err != nil {
		return fmt.Errorf("%s: write spec: %w", node, err)
	}
	return nil
}

// WriteSpecs gives every node that has none the lab's own document, as edits leave it.
func (l *Lab) WriteSpecs(edits ...func(*spec.Spec) error) error {
	for _, n := range l.Engines() {
		if _, err := os.Stat(l.specFile(n)); err == nil {
			continue
		}
		s := l.BackendSpec()
		if balances(n) {
			s = l.BalancerSpec(n)
		}
		for _, edit := range edits {
			if err := edit(s); err != nil {
				return err
			}
		}
		if err := l.WriteSpec(n, s); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) specFile(node string) string {
	if l.size.store != "" {
		return filepath.Join(l.NodeDir(node), "part.yaml")
	}
	return filepath.Join(l.NodeDir(node), "config", "spec.yaml")
}

// BalancerSpec is what runs on a load balancer: where there are several, they announce the VIPs.
func (l *Lab) BalancerSpec(node string) *spec.Spec {
	s := l.LBSpec()
	if l.router != "" {
		s.BGP = l.bgpOf(node)
	}
	return s
}

// LBSpec is what runs on lb where it is alone: the two VIPs of the lab, over IPv4 to every backend, behind a firewall and limits that no load of
// the lab comes near.
func (l *Lab) LBSpec() *spec.Spec {
	web := vip("web", spec.TCP, HTTPPort)
	web.Addresses = append(web.Addresses, VIP4, VIP6)
	echo := vip("echo", spec.UDP, EchoPort)
	echo.Addresses = append(echo.Addresses, VIP4)
	for i := 1; i <= l.size.backends; i++ {
		b := spec.Backend{Address: l.Addresses(Backend(i))[0], Weight: spec.DefaultWeight, State: spec.Up}
		web.Backends = append(web.Backends, b)
		echo.Backends = append(echo.Backends, b)
	}
	return &spec.Spec{
		Version: spec.Version,
		Stages:  stages(),
		NICs:    []spec.NIC{{Name: NIC, XDP: spec.Stands(spec.Firewall, spec.RateLimit, spec.ConnLimit, spec.Balancer)}},
		VIPs:    []spec.VIP{web, echo},
	}
}

// stages are the settings of lb's stages: nothing that the lab's clients send is dropped, and there is something to look at.
func stages() []spec.Named {
	const (
		rate = 50_000    // new connections a second, twice what one machine does through a lab
		open = 1_000_000 // at a time; one that was closed counts for a minute
	)
	wall := &spec.Policy{Rules: []spec.Rule{
		{Name: "telnet", Match: "tcp port 23", Action: spec.RuleDrop},
		{Name: "over-ipv6", Match: "ip6", Action: spec.RuleCount},
	}}
	wall.Drop.Sources = prefixes("192.0.2.0/24", "203.0.113.0/24", "2001:db8:bad::/48")
	return []spec.Named{
		{Name: string(spec.Firewall), Kind: spec.Firewall, Settings: wall},
		{Name: string(spec.RateLimit), Kind: spec.RateLimit, Settings: &spec.Rates{Limits: []spec.Rate{{Rate: rate, Per: spec.PerVIP}}}},
		{Name: string(spec.ConnLimit), Kind: spec.ConnLimit, Settings: &spec.Connections{Source: spec.Flows, Idle: spec.DefaultIdle,
			Limits: []spec.Connection{{Max: open, Per: spec.PerVIP}}}},
	}
}

func vip(name string, protocol spec.Protocol, port uint16) spec.VIP {
	return spec.VIP{
		Name: name, Port: port, Protocol: protocol,
		Encap: spec.GUE, EncapPort: spec.DefaultEncapPort,
		Ring: spec.DefaultRing, Flow: spec.FlowSticky, Settle: spec.DefaultSettle,
	}
}

// BackendSpec is what runs on every backend.
func (l *Lab) BackendSpec() *spec.Spec {
	agent := &spec.Agent{Mode: spec.DSR, EncapPort: spec.DefaultEncapPort}
	agent.VIPs = append(agent.VIPs, VIP4, VIP6)
	return &spec.Spec{
		Version: spec.Version,
		NICs:    []spec.NIC{{Name: NIC, XDP: spec.Stands(spec.Decap)}},
		Agent:   agent,
	}
}
