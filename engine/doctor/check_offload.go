package doctor

import (
	"fmt"

	"hairpin/engine/spec"
)

func checkLRO(f *Facts, n *NIC, s *sheet) {
	switch lro, has := n.Settings.Features["rx-lro"]; {
	case !has:
	case lro.On:
		s.say(Crit, "LRO of "+n.Name+" merges packets", "what is merged is too long to be forwarded, and drivers refuse XDP beside it",
			"ethtool -K "+n.Name+" lro off")
	default:
		s.ok("LRO of " + n.Name + " is off")
	}
}

// checkGRO: in hardware it comes before every hook; in the kernel, before all but native XDP.
func checkGRO(f *Facts, n *NIC, s *sheet) {
	merged := "several packets arrive as one, which is too long once it is encapsulated, and counts as one"
	balances := f.Spec != nil && f.Spec.NIC(n.Name) != nil && f.Spec.Has(*f.Spec.NIC(n.Name), spec.Balancer)
	switch {
	case n.Settings.Features["rx-gro-hw"].On:
		s.say(Warn, n.Name+" merges packets in hardware", merged, "ethtool -K "+n.Name+" rx-gro-hw off")
	case n.Settings.Features["rx-gro"].On && balances && n.runs() == "generic":
		s.say(Warn, "GRO of "+n.Name+" merges packets in front of generic XDP", merged, "ethtool -K "+n.Name+" gro off")
	case n.Settings.Features["rx-gro-list"].On && balances:
		s.say(Warn, n.Name+" chains packets in front of generic XDP and tc (rx-gro-list)", merged, "ethtool -K "+n.Name+" rx-gro-list off")
	case len(n.Settings.Features) > 0:
		s.ok("nothing merges packets of " + n.Name + " before its chain")
	}
}

func checkVLAN(f *Facts, n *NIC, s *sheet) {
	if n.VLANs && n.Settings.Features["rx-vlan-hw-parse"].On && f.wants(n.Name, spec.XDP) {
		s.say(Warn, n.Name+" takes VLAN tags off before XDP sees them", "packets of its VLANs look as if they had none, and go out without",
			"ethtool -K "+n.Name+" rxvlan off")
	}
}

func checkChecksum(f *Facts, n *NIC, s *sheet) {
	switch sum, has := n.Settings.Features["rx-checksum"]; {
	case !has || n.Kind == "veth":
	case !sum.On && f.decaps():
		s.say(Info, n.Name+" does not check sums of what it receives", "the kernel adds up every packet that is unwrapped",
			"ethtool -K "+n.Name+" rx on")
	case !sum.On:
		s.ok(n.Name + " does not check sums, and a balancer needs none")
	default:
		s.ok(n.Name + " checks sums of what it receives")
	}
}

// checkVeth: what sends into a veth leaves sums and sizes to a NIC that never comes.
func checkVeth(f *Facts, n *NIC, s *sheet) {
	if n.Kind != "veth" || f.Spec == nil || f.decaps() {
		return
	}
	const sums = "encapsulated packets leave without a right checksum, and backends drop them"
	switch p := n.Peer; {
	case p.Name == "":
		s.say(Info, "the other end of "+n.Name+" is in another network namespace, and could not be looked at",
			"it needs an XDP program, and checksums of its own", "there: ethtool -K NIC tx off tso off gso off")
	case p.Checksum:
		s.say(Crit, p.Name+", the other end of "+n.Name+", leaves checksums to a NIC that never comes", sums,
			fmt.Sprintf("ethtool -K %s tx off tso off gso off", p.Name))
	case !p.Program && f.balances():
		s.say(Crit, p.Name+", the other end of "+n.Name+", has no XDP program", "what a chain sends out of "+n.Name+" is lost there",
			"attach a program to "+p.Name+" that passes everything: hairpin on that side, or xdp-loader load "+p.Name+" xdp_pass.o")
	default:
		s.ok(p.Name + ", the other end of " + n.Name + ", adds up its checksums")
	}
}
