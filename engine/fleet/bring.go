package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hairpin/engine/spec"
)

// look begins what is to be done at this node, and says when the node does worse since it has the newest revision.
func (m *Member) look(ctx context.Context) {
	_, fresh := m.Node.Running()
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.target
	m.served = m.served || m.recalled && m.memory.Number >= m.view.Head.ground()
	fresh = fresh && !m.served
	tried := m.memory.Failed == t.Number && m.memory.Attempt == t.Attempt
	switch {
	case m.working || m.memory.Left != nil || t.Number == 0:
	case m.rejoins, !tried && (t.Number > m.memory.Number || fresh && t.Number == m.memory.Number):
		m.working, m.rejoins = true, false
		go m.work(ctx, t, m.view.Head, fresh)
	case m.view.Head.Phase == Running && m.memory.Number == m.view.Head.Number && m.memory.Failed == 0:
		if why := m.Node.Worse(); why != "" {
			m.memory.fail(m.memory.Number, t.Attempt, why)
		}
	}
}

// work brings the node to its target, and notes what became of it.
func (m *Member) work(ctx context.Context, t Target, h Head, fresh bool) {
	err := m.bring(ctx, t, h, fresh)
	m.mu.Lock()
	m.view.Step, m.working, m.view.Waits = "", false, ""
	m.served = m.served || err == nil
	again := false
	switch {
	case err == nil:
	case ctx.Err() != nil: // the next engine, or the next time in the store, decides
	case errors.Is(err, ErrWait), m.memory.Trying == 0:
		m.view.Waits, again = err.Error(), true
	default:
		m.memory.fail(t.Number, t.Attempt, err.Error())
		if err := m.memory.write(m.File); err != nil {
			m.Log.Error("fleet", "error", err)
		}
	}
	m.mu.Unlock()
	m.Changed()
	if !again { // else with the next tick
		m.wake()
	}
}

// bring takes the node through what it has missed to its target.
func (m *Member) bring(ctx context.Context, t Target, h Head, fresh bool) error {
	m.mu.Lock()
	own := m.memory.Number
	m.mu.Unlock()
	last, err := m.revision(ctx, t.Number)
	if err != nil {
		return err
	}
	goal, host, err := m.read(ctx, last)
	if err != nil {
		return m.refuse(t, err)
	}
	since := time.Now().Add(-longest(goal))
	if fresh || own != 0 && own < t.Number-1 {
		if err := m.pass(ctx, own, fresh, h, t.Number, since); err != nil {
			return err
		}
	}
	return m.take(ctx, t, last, goal, host, Options{Watch: h.Pace.Watch, Ground: fresh && !last.Time.After(since)})
}

// longest is for how long the flows of any VIP of s are owed their backends after a change.
func longest(s *spec.Spec) (d time.Duration) {
	for i := range s.VIPs {
		d = max(d, s.VIPs[i].Settle)
	}
	return d
}

// pass applies what was missed in front of a number. What cannot be applied is not needed to go on.
func (m *Member) pass(ctx context.Context, own int, fresh bool, h Head, number int, since time.Time) error {
	kept, err := m.revisions(ctx)
	if err != nil {
		return err
	}
	for at, n := range missed(own, fresh, kept, h.Returned, number, since) {
		if n == number {
			break
		}
		i := slices.IndexFunc(kept, func(r Revision) bool { return r.Number == n })
		s, _, err := m.read(ctx, kept[i])
		if err == nil {
			m.step("passes through revision %d", n)
			err = m.Node.Apply(ctx, s, kept[i], Options{Ground: fresh && (at == 0 || !kept[i].Time.After(since))})
		}
		if errors.Is(err, ErrWait) || ctx.Err() != nil {
			return err
		}
		if err == nil {
			m.keepHad(kept[i], since)
		} else {
			m.Log.Warn("fleet: a revision that was missed is passed over", "revision", n, "error", err)
		}
	}
	return nil
}

// take applies the last one, and watches.
func (m *Member) take(ctx context.Context, t Target, r Revision, s *spec.Spec, host bool, o Options) error {
	name := NameOf(s)
	if running, _ := m.Node.Running(); running != name {
		m.step("takes revision %d and watches itself for %s", t.Number, o.Watch)
		if err := m.remember(func(k *memory) { k.Trying, k.Attempt, k.Host = t.Number, t.Attempt, host }); err != nil {
			return err
		}
		if err := m.Node.Apply(ctx, s, r, o); err != nil {
			if errors.Is(err, ErrWait) {
				return errors.Join(err, m.remember(func(k *memory) { k.Trying = 0 }))
			}
			return err
		}
	}
	if !host {
		m.keepHad(r, time.Now().Add(-longest(s)))
	}
	return m.remember(func(k *memory) { k.keep(t.Number, name, host) })
}

// refuse notes that a revision says nothing for this node.
func (m *Member) refuse(t Target, why error) error {
	return errors.Join(why, m.remember(func(k *memory) { k.fail(t.Number, t.Attempt, why.Error()) }))
}

func (m *Member) remember(change func(*memory)) error {
	m.mu.Lock()
	change(&m.memory)
	err := m.memory.write(m.File)
	m.mu.Unlock()
	m.wake()
	m.Changed()
	return err
}

func (m *Member) step(format string, args ...any) {
	m.mu.Lock()
	m.view.Step = fmt.Sprintf(format, args...)
	m.mu.Unlock()
	m.Changed()
}

// read is what a revision says for this node.
func (m *Member) read(ctx context.Context, r Revision) (s *spec.Spec, host bool, err error) {
	d, err := parse(r.Text)
	if err != nil {
		return nil, false, err
	}
	var before *Document
	if host = d.IsHost(m.Name); host && r.Base != 0 {
		if b, err := m.revision(ctx, r.Base); err == nil { // else it is not kept any more
			if before, err = parse(b.Text); err != nil {
				before = nil
			}
		}
	}
	s, err = d.For(m.Name, before)
	return s, host, err
}

func revisionKey(number int) string { return fmt.Sprintf("%s%010d", revisionsKey, number) }

// revision is one of those in the store.
func (m *Member) revision(ctx context.Context, number int) (Revision, error) {
	item, err := m.Store.Get(ctx, revisionKey(number))
	if err != nil {
		return Revision{}, err
	}
	if item.Mark == 0 {
		return Revision{}, fmt.Errorf("%w: revision %d is not kept in the store", ErrBusy, number)
	}
	return decodeRevision(item.Value)
}

// revisions are all that are kept, in their order.
func (m *Member) revisions(ctx context.Context) (kept []Revision, err error) {
	items, _, err := m.Store.List(ctx, revisionsKey)
	for _, i := range items {
		r, e := decodeRevision(i.Value)
		if e != nil {
			return nil, e
		}
		kept = append(kept, r)
	}
	return kept, err
}
