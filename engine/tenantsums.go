package engine

import (
	"slices"

	"hairpin/engine/spec"
)

// Tenant is what the VIPs of one tenant carry and drop together, and how much of its quotas they use.
type Tenant struct {
	Name        string
	VIPs        []string // their names, in the spec's order
	Backends    int
	MaxVIPs     uint32 // 0 = it has no quota
	MaxBackends uint32
	Counter             // forwarded, or decapsulated
	Drop        Counter // packets of its VIPs that were dropped
	Limited     Counter // packets that limits of the tenant and its VIPs refused
	New         float64 // new connections a second that limits let pass; -1 = no limit counts them
	Open        float64 // connections at a time; likewise
	History     []float64
}

// Tenants are those of the running spec in its order, summed from the rows of s. What a VIP carried that is gone is not in them.
func (s *State) Tenants() []Tenant {
	if s.Spec == nil {
		return nil
	}
	all := make([]Tenant, len(s.Spec.Tenants))
	for i := range all {
		all[i] = s.tenant(&s.Spec.Tenants[i])
	}
	return all
}

func (s *State) tenant(of *spec.Tenant) Tenant {
	t := Tenant{Name: of.Name, MaxVIPs: of.MaxVIPs, MaxBackends: of.MaxBackends}
	_, t.Backends = s.Spec.Owned(of.Name)
	var tcp []string
	for i := range s.VIPs {
		v := &s.VIPs[i]
		if v.Tenant != of.Name {
			continue
		}
		t.VIPs = append(t.VIPs, v.Name)
		t.Counter.add(v.Counter)
		t.Drop.add(v.Drop)
		t.History = addHistory(t.History, v.History)
		if v.Protocol == spec.TCP.String() {
			tcp = append(tcp, v.Name)
		}
	}
	t.New, t.Open = -1, -1
	l := limitsOf(s.Limits, of.Name, t.VIPs)
	for _, row := range l {
		if !row.Shadow {
			t.Limited.add(row.Over)
		}
	}
	if open, known := l.sum(of.Name, tcp, spec.ConnLimit, func(l Limit) float64 { return l.Now }); known {
		t.Open = open
	}
	passed := func(l Limit) float64 { return l.Passed.PPS }
	for _, kind := range []spec.Stage{spec.ConnLimit, spec.RateLimit} {
		if opened, known := l.sum(of.Name, tcp, kind, passed); known {
			t.New = opened
		}
	}
	return t
}

// limitRows are limits of a tenant and of its VIPs, one of each kind for each of them.
type limitRows []Limit

// limitsOf adds up what rates count, which is by NIC. Of stages on one NIC, or of connections, which are counted together
// wherever they came by, one row stands for all: the one that passed most.
func limitsOf(all []Limit, tenant string, vips []string) (rows limitRows) {
	nics := map[string]Limit{}
	var order []string
	for _, l := range all {
		ours := l.Tenant == tenant && l.VIP == "" || slices.Contains(vips, l.VIP)
		if !ours || l.Source.IsValid() || l.Scope == spec.PerSourceVIP.String() {
			continue
		}
		at := l.Kind + " " + l.Whose() + " " + l.Scope
		if l.Kind == string(spec.RateLimit) {
			at += " " + l.NIC + " " + l.Hook
		}
		was, seen := nics[at]
		if !seen {
			order = append(order, at)
		}
		if !seen || l.Passed.Packets > was.Passed.Packets {
			l.Over.Packets, l.Over.PPS = max(l.Over.Packets, was.Over.Packets), max(l.Over.PPS, was.Over.PPS)
			nics[at] = l
		}
	}
	for _, at := range order {
		rows = append(rows, nics[at])
	}
	return rows
}

// sum is what the tenant's own limits of a kind count, or else what those of its VIPs do where each has one.
func (rows limitRows) sum(tenant string, vips []string, kind spec.Stage, of func(Limit) float64) (sum float64, known bool) {
	each, all := map[string]bool{}, 0.0
	for _, l := range rows {
		switch {
		case l.Kind != string(kind):
		case l.Tenant == tenant && l.VIP == "":
			sum, known = sum+of(l), true
		default:
			each[l.VIP], all = true, all+of(l)
		}
	}
	if known || len(vips) == 0 {
		return sum, known
	}
	missing := slices.ContainsFunc(vips, func(name string) bool { return !each[name] })
	return all, !missing
}

func (c *Counter) add(o Counter) {
	c.Packets, c.Bytes, c.PPS, c.BPS = c.Packets+o.Packets, c.Bytes+o.Bytes, c.PPS+o.PPS, c.BPS+o.BPS
}

// addHistory adds two histories whose ends are the same tick.
func addHistory(a, b []float64) []float64 {
	if len(a) < len(b) {
		a, b = b, a
	}
	sum := slices.Clone(a)
	for i, v := range b {
		sum[len(sum)-len(b)+i] += v
	}
	return sum
}
