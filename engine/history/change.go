// Package history is the changes of a node's running spec as they are kept on disk: who, when, why, and what became of
// each.
package history

import "time"

// Outcome is what became of a change.
type Outcome string

// Outcomes. A change that waits is live, and goes back by itself unless it is confirmed.
const (
	Waits     Outcome = "waits"
	Confirmed Outcome = "confirmed"
	WentBack  Outcome = "went back"
)

// Change is one change that went live.
type Change struct {
	Number     int       // counts up from 1, and is never used again
	Time       time.Time // when it was applied
	Who        string
	Why        string   `json:",omitempty"`
	Tenants    []string `json:",omitempty"` // whose operator applied it; empty = one who may change the whole node did
	Generation int      // of the data path, a number that is used again
	Revision   string   // of the spec that it made the running one
	Before     string   `json:",omitempty"` // of the spec that ran before; empty = none did
	Text       []string `json:",omitempty"` // what it changed, in words
	Outcome    Outcome
	Deadline   time.Time // at which it goes, or was to go, back; zero = it was confirmed at once
	Ended      time.Time // when it was confirmed or went back; zero while it waits
	By         string    `json:",omitempty"` // who confirmed it
	Found      []Found   `json:",omitempty"` // by which sources of backends it was made; empty = somebody made it
	First      int       `json:",omitempty"` // number of the first that it stands for; 0 = somebody made it
	Since      time.Time `json:",omitzero"`  // when that was applied
}

// ending is what became of every change that waited.
type ending struct {
	Outcome Outcome
	Time    time.Time
	By      string `json:",omitempty"`
}

// end notes e in the changes that wait.
func end(changes []Change, e ending) {
	for i := range changes {
		if c := &changes[i]; c.Outcome == Waits {
			c.Outcome, c.Ended, c.By = e.Outcome, e.Time, e.By
		}
	}
}
