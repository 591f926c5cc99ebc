package spec

import (
	"go.yaml.in/yaml/v3"
)

// mostStages is how many positions a chain has.
const mostStages = 16

// Parse reads a spec from a YAML document, with every default filled in. name is where the document comes from, for
// errors, which are an *Error with all that is wrong.
func Parse(name string, data []byte) (*Spec, error) {
	doing, f := "parse "+name, &faults{}
	root := document(data, f)
	if root == nil {
		return nil, f.err(doing, nil)
	}
	var s *Spec
	if upgrade(root, upgrades[:], f) {
		r := reader{faults: f}
		s = r.spec(root)
		check(s, f)
	}
	if err := f.err(doing, root); err != nil {
		return nil, err
	}
	return s, nil
}

func (r *reader) spec(root *yaml.Node) *Spec {
	s := &Spec{Version: Version}
	r.fields(root, nil,
		field{"version", "", func(*yaml.Node, *at) {}}, // upgrade has read it
		field{"nics", "", func(n *yaml.Node, a *at) { s.NICs = r.nics(n, a) }},
		field{"vips", "", list(r, &s.VIPs, MaxVIPs, r.vip)},
		field{"agent", "", func(n *yaml.Node, a *at) { s.Agent = r.agent(n, a) }},
	)
	return s
}

func (r *reader) nics(n *yaml.Node, a *at) []NIC {
	var nics []NIC
	r.pairs(n, a, func(key, value *yaml.Node) {
		nic := NIC{Name: key.Value}
		r.fields(value, a.field(key.Value),
			field{string(XDP), "", list(r, &nic.XDP, mostStages, r.stage)},
			field{string(TCXIngress), "", list(r, &nic.TCXIngress, mostStages, r.stage)},
			field{string(TCXEgress), "", list(r, &nic.TCXEgress, mostStages, r.stage)},
		)
		nics = append(nics, nic)
	})
	return nics
}

func (r *reader) stage(n *yaml.Node, a *at) Stage {
	s, _ := r.text(n, a)
	return Stage(s)
}

func (r *reader) vip(n *yaml.Node, a *at) VIP {
	v := VIP{Ring: DefaultRing, Settle: DefaultSettle}
	r.fields(n, a,
		field{"name", "a short name for this VIP", scalar(r, &v.Name, name)},
		field{"addresses", "a list of IP addresses", list(r, &v.Addresses, 2*MaxAddresses, r.address)},
		field{"port", "1 to 65535, or 0 for every port", number(r, &v.Port, 0, 65535)},
		field{"protocol", "tcp or udp", choice(r, &v.Protocol, protocols)},
		field{"encap", "", choice(r, &v.Encap, encaps)},
		field{"encap_port", "", number(r, &v.EncapPort, 1, 65535)},
		field{"ring", "", scalar(r, &v.Ring, parseRing)},
		field{"flow", "", choice(r, &v.Flow, flows)},
		field{"settle", "", scalar(r, &v.Settle, parseDuration)},
		field{"backends", "", list(r, &v.Backends, MaxBackends, r.backend)},
	)
	if v.Encap == GUE && v.EncapPort == 0 {
		v.EncapPort = DefaultEncapPort
	}
	return v
}

func (r *reader) backend(n *yaml.Node, a *at) Backend {
	b := Backend{Weight: DefaultWeight}
	r.fields(n, a,
		field{"address", "the IP address of the backend", scalar(r, &b.Address, parseAddress)},
		field{"weight", "", number(r, &b.Weight, 0, MaxWeight)},
		field{"state", "", choice(r, &b.State, states)},
	)
	return b
}

func (r *reader) agent(n *yaml.Node, a *at) *Agent {
	g := &Agent{EncapPort: DefaultEncapPort}
	r.fields(n, a,
		field{"vips", "the VIP addresses that this host has on lo", list(r, &g.VIPs, 2*MaxAddresses, r.address)},
		field{"mode", "", choice(r, &g.Mode, modes)},
		field{"encap_port", "", number(r, &g.EncapPort, 1, 65535)},
	)
	return g
}
