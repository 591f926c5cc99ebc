package datapath

import (
	"bytes"
	"fmt"

	"hairpin/engine/spec"
)

// Chain is one (NIC, hook) pair as it is realized.
type Chain struct {
	Number  int
	NIC     string
	Ifindex int // when it was attached
	Hook    Hook
	Mode    Mode
	Stages  []Stands          // of the active generation
	Names   [Positions]string // of the stages that are or were counted, by account; 0 is parse
}

// Stands is what stands at a position of a chain, from position 1.
type Stands struct {
	Kind    spec.Stage
	Account int
	Shadow  bool
}

func (h Hook) String() string {
	return [...]string{"", "xdp", "tcx_ingress", "tcx_egress", "clsact_ingress", "clsact_egress"}[h]
}

// Spec is the hook as specs name it.
func (h Hook) Spec() spec.Hook {
	return [...]spec.Hook{"", spec.XDP, spec.TCXIngress, spec.TCXEgress, spec.TCXIngress, spec.TCXEgress}[h]
}

// Egress tells whether a chain there sees what its NIC sends.
func (h Hook) Egress() bool { return h == TCXEgress || h == ClsactEgress }

// byClsact tells whether clsact has taken the place of tcx.
func (h Hook) byClsact() bool { return h == ClsactIngress || h == ClsactEgress }

func (m Mode) String() string { return [...]string{"", "native", "generic", "tc"}[m] }

// Chains are the chains that have a number, attached or not.
func (k *Kernel) Chains() []Chain {
	active := int(k.Control().Active)
	var list []Chain
	for i := range k.chains.all {
		c := &k.chains.all[i]
		if c.Used == 0 {
			continue
		}
		list = append(list, Chain{Number: i, NIC: cString(c.NIC[:]), Ifindex: int(c.Ifindex), Hook: c.Hook, Mode: c.Mode,
			Stages: k.Stands(active, i), Names: k.names(i)})
	}
	return list
}

// Stands are the stages of a chain in a generation.
func (k *Kernel) Stands(generation, chain int) []Stands {
	r := &k.rows.all[generation*Chains+chain]
	var list []Stands
	for position := 1; position < min(int(r.Length), Positions); position++ {
		s, _ := stageByID(r.Kind[position])
		list = append(list, Stands{Kind: s.name, Account: r.account(position), Shadow: r.Shadow>>position&1 != 0})
	}
	return list
}

func cString(b []byte) string {
	name, _, _ := bytes.Cut(b, []byte{0})
	return string(name)
}

// wanted is one chain of a spec.
type wanted struct {
	nic       string
	hook      Hook
	positions []spec.Position // that packets meet
}

func wantedChains(s *spec.Spec) []wanted {
	var list []wanted
	for _, n := range s.NICs {
		for _, w := range []wanted{{n.Name, XDP, n.XDP}, {n.Name, TCXIngress, n.TCXIngress}, {n.Name, TCXEgress, n.TCXEgress}} {
			if len(w.positions) > 0 {
				w.positions = spec.Enabled(w.positions)
				list = append(list, w)
			}
		}
	}
	return list
}

// number is the chain's number, a new one if it has none. Below tcx's kernels its place is taken by clsact.
func (k *Kernel) number(w wanted) (int, error) {
	free := -1
	for i := range k.chains.all {
		c := &k.chains.all[i]
		if c.Used == 0 {
			if free < 0 {
				free = i
			}
			continue
		}
		if c.Hook.Spec() == w.hook.Spec() && cString(c.NIC[:]) == w.nic {
			return i, nil
		}
	}
	if free < 0 {
		return 0, fmt.Errorf("nic %s: all %d chains are in use", w.nic, Chains)
	}
	if k.aside != nil {
		k.chains.all[free] = chain{Hook: w.hook, Used: 1}
		copy(k.chains.all[free].NIC[:15], w.nic)
		return free, nil
	}
	for _, c := range k.counted {
		c.Exit[free] = [Reasons]Count{} // of another NIC, and long ago
		c.Cost[free] = [Positions]Cost{}
		c.Passage[free] = [Positions]passage{}
	}
	k.forgetDrops(func(d Drop) bool { return d.Chain == free })
	k.forgetWindows(func(w *window) bool { return int(w.Chain) == free })
	lost, err := k.lost()
	if err != nil {
		return 0, err
	}
	c := chain{Hook: w.hook, Used: 1, Lost: lost[free]} // packets write the other chains' beside it
	copy(c.NIC[:len(c.NIC)-1], w.nic)
	k.chains.all[free] = c
	return free, nil
}
