package lab

import (
	"fmt"
	"strings"

	"hairpin/engine/spec"
)

func (l *Lab) startBird() error {
	return l.startConfigured("bird", l.birdConfig(), "-f", "-c", l.routerFile("bird.conf"), "-s", l.routerFile("bird.ctl"))
}

// birdConfig takes routes of VIPs alone, those of a load balancer that shuts down as the last resort (RFC 8326), and keeps those of one
// whose engine is gone. After an error it would take no call for a minute, and longer after each further one.
func (l *Lab) birdConfig() string {
	var b strings.Builder
	fmt.Fprintf(&b, `router id %s;
log stderr all;
protocol device { scan time 1; }
filter vips_4 {
	if (65535, 0) ~ bgp_community then bgp_local_pref = 0;
	if net ~ [ %s+ ] then accept;
	reject;
}
filter vips_6 {
	if (65535, 0) ~ bgp_community then bgp_local_pref = 0;
	if net ~ [ %s+ ] then accept;
	reject;
}
protocol kernel { merge paths on; ipv4 { import none; export where source = RTS_BGP; }; }
protocol kernel { merge paths on; ipv6 { import none; export where source = RTS_BGP; }; }
`, l.sessions()[0].router, vipNets[0], vipNets[1])
	if l.peering.BFD != NoBFD {
		fmt.Fprintf(&b, "protocol bfd { interface \"%s*\" { interval %d ms; multiplier %d; }; }\n", LB, bfdMilliseconds, spec.DefaultBFDMultiplier)
	}
	for _, s := range l.sessions() {
		family := "4"
		if s.own.Is6() {
			family = "6"
		}
		fmt.Fprintf(&b, `protocol bgp %s {
	local %s as %d;
	neighbor %s as %d;
	passive;
	error wait time 1, 4;
	graceful restart on;
%s	ipv%s { import filter vips_%[7]s; export none; };
}
`, s.name(), s.router, RouterAS, s.own, BalancerAS, l.birdPeering(), family)
	}
	return b.String()
}

// birdPeering is what stands in each session.
func (l *Lab) birdPeering() (text string) {
	switch l.peering.BFD {
	case DropBFD:
		text = "\tbfd on;\n"
	case GraceBFD:
		text = "\tbfd graceful;\n"
	}
	if l.peering.Secret != "" {
		text += fmt.Sprintf("\tpassword %q;\n", l.peering.Secret)
	}
	return text
}
