package spec

import "slices"

// limits tells whether a stage of a kind limits connections.
func limits(kind Stage) bool { return kind == RateLimit || kind == ConnLimit }

// judges tells whether a stage of a kind decides about connections, which it can tell only while they are not encapsulated.
func judges(kind Stage) bool { return limits(kind) || kind == TLSWall }

// misplaced says why a stage of a kind makes no sense at its place in a chain; empty when it does. Disabled stages count as
// if they were not, so that they can always be enabled again.
func misplaced(s *Spec, c Chain, i int) string {
	name, kind := c.Stages[i].Name, s.KindOf(c.Stages[i].Name)
	end := lastStop(s, c.Stages, i)
	decapNext := slices.ContainsFunc(c.Stages[i+1:], func(p Position) bool { return s.KindOf(p.Name) == Decap })
	switch {
	case end == Balancer && judges(kind):
		return "no packet gets behind the balancer, which encapsulates those for a VIP and passes all others to the host: put " +
			name + " in front of it"
	case end == Balancer:
		return "no packet gets behind the balancer: it sends those for a VIP to a backend and passes all others to the host; " +
			"take " + name + " away from there"
	case end == SNAT:
		return "no packet gets behind snat: put " + name + " in front of it"
	case end == Decap && judges(kind) && c.Hook == XDP:
		return "no packet gets behind decap: it hands all to the host; put " + name + " into tcx_ingress, where they come unwrapped"
	case end == Decap && judges(kind):
		return "no packet gets behind decap: it hands all to the host; put decap into xdp and leave " + name + " here"
	case end == Decap:
		return "no packet gets behind decap: it hands all to the host; put " + name + " in front of it"
	case decapNext && judges(kind) && slices.ContainsFunc(c.Stages, func(p Position) bool { return s.KindOf(p.Name) == Balancer }):
		return "packets may be encapsulated in front of decap, and " + name + " finds no connections in those: put it between decap " +
			"and the balancer, where all come unwrapped"
	case decapNext && judges(kind) && c.Hook == XDP:
		return "packets are encapsulated in front of decap, and " + name + " finds no connections in them: put it into " +
			"tcx_ingress, where they come unwrapped"
	case decapNext && judges(kind):
		return "packets are encapsulated in front of decap, and " + name + " finds no connections in them: put decap into xdp"
	}
	return ""
}

// warnChains says what the chains of a NIC do that their operator may not want.
func (s *Spec) warnChains(n NIC, here *at, warn func(a *at, format string, args ...any)) {
	for _, c := range n.Chains() {
		at := here.field(string(c.Hook))
		if len(Enabled(c.Stages)) == 0 {
			warn(at, "every stage is disabled: packets pass")
		}
		for i, p := range c.Stages {
			before := slices.IndexFunc(c.Stages[:i], func(o Position) bool { return limits(s.KindOf(o.Name)) })
			switch kind := s.KindOf(p.Name); {
			case kind == "firewall" && before >= 0:
				warn(at.item(i), "%s stands behind %s: what it drops has used up the limit, and what it passes was limited before",
					p.Name, c.Stages[before].Name)
			case s.countsNothing(c, p):
				warn(at.item(i), "%s counts the sockets of this host, and the balancer sends connections on to backends, so it counts "+
					"none of them: write source: flows, or source: agents", p.Name)
			case kind == Steer && c.Hook == TCXEgress && slices.ContainsFunc(c.Stages[i+1:], func(o Position) bool { return s.KindOf(o.Name) == SNAT }):
				warn(at.item(i), "what %s sends by another NIC is not translated here: have snat in tcx_egress of that NIC too", p.Name)
			case judges(kind) && c.Hook != XDP && s.stands(n.XDP, Balancer):
				warn(at.item(i), "what the balancer sends to backends does not come by here: %s sees this node's own "+
					"connections only", p.Name)
			}
		}
	}
	if s.stands(n.XDP, Decap) && s.stands(n.TCXIngress, Decap) {
		warn(here, "decap stands in xdp and in tcx_ingress: what the first unwraps, the second no longer sees")
	}
}

// countsNothing tells whether a stage counts sockets of this host in front of a balancer, whose connections end elsewhere.
func (s *Spec) countsNothing(c Chain, p Position) bool {
	x := s.connections(p)
	return x != nil && x.Source == Sockets && !p.Disabled && s.stands(c.Stages, Balancer)
}
