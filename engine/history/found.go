package history

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Together is for how long changes that sources of backends made, and between which nobody made one, are kept as one: the last, which says
// how many there were. A change that somebody made is never put together with another.
const Together = time.Hour

// Found is what sources changed of one VIP's backends.
type Found struct {
	VIP    string
	Source string
	Came   int `json:",omitempty"`
	Went   int `json:",omitempty"`

	Drained int `json:",omitempty"` // of those that went before, after which they were removed
}

func (f Found) String() string {
	text := f.VIP + " by " + f.Source
	if f.Came > 0 {
		text += fmt.Sprintf(" +%d", f.Came)
	}
	if f.Went > 0 {
		text += fmt.Sprintf(" -%d", f.Went)
	}
	if f.Drained > 0 {
		text += fmt.Sprintf(" (%d drained)", f.Drained)
	}
	return text
}

// Times is how many changes c stands for.
func (c *Change) Times() int {
	if c.First == 0 {
		return 1
	}
	return c.Number - c.First + 1
}

// Holds tells whether c is the change of that number, or stands for it.
func (c *Change) Holds(number int) bool {
	return number == c.Number || c.First > 0 && number >= c.First && number < c.Number
}

// joins tells whether c goes on with what sources did in last.
func (c *Change) joins(last *Change) bool {
	return len(c.Found) > 0 && len(last.Found) > 0 && c.Outcome == Confirmed && last.Outcome == Confirmed && c.Time.Sub(last.Since) < Together && !c.Time.Before(last.Since)
}

// join has c stand for last too.
func (c *Change) join(last *Change) {
	c.First, c.Since, c.Before = last.First, last.Since, last.Before
	all := slices.Clone(last.Found)
	for _, f := range c.Found {
		i := slices.IndexFunc(all, func(x Found) bool { return x.VIP == f.VIP && x.Source == f.Source })
		if i < 0 {
			all = append(all, f)
			continue
		}
		all[i].Came, all[i].Went, all[i].Drained = all[i].Came+f.Came, all[i].Went+f.Went, all[i].Drained+f.Drained
	}
	c.Found = all
	c.Text = append([]string{"the last of them:"}, c.Text...)
	c.Why = fmt.Sprintf("found backends %d times in %s: %s", c.Times(), c.Time.Sub(c.Since).Round(time.Second), Names(c.Found))
}

// Names are the first few of what sources changed.
func Names(list []Found) string {
	const most = 3
	var all []string
	for _, f := range list[:min(most, len(list))] {
		all = append(all, f.String())
	}
	if over := len(list) - most; over > 0 {
		all = append(all, fmt.Sprintf("and %d more", over))
	}
	return strings.Join(all, ", ")
}

// replaced is changes with next at the end, in place of those that it stands for.
func replaced(changes []Change, next Change) []Change {
	for n := len(changes); n > 0 && next.Holds(changes[n-1].Number); n-- {
		changes = changes[:n-1]
	}
	return append(changes, next)
}

// drop removes the spec of a revision that no change names any more.
func (l *Log) drop(revision string) error {
	if slices.ContainsFunc(l.changes, func(c Change) bool { return c.Revision == revision }) {
		return nil
	}
	return os.Remove(l.specFile(revision))
}

// forgotten is changes without the oldest, of which keep stay at most. Those go first that sources made and that nothing but another such
// change came after, unless they are among the newest quarter: what people changed is not buried, for the specs that ran before it stay too.
func forgotten(changes []Change, keep int) []Change {
	var kept []Change
	for i, c := range changes {
		between := c.First > 0 && i+1 < len(changes) && changes[i+1].First > 0
		if !between || i >= len(changes)-keep/4 {
			kept = append(kept, c)
		}
	}
	return kept[max(0, len(kept)-keep):]
}
