package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"hairpin/engine/disk"
)

// memory is what a node knows of its fleet without the store. It survives a reboot.
type memory struct {
	Fleet   string
	Number  int    // the revision that it has
	Spec    string // what that says for this node, by content
	Host    bool
	Trying  int // the revision that it watches itself with
	Failed  int // the one that it went back from
	Attempt int // at which it tried or failed
	Why     string
	Left    *Left
}

// Left is who took a node out of its fleet: what is changed there stays there, and the fleet's revisions pass it by.
type Left struct {
	Who, Why string
	Since    time.Time
}

func (l *Left) String() string { return fmt.Sprintf("%s: %s", l.Who, l.Why) }

func (m *memory) read(file string) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, m)
	}
	if err != nil {
		return fmt.Errorf("%s: %w; remove it to have this node begin anew in the fleet", file, err)
	}
	return nil
}

func (m *memory) write(file string) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return disk.Write(file, text)
}

func (m *memory) fail(number, attempt int, why string) {
	m.Trying, m.Failed, m.Attempt, m.Why = 0, number, attempt, why
}

func (m *memory) keep(number int, spec string, host bool) {
	m.Number, m.Spec, m.Host = number, spec, host
	m.Trying, m.Failed, m.Attempt, m.Why = 0, 0, 0, ""
}
