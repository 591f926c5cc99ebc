package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"hairpin/engine/spec"
)

// decapNICs are those by which a backend gets what is for its VIPs.
func (f *Facts) decapNICs() []string {
	if !f.decaps() {
		return nil
	}
	var list []string
	for _, n := range f.Spec.NICs {
		if f.Spec.Has(n, spec.Decap) {
			list = append(list, n.Name)
		}
	}
	return list
}

// checkVIPs: what is unwrapped must be for an address of the backend.
func checkVIPs(f *Facts, s *sheet) {
	if !f.decaps() {
		return
	}
	ends := f.Spec.Agent.VIPs
	if f.Spec.Agent.Mode == spec.SNATMode { // what is translated is for these
		ends = f.Spec.Agent.Local
	}
	for _, v := range ends {
		s.on = v.String()
		nic, local := f.Addresses[v]
		switch {
		case !local && f.Addresses == nil:
		case !local:
			s.say(Crit, v.String()+" is no address of this backend", "what is unwrapped for it is routed on, or dropped",
				fmt.Sprintf("ip addr add %s dev lo", netip.PrefixFrom(v, v.BitLen())))
		default:
			s.ok(fmt.Sprintf("%s is an address of this backend, on %s", v, nic))
		}
	}
}

// checkARP: a backend that answers for the VIP takes its packets past the load balancer.
func checkARP(f *Facts, s *sheet) {
	if !f.decaps() || !slices.ContainsFunc(f.Spec.Agent.VIPs, func(v netip.Addr) bool { return v.Is4() && f.Addresses[v] != "" }) {
		return
	}
	for _, nic := range f.decapNICs() {
		s.on = nic
		ignore, announce := f.effective("arp_ignore", nic), f.effective("arp_announce", nic)
		switch {
		case ignore < 0 || announce < 0:
		case ignore == 0 || ignore >= 3 && ignore < 8:
			s.say(Crit, fmt.Sprintf("%s answers ARP for the VIPs (arp_ignore is %d)", nic, ignore),
				"who asks in this network reaches this backend instead of the load balancer", sysctl("net/ipv4/conf/all/arp_ignore", "1"))
		case announce < 2:
			s.say(Warn, fmt.Sprintf("%s may ask with a VIP as its own address (arp_announce is %d)", nic, announce),
				"neighbours learn this backend's MAC for the VIP", sysctl("net/ipv4/conf/all/arp_announce", "2"))
		default:
			s.ok(nic + " keeps the VIPs to itself")
		}
	}
}

// effective is a setting of a NIC as the kernel takes it: the larger one of the NIC's and of all; -1 = not known.
func (f *Facts) effective(setting, nic string) int {
	return max(f.number("net/ipv4/conf/all/"+setting), f.number("net/ipv4/conf/"+nic+"/"+setting))
}

// checkReversePath: what is unwrapped comes from clients, and the kernel may ask whether it would reach them there.
func checkReversePath(f *Facts, s *sheet) {
	for _, nic := range f.decapNICs() {
		s.on = nic
		out := slices.IndexFunc(f.Defaults, func(d Default) bool { return !d.Six })
		cure := sysctl("net/ipv4/conf/all/rp_filter", "0") + "; " + sysctl("net/ipv4/conf/"+nic+"/rp_filter", "0")
		switch mode := f.effective("rp_filter", nic); {
		case mode < 0:
		case mode > 0 && out < 0:
			s.say(Crit, fmt.Sprintf("rp_filter of %s is %d, and no route leads to clients", nic, mode), "what is unwrapped is dropped, uncounted", cure)
		case mode == 1 && f.Defaults[out].NIC != nic:
			s.say(Crit, fmt.Sprintf("rp_filter of %s is strict, and replies leave by %s", nic, f.Defaults[out].NIC), "what is unwrapped is dropped, uncounted", cure)
		case mode == 1:
			s.say(Warn, "rp_filter of "+nic+" is strict", "what is unwrapped is dropped when routes to its client lead elsewhere", cure)
		default:
			s.ok(nic + " takes packets from wherever they come")
		}
	}
}

// checkMSS: clients must not send more than fits into the tunnel.
func checkMSS(f *Facts, s *sheet) {
	const headers, tunnel = 40, 32 // IPv4 and TCP without options; IPv4, UDP and GUE
	for _, nic := range f.decapNICs() {
		i := slices.IndexFunc(f.NICs, func(n NIC) bool { return n.Name == nic && n.Index != 0 })
		d := slices.IndexFunc(f.Defaults, func(d Default) bool { return !d.Six })
		if i < 0 || d < 0 {
			continue
		}
		mtu, route := f.NICs[i].MTU, f.Defaults[d]
		most := mtu - tunnel - headers
		s.on = nic
		switch {
		case mtu >= usualMTU+tunnel:
			s.ok(fmt.Sprintf("MTU %d of %s has room for a full packet and its tunnel", mtu, nic))
		case route.AdvMSS > 0 && route.AdvMSS <= most:
			s.ok(fmt.Sprintf("clients are told to send %d bytes at most, which fit into MTU %d", route.AdvMSS, mtu))
		default:
			s.say(Warn, fmt.Sprintf("clients may send full packets, which with their tunnel do not fit into MTU %d of %s", mtu, nic),
				"uploads stall, unless the load balancer's MTU is larger and every hop takes it", "ip route change default "+via(route)+"dev "+route.NIC+
					" advmss "+strconv.Itoa(most))
		}
	}
}

func via(d Default) string {
	if !d.Gateway.IsValid() {
		return ""
	}
	return "via " + d.Gateway.String() + " "
}

func checkProbing(f *Facts, s *sheet) {
	switch {
	case !f.decaps():
	case f.Sysctls["net/ipv4/tcp_mtu_probing"] == "0":
		s.say(Info, "this backend's TCP does not look for the MTU of its ways", "a client behind a hop that tells nobody gets no large replies",
			sysctl("net/ipv4/tcp_mtu_probing", "1"))
	case f.Sysctls["net/ipv4/tcp_mtu_probing"] != "":
		s.ok("this backend's TCP looks for the MTU of its ways")
	}
}
