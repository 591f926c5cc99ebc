package lab

import (
	"fmt"
	"strings"
)

func (l *Lab) startBird() error {
	return l.startConfigured("bird", l.birdConfig(), "-f", "-c", l.routerFile("bird.conf"), "-s", l.routerFile("bird.ctl"))
}

// birdConfig takes routes of VIPs alone, those of a load balancer that shuts down as the last resort (RFC 8326), and keeps those of one
// whose engine is gone.
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
	for _, s := range l.sessions() {
		family := "4"
		if s.own.Is6() {
			family = "6"
		}
		fmt.Fprintf(&b, `protocol bgp %s {
	local %s as %d;
	neighbor %s as %d;
	passive;
	graceful restart on;
	ipv%s { import filter vips_%[6]s; export none; };
}
`, s.name(), s.router, RouterAS, s.own, BalancerAS, family)
	}
	return b.String()
}
