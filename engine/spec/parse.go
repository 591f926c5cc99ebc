package spec

import (
	"go.yaml.in/yaml/v3"
)

// mostStages is how many positions a chain has for stages.
const mostStages = 14

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
		field{"stages", "", func(n *yaml.Node, a *at) { s.Stages = r.stages(n, a) }},
		field{"probes", "", func(n *yaml.Node, a *at) { s.Probes = r.probes(n, a) }},
		field{"nics", "", func(n *yaml.Node, a *at) { s.NICs = r.nics(n, a) }},
		field{"vips", "", list(r, &s.VIPs, MaxVIPs, r.vip)},
		field{"agent", "", func(n *yaml.Node, a *at) { s.Agent = r.agent(n, a) }},
		field{"bgp", "", func(n *yaml.Node, a *at) { s.BGP = r.bgp(n, a) }},
		field{"tenants", "", func(n *yaml.Node, a *at) { s.Tenants = r.tenants(n, a) }},
	)
	return s
}

func (r *reader) nics(n *yaml.Node, a *at) []NIC {
	var nics []NIC
	r.pairs(n, a, func(key, value *yaml.Node) {
		nic := NIC{Name: key.Value}
		r.fields(value, a.field(key.Value),
			field{string(XDP), "", list(r, &nic.XDP, mostStages, r.position)},
			field{string(TCXIngress), "", list(r, &nic.TCXIngress, mostStages, r.position)},
			field{string(TCXEgress), "", list(r, &nic.TCXEgress, mostStages, r.position)},
		)
		nics = append(nics, nic)
	})
	return nics
}

// position reads the name of a stage, or a mapping with it and how it stands there.
func (r *reader) position(n *yaml.Node, a *at) (p Position) {
	r.either(n, a, scalar(r, &p.Name, name), func(n *yaml.Node, a *at) {
		r.fields(n, a,
			field{"stage", "the name of a stage", scalar(r, &p.Name, name)},
			field{"disabled", "", choice(r, &p.Disabled, truths)},
			field{"shadow", "", choice(r, &p.Shadow, truths)},
		)
	})
	return p
}

// stages reads the settings of stages by name. Each is of the kind that its name or its field kind says.
func (r *reader) stages(n *yaml.Node, a *at) []Named {
	if r.shape != nil {
		r.shapeStages()
		return nil
	}
	var all []Named
	r.pairs(n, a, func(key, value *yaml.Node) {
		here := a.field(key.Value)
		k := Named{Name: key.Value, Kind: Stage(key.Value)}
		if given := member(value, "kind"); given != nil {
			k.Kind = Stage(given.Value)
		}
		known, why := settingsOf(k.Kind)
		if why != "" {
			r.misread(here, 0, "%s", why)
			return
		}
		r.fields(value, here, append([]field{{"kind", "", func(*yaml.Node, *at) {}}}, known.fields(r)...)...)
		k.Settings = known
		all = append(all, k)
	})
	return all
}

// member is the value of a field of the mapping n; nil when it has none of that name.
func member(n *yaml.Node, name string) *yaml.Node {
	n = follow(n)
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if follow(n.Content[i]).Value == name {
			return follow(n.Content[i+1])
		}
	}
	return nil
}

func (r *reader) vip(n *yaml.Node, a *at) VIP {
	v := VIP{Ring: DefaultRing, Settle: DefaultSettle}
	addresses := "a list of IP addresses"
	if r.shape != nil || member(n, "prefixes") != nil {
		addresses = ""
	}
	r.fields(n, a,
		field{"name", "a short name for this VIP", scalar(r, &v.Name, name)},
		field{"tenant", "", scalar(r, &v.Tenant, name)},
		field{"addresses", addresses, list(r, &v.Addresses, 2*MaxAddresses, r.vipAddress)},
		field{"prefixes", "", list(r, &v.Prefixes, MaxVIPPrefixes, r.prefix)},
		field{"port", "1 to 65535, two with a dash between them, or 0 for every port", ports(r, &v)},
		field{"sources", "", list(r, &v.Sources, MaxSources, r.prefix)},
		field{"protocol", "tcp or udp", choice(r, &v.Protocol, protocols)},
		field{"encap", "", choice(r, &v.Encap, encaps)},
		field{"encap_port", "", number(r, &v.EncapPort, 1, 65535)},
		field{"ring", "", scalar(r, &v.Ring, parseRing)},
		field{"flow", "", choice(r, &v.Flow, flows)},
		field{"hash", "", choice(r, &v.Hash, hashes)},
		field{"quic", "", choice(r, &v.QUIC, quics)},
		field{"id_in", "", choice(r, &v.IDIn, idPlaces)},
		field{"local", "", choice(r, &v.Local, truths)},
		field{"migrate", "", choice(r, &v.Migrate, truths)},
		field{"handover", "", choice(r, &v.Handover, truths)},
		field{"settle", "", scalar(r, &v.Settle, parseDuration)},
		field{"backends", "", list(r, &v.Backends, MaxBackends, r.backend)},
		field{"from", "", func(n *yaml.Node, a *at) { v.From = r.from(n, a) }},
		field{"checks", "", list(r, &v.Checks, MaxChecks, r.check)},
		field{"health", "", func(n *yaml.Node, a *at) { v.Health = r.health(n, a) }},
		field{"slow_start", "", scalar(r, &v.SlowStart, parseDuration)},
		field{"announce", "", func(n *yaml.Node, a *at) { v.Announce = r.announce(n, a) }},
	)
	v.complete()
	v.completeFrom()
	if v.Encap == GUE && v.EncapPort == 0 {
		v.EncapPort = DefaultEncapPort
	}
	return v
}

func (r *reader) backend(n *yaml.Node, a *at) Backend {
	b := Backend{Weight: DefaultWeight}
	written := false // what its source says, because it was edited
	r.fields(n, a,
		field{"address", "the IP address of the backend", scalar(r, &b.Address, parseAddress)},
		field{"weight", "", number(r, &b.Weight, 0, MaxWeight)},
		field{"state", "", choice(r, &b.State, states)},
		field{"id", "", number(r, &b.ID, 1, 1<<32-1)},
		field{"found", "", func(n *yaml.Node, a *at) { written = r.found(n, a, &b.Found) }},
	)
	if b.Found.Is && !written {
		b.Found.Weight, b.Found.State = b.Weight, b.State
	}
	return b
}
