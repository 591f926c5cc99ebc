package agents

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"
)

// said is a report of one node with these counts, whole.
func said(node string, session, seq uint64, at time.Time, counts ...Count) Part {
	return Part{Report{Node: node, Session: session, Seq: seq, Time: at, Every: time.Second, To: 1, Counts: counts}, 0, 1}
}

func open(s Service, open, opened uint32) Count { return Count{s, open, opened} }

// take has a book take a part at the time of its making.
func take(t *testing.T, b *Book, p Part) {
	t.Helper()
	if err := b.Take(p, from, p.Time); err != nil {
		t.Fatal(err)
	}
}

func totals(t *testing.T, b *Book, at time.Time, want map[Service]Total) {
	t.Helper()
	if got := b.Totals(at); !maps.Equal(got, want) {
		t.Errorf("totals %v, want %v", got, want)
	}
}

// TestBookAdds: counts of several agents add up; what was opened counts once, from the second report of a session on.
func TestBookAdds(t *testing.T) {
	b := NewBook(30 * time.Second)
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	take(t, b, said("b1", 5, 1, at(0), open(http4, 10, 100), open(http6, 1, 1)))
	take(t, b, said("b2", 5, 1, at(0), open(http4, 20, 1<<32-2)))
	totals(t, b, at(0), map[Service]Total{http4: {30, 0}, http6: {1, 0}})
	take(t, b, said("b1", 5, 2, at(1), open(http4, 12, 107), open(http6, 0, 1)))
	take(t, b, said("b2", 5, 3, at(1), open(http4, 19, 3), open(http6, 4, 4))) // one was lost, the counter turned, a service is new
	totals(t, b, at(1), map[Service]Total{http4: {31, 12}, http6: {4, 4}})
	totals(t, b, at(1), map[Service]Total{http4: {31, 0}, http6: {4, 0}})
	take(t, b, said("b1", 6, 1, at(2), open(http4, 8, 3))) // another sender: nobody knows what was opened between
	totals(t, b, at(2), map[Service]Total{http4: {27, 0}, http6: {4, 0}})
	take(t, b, said("b1", 6, 2, at(3), open(http4, 9, 5)))
	totals(t, b, at(3), map[Service]Total{http4: {28, 2}, http6: {4, 0}})
}

// TestBookRefuses: what was heard already, is older, comes from another time, or from a second node of that name.
func TestBookRefuses(t *testing.T) {
	b := NewBook(30 * time.Second)
	first := said("b1", 5, 7, noon, open(http4, 1, 1))
	take(t, b, first)
	late := func(p Part, d time.Duration) error { return b.Take(p, from, noon.Add(d)) }
	for _, row := range []struct {
		what string
		p    Part
		want error
	}{
		{"the same again", first, ErrOld},
		{"an older one", said("b1", 5, 6, noon.Add(-time.Second), open(http4, 9, 9)), ErrOld},
		{"an older sender", said("b1", 4, 99, noon.Add(time.Second), open(http4, 9, 9)), ErrTwin},
		{"a later sender that was heard earlier", said("b1", 6, 1, noon, open(http4, 9, 9)), ErrTwin},
	} {
		if err := late(row.p, time.Second); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", row.what, err)
		}
	}
	for _, off := range []time.Duration{Skew + time.Second, -Skew - time.Second} {
		if err := b.Take(said("b1", 9, 9, noon.Add(off)), from, noon); !errors.Is(err, ErrClock) {
			t.Errorf("a clock that is off by %s: %v", off, err)
		}
	}
	totals(t, b, noon, map[Service]Total{http4: {1, 0}})
	back := said("b1", 4, 1, noon.Add(20*time.Second), open(http4, 3, 3)) // its clock was set back, and then it was started again
	if err := late(back, 40*time.Second); err != nil {
		t.Errorf("an older sender after a silence: %v", err)
	}
	many := NewBook(time.Second)
	for i := range MaxAgents {
		take(t, many, said(fmt.Sprint("b", i), 1, 1, noon))
	}
	if err := many.Take(said("one more", 1, 1, noon), from, noon); !errors.Is(err, ErrMany) {
		t.Errorf("one agent more: %v", err)
	}
	take(t, many, said("b7", 1, 2, noon.Add(time.Second)))
}

// TestBookForgets: the count of a silent agent is kept for a time, then gone, and the agent later.
func TestBookForgets(t *testing.T) {
	const hold = 30 * time.Second
	b := NewBook(hold)
	take(t, b, said("b1", 5, 1, noon, open(http4, 10, 100)))
	for _, r := range []struct {
		after         time.Duration
		open          uint32
		stale, silent bool
		listed        int
	}{
		{4 * time.Second, 10, false, false, 1}, {4*time.Second + 1, 10, true, false, 1}, {hold, 10, true, false, 1},
		{hold + 1, 0, true, true, 1}, {hold + stayAfter, 0, true, true, 1}, {hold + stayAfter + 1, 0, true, true, 0},
	} {
		at := noon.Add(r.after)
		if got := b.Totals(at)[http4].Open; got != r.open {
			t.Errorf("after %s: %d connections, want %d", r.after, got, r.open)
		}
		list := b.Entries(at)
		if len(list) != r.listed || r.listed == 1 && (list[0].Stale != r.stale || list[0].Silent != r.silent || list[0].From != from) {
			t.Errorf("after %s: %+v, want stale %v, silent %v", r.after, list, r.stale, r.silent)
		}
	}
	take(t, b, said("b1", 5, 9, noon.Add(time.Hour), open(http4, 3, 200)))
	totals(t, b, noon.Add(time.Hour), map[Service]Total{http4: {3, 0}})
}

// TestBookParts: parts may come in any order; what a whole report does not name any more is gone, and not before.
func TestBookParts(t *testing.T) {
	b := NewBook(30 * time.Second)
	part := func(seq uint64, index, parts uint8, counts ...Count) Part {
		p := said("b1", 5, seq, noon, counts...)
		p.Index, p.Parts = index, parts
		return p
	}
	take(t, b, part(1, 1, 2, open(http6, 2, 2)))
	take(t, b, part(1, 0, 2, open(http4, 1, 1)))
	totals(t, b, noon, map[Service]Total{http4: {1, 0}, http6: {2, 0}})
	take(t, b, part(2, 0, 2, open(http4, 4, 4))) // the other one is lost
	totals(t, b, noon, map[Service]Total{http4: {4, 3}, http6: {2, 0}})
	if err := b.Take(part(1, 1, 2, open(http6, 9, 9)), from, noon); !errors.Is(err, ErrOld) {
		t.Errorf("a part of an older report: %v", err)
	}
	take(t, b, part(3, 0, 1, open(http4, 4, 4)))
	totals(t, b, noon, map[Service]Total{http4: {4, 0}})
}

// TestBookShared: where agents report to several load balancers, nobody knows which one let a connection pass.
func TestBookShared(t *testing.T) {
	b := NewBook(30 * time.Second)
	for seq := range uint64(3) {
		p := said("b1", 5, seq+1, noon, open(http4, uint32(seq), uint32(seq)))
		p.To = 2
		take(t, b, p)
	}
	totals(t, b, noon, map[Service]Total{http4: {2, 0}})
}

// TestBookOverALossyNetwork: whatever is lost, comes twice or late, in the end the count is the last one, and every connection
// counted as opened once at most.
func TestBookOverALossyNetwork(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	d := rand.New(rand.NewPCG(seed, 0))
	b := NewBook(30 * time.Second)
	take(t, b, said("b1", 5, 1, noon))
	var under, gained uint32
	var held []Part
	var last Report
	at := noon
	for seq := uint64(2); seq < 500; seq++ {
		at = at.Add(time.Second)
		r := Report{Node: "b1", Session: 5, Seq: seq, Time: at, Every: time.Second, To: 1}
		under += d.Uint32N(9)
		for port := range uint16(80) {
			r.Counts = append(r.Counts, open(Service{vip4, port}, d.Uint32N(100), under))
		}
		last = r
		for _, raw := range sign(t, r) {
			p, err := Open(raw, key)
			if err != nil {
				t.Fatal(err)
			}
			for range d.IntN(3) {
				held = append(held, p)
			}
		}
		d.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
		for len(held) > 3 {
			if err := b.Take(held[0], from, at); err != nil && !errors.Is(err, ErrOld) {
				t.Fatal(err)
			}
			held = held[1:]
		}
		gained += b.Totals(at)[Service{vip4, 7}].Opened
	}
	last.Seq++
	for _, raw := range sign(t, last) {
		p, err := Open(raw, key)
		if err != nil {
			t.Fatal(err)
		}
		take(t, b, p)
	}
	end := b.Totals(at)
	gained += end[Service{vip4, 7}].Opened
	for _, c := range last.Counts {
		if end[c.Service].Open != c.Open {
			t.Errorf("port %d: %d open, want %d", c.Port, end[c.Service].Open, c.Open)
		}
	}
	if gained > under || gained == 0 {
		t.Errorf("%d were opened, counted as such %d", under, gained)
	}
}
