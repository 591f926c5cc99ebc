package fleet

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// world is a store in memory that several members share.
type world struct {
	mu      sync.Mutex
	at      int64
	items   map[string]Item
	changed chan struct{} // closed with each change
	log     []Item
	asked   int
}

func newWorld() *world { return &world{items: map[string]Item{}, changed: make(chan struct{})} }

// put is for one who holds mu.
func (w *world) put(i Item) {
	w.at++
	if i.Mark = w.at; i.Value == nil {
		delete(w.items, i.Key)
	} else {
		w.items[i.Key] = i
	}
	w.log = append(w.log, i)
	close(w.changed)
	w.changed = make(chan struct{})
}

// desk is one member's way to the world.
type desk struct {
	*world
	mu     sync.Mutex
	away   bool
	leased map[string]bool
	lost   chan struct{}
	name   string
}

func (w *world) desk(name string) *desk { return &desk{world: w, name: name} }

var errAway = errors.New("the store does not answer")

// cut has the desk lose the world, or find it again.
func (d *desk) cut(away bool) {
	d.mu.Lock()
	d.away = away
	lost := d.lost
	d.lost = nil
	d.mu.Unlock()
	if away && lost != nil {
		close(lost)
		d.expire()
	}
}

func (d *desk) expire() {
	d.mu.Lock()
	leased := d.leased
	d.leased = nil
	d.mu.Unlock()
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	for key := range leased {
		d.put(Item{Key: key})
	}
}

func (d *desk) there() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.away {
		return errAway
	}
	return nil
}

func (d *desk) Name() string { return "memory" }
func (d *desk) Close() error { return nil }

func (d *desk) List(_ context.Context, prefix string) (items []Item, at int64, err error) {
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	d.asked++
	for _, key := range slices.Sorted(maps.Keys(d.items)) {
		if strings.HasPrefix(key, prefix) {
			items = append(items, d.items[key])
		}
	}
	return items, d.at, d.there()
}

func (d *desk) Get(_ context.Context, key string) (Item, error) {
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	d.asked++
	i := d.items[key]
	i.Key = key
	return i, d.there()
}

func (d *desk) Write(_ context.Context, when []When, puts []Put) error {
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	d.asked++
	if err := d.there(); err != nil {
		return err
	}
	for _, w := range when {
		if d.items[w.Key].Mark != w.Mark {
			return ErrMoved
		}
	}
	for _, p := range puts {
		if p.Leased {
			d.mu.Lock()
			if d.leased == nil {
				d.leased = map[string]bool{}
			}
			d.leased[p.Key] = true
			d.mu.Unlock()
		}
		if p.Gone {
			p.Value = nil
		}
		d.put(Item{Key: p.Key, Value: p.Value})
	}
	return nil
}

func (d *desk) Follow(ctx context.Context, prefix string, after int64) <-chan Batch {
	out := make(chan Batch)
	go func() {
		defer close(out)
		for {
			d.world.mu.Lock()
			var b Batch
			for _, i := range d.log {
				if i.Mark > after && strings.HasPrefix(i.Key, prefix) {
					if i.Value == nil {
						i.Mark = 0
					}
					b.Items = append(b.Items, i)
				}
			}
			after = d.at
			changed := d.changed
			d.world.mu.Unlock()
			if len(b.Items) > 0 && d.there() == nil {
				select {
				case out <- b:
				case <-ctx.Done():
					return
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func (d *desk) Join(context.Context, time.Duration) (<-chan struct{}, error) {
	if err := d.there(); err != nil {
		return nil, err
	}
	d.expire()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost = make(chan struct{})
	return d.lost, nil
}

func (d *desk) Leave(context.Context) error {
	d.expire()
	return nil
}

func (d *desk) Lead(ctx context.Context, name string) (When, error) {
	for {
		d.world.mu.Lock()
		changed, taken := d.changed, d.items[leadKey]
		d.world.mu.Unlock()
		if taken.Mark == 0 {
			err := d.Write(ctx, []When{{leadKey, 0}}, []Put{{Key: leadKey, Value: []byte(name), Leased: true}})
			if err == nil {
				i, err := d.Get(ctx, leadKey)
				return When{leadKey, i.Mark}, err
			}
			if !errors.Is(err, ErrMoved) {
				return When{}, err
			}
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return When{}, ctx.Err()
		}
	}
}
