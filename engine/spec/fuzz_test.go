package spec

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/tools/txtar"
)

// FuzzParse: whatever the bytes, Parse gives a spec that is valid and survives Marshal, or an error fit to be shown.
func FuzzParse(f *testing.F) {
	for _, data := range seeds(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("fuzzed", data)
		if err != nil {
			checkError(t, s, err)
			return
		}
		if err := s.Validate(); err != nil {
			t.Fatalf("Parse let pass what is not valid: %v", err)
		}
		text := Marshal(s)
		back, err := Parse("marshalled", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !s.Equal(back) || !bytes.Equal(text, Marshal(back)) || Revision(s) != Revision(back) {
			t.Fatalf("another spec came back:\n%s\n%s", text, Marshal(back))
		}
		if c := s.Clone(); !c.Equal(s) {
			t.Fatalf("the clone differs:\n%s\n%s", text, Marshal(c))
		}
		for _, w := range s.Warnings() {
			checkLine(t, w)
		}
	})
}

func checkError(t *testing.T, s *Spec, err error) {
	t.Helper()
	var e *Error
	if s != nil || !errors.As(err, &e) || len(e.Faults) == 0 || len(e.Faults) > MaxFaults {
		t.Fatalf("a spec (%v) beside an error, or no fit *Error: %#v", s != nil, err)
	}
	last := 0
	for _, x := range e.Faults {
		checkLine(t, x.String())
		if x.Line < last || x.Line == 0 {
			t.Fatalf("line %d after line %d: %v", x.Line, last, err)
		}
		if strings.Contains(x.Text, "gave up") {
			t.Fatalf("the YAML package panicked: %s", x.Text)
		}
		last = x.Line
	}
}

// checkLine wants one line of a terminal.
func checkLine(t *testing.T, line string) {
	t.Helper()
	if line == "" || len(line) > 1000 || strings.ContainsFunc(line, func(c rune) bool { return !unicode.IsPrint(c) }) {
		t.Fatalf("not fit for a line of a terminal: %q", line)
	}
}

// seeds are all documents of the tests.
func seeds(f *testing.F) (all [][]byte) {
	paths, _ := filepath.Glob(examples + "/*.yaml")
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, data)
	}
	archives, _ := filepath.Glob("testdata/errors/*.txtar")
	for _, path := range archives {
		a, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			if strings.HasSuffix(file.Name, ".yaml") {
				all = append(all, file.Data)
			}
		}
	}
	if len(paths) == 0 || len(archives) == 0 {
		f.Fatal("no documents to begin with")
	}
	return append(all, []byte("\xff\xfea"), []byte("version: 1\x00"), []byte("version: 1\nnics: {e\u202e: {}}\n"), []byte("a: \u2028b: [\n"))
}
