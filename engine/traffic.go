package engine

import (
	"fmt"
	"math"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/reason"
)

// traffic is packets by what became of them, in all chains.
type traffic struct {
	In, Forward, Drop float64
	Own               float64 // for this node itself, or for no service of it: answers to its checks, and who works on it
	Attached          int     // chains
	Clients           datapath.Clients
	Over              time.Duration // for which clients were counted
}

// noVIP is the reason of packets for no service of this node.
const noVIP = "no_vip"

// beforeSeconds is how far back a handoff looks for what is normal.
const beforeSeconds = 10

// lately is what the last seconds had, all of them.
func (o *owner) lately() (t traffic) {
	had := func(key meterKey) (sum float64) {
		for _, v := range o.meters.deep.AppendLast(nil, key, beforeSeconds) {
			sum += v
		}
		return sum
	}
	for _, c := range o.kernel.Chains() {
		t.In += had(meterKey{kind: chainIn, chain: c.Number})
		t.Forward += had(meterKey{kind: chainVerdict, chain: c.Number, word: string(reason.Forward)})
		t.Drop += had(meterKey{kind: chainVerdict, chain: c.Number, word: string(reason.Drop)})
	}
	if own, known := reason.ByName(noVIP); known {
		t.Own = had(meterKey{kind: allReason, id: int(own.ID)})
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
	t.Attached, t.Clients, t.Over = o.inPlace(), o.kernel.Clients(), time.Duration(datapath.Monotonic())
	return t, nil
}

func (t traffic) since(before traffic) traffic {
	return traffic{t.In - before.In, t.Forward - before.Forward, t.Drop - before.Drop, t.Own - before.Own, t.Attached, t.Clients.Since(before.Clients),
		t.Over - before.Over}
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

// clientsLeast is for how long clients must have been counted, before and after, to be judged. Connections that waited for a busy machine
// begin together and end together, so that for some tenths of a second half of what comes may be resets.
const clientsLeast = time.Second

// customResets is the share of resets from clients that end each connection by a reset: SYN, a question, RST. Few packets before may be
// of a moment in which connections only began, and do not say that these are no such clients.
const customResets = 1.0 / 3

// beyondChance is how many standard deviations a share must be beyond its limit. A share that is at it is so by chance once
// in 30,000 looks, and a watch has about ten.
const beyondChance = 4

// measures are what is compared.
var measures = []struct {
	name          string
	says          string
	of            func(traffic) (part, whole float64)
	factor, slack float64
	atLeast       bool
	least         float64 // of the part
	custom        float64 // share that fewer than enoughPackets before do not rule out
}{
	{"dropped", "the packets are dropped", func(t traffic) (float64, float64) { return t.Drop, t.In }, dropFactor, dropSlack, false, 0, 0},
	{"forwarded", "the packets are forwarded", func(t traffic) (float64, float64) { return t.Forward, t.In - t.Own },
		forwardFactor, forwardSlack, true, 0, 0},
	{"resets", "the TCP packets of clients are resets", func(t traffic) (float64, float64) { return float64(t.Clients.Resets), float64(t.Clients.Packets) },
		resetFactor, resetSlack, false, enoughEvents, customResets},
	{"SYN repeats", "the SYNs of clients are repeated", func(t traffic) (float64, float64) { return float64(t.Clients.Repeats), float64(t.Clients.SYNs) },
		repeatFactor, repeatSlack, false, enoughEvents, 0},
}

// judge compares what came since a switch with what came before it. Shares are compared and not rates: how much comes is
// not the node's doing. The fewer packets there were, before or since, the further off their shares may be, and the wider the
// limits are; where nothing came before there are none. The error says which of the figures is exceeded.
func judge(before, now traffic) (figures []HandoffFigure, err error) {
	// The node's own packets say nothing of the others, unless they are many more than before: then they are no own ones.
	now.Own = min(now.Own, now.In*(ownFactor*share(before.Own, before.In)+ownSlack))
	for _, m := range measures {
		part, whole := m.of(now)
		f := HandoffFigure{Name: m.name, Before: share(m.of(before)), Now: share(part, whole), AtLeast: m.atLeast}
		was, off := likely(m.of(before))
		_, offNow := likely(part, whole)
		chance := beyondChance * math.Sqrt(offNow+m.factor*m.factor*off)
		if m.atLeast {
			f.Limit = max(0, m.factor*was-m.slack-chance)
		} else {
			f.Limit = min(1, m.factor*was+m.slack+chance)
		}
		if _, known := m.of(before); m.custom > 0 && known < enoughPackets {
			f.Limit = max(f.Limit, m.custom)
		}
		enough := whole >= enoughPackets
		if m.least > 0 {
			enough = part >= m.least && min(before.Over, now.Over) >= clientsLeast
		}
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

// share is a part of a whole. Counts that are read one after the other may make it a little more than that.
func share(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return min(part/whole, 1)
}

// likely is what a share of a few tells of many like them, and its variance: one more of them is taken to have been in the
// part and one not, so that none of a few does not mean never (Agresti and Caffo, 2000).
func likely(part, whole float64) (of, variance float64) {
	n := max(whole, 0) + 2
	of = (min(max(part, 0), n-2) + 1) / n
	return of, of * (1 - of) / n
}
