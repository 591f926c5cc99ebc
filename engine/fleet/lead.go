package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// leader is what the one node knows that leads a rollout.
type leader struct {
	*Member
	holds   When // its changes hold while this does
	head    Head
	mark    int64
	nodes   map[string]*Seen
	pending bool // a change of the head is on its way back to here
}

const (
	// judgeEvery is how often it is looked what comes next, where anything changed.
	judgeEvery = 50 * time.Millisecond
	// mostAsked is how many nodes are asked in one change: an etcd takes 128.
	mostAsked = 100
)

// lead campaigns, and leads until ctx ends. Where the store fails, it is over: the member joins again.
func (m *Member) lead(ctx context.Context) {
	holds, err := m.Store.Lead(ctx, m.Name)
	if err != nil {
		m.Log.Debug("fleet: no longer a candidate", "error", err)
		return
	}
	l := &leader{Member: m, holds: holds, nodes: map[string]*Seen{}}
	if err := l.run(ctx); err != nil && ctx.Err() == nil {
		m.Log.Warn("fleet: this node led, and could not go on", "error", err)
	}
}

func (l *leader) run(ctx context.Context) error {
	if err := l.Store.Write(ctx, []When{l.holds}, []Put{{Key: leaderKey, Value: []byte(l.Name), Leased: true}}); err != nil {
		return err
	}
	at, err := l.load(ctx)
	if err != nil {
		return err
	}
	changes := l.Store.Follow(ctx, "", at)
	ticks, tocks := time.NewTicker(judgeEvery), time.NewTicker(time.Second)
	defer ticks.Stop()
	defer tocks.Stop()
	for dirty := true; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b, ok := <-changes:
			if b.Err != nil || !ok {
				return errors.Join(b.Err, ctx.Err())
			}
			l.note(b.Items, time.Now())
			dirty = true
			continue
		case <-tocks.C: // time passes for those who are silent or slow
		case <-ticks.C:
			if !dirty {
				continue
			}
		}
		dirty = false
		if err := l.act(ctx, time.Now()); errors.Is(err, ErrMoved) {
			dirty = true // what moved is on its way here, or another leads
		} else if err != nil {
			return err
		}
	}
}

// load reads what there is. Members come first, so that what they say finds them.
func (l *leader) load(ctx context.Context) (at int64, err error) {
	for _, prefix := range []string{membersKey, "all/", targetsKey, nodesKey} {
		items, then, err := l.Store.List(ctx, prefix)
		if err != nil {
			return 0, err
		}
		if at == 0 {
			at = then
		}
		l.note(items, time.Now())
	}
	return at, nil
}

// note takes what changed.
func (l *leader) note(items []Item, now time.Time) {
	for _, i := range items {
		kind, name, _ := strings.Cut(i.Key, "/")
		switch kind + "/" {
		case "all/":
			if i.Key == headKey && i.Mark >= l.mark && json.Unmarshal(i.Value, &l.head) == nil {
				l.mark, l.pending = i.Mark, false
			}
		case membersKey:
			if i.Mark == 0 {
				delete(l.nodes, name)
			} else {
				l.seen(name, now)
			}
		case targetsKey, nodesKey:
			name = strings.TrimSuffix(name, "/")
			if i.Mark == 0 && l.nodes[name] == nil {
				continue // it was forgotten
			}
			if n := l.seen(name, now); kind+"/" == nodesKey {
				n.told(i, now)
			} else {
				n.Target = Target{}
				_ = json.Unmarshal(i.Value, &n.Target) // what is no target is asked again
			}
		}
	}
}

// told takes what a node says of itself, or that it says nothing any more.
func (n *Seen) told(i Item, now time.Time) {
	if n.Status = nil; i.Mark == 0 {
		n.Silent = now
		return
	}
	var s Status
	if json.Unmarshal(i.Value, &s) == nil {
		n.Status = &s
	}
}

func (l *leader) seen(name string, now time.Time) *Seen {
	n := l.nodes[name]
	if n == nil {
		n = &Seen{Name: name, Silent: now}
		l.nodes[name] = n
	}
	return n
}

// sorted is a copy, in the order in which nodes are asked.
func (l *leader) sorted() []Seen {
	list := make([]Seen, 0, len(l.nodes))
	for _, n := range l.nodes {
		list = append(list, *n)
	}
	slices.SortFunc(list, func(a, b Seen) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// act does what is next.
func (l *leader) act(ctx context.Context, now time.Time) error {
	if l.pending {
		return nil
	}
	v := Judge(l.head, l.sorted(), now)
	switch {
	case v.Fail != "":
		return l.takeBack(ctx, v.Fail, now)
	case v.Done:
		return l.declare(ctx, l.head.end(now), nil)
	}
	for asked := range slices.Chunk(v.Ask, mostAsked) {
		t := Target{l.head.Number, l.head.Attempt, now}
		text, err := json.Marshal(t)
		if err != nil {
			return err
		}
		var puts []Put
		for _, name := range asked {
			puts = append(puts, Put{Key: l.targetKey(name), Value: text})
		}
		if err := l.Store.Write(ctx, []When{l.holds, {headKey, l.mark}}, puts); err != nil {
			return err
		}
		for _, name := range asked {
			l.seen(name, now).Target = t
		}
	}
	return nil
}

// takeBack ends a rollout that went wrong: the fleet goes back to what it had, or, where that was nothing, goes no further.
func (l *leader) takeBack(ctx context.Context, why string, now time.Time) error {
	if l.head.Base == 0 {
		next, err := l.head.Stop("", why+"; there is no revision before it to go back to")
		if err != nil {
			return err
		}
		return l.declare(ctx, next, nil)
	}
	base, err := l.revision(ctx, l.head.Base)
	if err != nil {
		return err
	}
	next, r, err := l.head.Return(base, "", why, now)
	if err != nil {
		return err
	}
	return l.declare(ctx, next, &r)
}

// declare makes a head the fleet's.
func (l *leader) declare(ctx context.Context, next Head, r *Revision) error {
	l.pending = true
	err := l.put(ctx, []When{l.holds, {headKey, l.mark}}, next, r)
	if err != nil {
		l.pending = false
	}
	return err
}
