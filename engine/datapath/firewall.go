package datapath

import (
	"fmt"
	"net/netip"
	"slices"

	"hairpin/engine/spec"
)

// stageFirewall is the kind of a firewall.
const stageFirewall = 4

// compiled is what the tables of a firewall were made of.
type compiled struct {
	lists    spec.DropLists
	firewall firewall
}

// standFirewall writes what a firewall goes by, unless its tables are there already.
func (k *Kernel) standFirewall(p spot, s *standing) error {
	policy, ok := p.stage.Settings.(*spec.Policy)
	if !ok {
		return fmt.Errorf("has no settings for a %s", spec.Firewall)
	}
	f, err := k.putTables(p.stage.Name, policy.Drop)
	if err != nil {
		return err
	}
	if err := k.putRules(p, policy.Rules, &f, s); err != nil {
		return err
	}
	s.settings, err = putSettings(k.firewalls.all, k.usedSettings(stageFirewall), f)
	return err
}

// putTables is a firewall with the tables of these lists.
func (k *Kernel) putTables(stage string, lists spec.DropLists) (firewall, error) {
	held := k.heldTables()
	if c, is := k.compiled[stage]; is && c.lists.Equal(lists) && c.held(held) {
		return c.firewall, nil
	}
	var f firewall
	for i, of := range []struct {
		to   *uint32
		list []netip.Prefix
		six  bool
	}{
		{&f.Src4, lists.Sources, false}, {&f.Src6, lists.Sources, true},
		{&f.Dst4, lists.Destinations, false}, {&f.Dst6, lists.Destinations, true},
	} {
		var list []prefix
		for _, p := range of.list {
			if p.Addr().Is6() == of.six {
				list = append(list, prefixOf(p))
			}
		}
		var err error
		if *of.to, f.Digest[i], err = k.putTable(disjoint(list), held); err != nil {
			return firewall{}, err
		}
	}
	if k.compiled == nil {
		k.compiled = map[string]compiled{}
	}
	k.compiled[stage] = compiled{lists, f}
	return f, nil
}

// held tells whether every table is still there.
func (c compiled) held(held map[uint64]uint32) bool {
	return !slices.ContainsFunc(c.firewall.Digest[:], func(d uint64) bool { return d != 0 && held[d] == 0 })
}
