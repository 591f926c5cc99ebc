package spec

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxFaults is how many faults an Error lists; the others it counts.
const MaxFaults = 20

// Fault is one thing that is wrong in a spec.
type Fault struct {
	Line int    // of the document; 0 when the spec does not come from one
	Path string // as vips[0].port; empty = the whole spec
	Text string // what is wrong and what to do, on one line
}

func (f Fault) String() string {
	text := f.Text
	if f.Path != "" {
		text = f.Path + ": " + text
	}
	if f.Line > 0 {
		text = fmt.Sprintf("line %d: %s", f.Line, text)
	}
	return text
}

// Error is everything that is wrong in a spec. Its text has a line per fault, each complete in itself.
type Error struct {
	Doing  string  // as "parse lb.yaml"
	Faults []Fault // by line, at least one, at most MaxFaults
	More   int     // faults beyond those
}

func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Faults)+1)
	for _, f := range e.Faults {
		lines = append(lines, e.Doing+": "+f.String())
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("%s: and %d more", e.Doing, e.More))
	}
	return strings.Join(lines, "\n")
}

// mostKept bounds the memory that a document full of faults takes; what comes after is only counted.
const mostKept = 1000

// faults collects what is wrong, first while the document is read, then while its values are checked.
type faults struct {
	list   []found
	more   int
	broken map[string]bool // places that could not be read: a check there or below would only blame the gap
}

type found struct {
	at   *at
	line int // 0 = that of at
	text string
}

// misread notes a place that could not be read. line 0 means the line of a.
func (f *faults) misread(a *at, line int, format string, args ...any) {
	f.skip(a)
	f.keep(found{a, line, fmt.Sprintf(format, args...)})
}

// skip makes later checks of a, and of what is below it, say nothing.
func (f *faults) skip(a *at) {
	if f.broken == nil {
		f.broken = map[string]bool{}
	}
	if len(f.list) < mostKept {
		f.broken[a.String()] = true
	}
}

// wrong notes a value that was read and must not be, unless reading it had failed.
func (f *faults) wrong(a *at, format string, args ...any) {
	if f.unread(a) {
		return
	}
	f.keep(found{at: a, text: fmt.Sprintf(format, args...)})
}

func (f *faults) keep(x found) {
	if len(f.list) == mostKept {
		f.more++
		return
	}
	f.list = append(f.list, x)
}

// unread tells whether reading a, or something that a is part of, failed.
func (f *faults) unread(a *at) bool {
	if len(f.broken) == 0 {
		return false
	}
	for ; a != nil; a = a.up {
		if f.broken[a.String()] {
			return true
		}
	}
	return f.broken[""]
}

// outside tells whether anything but the named fields of the document has a fault.
func (f *faults) outside(fields ...string) bool {
	return slices.ContainsFunc(f.list, func(x found) bool { return !slices.Contains(fields, x.at.top()) })
}

// err is nil without faults. root, when not nil, is the document that their lines are looked up in.
func (f *faults) err(doing string, root *yaml.Node) error {
	if len(f.list) == 0 {
		return nil
	}
	all := make([]Fault, len(f.list))
	for i, x := range f.list {
		all[i] = Fault{Line: x.line, Path: x.at.String(), Text: x.text}
		if x.line == 0 && root != nil {
			all[i].Line = locate(root, x.at)
		}
	}
	slices.SortStableFunc(all, func(a, b Fault) int { return a.Line - b.Line })
	shown := min(len(all), MaxFaults)
	return &Error{Doing: doing, Faults: all[:shown:shown], More: f.more + len(all) - shown}
}
