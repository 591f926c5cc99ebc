package history

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hairpin/engine/disk"
)

// ErrNone says that no such change is kept.
var ErrNone = errors.New("no such change is kept")

// Log is the history in one folder: a file of lines that only grows until it is written anew, and the specs by revision.
// What is on disk and torn or changed is left out and reported, never guessed. It is not safe for concurrent use.
type Log struct {
	dir     string
	keep    int
	changes []Change // oldest first
	lines   int      // of the file
}

// Open reads the history in dir, of which the last keep changes are kept. damage says what could not be read, and where it
// was put aside; it is empty when all could.
func Open(dir string, keep int) (l *Log, damage string, err error) {
	l = &Log{dir: dir, keep: keep}
	if err := os.MkdirAll(l.specs(), 0o700); err != nil {
		return nil, "", fmt.Errorf("open history: %w", err)
	}
	data, err := os.ReadFile(l.file())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, "", fmt.Errorf("open history: %w", err)
	}
	var bad int
	l.changes, l.lines, bad = parse(data)
	if bad > 0 {
		aside := l.file() + ".damaged"
		if err := os.WriteFile(aside, data, 0o600); err != nil {
			return nil, "", fmt.Errorf("open history: put damaged file aside: %w", err)
		}
		damage = fmt.Sprintf("%d of %d lines of %s are damaged and left out; the file as it was is %s", bad, bad+l.lines, l.file(), aside)
	}
	if bad > 0 || l.lines > 4*keep {
		if err := l.rewrite(); err != nil {
			return nil, "", err
		}
	}
	return l, damage, nil
}

func (l *Log) file() string  { return filepath.Join(l.dir, "changes") }
func (l *Log) specs() string { return filepath.Join(l.dir, "specs") }

func (l *Log) specFile(revision string) string { return filepath.Join(l.specs(), revision+".yaml") }

// Changes are the changes that are kept, oldest first.
func (l *Log) Changes() []Change { return slices.Clone(l.changes) }

// Add keeps a change with the text of the spec that it made the running one, gives it its number, and forgets the oldest
// ones. One by sources stands for those before it that nobody else's came between, as Together says.
func (l *Log) Add(c Change, text []byte) (Change, error) {
	c.Number = 1
	var before string // the revision of one that c stands for
	if n := len(l.changes); n > 0 {
		c.Number = l.changes[n-1].Number + 1
	}
	if len(c.Found) > 0 {
		c.First, c.Since = c.Number, c.Time
	}
	if n := len(l.changes); n > 0 && c.joins(&l.changes[n-1]) {
		before = l.changes[n-1].Revision
		c.join(&l.changes[n-1])
	}
	if strings.ContainsAny(c.Revision, "/.") || c.Revision == "" {
		return c, fmt.Errorf("keep change %d: %q is not a revision", c.Number, c.Revision)
	}
	if _, err := os.Stat(l.specFile(c.Revision)); err != nil {
		if err := disk.Write(l.specFile(c.Revision), text); err != nil {
			return c, fmt.Errorf("keep change %d: %w", c.Number, err)
		}
	}
	if err := l.append(line{Change: &c}); err != nil {
		return c, fmt.Errorf("keep change %d: %w", c.Number, err)
	}
	l.changes = replaced(l.changes, c)
	switch {
	case len(l.changes) >= 2*l.keep || l.lines >= 8*l.keep:
		return c, l.rewrite()
	case before != "":
		return c, l.drop(before)
	}
	return c, nil
}

// End says what became of every change that waits. Without one it does nothing.
func (l *Log) End(o Outcome, now time.Time, by string) error {
	if !slices.ContainsFunc(l.changes, func(c Change) bool { return c.Outcome == Waits }) {
		return nil
	}
	e := ending{o, now, by}
	if err := l.append(line{Ended: &e}); err != nil {
		return fmt.Errorf("keep outcome: %w", err)
	}
	end(l.changes, e)
	return nil
}

// Spec is the text of the spec that a change made the running one. ErrNone when it is not kept.
func (l *Log) Spec(number int) ([]byte, error) {
	i := slices.IndexFunc(l.changes, func(c Change) bool { return c.Holds(number) })
	switch {
	case i < 0:
		return nil, fmt.Errorf("change %d: %w", number, ErrNone)
	case l.changes[i].Number != number:
		return nil, fmt.Errorf("change %d is one of %d that sources of backends made one after another, of which only the last is kept: change %d: %w", number, l.changes[i].Times(),
			l.changes[i].Number, ErrNone)
	}
	text, err := os.ReadFile(l.specFile(l.changes[i].Revision))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("change %d: its spec is gone: %w", number, ErrNone)
	}
	if err != nil {
		return nil, fmt.Errorf("change %d: %w", number, err)
	}
	return text, nil
}

// rewrite writes the file anew with the last changes only, and removes the specs that none of them names.
func (l *Log) rewrite() error {
	l.changes = forgotten(l.changes, l.keep)
	var data []byte
	named := map[string]bool{}
	for i := range l.changes {
		named[filepath.Base(l.specFile(l.changes[i].Revision))] = true
		text, err := line{Change: &l.changes[i]}.encode()
		if err != nil {
			return fmt.Errorf("write history: %w", err)
		}
		data = append(data, text...)
	}
	if err := disk.Write(l.file(), data); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	l.lines = len(l.changes)
	files, err := os.ReadDir(l.specs())
	if err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	for _, f := range files {
		if !named[f.Name()] {
			if err := os.Remove(filepath.Join(l.specs(), f.Name())); err != nil {
				return fmt.Errorf("write history: %w", err)
			}
		}
	}
	return nil
}
