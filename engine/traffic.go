package engine

import (
	"fmt"

	"hairpin/engine/datapath"
	"hairpin/engine/reason"
)

// traffic is packets by what became of them, in all chains.
type traffic struct {
	In, Forward, Drop float64
	Attached          int // chains
}

// beforeSeconds is how far back a handoff looks for what is normal.
const beforeSeconds = 10

// lately is what the last seconds had in each, on average.
func (o *owner) lately() (t traffic) {
	mean := func(kind meterKind, chain int, word string) (sum float64) {
		last := o.meters.deep.AppendLast(nil, meterKey{kind: kind, chain: chain, word: word}, beforeSeconds)
		for _, v := range last {
			sum += v / float64(len(last))
		}
		return sum
	}
	for _, c := range o.kernel.Chains() {
		t.In += mean(chainIn, c.Number, "")
		t.Forward += mean(chainVerdict, c.Number, string(reason.Forward))
		t.Drop += mean(chainVerdict, c.Number, string(reason.Drop))
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
			switch r.Verdict {
			case reason.Forward:
				t.Forward += float64(n.Packets)
			case reason.Drop:
				t.Drop += float64(n.Packets)
			}
		}
	}
	t.Attached = o.inPlace()
	return t, nil
}

func (t traffic) since(before traffic) traffic {
	return traffic{t.In - before.In, t.Forward - before.Forward, t.Drop - before.Drop, t.Attached}
}

// By how much the packets after a switch may be worse off than those before, and from how many on it is judged.
const (
	dropFactor, dropSlack       = 1.2, 0.01
	forwardFactor, forwardSlack = 0.98, 0.005
	enoughPackets               = 200
)

// judge compares the packets since a switch with those before it. Shares are compared and not rates: how much comes is not
// the node's doing. The error says which of the figures is exceeded.
func judge(before, now traffic) (figures []HandoffFigure, err error) {
	share := func(t traffic, n float64) float64 {
		if t.In == 0 {
			return 0
		}
		return n / t.In
	}
	dropped, forwarded := share(before, before.Drop), share(before, before.Forward)
	figures = []HandoffFigure{
		{Name: "dropped", Before: dropped, Now: share(now, now.Drop), Limit: dropFactor*dropped + dropSlack},
		{Name: "forwarded", Before: forwarded, Now: share(now, now.Forward), Limit: max(0, forwardFactor*forwarded-forwardSlack), AtLeast: true},
	}
	for i := range figures {
		f := &figures[i]
		f.Exceeded = before.In > 0 && now.In >= enoughPackets && (f.AtLeast && f.Now < f.Limit || !f.AtLeast && f.Now > f.Limit)
		if f.Exceeded {
			err = fmt.Errorf("%.2f %% of the packets are %s, the limit is %.2f %%, before it were %.2f %%", 100*f.Now, f.Name, 100*f.Limit, 100*f.Before)
		}
	}
	if now.Attached < before.Attached {
		err = fmt.Errorf("%d chains are attached, before it were %d", now.Attached, before.Attached)
	}
	return figures, err
}
