package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"hairpin/engine/spec"
)

// victimVariable holds, in JSON, what an engine does until it is killed.
const victimVariable = "HAIRPIN_TEST_VICTIM"

type victimWork struct {
	Paths   Paths
	Seed    uint64
	Changes int // 0: without end, until it is killed; else it counts what they cost
	Walk    walker
	Rests   bool // changes nothing
}

// victim opens the engine and changes the node without end. It says on its output what it is about to do and what became
// of it, a line each: "open", "apply REVISION", "waits REVISION", "live REVISION", "confirm REVISION", "confirmed REVISION",
// "late REVISION", "failed REVISION".
func victim(text string) error {
	var work victimWork
	if err := json.Unmarshal([]byte(text), &work); err != nil {
		return err
	}
	options := Options{Paths: work.Paths, Version: "victim"}
	way, walks := ways[work.Walk.Way]
	if walks {
		options.Step = work.Walk.stepper()
	}
	n, err := Open(context.Background(), options)
	if err != nil {
		return err
	}
	fmt.Println("open")
	if walks {
		if err := n.Arm(context.Background(), ArmRequest{Why: "test"}); err != nil {
			return err
		}
		return way.do(n)
	}
	if work.Rests {
		select {}
	}
	if work.Changes > 0 {
		return leaker(n, work)
	}
	d := victimDice{rand.New(rand.NewPCG(work.Seed, 0))}
	for {
		if err := d.change(n); err != nil {
			return err
		}
	}
}

type victimDice struct{ *rand.Rand }

func (d victimDice) change(n Node) error {
	s := d.spec()
	revision := spec.Revision(s)
	if err := tell("apply", revision); err != nil {
		return err
	}
	r := ApplyRequest{Spec: s, Who: "victim"}
	if d.IntN(2) == 0 {
		r.Deadline = time.Duration(1+d.IntN(60)) * time.Millisecond
	}
	a, err := armAndApply(n, r)
	switch {
	case errors.Is(err, ErrStale), errors.Is(err, ErrLate): // the kernel went back in the middle
		return tell("failed", revision)
	case err != nil:
		return err
	case a.Deadline.IsZero():
		return tell("live", revision)
	}
	if err := tell("waits", revision); err != nil || d.IntN(2) == 0 {
		return err
	}
	if err := tell("confirm", revision); err != nil {
		return err
	}
	err = n.Confirm(context.Background(), "victim")
	if errors.Is(err, ErrLate) {
		return tell("late", revision)
	}
	if err != nil {
		return err
	}
	return tell("confirmed", revision)
}

// armAndApply goes on for as long as it takes, however short one stays armed.
func armAndApply(n Node, r ApplyRequest) (*Applied, error) {
	if err := n.Arm(context.Background(), ArmRequest{Why: "test"}); err != nil {
		return nil, err
	}
	return n.Apply(context.Background(), r)
}

func tell(what, revision string) error {
	_, err := fmt.Fprintln(os.Stdout, what, revision)
	return err
}

// spec is any of many that differ in NICs, VIPs and backends. No two are the same: the settle time sees to that.
func (d victimDice) spec() *spec.Spec {
	s := stagesOfVictims()
	for _, n := range []string{"eth0", "eth1"}[:1+d.IntN(2)] {
		nic := spec.NIC{Name: n, XDP: append(d.chain(s), spec.Position{Name: string(spec.Balancer)})}
		if d.IntN(2) == 0 {
			nic.TCXIngress = d.chain(s)
		}
		if d.IntN(2) == 0 {
			nic.TCXEgress = slices.DeleteFunc(d.chain(s), func(p spec.Position) bool { return s.KindOf(p.Name) == spec.ConnLimit })
		}
		s.NICs = append(s.NICs, nic)
	}
	if d.IntN(3) == 0 {
		d.firewall(s)
	}
	s.VIPs = []spec.VIP{d.vip("web", "10.99.0.1", spec.TCP)}
	if d.IntN(2) == 0 {
		s.VIPs = append(s.VIPs, d.vip("dns", "10.99.0.2", spec.UDP))
	}
	if d.IntN(2) == 0 {
		addGuard(s, 1024+d.IntN(4))
	}
	if d.IntN(2) == 0 {
		addProbe(s, []string{"raw", "typed"}[d.IntN(2)])
	}
	return s
}

// addGuard puts an external stage in front of the first NIC's chain.
func addGuard(s *spec.Spec, port int) {
	s.Stages = append(s.Stages, spec.Named{Name: "guard", Kind: spec.External, Settings: &spec.ExternalStage{Next: spec.DefaultNext, Object: spec.Object{
		File: example("guard.o"), Maps: []spec.MapFill{{Map: "config", Entries: []spec.MapEntry{{Key: "0", Values: []spec.MapField{{Name: "port", Value: fmt.Sprint(port)}}}}}},
		Watch: []spec.Watch{{Map: "hits", Key: "0", Field: "seen", Name: "seen"}}}}})
	s.NICs[0].XDP = append([]spec.Position{{Name: "guard"}}, s.NICs[0].XDP...)
}

func addProbe(s *spec.Spec, program string) {
	s.Probes = []spec.Probe{{Name: "states", Object: spec.Object{File: example("states.o"), Program: program,
		Watch: []spec.Watch{{Map: "states", Key: "1", Name: "established"}}}}}
}

// victimStages let pass whatever the tests send.
const victimStages = `
version: 1
stages:
  firewall: {drop: {sources: [203.0.113.0/24, "2001:db8:bad::/48"]}, rules: [{name: telnet, match: tcp port 23, action: drop}]}
  ratelimit: {limits: [{rate: 100000, per: nic}, {rate: 60000, per: source_vip}]}
  limit:    {kind: ratelimit, rate: 100000, count: offered}
  wall:     {kind: firewall, drop: {destinations: [203.0.113.0/24]}}
  connlimit: {limits: [{max: 100000}, {max: 50000, per: source_vip, prefix: 24}]}
  sockets:  {kind: connlimit, source: sockets, limits: [{max: 100000, per: vip}, {max: 50000, per: source}]}
`

func stagesOfVictims() *spec.Spec {
	s, err := spec.Parse("stages", []byte(victimStages))
	if err != nil {
		panic(err) // it is part of this program
	}
	return s
}

// withEveryStage is s with all stages of victims in front of the balancer of its first NIC.
func withEveryStage(s *spec.Spec) *spec.Spec {
	s = s.Clone()
	s.Stages = stagesOfVictims().Stages
	var chain []spec.Position
	for _, n := range s.Stages {
		chain = append(chain, spec.Position{Name: n.Name})
	}
	s.NICs[0].XDP = append(chain, s.NICs[0].XDP...)
	return s
}

// chain is some of the stages of s in any order.
func (d victimDice) chain(s *spec.Spec) (chain []spec.Position) {
	for _, i := range d.Perm(len(s.Stages))[:d.IntN(len(s.Stages)+1)] {
		chain = append(chain, spec.Position{Name: s.Stages[i].Name, Disabled: d.IntN(3) == 0, Shadow: d.IntN(3) == 0})
	}
	return chain
}

// firewall puts one in front of the balancer that drops packets of nobody.
func (d victimDice) firewall(s *spec.Spec) {
	p := &spec.Policy{}
	for range d.IntN(50) {
		a := netip.AddrFrom4([4]byte{198, 18, byte(d.IntN(256)), byte(d.IntN(256))})
		p.Drop.Sources = append(p.Drop.Sources, netip.PrefixFrom(a, 24+d.IntN(9)).Masked())
	}
	for i := range d.IntN(3) {
		p.Rules = append(p.Rules, spec.Rule{Name: fmt.Sprint("rule-", i), Match: fmt.Sprint("tcp port ", 20+i), Action: spec.RuleCount})
	}
	for i := range s.Stages { // the others may stand elsewhere
		if s.Stages[i].Name == string(spec.Firewall) {
			s.Stages[i].Settings = p
		}
	}
	s.NICs[0].XDP = spec.Stands(spec.Firewall, spec.Balancer)
}

// example is the absolute path of an object of the examples.
func example(name string) string {
	path, err := filepath.Abs(filepath.Join("..", "testdata", "external", name))
	if err != nil {
		panic(err) // no working folder
	}
	return path
}

// vip always has a backend that takes new flows.
func (d victimDice) vip(name, address string, protocol spec.Protocol) spec.VIP {
	v := spec.VIP{Name: name, Addresses: []netip.Addr{netip.MustParseAddr(address)}, Port: 80, Protocol: protocol,
		EncapPort: spec.DefaultEncapPort, Ring: []uint32{251, 4099}[d.IntN(2)], Settle: time.Second + time.Duration(d.IntN(1e9))}
	for i, n := range d.Perm(len(neighbours))[:1+d.IntN(len(neighbours))] {
		b := spec.Backend{Address: netip.MustParseAddr(neighbours[n]), Weight: 1 + d.Uint32N(100)}
		if i > 0 {
			b.State = []spec.State{spec.Up, spec.Drain, spec.Down, spec.Maintenance}[d.IntN(4)]
		}
		v.Backends = append(v.Backends, b)
	}
	return v
}
