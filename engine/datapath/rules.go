package datapath

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"hairpin/bpf"
	"hairpin/engine/filter"
	"hairpin/engine/spec"
)

// RuleName is a rule by the names of the firewall that has it and its own.
type RuleName struct{ Stage, Rule string }

// ruleSet is the filters of one firewall as a function of its programs.
type ruleSet struct {
	body   asm.Instructions
	digest uint64 // of body
}

// layout is where the programs of this build keep the facts of a packet.
func (k *Kernel) layout() (filter.Layout, error) {
	if k.facts != nil {
		return *k.facts, nil
	}
	objects, err := bpf.LoadFirewall()
	if err != nil {
		return filter.Layout{}, err
	}
	l, err := filter.LayoutOf(objects.Types)
	if err == nil {
		k.facts = &l
	}
	return l, err
}

// compileRules is the function that marks which rules are true of a packet. nums are the VIPs that rules may name.
func (k *Kernel) compileRules(rules []spec.Rule, nums map[string]uint16) (ruleSet, error) {
	layout, err := k.layout()
	if err != nil {
		return ruleSet{}, err
	}
	layout.VIPs = nums
	list := make([]*filter.Expr, len(rules))
	for i, r := range rules {
		if list[i], err = filter.Parse(r.Match, filter.Packet|filter.VIP); err != nil {
			return ruleSet{}, fmt.Errorf("rules[%d].match: rule %s: %w", i, r.Name, err)
		}
	}
	body, err := filter.Marks(list, func(i int) bool { return rules[i].Action != spec.RuleCount }, layout)
	if err != nil {
		return ruleSet{}, fmt.Errorf("rules: %w", err)
	}
	h := sha256.New()
	if err := body.Marshal(h, binary.LittleEndian); err != nil {
		return ruleSet{}, fmt.Errorf("rules: %w", err)
	}
	return ruleSet{body, binary.BigEndian.Uint64(h.Sum(nil)) | 1}, nil
}

// CheckRules says what is wrong with the rules of a spec, before anything is made of them.
func (k *Kernel) CheckRules(s *spec.Spec) error {
	nums := map[string]uint16{}
	for i, v := range s.VIPs {
		nums[v.Name] = uint16(i + 1)
	}
	for _, n := range s.Stages {
		var rules []spec.Rule
		switch x := n.Settings.(type) {
		case *spec.Policy:
			rules = x.Rules
		case *spec.Copies:
			rules = copiesOf(x)
		}
		if len(rules) > 0 {
			if _, err := k.compileRules(rules, nums); err != nil {
				return fmt.Errorf("stages.%s.%w", n.Name, err)
			}
		}
	}
	return nil
}

// putRules has the rules of a firewall stand at p: programs of their own, what each rule does, and where it counts.
func (k *Kernel) putRules(p spot, rules []spec.Rule, f *firewall, s *standing) error {
	if len(rules) == 0 {
		return nil
	}
	set, err := k.compileRules(rules, p.nums)
	if err != nil {
		return err
	}
	f.Rules = set.digest
	used := k.usedCounters()
	for i, r := range rules {
		if f.Counter[i], err = k.ruleCounter(RuleName{p.stage.Name, r.Name}, used); err != nil {
			return err
		}
		used[f.Counter[i]], f.Action[i] = true, uint8(r.Action)
	}
	live := program{spec.Firewall, "", bpf.LoadFirewall, "firewall_rules", "rows_xdp", false}
	if k.chains.all[p.chain].Hook != XDP {
		live = program{spec.Firewall, "_tc", bpf.LoadFirewall, "firewall_rules_tc", "rows_tc", false}
	}
	if s.program, err = k.ruleProgram(set, live); err != nil {
		return err
	}
	s.dry, err = k.ruleProgram(set, program{spec.Firewall, "_dry", bpf.LoadFirewall, "firewall_rules", "rows_dry", true})
	return err
}

const rulesPin = "rules_"

// ruleProgram is a program with these rules: the one that is pinned, or a new one. The pin of p is what tells it from the
// others of the set.
func (k *Kernel) ruleProgram(set ruleSet, p program) (*ebpf.Program, error) {
	p.pin = fmt.Sprintf("%s%016x%s", rulesPin, set.digest, p.pin)
	if known := k.programs[p.pin]; known != nil {
		return known, nil
	}
	if pinned, err := ebpf.LoadPinnedProgram(k.pin(k.folder, p.pin), nil); err == nil {
		k.programs[p.pin] = pinned
		return pinned, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("adopt program %s: %w", p.pin, explain(err))
	}
	c, err := k.collection(p)
	if err != nil {
		return nil, err
	}
	program := c.spec.Programs[p.function]
	if program.Instructions, err = filter.Splice(program.Instructions, "marks", set.body); err != nil {
		return nil, err
	}
	loaded, err := ebpf.NewCollectionWithOptions(c.spec, ebpf.CollectionOptions{MapReplacements: c.maps})
	if err != nil {
		return nil, fmt.Errorf("rules: the kernel refuses their program: %w", explain(verifierTail(err)))
	}
	defer loaded.Close()
	if err := k.keepProgram(p, k.folder, loaded.DetachProgram(p.function)); err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	return k.programs[p.pin], nil
}

// retireRules unpins the programs of rules that no live generation names. Rows hold those that packets may still be in.
func (k *Kernel) retireRules() error {
	all, err := filepath.Glob(k.pin(k.folder, rulesPin+"*"))
	if err != nil || len(all) == 0 {
		return err
	}
	used := map[string]bool{}
	for i := range k.usedSettings(stageFirewall) {
		used[fmt.Sprintf("%016x", k.firewalls.all[i].Rules)] = true
	}
	for i := range k.usedSettings(mirrorID) {
		used[fmt.Sprintf("%016x", k.mirrors.all[i].Rules)] = true
	}
	for _, pin := range all {
		name := filepath.Base(pin)
		digest, _, _ := strings.Cut(strings.TrimPrefix(name, rulesPin), "_")
		if used[digest] {
			continue
		}
		if err := os.Remove(pin); err != nil {
			return fmt.Errorf("forget program %s: %w", name, err)
		}
		if p := k.programs[name]; p != nil {
			_ = p.Close()
			delete(k.programs, name)
		}
	}
	return nil
}

// usedCounters are the rule counters that live generations name.
func (k *Kernel) usedCounters() map[uint16]bool {
	used := map[uint16]bool{}
	for i := range k.usedSettings(stageFirewall) {
		for _, n := range k.firewalls.all[i].Counter {
			used[n] = true
		}
	}
	return used
}

// ruleCounter is where a rule counts: it keeps its counter while it has its name, or it gets one that nobody has.
func (k *Kernel) ruleCounter(name RuleName, used map[uint16]bool) (uint16, error) {
	var own ruleName
	copy(own.Stage[:], name.Stage)
	copy(own.Rule[:], name.Rule)
	free := -1
	for i := len(k.ruleNames.all) - 1; i > 0; i-- {
		switch {
		case k.ruleNames.all[i] == own:
			return uint16(i), nil
		case !used[uint16(i)]:
			free = i
		}
	}
	if free < 0 {
		return 0, fmt.Errorf("rules: all %d counters are in use by the specs of the last second and this one: wait, or use fewer rules", RuleCounters-1)
	}
	for _, c := range k.counted {
		if k.aside == nil {
			c.Rule[free] = Count{}
		}
	}
	k.ruleNames.all[free] = own
	return uint16(free), nil
}

// RuleCounts are what the rules have counted, by their names, of the rules that live generations have.
func (k *Kernel) RuleCounts() map[RuleName]Count {
	counts := map[RuleName]Count{}
	for i := range k.usedCounters() {
		if i == 0 {
			continue
		}
		name := RuleName{cString(k.ruleNames.all[i].Stage[:]), cString(k.ruleNames.all[i].Rule[:])}
		var sum Count
		for _, c := range k.counted {
			n := c.Rule[i]
			sum.Packets, sum.Bytes = sum.Packets+n.Packets, sum.Bytes+n.Bytes
		}
		counts[name] = sum
	}
	return counts
}
