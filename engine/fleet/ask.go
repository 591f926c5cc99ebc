package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"hairpin/engine/spec"
)

// Ask is who wants something of a fleet, and why.
type Ask struct {
	Who, Why string
	Force    bool // see Revision
}

// keptRevisions is how many the store has at most.
const keptRevisions = 100

// put makes a head the fleet's, with the revision that it names where that is new.
func (m *Member) put(ctx context.Context, when []When, next Head, r *Revision) error {
	text, err := json.Marshal(next)
	if err != nil {
		return err
	}
	puts := []Put{{Key: headKey, Value: text}}
	if r != nil {
		stored, err := r.encode()
		if err != nil {
			return err
		}
		puts = append(puts, Put{Key: revisionKey(r.Number), Value: stored})
		if old := r.Number - keptRevisions; old > 0 {
			puts = append(puts, Put{Key: revisionKey(old), Gone: true})
		}
	}
	return m.Store.Write(ctx, when, puts)
}

// now is the head as the store has it at this moment.
func (m *Member) now(ctx context.Context) (h Head, mark int64, err error) {
	if err := m.inside(); err != nil {
		return h, 0, err
	}
	item, err := m.Store.Get(ctx, headKey)
	if err == nil {
		err = json.Unmarshal(item.Value, &h)
	}
	return h, item.Mark, err
}

// inside says why this node cannot speak for the fleet.
func (m *Member) inside() error {
	v := m.View()
	switch {
	case v.Left != nil:
		return fmt.Errorf("%w: this node is out of the fleet (%s); hairpin fleet rejoin", ErrBusy, v.Left)
	case !v.Reached:
		return fmt.Errorf("%w: the store %s is away since %s: %s; to change this node alone: hairpin fleet leave", ErrBusy, v.Store,
			v.Since.Format(time.TimeOnly), v.Why)
	}
	return nil
}

// moved says who was quicker.
func (m *Member) moved(ctx context.Context, err error) error {
	if !errors.Is(err, ErrMoved) {
		return err
	}
	if h, _, e := m.now(ctx); e == nil {
		return fmt.Errorf("%w: revision %d by %s at %s (%s) came first; look at it, and make the change again", ErrMoved, h.Number, h.Who, h.From, h.Why)
	}
	return err
}

// Document is the text of a revision; 0 = the newest.
func (m *Member) Document(ctx context.Context, number int) (Revision, error) {
	h, _, err := m.now(ctx)
	if err == nil && number == 0 {
		if number = h.Number; number == 0 {
			err = fmt.Errorf("%w: the fleet has no revision yet: hairpin fleet apply -f FILE", ErrBusy)
		}
	}
	if err != nil {
		return Revision{}, err
	}
	return m.revision(ctx, number)
}

// Apply makes a document the fleet's next revision. after is the one that it was made of; 0 = whichever is the newest.
func (m *Member) Apply(ctx context.Context, a Ask, text []byte, after int) (int, error) {
	d, err := Parse("the fleet's document", text)
	if err != nil {
		return 0, err
	}
	h, mark, err := m.now(ctx)
	if err != nil {
		return 0, err
	}
	if after != 0 && after != h.Number {
		return 0, m.moved(ctx, ErrMoved)
	}
	return m.propose(ctx, a, h, mark, text, d.Rollout)
}

func (m *Member) propose(ctx context.Context, a Ask, h Head, mark int64, text []byte, pace Pace) (int, error) {
	if h.Number != 0 {
		if now, err := m.revision(ctx, h.Number); err == nil && bytes.Equal(now.Text, text) && h.Rest() {
			return h.Number, nil
		}
	}
	next, r, err := h.Propose(Revision{Who: a.Who, Why: a.Why, From: m.Name, Force: a.Force, Text: text}, pace, time.Now())
	if err != nil {
		return 0, err
	}
	if err := m.put(ctx, []When{{headKey, mark}}, next, &r); err != nil {
		return 0, m.moved(ctx, err)
	}
	return r.Number, nil
}

// Edit makes the fleet's next revision of what somebody at this node wants its spec to be. It is refused while this node has
// not what the newest revision says: the edit would be of something else.
func (m *Member) Edit(ctx context.Context, a Ask, next *spec.Spec) (int, error) {
	h, mark, err := m.now(ctx)
	if err != nil {
		return 0, err
	}
	running, _ := m.Node.Running()
	m.mu.Lock()
	own, drifts := m.memory.Number, drift(m.memory, running)
	m.mu.Unlock()
	switch {
	case h.Number == 0: // the first: what this node has, all shall have
		text := spec.Marshal(next)
		return m.propose(ctx, a, h, mark, text, Pace{DefaultAtOnce, DefaultWatch})
	case own != h.Number:
		return 0, fmt.Errorf("%w: the fleet's revision is %d by %s (%s), which is %s, and this node has %d; wait for it, and make the change again",
			ErrMoved, h.Number, h.Who, h.Why, h.Phase, own)
	case drifts != "":
		return 0, fmt.Errorf("%w: this node differs from the fleet: %s; hairpin fleet rejoin", ErrBusy, drifts)
	}
	r, err := m.revision(ctx, h.Number)
	if err != nil {
		return 0, err
	}
	d, err := parse(r.Text)
	if err != nil {
		return 0, err
	}
	var before *Document
	if d.IsHost(m.Name) && r.Base != 0 {
		if b, err := m.revision(ctx, r.Base); err == nil {
			before, _ = parse(b.Text) // it was one when it was accepted
		}
	}
	edited, err := d.Edit(m.Name, next, before)
	if err != nil {
		return 0, err
	}
	text, err := edited.Marshal()
	if err != nil {
		return 0, err
	}
	return m.propose(ctx, a, h, mark, text, edited.Rollout)
}

// Stop keeps further nodes from taking the newest revision.
func (m *Member) Stop(ctx context.Context, a Ask) error {
	return m.turn(ctx, func(h Head) (Head, *Revision, error) {
		h, err := h.Stop(a.Who, a.Why)
		return h, nil, err
	})
}

// Resume goes on with a rollout that was stopped.
func (m *Member) Resume(ctx context.Context) error {
	return m.turn(ctx, func(h Head) (Head, *Revision, error) {
		h, err := h.Resume()
		return h, nil, err
	})
}

// Back takes the newest revision back, at all nodes that have it at once.
func (m *Member) Back(ctx context.Context, a Ask) error {
	return m.turn(ctx, func(h Head) (Head, *Revision, error) {
		base, err := m.revision(ctx, h.Base)
		if err != nil && h.Base != 0 {
			return h, nil, err
		}
		why := "taken back by " + a.Who
		if a.Why != "" {
			why += ": " + a.Why
		}
		next, r, err := h.Return(base, a.Who, why, time.Now())
		return next, &r, err
	})
}

// turn changes the head by what it is now.
func (m *Member) turn(ctx context.Context, change func(Head) (Head, *Revision, error)) error {
	h, mark, err := m.now(ctx)
	if err != nil {
		return err
	}
	next, r, err := change(h)
	if err != nil {
		return err
	}
	return m.moved(ctx, m.put(ctx, []When{{headKey, mark}}, next, r))
}

// Leave takes this node out: what is changed here stays here, and revisions pass it by.
func (m *Member) Leave(a Ask) error {
	return m.remember(func(k *memory) {
		if k.Left == nil {
			k.Left = &Left{a.Who, a.Why, time.Now()}
		}
	})
}

// Rejoin has the fleet's revision be this node's again, whatever was changed here. afresh forgets to which fleet it belonged.
func (m *Member) Rejoin(afresh bool) error {
	return m.remember(func(k *memory) {
		k.Left, k.Failed, k.Why = nil, 0, ""
		if afresh {
			*k = memory{}
		}
		m.rejoins = true
	})
}

// Forget takes a node that is gone for good off the list.
func (m *Member) Forget(ctx context.Context, node string) error {
	if err := m.inside(); err != nil {
		return err
	}
	there, err := m.Store.Get(ctx, nodesKey+node)
	if err != nil {
		return err
	}
	if there.Mark != 0 {
		return fmt.Errorf("%w: %s is there; stop its engine first", ErrBusy, node)
	}
	member, err := m.Store.Get(ctx, membersKey+node)
	if err == nil && member.Mark == 0 {
		err = fmt.Errorf("%w: the fleet has no node %s", ErrBusy, node)
	}
	if err != nil {
		return err
	}
	return m.Store.Write(ctx, []When{{nodesKey + node, 0}}, []Put{{Key: membersKey + node, Gone: true}, {Key: m.targetKey(node), Gone: true}})
}

// Nodes are all that the fleet knows, in the order in which they take revisions.
func (m *Member) Nodes(ctx context.Context) ([]Seen, error) {
	if err := m.reached(); err != nil {
		return nil, err
	}
	l := &leader{Member: m, nodes: map[string]*Seen{}}
	_, err := l.load(ctx)
	return l.sorted(), err
}

func (m *Member) reached() error {
	if v := m.View(); !v.Reached {
		return fmt.Errorf("%w: the store %s is away since %s: %s", ErrBusy, v.Store, v.Since.Format(time.TimeOnly), v.Why)
	}
	return nil
}
