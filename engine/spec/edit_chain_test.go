package spec

import (
	"strings"
	"testing"
)

const editableChains = `version: 1
stages:
  ratelimit: {kind: ratelimit, rate: 1000}
  strict: {kind: ratelimit, rate: 10}
nics:
  eth0: {xdp: [ratelimit, balancer]}
  eth1: {xdp: [{stage: ratelimit, disabled: true}, balancer], tcx_egress: [strict]}
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, backends: [{address: 10.1.1.11}]}
`

func TestChainEdits(t *testing.T) {
	strict := Position{Name: "strict"}
	for _, row := range []struct {
		name string
		edit func(*Spec) (*Spec, error)
		want string // the chains, or the error
	}{
		{"insert", func(s *Spec) (*Spec, error) { return Insert(s, "eth0", XDP, 1, strict) },
			"eth0 xdp ratelimit strict balancer, eth1 xdp -ratelimit balancer, eth1 tcx_egress strict"},
		{"insert first, in shadow", func(s *Spec) (*Spec, error) { return Insert(s, "eth0", XDP, 0, Position{Name: "strict", Shadow: true}) },
			"eth0 xdp strict? ratelimit balancer, eth1 xdp -ratelimit balancer, eth1 tcx_egress strict"},
		{"insert everywhere", func(s *Spec) (*Spec, error) { return Insert(s, EveryNIC, XDP, 0, strict) },
			"eth0 xdp strict ratelimit balancer, eth1 xdp strict -ratelimit balancer, eth1 tcx_egress strict"},
		{"insert into a new chain", func(s *Spec) (*Spec, error) { return Insert(s, "eth0", TCXIngress, 0, strict) },
			"eth0 xdp ratelimit balancer, eth0 tcx_ingress strict, eth1 xdp -ratelimit balancer, eth1 tcx_egress strict"},
		{"insert on a new NIC", func(s *Spec) (*Spec, error) { return Insert(s, "eth2", XDP, 0, Position{Name: "balancer"}) },
			"eth0 xdp ratelimit balancer, eth1 xdp -ratelimit balancer, eth1 tcx_egress strict, eth2 xdp balancer"},
		{"insert behind the balancer", func(s *Spec) (*Spec, error) { return Insert(s, "eth0", XDP, 2, strict) },
			"insert strict: eth0 xdp: nics.eth0.xdp[2]: no packet gets behind the balancer, which encapsulates those for a VIP and " +
				"passes all others to the host: put strict in front of it"},
		{"insert twice", func(s *Spec) (*Spec, error) { return Insert(s, "eth0", XDP, 0, Position{Name: "ratelimit"}) },
			"insert ratelimit: eth0 xdp: nics.eth0.xdp[1]: ratelimit stands in this chain already: a stage stands once"},
		{"insert what is none", func(s *Spec) (*Spec, error) { return Insert(s, "eth0", XDP, 0, Position{Name: "strickt"}) },
			`insert strickt: eth0 xdp: nics.eth0.xdp[0]: stage "strickt" is not known: did you mean strict? there are `},
		{"insert nowhere", func(s *Spec) (*Spec, error) { return Insert(s, "eth0", XDP, 3, strict) },
			"insert strict: eth0 xdp: 3 is no place in a chain of 2 stages: 0 to 2 are"},
		{"insert at no hook", func(s *Spec) (*Spec, error) { return Insert(s, "eth0", "xpd", 0, strict) },
			`insert strict: eth0 xpd: hook "xpd" is not known: did you mean xdp? there are xdp, tcx_ingress, tcx_egress`},
		{"insert on a NIC that cannot be", func(s *Spec) (*Spec, error) { return Insert(s, "a/b", XDP, 0, strict) },
			"insert strict: a/b xdp: nics.a/b: a network interface's name has letters, digits and signs, but no space, slash or colon"},
		{"insert where no NIC has a chain", func(s *Spec) (*Spec, error) { return Insert(s, EveryNIC, TCXIngress, 0, strict) },
			"insert strict: every nic tcx_ingress: no NIC has a chain there"},
		{"remove", func(s *Spec) (*Spec, error) { return Remove(s, "eth0", XDP, "ratelimit") },
			"eth0 xdp balancer, eth1 xdp -ratelimit balancer, eth1 tcx_egress strict"},
		{"remove everywhere", func(s *Spec) (*Spec, error) { return Remove(s, EveryNIC, XDP, "ratelimit") },
			"eth0 xdp balancer, eth1 xdp balancer, eth1 tcx_egress strict"},
		{"remove the last of a chain", func(s *Spec) (*Spec, error) { return Remove(s, "eth1", TCXEgress, "strict") },
			"eth0 xdp ratelimit balancer, eth1 xdp -ratelimit balancer"},
		{"remove the only balancers", func(s *Spec) (*Spec, error) { return Remove(s, EveryNIC, XDP, "balancer") },
			"remove balancer: every nic xdp: vips: no chain has a balancer to serve them: add one, as in nics: {eth0: {xdp: [balancer]}}"},
		{"remove what does not stand there", func(s *Spec) (*Spec, error) { return Remove(s, "eth0", XDP, "strict") },
			"remove strict: eth0 xdp: strict does not stand there"},
		{"remove from no NIC", func(s *Spec) (*Spec, error) { return Remove(s, "eth9", XDP, "strict") },
			`remove strict: eth9 xdp: nic "eth9" is not known: did you mean eth0? there are eth0, eth1`},
		{"move", func(s *Spec) (*Spec, error) {
			s, err := Insert(s, "eth0", XDP, 0, strict)
			if err != nil {
				return nil, err
			}
			return Move(s, "eth0", XDP, "strict", 1)
		}, "eth0 xdp ratelimit strict balancer, eth1 xdp -ratelimit balancer, eth1 tcx_egress strict"},
		{"move behind the balancer", func(s *Spec) (*Spec, error) { return Move(s, EveryNIC, XDP, "ratelimit", 1) },
			"move ratelimit: every nic xdp: nics.eth0.xdp[1]: no packet gets behind the balancer, which encapsulates those for a VIP " +
				"and passes all others to the host: put ratelimit in front of it"},
		{"move nowhere", func(s *Spec) (*Spec, error) { return Move(s, "eth0", XDP, "ratelimit", 2) },
			"move ratelimit: eth0 xdp: 2 is no place in a chain of 2 stages: 0 to 1 are"},
		{"disable", func(s *Spec) (*Spec, error) { return Disable(s, "eth0", XDP, "ratelimit") },
			"eth0 xdp -ratelimit balancer, eth1 xdp -ratelimit balancer, eth1 tcx_egress strict"},
		{"disable one of two balancers", func(s *Spec) (*Spec, error) { return Disable(s, "eth1", XDP, "balancer") },
			"eth0 xdp ratelimit balancer, eth1 xdp -ratelimit -balancer, eth1 tcx_egress strict"},
		{"enable", func(s *Spec) (*Spec, error) { return Enable(s, EveryNIC, XDP, "ratelimit") },
			"eth0 xdp ratelimit balancer, eth1 xdp ratelimit balancer, eth1 tcx_egress strict"},
		{"shadow", func(s *Spec) (*Spec, error) { return SetShadow(s, EveryNIC, XDP, "ratelimit", true) },
			"eth0 xdp ratelimit? balancer, eth1 xdp -ratelimit? balancer, eth1 tcx_egress strict"},
		{"shadow what drops nothing", func(s *Spec) (*Spec, error) { return SetShadow(s, "eth0", XDP, "balancer", true) },
			"shadow balancer: eth0 xdp: nics.eth0.xdp[1]: balancer drops nothing that it could let pass instead: remove shadow"},
		{"no spec", func(*Spec) (*Spec, error) { return Enable(nil, "eth0", XDP, "ratelimit") },
			"enable ratelimit: eth0 xdp: there is no spec yet"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, before := parse(t, editableChains), parse(t, editableChains)
			after, err := row.edit(s)
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				got = chainsOf(after)
				if again, err := Parse("again", Marshal(after)); err != nil || !again.Equal(after) {
					t.Errorf("%v\n%s", err, Marshal(after))
				}
			}
			if got != row.want && (err == nil || !strings.HasSuffix(row.want, "there are ") || !strings.HasPrefix(got, row.want)) {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
			if !s.Equal(before) {
				t.Errorf("the spec given was changed:\n%s", Marshal(s))
			}
			if (after == nil) != (err != nil) {
				t.Errorf("both or neither of a spec and an error")
			}
		})
	}
}

// chainsOf writes a disabled stage as -stage and one in shadow as stage?.
func chainsOf(s *Spec) string {
	var all []string
	for _, n := range s.NICs {
		for _, c := range n.Chains() {
			text := n.Name + " " + string(c.Hook)
			for _, p := range c.Stages {
				text += " "
				if p.Disabled {
					text += "-"
				}
				text += p.Name
				if p.Shadow {
					text += "?"
				}
			}
			all = append(all, text)
		}
	}
	return strings.Join(all, ", ")
}

// TestChainWarnings: what is allowed and seldom meant.
func TestChainWarnings(t *testing.T) {
	s := parse(t, `version: 1
stages: {strict: {kind: ratelimit, rate: 10}, ends: {kind: connlimit, source: sockets, max: 9}}
nics:
  eth0: {xdp: [ends, balancer], tcx_ingress: [strict], tcx_egress: [{stage: strict, disabled: true}]}
vips: [{name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, backends: [{address: 10.1.1.11}]}]
`)
	got, want := strings.Join(s.Warnings(), "\n"), `nics.eth0.xdp[0]: ends counts the sockets of this host, and the balancer sends connections on to backends, so it counts none of them: write source: flows, or source: agents
nics.eth0.tcx_ingress[0]: what the balancer sends to backends does not come by here: strict sees this node's own connections only
nics.eth0.tcx_egress: every stage is disabled: packets pass
nics.eth0.tcx_egress[0]: what the balancer sends to backends does not come by here: strict sees this node's own connections only`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
