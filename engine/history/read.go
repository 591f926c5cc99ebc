package history

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Read is the changes that are kept in dir, oldest first, for one who only looks: nothing is written or put aside, whatever
// is damaged. Those that waited longer than they could went back, though nobody was there to note it.
func Read(dir string, now time.Time) (changes []Change, damage string, err error) {
	l := Log{dir: dir}
	data, err := os.ReadFile(l.file())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, "", fmt.Errorf("read history: %w", err)
	}
	changes, good, bad := parse(data)
	if bad > 0 {
		damage = fmt.Sprintf("%d of %d lines of %s are damaged and left out", bad, bad+good, l.file())
	}
	for i := range changes {
		if c := &changes[i]; c.Outcome == Waits && now.After(c.Deadline) {
			c.Outcome, c.Ended = WentBack, c.Deadline
		}
	}
	return changes, damage, nil
}
