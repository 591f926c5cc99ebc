package engine

import (
	"fmt"

	"hairpin/engine/datapath"
	"hairpin/engine/reason"
)

// traffic is packets by what became of them, in all chains.
type traffic struct {
	In, Forward, Drop float64
	Own               float64 // for this node itself, or for no service of it: answers to its checks, and who works on it
	Attached          int     // chains
	Clients           datapath.Clients
}

// noVIP is the reason of packets for no service of this node.
const noVIP = "no_vip"

// beforeSeconds is how far back a handoff looks for what is normal.
const beforeSeconds = 10

// lately is what the last seconds had in each, on average.
func (o *owner) lately() (t traffic) {
	mean := func(key meterKey) (sum float64) {
		last := o.meters.deep.AppendLast(nil, key, beforeSeconds)
		for _, v := range last {
			sum += v / float64(len(last))
		}
		return sum
	}
	for _, c := range o.kernel.Chains() {
		t.In += mean(meterKey{kind: chainIn, chain: c.Number})
		t.Forward += mean(meterKey{kind: chainVerdict, chain: c.Number, word: string(reason.Forward)})
		t.Drop += mean(meterKey{kind: chainVerdict, chain: c.Number, word: string(reason.Drop)})
	}
	if own, known := reason.ByName(noVIP); known {
		t.Own = mean(meterKey{kind: allReason, id: int(own.ID)})
	}
	t.Attached = o.inPlace()
	return t
}

// inPlace is how many chains are attached.
func (o *owner) inPlace() (n int) {
	for _, a := range o.attached {
		if a.Err == nil {
			n++
		}
	}
	return n
}

// counted is what was counted ever.
func (o *owner) counted() (t traffic, err error) {
	var snap datapath.Snapshot
	if err := o.kernel.Snapshot(&snap); err != nil {
		return t, err
	}
	for _, c := range o.kernel.Chains() {
		exits := snap.Exits[c.Number]
		if exits == nil {
			continue
		}
		for id, n := range exits {
			r, known := reason.ByID(id)
			if !known {
				continue
			}
			t.In += float64(n.Packets)
			if r.Name == noVIP {
				t.Own += float64(n.Packets)
			}
			switch r.Verdict {
			case reason.Forward:
				t.Forward += float64(n.Packets)
			case reason.Drop:
				t.Drop += float64(n.Packets)
			}
		}
	}
	t.Attached, t.Clients = o.inPlace(), o.kernel.Clients()
	return t, nil
}

func (t traffic) since(before traffic) traffic {
	return traffic{t.In - before.In, t.Forward - before.Forward, t.Drop - before.Drop, t.Own - before.Own, t.Attached, t.Clients.Since(before.Clients)}
}

// By how much packets and clients after a switch may be worse off than before, and from how many on that is judged.
const (
	dropFactor, dropSlack       = 1.2, 0.01
	forwardFactor, forwardSlack = 0.98, 0.005
	ownFactor, ownSlack         = 3, 0.05
	resetFactor, resetSlack     = 3, 0.005
	repeatFactor, repeatSlack   = 3, 0.02
	enoughPackets               = 200
	enoughEvents                = 10 // resets, or repeats
)

// measures are what is compared.
var measures = []struct {
	name    string
	says    string
	of      func(traffic) (part, whole float64)
	limit   func(before float64) float64
	atLeast bool
	least   float64 // of the part
}{
	{"dropped", "the packets are dropped", func(t traffic) (float64, float64) { return t.Drop, t.In },
		func(before float64) float64 { return dropFactor*before + dropSlack }, false, 0},
	{"forwarded", "the packets are forwarded", func(t traffic) (float64, float64) { return t.Forward, t.In - t.Own },
		func(before float64) float64 { return max(0, forwardFactor*before-forwardSlack) }, true, 0},
	{"resets", "the TCP packets of clients are resets", func(t traffic) (float64, float64) { return float64(t.Clients.Resets), float64(t.Clients.Packets) },
		func(before float64) float64 { return resetFactor*before + resetSlack }, false, enoughEvents},
	{"SYN repeats", "the SYNs of clients are repeated", func(t traffic) (float64, float64) { return float64(t.Clients.Repeats), float64(t.Clients.SYNs) },
		func(before float64) float64 { return repeatFactor*before + repeatSlack }, false, enoughEvents},
}

// judge compares what came since a switch with what came before it. Shares are compared and not rates: how much comes is
// not the node's doing. The error says which of the figures is exceeded.
func judge(before, now traffic) (figures []HandoffFigure, err error) {
	share := func(part, whole float64) float64 {
		if whole == 0 {
			return 0
		}
		return part / whole
	}
	// The node's own packets say nothing of the others, unless they are many more than before: then they are no own ones.
	now.Own = min(now.Own, now.In*(ownFactor*share(before.Own, before.In)+ownSlack))
	for _, m := range measures {
		_, known := m.of(before)
		part, whole := m.of(now)
		f := HandoffFigure{Name: m.name, Before: share(m.of(before)), Now: share(part, whole), AtLeast: m.atLeast}
		f.Limit = m.limit(f.Before)
		enough := known > 0 && part >= m.least && (m.least > 0 || whole >= enoughPackets)
		f.Exceeded = enough && (f.AtLeast && f.Now < f.Limit || !f.AtLeast && f.Now > f.Limit)
		if f.Exceeded {
			err = fmt.Errorf("%.2f %% of %s, the limit is %.2f %%, before it were %.2f %%", 100*f.Now, m.says, 100*f.Limit, 100*f.Before)
		}
		figures = append(figures, f)
	}
	if now.Attached < before.Attached {
		err = fmt.Errorf("%d chains are attached, before it were %d", now.Attached, before.Attached)
	}
	return figures, err
}
