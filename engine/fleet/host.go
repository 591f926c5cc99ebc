package fleet

import (
	"fmt"
	"net/netip"
	"slices"

	"go.yaml.in/yaml/v3"

	"hairpin/engine/spec"
)

// host is the spec of a backend: its own part, and an agent for the VIPs that list it. One behind no VIP does nothing.
func (d *Document) host(node string, own *yaml.Node, before *Document) (*yaml.Node, error) {
	var hosts []netip.Addr
	if err := member(own, "hosts").Decode(&hosts); err != nil || len(hosts) == 0 {
		return nil, fmt.Errorf("node %s: hosts: write the addresses that VIPs list it by", node)
	}
	if v := member(member(own, "agent"), "vips"); v != nil && len(v.Content) > 0 {
		return nil, fmt.Errorf("node %s: agent.vips: leave it out: which VIPs it hosts follows from their backends", node)
	}
	vips, err := d.hosted(hosts)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", node, err)
	}
	if before != nil {
		old, _ := before.hosted(hosts) // what it could not take then, it did not
		for _, a := range old {
			if !slices.Contains(vips, a) {
				vips = append(vips, a)
			}
		}
	}
	version := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{word("version"), word("1")}}
	if len(vips) == 0 {
		return version, nil
	}
	mine := without(own, "hosts")
	agent := overlay(&yaml.Node{Kind: yaml.MappingNode}, member(mine, "agent"))
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, a := range vips {
		list.Content = append(list.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: a.String(), Style: yaml.DoubleQuotedStyle})
	}
	merged := overlay(version, without(mine, "agent"))
	merged.Content = append(merged.Content, word("agent"), with(agent, word("vips"), list))
	return merged, nil
}

// hosted are the addresses of the VIPs that list one of these as a backend, in the order of the document. An agent knows each of its
// addresses, so prefixes are written out.
func (d *Document) hosted(hosts []netip.Addr) (list []netip.Addr, err error) {
	var part struct {
		VIPs []hostedVIP
	}
	if n := member(d.shared, "vips"); n == nil || n.Decode(&part.VIPs) != nil {
		return nil, nil // what is wrong with it, the load balancers' specs say
	}
	there := map[netip.Addr]bool{}
	for _, v := range part.VIPs {
		if !slices.ContainsFunc(v.Backends, func(b hostedBackend) bool { return slices.Contains(hosts, b.Address) }) {
			continue
		}
		all, err := v.all()
		if err != nil {
			return nil, err
		}
		for _, a := range all {
			if !there[a] {
				there[a], list = true, append(list, a)
			}
		}
	}
	return list, nil
}

// hostedVIP is what of a VIP its backends must know.
type hostedVIP struct {
	Name      string
	Addresses []netip.Addr
	Prefixes  []netip.Prefix
	Backends  []hostedBackend
}

type hostedBackend struct{ Address netip.Addr }

// all are the addresses of v.
func (v hostedVIP) all() ([]netip.Addr, error) {
	list := v.Addresses
	for _, p := range v.Prefixes {
		p = p.Masked()
		if bits := p.Addr().BitLen() - p.Bits(); bits >= 64 || 1<<bits > spec.MaxHosted {
			return nil, fmt.Errorf("vip %s: prefix %s has more addresses than the %d that an agent takes: divide the VIP among hosts, or leave this backend out of nodes and have its kernel take the tunnels off",
				v.Name, p, spec.MaxHosted)
		}
		for a := p.Addr(); p.Contains(a); a = a.Next() {
			list = append(list, a)
		}
	}
	return list, nil
}
