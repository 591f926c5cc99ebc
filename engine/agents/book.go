package agents

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Bounds of a book.
const (
	MaxAgents = 4096
	Skew      = 30 * time.Second // by which the clocks of agent and load balancer may differ
	stayAfter = 10 * time.Minute // that an agent stays in the book when its count has gone
)

// Errors of parts that a book does not take.
var (
	ErrOld   = errors.New("older than what was heard already")
	ErrTwin  = errors.New("of an older sender than the one that is heard, as of two nodes with one name")
	ErrClock = errors.New("of another time")
	ErrMany  = fmt.Errorf("more than %d agents", MaxAgents)
)

// Book is what agents said last. The count of one that has fallen silent is kept for a time, and gone then. It is not safe
// for concurrent use.
type Book struct {
	hold   time.Duration
	agents map[string]*agent
}

// NewBook keeps the count of a silent agent for hold.
func NewBook(hold time.Duration) *Book { return &Book{hold, map[string]*agent{}} }

// SetHold changes how long.
func (b *Book) SetHold(hold time.Duration) { b.hold = hold }

// agent is what one said.
type agent struct {
	last     Report // without its counts
	from     netip.AddrPort
	heard    time.Time
	parts    [4]uint64 // of the last report, those that were heard: a bit each
	whole    bool      // a report of this session was heard with all its parts
	services map[Service]*service
}

type service struct {
	open   uint32
	opened uint32 // as it was said last
	gained uint32 // connections opened that were not taken yet
	seq    uint64 // of the report that said so
	known  bool   // opened is of this session
}

// Take notes a part that came from an address, or says why it does not count.
func (b *Book) Take(p Part, from netip.AddrPort, now time.Time) error {
	if off := p.Time.Sub(now); off.Abs() > Skew {
		return fmt.Errorf("%w: the clock of %s differs by %s", ErrClock, p.Node, off.Round(time.Second))
	}
	a := b.agents[p.Node]
	if a == nil {
		if len(b.agents) >= MaxAgents {
			return ErrMany
		}
		a = &agent{services: map[Service]*service{}}
		b.agents[p.Node] = a
	}
	if err := a.follow(p, now.Sub(a.heard) > b.hold); err != nil {
		return err
	}
	a.last, a.from, a.heard = p.Report, from, now
	a.last.Counts = nil
	for _, c := range p.Counts {
		a.count(c, p)
	}
	if a.heardAll(int(p.Parts)) {
		a.whole = true
		for name, s := range a.services {
			if s.seq != p.Seq {
				delete(a.services, name)
			}
		}
	}
	return nil
}

// follow begins a new report or session, unless the part is of an old one or was heard already. What is sent again comes with
// a time that was heard. An older session goes on only when the later one is silent: of two senders of one name, one counts.
func (a *agent) follow(p Part, silent bool) error {
	bit := uint64(1) << (p.Index % 64)
	same := p.Session == a.last.Session
	switch {
	case same && (p.Seq < a.last.Seq || p.Seq == a.last.Seq && a.parts[p.Index/64]&bit != 0):
		return fmt.Errorf("%w: report %d of %s", ErrOld, p.Seq, p.Node)
	case !same && !p.Time.After(a.last.Time), p.Session < a.last.Session && !silent:
		return fmt.Errorf("%w: %s", ErrTwin, p.Node)
	case !same:
		a.whole = false
		for _, s := range a.services {
			s.known = false
		}
	}
	if !same || p.Seq != a.last.Seq {
		a.parts = [4]uint64{}
	}
	a.parts[p.Index/64] |= bit
	return nil
}

func (a *agent) heardAll(parts int) bool {
	for i := range parts {
		if a.parts[i/64]>>(i%64)&1 == 0 {
			return false
		}
	}
	return true
}

// count takes what is said of one service. Where it is not known how many connections were opened before, none count as
// opened now: a load balancer then counts for longer what it let pass, and not for too short.
func (a *agent) count(c Count, p Part) {
	s := a.services[c.Service]
	if s == nil {
		s = &service{known: a.whole && !p.Cut}
		a.services[c.Service] = s
	}
	if s.known && p.To < 2 { // else some were let pass by another load balancer, and nobody knows which
		s.gained += c.Opened - s.opened
	}
	s.open, s.opened, s.seq, s.known = c.Open, c.Opened, p.Seq, true
}

// Total is the connections to one service, of all agents: how many are open, and how many were opened since the last call of
// Totals.
type Total struct{ Open, Opened uint32 }

// Totals are those of the services of all agents whose count is kept.
func (b *Book) Totals(now time.Time) map[Service]Total {
	all := map[Service]Total{}
	for name, a := range b.agents {
		silence := now.Sub(a.heard)
		if silence > b.hold {
			clear(a.services)
			a.whole = false
		}
		if silence > b.hold+stayAfter {
			delete(b.agents, name)
		}
		for name, s := range a.services {
			t := all[name]
			t.Open += s.open
			t.Opened += s.gained
			s.gained = 0
			all[name] = t
		}
	}
	return all
}

// Entry is one agent of a book.
type Entry struct {
	Report        // what it said last
	From          netip.AddrPort
	Heard         time.Time
	Stale, Silent bool // it has missed some reports; for so long that its count is gone
}

// staleAfter is after how long without a report a count is stale.
func staleAfter(every time.Duration) time.Duration { return 3*every + time.Second }

// Entries are all agents by name, with their counts.
func (b *Book) Entries(now time.Time) []Entry {
	list := make([]Entry, 0, len(b.agents))
	for _, a := range b.agents {
		silence := now.Sub(a.heard)
		e := Entry{Report: a.last, From: a.from, Heard: a.heard, Stale: silence > staleAfter(a.last.Every), Silent: silence > b.hold}
		for name, s := range a.services {
			e.Counts = append(e.Counts, Count{name, s.open, s.opened})
		}
		slices.SortFunc(e.Counts, func(a, b Count) int {
			return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.Port, b.Port))
		})
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Compare(a.Node, b.Node) })
	return list
}
