package spec

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Tenant is a group of VIPs with people of its own: those may change these VIPs, and nothing else of the node.
type Tenant struct {
	Name            string
	Operators       []string       // users of this machine
	Groups          []string       // and the members of these groups
	MaxVIPs         uint32         // 0 = as many as a spec can have
	MaxBackends     uint32         // over all its VIPs; 0 = as many as a spec can have
	Prefixes        []netip.Prefix // that its VIPs are in; empty = operators bring no address
	BackendPrefixes []netip.Prefix // that its backends are in; empty = any
}

// Limits of tenants.
const (
	MaxTenants        = 256
	MaxOperators      = 64 // users of a tenant, and groups
	MaxTenantPrefixes = 64
)

// Tenant is the tenant of that name within s, or nil.
func (s *Spec) Tenant(name string) *Tenant {
	if i := slices.IndexFunc(s.Tenants, func(t Tenant) bool { return t.Name == name }); i >= 0 {
		return &s.Tenants[i]
	}
	return nil
}

func (s *Spec) tenantNames() []string {
	names := make([]string, len(s.Tenants))
	for i := range s.Tenants {
		names[i] = s.Tenants[i].Name
	}
	return names
}

func (r *reader) tenants(n *yaml.Node, a *at) (all []Tenant) {
	r.pairs(n, a, func(key, value *yaml.Node) {
		t := Tenant{Name: key.Value}
		r.fields(value, a.field(key.Value),
			field{"operators", "", list(r, &t.Operators, MaxOperators, r.account)},
			field{"groups", "", list(r, &t.Groups, MaxOperators, r.account)},
			field{"max_vips", "", number(r, &t.MaxVIPs, 1, MaxVIPs)},
			field{"max_backends", "", number(r, &t.MaxBackends, 1, MaxBackends)},
			field{"prefixes", "", list(r, &t.Prefixes, MaxTenantPrefixes, r.prefix)},
			field{"backend_prefixes", "", list(r, &t.BackendPrefixes, MaxTenantPrefixes, r.prefix)},
		)
		all = append(all, t)
	})
	return all
}

func (r *reader) account(n *yaml.Node, a *at) (s string) {
	scalar(r, &s, name)(n, a)
	return s
}

// checkTenants looks at who the tenants are, and at whether their VIPs stay within what they have.
func checkTenants(s *Spec, f *faults) {
	here := whole.field("tenants")
	if len(s.Tenants) > MaxTenants {
		f.wrong(here, "%d are too many: at most %d", len(s.Tenants), MaxTenants)
	}
	seen := map[string]bool{}
	for i := range s.Tenants {
		t := &s.Tenants[i]
		a := here.field(t.Name)
		checkEntry(seen, t.Name, badName(t.Name), a, f)
		t.check(a, f)
	}
	if f.outside("tenants", "vips") {
		return // a tenant or a VIP may only look missing
	}
	for i := range s.VIPs {
		if v := &s.VIPs[i]; v.Tenant != "" {
			s.checkOwned(v, whole.field("vips").item(i), f)
		}
	}
	s.checkQuotas(f)
}

func (t *Tenant) check(here *at, f *faults) {
	for _, l := range []struct {
		name     string
		accounts []string
	}{{"operators", t.Operators}, {"groups", t.Groups}} {
		a := here.field(l.name)
		if len(l.accounts) > MaxOperators {
			f.wrong(a, "%d are too many: at most %d", len(l.accounts), MaxOperators)
		}
		for i, name := range l.accounts {
			if why := badAccount(name); why != "" {
				f.wrong(a.item(i), "%s", why)
			} else if slices.Contains(l.accounts[:i], name) {
				f.wrong(a.item(i), "%s stands in this list already", quote(name))
			}
		}
	}
	for _, l := range []struct {
		name     string
		prefixes []netip.Prefix
	}{{"prefixes", t.Prefixes}, {"backend_prefixes", t.BackendPrefixes}} {
		if len(l.prefixes) > MaxTenantPrefixes {
			f.wrong(here.field(l.name), "%d are too many: at most %d", len(l.prefixes), MaxTenantPrefixes)
		}
		for i, p := range l.prefixes {
			if why := badPrefix(p); why != "" {
				f.wrong(here.field(l.name).item(i), "%s", why)
			}
		}
	}
}

// badAccount is what no user or group of a machine is called by. A number is refused, since it may be given to another.
func badAccount(name string) string {
	const most = 32
	odd := func(c rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-@", c)
	}
	switch {
	case name == "" || len(name) > most || strings.ContainsFunc(name, odd) || name[0] == '-':
		return fmt.Sprintf("%s is not the name of a user or group of this machine", quote(name))
	case strings.Trim(name, "0123456789") == "":
		return fmt.Sprintf("%s is a number: write the name", name)
	}
	return ""
}

// checkOwned sees to it that a VIP of a tenant is within its prefixes, and its backends within theirs.
func (s *Spec) checkOwned(v *VIP, here *at, f *faults) {
	t := s.Tenant(v.Tenant)
	if t == nil {
		f.wrong(here.field("tenant"), "there is no tenant %s: write it below tenants, as tenants: {%[1]s: {operators: [a user]}}", quote(v.Tenant))
		return
	}
	inside := func(all []netip.Prefix, p netip.Prefix) bool { // what is no address is wrong already
		return !p.IsValid() || len(all) == 0 || slices.ContainsFunc(all, func(o netip.Prefix) bool { return o.Bits() <= p.Bits() && o.Contains(p.Addr()) })
	}
	for i, a := range v.Addresses {
		if !inside(t.Prefixes, netip.PrefixFrom(a, a.BitLen())) {
			f.wrong(here.field("addresses").item(i), "%s is not within the prefixes of tenant %s", a, t.Name)
		}
	}
	for i, p := range v.Prefixes {
		if !inside(t.Prefixes, p) {
			f.wrong(here.field("prefixes").item(i), "%s is not within the prefixes of tenant %s", p, t.Name)
		}
	}
	for i, b := range v.Backends {
		if !inside(t.BackendPrefixes, netip.PrefixFrom(b.Address, b.Address.BitLen())) {
			f.wrong(here.field("backends").item(i), "%s is not within the backend_prefixes of tenant %s", b.Address, t.Name)
		}
	}
}

// Owned is how many VIPs a tenant has, and how many backends in them.
func (s *Spec) Owned(tenant string) (vips, backends int) {
	for i := range s.VIPs {
		if s.VIPs[i].Tenant == tenant {
			vips, backends = vips+1, backends+len(s.VIPs[i].Backends)
		}
	}
	return vips, backends
}

func (s *Spec) checkQuotas(f *faults) {
	for _, t := range s.Tenants {
		vips, backends := s.Owned(t.Name)
		for _, q := range []struct {
			name  string
			max   uint32
			count int
		}{{"max_vips", t.MaxVIPs, vips}, {"max_backends", t.MaxBackends, backends}} {
			if q.max != 0 && q.count > int(q.max) {
				f.wrong(whole.field("tenants").field(t.Name).field(q.name), "it has %d, the limit is %d", q.count, q.max)
			}
		}
	}
}

func writeTenants(b *bytes.Buffer, all []Tenant) {
	if len(all) > 0 {
		b.WriteString("tenants:\n")
	}
	for _, t := range all {
		var fields []string
		words := func(name string, list []string) {
			if len(list) == 0 {
				return
			}
			text := make([]string, len(list))
			for i, w := range list {
				text[i] = plain(w)
			}
			fields = append(fields, name+": ["+strings.Join(text, ", ")+"]")
		}
		count := func(name string, n uint32) {
			if n != 0 {
				fields = append(fields, fmt.Sprintf("%s: %d", name, n))
			}
		}
		if len(t.Operators) == 0 {
			fields = append(fields, "operators: []") // so that what a tenant says is never nothing
		}
		words("operators", t.Operators)
		words("groups", t.Groups)
		count("max_vips", t.MaxVIPs)
		count("max_backends", t.MaxBackends)
		words("prefixes", texts(t.Prefixes))
		words("backend_prefixes", texts(t.BackendPrefixes))
		fmt.Fprintf(b, "  %s: {%s}\n", plain(t.Name), strings.Join(fields, ", "))
	}
}

func texts(list []netip.Prefix) (all []string) {
	for _, p := range list {
		all = append(all, p.String())
	}
	return all
}

// Equal is Spec.Equal for a tenant.
func (t Tenant) Equal(o Tenant) bool {
	return t.Name == o.Name && slices.Equal(t.Operators, o.Operators) && slices.Equal(t.Groups, o.Groups) && t.MaxVIPs == o.MaxVIPs &&
		t.MaxBackends == o.MaxBackends && slices.Equal(t.Prefixes, o.Prefixes) && slices.Equal(t.BackendPrefixes, o.BackendPrefixes)
}

func cloneTenants(list []Tenant) []Tenant {
	all := slices.Clone(list)
	for i := range all {
		t := &all[i]
		t.Operators, t.Groups = slices.Clone(t.Operators), slices.Clone(t.Groups)
		t.Prefixes, t.BackendPrefixes = slices.Clone(t.Prefixes), slices.Clone(t.BackendPrefixes)
	}
	return all
}
