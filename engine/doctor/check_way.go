package doctor

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"hairpin/engine/nexthop"
	"hairpin/engine/spec"
)

// backends are those of the spec, each once, and which VIPs they are of.
func (f *Facts) backends() map[netip.Addr][]spec.VIP {
	all := map[netip.Addr][]spec.VIP{}
	if !f.balances() {
		return all
	}
	for _, v := range f.Spec.VIPs {
		for _, b := range v.Backends {
			all[b.Address] = append(all[b.Address], v)
		}
	}
	return all
}

// checkHops: whether frames to every backend can be addressed, and leave where a balancer can send them.
func checkHops(f *Facts, s *sheet) {
	good := 0
	all := f.backends()
	for _, a := range slices.SortedFunc(maps.Keys(all), netip.Addr.Compare) {
		h, known := f.Hops[a]
		if !known {
			continue
		}
		s.on = a.String()
		switch {
		case !h.Usable():
			s.say(Crit, fmt.Sprintf("%s cannot be reached: %s", a, whyNot(h)), "what is for it is dropped as no_next_hop", cureHop(a, h))
		case h.Leaves(f.Spec.BalancesAt) == "":
			s.say(Crit, fmt.Sprintf("%s is reached by %s, which has no balancer", a, h.NIC),
				"a packet leaves only by a NIC with a balancer: what is for it is dropped as no_next_hop",
				fmt.Sprintf("hairpin chain insert balancer --nic %s, or lead the route elsewhere: ip route get %s", h.NIC, a))
		case h.State == nexthop.Permanent:
			s.say(Warn, fmt.Sprintf("the MAC of %s, %s, was written down by somebody", hopOf(a, h), h.MAC),
				"nobody asks whether it is still right; if it is not, what is for it is lost beyond this node",
				fmt.Sprintf("ip neigh del %s dev %s", hopOf(a, h), h.NIC))
		default:
			good++
		}
	}
	s.on = ""
	if good > 0 && good == len(all) {
		s.ok(fmt.Sprintf("all %d backends are reached", good))
	}
}

func whyNot(h nexthop.NextHop) string { return strings.TrimSuffix(string(h.State)+": "+h.Why, ": ") }

func hopOf(a netip.Addr, h nexthop.NextHop) netip.Addr {
	if h.Gateway.IsValid() {
		return h.Gateway
	}
	return a
}

func cureHop(a netip.Addr, h nexthop.NextHop) string {
	switch h.State {
	case nexthop.NoRoute:
		return fmt.Sprintf("ip route add %s via GATEWAY", netip.PrefixFrom(a, a.BitLen()))
	case nexthop.Down:
		return "ip link set dev " + h.NIC + " up"
	case nexthop.Local:
		return "name another machine: a balancer cannot be its own backend"
	case nexthop.Failed, nexthop.Incomplete, nexthop.Unasked:
		return fmt.Sprintf("ping -c 3 -I %s %s; if it stays away, look whether it is up and in the same VLAN", h.NIC, hopOf(a, h))
	}
	return "ip route get " + a.String()
}

// overhead is what stands in front of a packet on its way to a backend, in bytes.
func overhead(e spec.Encap, to netip.Addr) int {
	outer := 20
	if to.Is6() {
		outer = 40
	}
	if e != spec.IPIP {
		outer += 8
	}
	return outer
}

const usualMTU = 1500 // of the Internet

// checkMTU: a client's packet of full size must fit with what is put in front of it.
func checkMTU(f *Facts, s *sheet) {
	type way struct {
		nic       string
		mtu, need int
	}
	ways := map[way]int{}
	for a, vips := range f.backends() {
		h := f.Hops[a]
		if h.MTU == 0 {
			continue
		}
		need := 0
		for _, v := range vips {
			need = max(need, overhead(v.Encap, a))
		}
		ways[way{h.NIC, h.MTU, need}]++
	}
	for w, backends := range ways {
		s.on = w.nic
		if left := w.mtu - w.need; left < usualMTU {
			s.say(Warn, fmt.Sprintf("packets over %d bytes do not fit through %s to %d backends: MTU %d less %d for the encapsulation", left, w.nic,
				backends, w.mtu, w.need), "they are dropped as too_big, and uploads of clients stall that are told by nobody",
				fmt.Sprintf("ip link set dev %s mtu %d, and as much on every hop to the backends; else lower the MSS on the backends", w.nic,
					(usualMTU+w.need+99)/100*100))
			continue
		}
		s.ok(fmt.Sprintf("packets of %d bytes fit through %s to %d backends", usualMTU, w.nic, backends))
	}
	slices.SortFunc(s.list, func(a, b Finding) int { return strings.Compare(a.What, b.What) })
}

// checkNeighbours: the kernel forgets neighbours, or learns no more, when its table is full.
func checkNeighbours(f *Facts, s *sheet) {
	for _, family := range []struct {
		name string
		six  bool
	}{{"ipv4", false}, {"ipv6", true}} {
		name := "net/" + family.name + "/neigh/default/gc_thresh3"
		most := f.number(name)
		hops := map[netip.Addr]bool{}
		for a, h := range f.Hops {
			if hop := hopOf(a, h); hop.Is6() == family.six {
				hops[hop] = true
			}
		}
		if most > 0 && len(hops)*2 > most {
			s.say(Warn, fmt.Sprintf("%d backends are neighbours of this node, and the kernel's table has room for %d of %s", len(hops), most, family.name),
				"what it does not hold cannot be sent to", sysctl(name, fmt.Sprint(len(hops)*4)))
		}
	}
}
