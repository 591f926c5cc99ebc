// Package tenants is what the operators of tenants may do to a node's spec, decided on specs alone.
package tenants

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hairpin/engine/spec"
)

// Mine is the tenants whose operator somebody is. The zero value is of nobody.
type Mine []string

// Has tells whether v is one of theirs.
func (m Mine) Has(v *spec.VIP) bool { return v.Tenant != "" && slices.Contains(m, v.Tenant) }

func (m Mine) String() string {
	if len(m) == 1 {
		return "tenant " + m[0]
	}
	return "tenants " + strings.Join(m, ", ")
}

// Operates are the tenants of s in whose lists is says that somebody is, in the spec's order.
func Operates(s *spec.Spec, is func(t *spec.Tenant) bool) (m Mine) {
	if s == nil {
		return nil
	}
	for i := range s.Tenants {
		if is(&s.Tenants[i]) {
			m = append(m, s.Tenants[i].Name)
		}
	}
	return m
}

// View is what operators see of s: their VIPs and tenants, and of the rest as much as makes it a valid spec, which is where
// packets meet a balancer and which routers are told. nil stays nil.
func View(s *spec.Spec, m Mine) *spec.Spec {
	if s == nil {
		return nil
	}
	v := &spec.Spec{Version: s.Version}
	for _, n := range s.NICs {
		at := spec.NIC{Name: n.Name}
		for _, c := range n.Chains() {
			if slices.ContainsFunc(c.Stages, func(p spec.Position) bool { return s.KindOf(p.Name) == spec.Balancer }) {
				*at.At(c.Hook) = spec.Stands(spec.Balancer)
			}
		}
		if len(at.Chains()) > 0 {
			v.NICs = append(v.NICs, at)
		}
	}
	if s.BGP != nil {
		v.BGP = s.Clone().BGP
		for i := range v.BGP.Neighbors {
			v.BGP.Neighbors[i].PasswordFile = ""
		}
	}
	for _, t := range s.Tenants {
		if slices.Contains(m, t.Name) {
			v.Tenants = append(v.Tenants, t)
		}
	}
	for i := range s.VIPs {
		if m.Has(&s.VIPs[i]) {
			v.VIPs = append(v.VIPs, s.VIPs[i])
		}
	}
	return v.Clone()
}

// without is s but for the VIPs of m.
func without(s *spec.Spec, m Mine) *spec.Spec {
	rest := *s
	rest.VIPs = nil
	for i := range s.VIPs {
		if !m.Has(&s.VIPs[i]) {
			rest.VIPs = append(rest.VIPs, s.VIPs[i])
		}
	}
	return &rest
}

// Within says why the change from old to now is not all theirs; nil when it is.
func Within(old, now *spec.Spec, m Mine) error {
	if old == nil || now == nil || !without(old, m).Equal(without(now, m)) {
		return fmt.Errorf("it changes more than the VIPs of %s", m)
	}
	return nil
}

// Merge is the running spec with the VIPs of m as want has them, which is a View that was edited. Others' VIPs and whatever
// else there is stay as they are and where they are. An error says what of want is not theirs to want, and names nothing of
// others.
func Merge(running, want *spec.Spec, m Mine) (*spec.Spec, error) {
	if running == nil || want == nil || len(m) == 0 {
		return nil, errors.New("there is no spec in which a tenant could have VIPs")
	}
	for i := range want.VIPs {
		if v := &want.VIPs[i]; !m.Has(v) {
			return nil, fmt.Errorf("vips[%d] %s is not of %s: write tenant: %s into it, or leave it out", i, v.Name, m, m[0])
		}
	}
	if seen, rest := without(View(running, m), m), without(want, m); !seen.Equal(rest) {
		return nil, fmt.Errorf("only VIPs of %s are theirs to change, and here is: %s; start from what \"hairpin spec show\" prints", m,
			cmp.Or(strings.Join(spec.Changes(seen, rest), ", "), "something else"))
	}
	merged := without(running, m)
	merged.VIPs = place(running, want, m)
	for i := range want.VIPs {
		if err := mayHave(running, &want.VIPs[i], m); err != nil {
			return nil, fmt.Errorf("vips[%d] %s: %w", i, want.VIPs[i].Name, err)
		}
	}
	if err := want.Validate(); err != nil {
		return nil, err // it is of their own VIPs alone
	}
	if merged = merged.Clone(); merged.Validate() != nil {
		return nil, errors.New("it does not go together with what others have on this node: a name, an address, or room for more is taken")
	}
	return merged, nil
}

// place is the VIPs of both: others' where they stand, and theirs where they stood, in the order that want has; new ones last.
func place(running, want *spec.Spec, m Mine) (all []spec.VIP) {
	rest := want.VIPs
	for i := range running.VIPs {
		switch v := &running.VIPs[i]; {
		case !m.Has(v):
			all = append(all, *v)
		case len(rest) > 0:
			all, rest = append(all, rest[0]), rest[1:]
		}
	}
	return append(all, rest...)
}

// mayHave says why an operator cannot have v beside what runs. What the node's own people gave him, he may keep.
func mayHave(running *spec.Spec, v *spec.VIP, m Mine) error {
	old := running.VIP(v.Name)
	if old != nil && !m.Has(old) {
		return errors.New("the name is taken by what others have on this node")
	}
	if err := mayRun(old, v); err != nil {
		return err
	}
	if old != nil && old.Tenant == v.Tenant && sameReach(old, v) {
		return nil
	}
	if t := running.Tenant(v.Tenant); t == nil || len(t.Prefixes) == 0 {
		return fmt.Errorf("tenant %s has no prefixes, so its operators cannot change where a VIP is reached: root and the group hairpin can", v.Tenant)
	}
	for i := range running.VIPs {
		if o := &running.VIPs[i]; !m.Has(o) && overlap(o, v) {
			return errors.New("it would be reached by an address that others have on this node")
		}
	}
	return nil
}

// mayRun: a check that is a command runs as the engine does, and a source of backends is read as the engine does, so only
// those who may do all bring them.
func mayRun(old, v *spec.VIP) error {
	if v.From != nil && (old == nil || !v.From.Equal(old.From)) {
		return errors.New("from: only root and the group hairpin say where backends are found")
	}
	for i, c := range v.Checks {
		if c.Kind == spec.CheckCommand && (old == nil || !slices.ContainsFunc(old.Checks, c.Equal)) {
			return fmt.Errorf("checks[%d]: only root and the group hairpin bring a command that the engine runs", i)
		}
	}
	return nil
}

// sameReach tells whether the same packets are for both, and routers are told the same.
func sameReach(a, b *spec.VIP) bool {
	return slices.Equal(a.Addresses, b.Addresses) && slices.Equal(a.Prefixes, b.Prefixes) && slices.Equal(a.Sources, b.Sources) &&
		a.Port == b.Port && a.LastPort == b.LastPort && a.Protocol == b.Protocol && a.Local == b.Local &&
		(a.Announce == nil) == (b.Announce == nil) && (a.Announce == nil || a.Announce.Equal(*b.Announce))
}

// overlap tells whether two VIPs have an address in common. Its ports do not matter: an address is one route.
func overlap(a, b *spec.VIP) bool {
	for _, p := range reach(a) {
		if slices.ContainsFunc(reach(b), p.Overlaps) {
			return true
		}
	}
	return false
}

func reach(v *spec.VIP) []netip.Prefix {
	all := slices.Clone(v.Prefixes)
	for _, a := range v.Addresses {
		all = append(all, netip.PrefixFrom(a, a.BitLen()))
	}
	return all
}
