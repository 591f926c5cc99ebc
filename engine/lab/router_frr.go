package lab

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"hairpin/engine/spec"
)

// startFRR gives the folder to the user that FRR's programs become.
func (l *Lab) startFRR(ctx context.Context) error {
	if err := l.giveFRR(); err != nil {
		return fmt.Errorf("give %s to frr: %w", l.routerFile(""), err)
	}
	here := func(name string) []string {
		return []string{"-f", l.routerFile(name + ".conf"), "-i", l.routerFile(name + ".frr.pid"), "-z", l.routerFile("zserv"),
			"--vty_socket", l.routerFile(""), "--log", "stdout"}
	}
	// With next hops as objects of their own, zebra 8.4 leaves one out of the kernel's route whose wire went and came back.
	if err := l.startConfigured("zebra", "hostname router\nno zebra nexthop kernel enable\n", here("zebra")...); err != nil {
		return err
	}
	if err := l.awaitFile(ctx, l.routerFile("zserv")); err != nil { // without it bgpd tries again after ten seconds
		return fmt.Errorf("%w: zebra says: %s", err, daemon{l, Router, "zebra"}.lastWords())
	}
	if l.peering.BFD != NoBFD {
		if err := l.startConfigured("bfdd", "hostname router\n", append(here("bfdd"), "--bfdctl", l.routerFile("bfdd.sock"))...); err != nil {
			return err
		}
	}
	return l.startConfigured("bgpd", l.frrConfig(), here("bgpd")...)
}

func (l *Lab) awaitFile(ctx context.Context, name string) error {
	for {
		_, err := os.Stat(name)
		if err == nil || !pause(ctx, 5*time.Millisecond) {
			return err
		}
	}
}

func (l *Lab) giveFRR() error {
	who, err := user.Lookup("frr")
	if err != nil {
		return err
	}
	uid, bad := strconv.Atoi(who.Uid)
	gid, worse := strconv.Atoi(who.Gid)
	return cmp.Or(bad, worse, os.Chown(l.routerFile(""), uid, gid))
}

// frrConfig takes routes of VIPs alone and keeps those of a load balancer whose engine is gone. That the shutdown community asks for
// the last resort, FRR knows by itself.
func (l *Lab) frrConfig() string {
	var b strings.Builder
	fmt.Fprintf(&b, `hostname router
ip prefix-list VIPS seq 5 permit %s le 32
ipv6 prefix-list VIPS seq 5 permit %s le 128
router bgp %d
 bgp router-id %s
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
 bgp graceful-restart
`, vipNets[0], vipNets[1], RouterAS, l.sessions()[0].router)
	families := map[bool]*strings.Builder{true: {}, false: {}}
	for _, s := range l.sessions() {
		fmt.Fprintf(&b, " neighbor %[1]s remote-as %[2]d\n neighbor %[1]s passive\n", s.own, BalancerAS)
		b.WriteString(l.frrPeering(s))
		fmt.Fprintf(families[s.own.Is4()], "  neighbor %[1]s activate\n  neighbor %[1]s prefix-list VIPS in\n", s.own)
	}
	for family, is4 := range map[string]bool{"ipv4": true, "ipv6": false} {
		fmt.Fprintf(&b, " address-family %s unicast\n%s  maximum-paths %d\n exit-address-family\n", family, families[is4], MaxBalancers)
	}
	return b.String()
}

// frrPeering is what is said of each session.
func (l *Lab) frrPeering(s session) (text string) {
	if l.peering.BFD != NoBFD {
		text = fmt.Sprintf(" neighbor %s bfd %d %d %d\n", s.own, spec.DefaultBFDMultiplier, bfdMilliseconds, bfdMilliseconds)
	}
	if l.peering.BFD == GraceBFD {
		text += fmt.Sprintf(" neighbor %s bfd check-control-plane-failure\n", s.own)
	}
	if l.peering.Secret != "" {
		text += fmt.Sprintf(" neighbor %s password %s\n", s.own, l.peering.Secret)
	}
	return text
}
