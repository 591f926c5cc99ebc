// Package arms is who may change a node now: at most one party, for ten minutes, with a reason that everybody sees.
package arms

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Lease is how long one stays armed; who arms again begins it anew.
const Lease = 10 * time.Minute

// maxWhy bounds a reason, in characters.
const maxWhy = 200

// Party is one who may be armed: a connection to the engine, or the engine's own console. What it says of itself is not in
// here; the kernel's word is.
type Party struct {
	ID     uint64 // no two are alike, ever
	UID    uint32
	Who    string // the user
	Place  string // the address that the user works from; empty = this machine
	From   string // Place, or else the terminal, as people read it
	Barred string // why it may change nothing at all; empty when it may
}

// same tells whether p is the same person as q.
func (p Party) same(q Party) bool { return p.UID == q.UID && p.Who == q.Who }

// Hold is what an armed party has.
type Hold struct {
	Party
	Why          string
	Since, Until time.Time
}

func (h Hold) String() string {
	return fmt.Sprintf("%s is armed from %s since %s until %s: %s", h.Who, h.From, h.Since.Format(time.TimeOnly),
		h.Until.Format(time.TimeOnly), h.Why)
}

// ErrNoReason: one arms with a reason or not at all.
var ErrNoReason = errors.New("a reason is needed: a ticket, or a few words")

// Arms is who is armed. The zero value is nobody. Any goroutine may ask it.
type Arms struct {
	mu     sync.Mutex
	hold   *Hold
	guests map[uint64]bool // other connections of the same person that act within hold
}

// Arm arms p, or gives it the whole time again. It is refused while another is armed.
//
// With share, p acts within the hold of the same person from the same place, if there is one: whoever is armed in the
// console of one window may give a command in another. Two consoles never share: one look says which of them can change
// the node. Others from elsewhere never do either, however much they are the same user: that may be a session left behind.
func (a *Arms) Arm(p Party, why string, share bool, now time.Time) (Hold, error) {
	if why = Clean(why, maxWhy); why == "" {
		return Hold{}, ErrNoReason
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.now(now)
	switch {
	case h == nil:
		a.hold, a.guests = &Hold{Party: p, Why: why, Since: now, Until: now.Add(Lease)}, nil
	case h.ID == p.ID:
		h.Why, h.Until = why, now.Add(Lease)
	case share && h.same(p) && h.Place == p.Place:
		if a.guests == nil {
			a.guests = map[uint64]bool{}
		}
		a.guests[p.ID] = true
	default:
		return Hold{}, a.taken(p)
	}
	return *a.hold, nil
}

// taken says why p cannot have what another holds.
func (a *Arms) taken(p Party) error {
	cure := "ask them to disarm, or wait"
	if a.hold.same(p) {
		cure = `disarm there, or here with "hairpin disarm" if that session is lost`
	}
	return fmt.Errorf("%s; %s", a.hold, cure)
}

// Disarm takes back what p holds, or another session of the same person: so the arms of one that hangs can be had again. It
// tells what was held; false when nobody was armed.
func (a *Arms) Disarm(p Party, now time.Time) (Hold, bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.now(now)
	switch {
	case h == nil:
		return Hold{}, false, nil
	case h.ID != p.ID && !h.same(p):
		return Hold{}, false, a.taken(p)
	}
	return a.drop(), true, nil
}

// Leave is for a party that is gone. It tells what it held.
func (a *Arms) Leave(p Party) (Hold, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.guests, p.ID)
	if a.hold == nil || a.hold.ID != p.ID {
		return Hold{}, false
	}
	return a.drop(), true
}

// Expire takes back a hold whose time is over, and tells once which it was.
func (a *Arms) Expire(now time.Time) (Hold, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.hold == nil || now.Before(a.hold.Until) {
		return Hold{}, false
	}
	return a.drop(), true
}

// Check says why p may not change the node now; nil when it may.
func (a *Arms) Check(p Party, now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.now(now)
	switch {
	case h == nil:
		return errors.New("nobody is armed; arm this console or connection first, with a reason")
	case h.ID == p.ID || a.guests[p.ID]:
		return nil
	}
	return a.taken(p)
}

// Held is what somebody holds; false when nobody is armed.
func (a *Arms) Held(now time.Time) (Hold, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h := a.now(now); h != nil {
		return *h, true
	}
	return Hold{}, false
}

// now is the hold unless its time is over. One that is over stays until Expire tells of it, or another takes its place.
func (a *Arms) now(now time.Time) *Hold {
	if a.hold == nil || !now.Before(a.hold.Until) {
		return nil
	}
	return a.hold
}

func (a *Arms) drop() Hold {
	h := *a.hold
	a.hold, a.guests = nil, nil
	return h
}

// Clean makes what somebody typed fit for the screens and logs of others: one line of at most so many characters.
func Clean(text string, most int) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text))
	if r := []rune(text); len(r) > most {
		text = string(r[:most-1]) + "…"
	}
	return text
}
