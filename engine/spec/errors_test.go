package spec

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what Parse says into testdata/errors")

// Each archive of testdata/errors has pairs of a document, NAME.yaml, and all that Parse says about it, NAME.error.
func TestErrors(t *testing.T) {
	archives, err := filepath.Glob("testdata/errors/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range archives {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Files) == 0 || len(a.Files)%2 != 0 {
			t.Fatalf("%s: %d files are no pairs", path, len(a.Files))
		}
		for i := 0; i < len(a.Files); i += 2 {
			name, ok := strings.CutSuffix(a.Files[i].Name, ".yaml")
			if !ok || a.Files[i+1].Name != name+".error" {
				t.Fatalf("%s: %s and %s are no pair", path, a.Files[i].Name, a.Files[i+1].Name)
			}
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar")+"/"+name, func(t *testing.T) {
				said := parseError(t, name+".yaml", a.Files[i].Data)
				if *update {
					a.Files[i+1].Data = []byte(said)
				}
				if diff := cmp.Diff(string(a.Files[i+1].Data), said); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
		if *update {
			if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func parseError(t *testing.T, name string, data []byte) string {
	t.Helper()
	s, err := Parse(name, data)
	if err == nil {
		t.Fatalf("parsed as\n%s", Marshal(s))
	}
	var e *Error
	if s != nil || !errors.As(err, &e) {
		t.Fatalf("got a spec (%v) or an error that is no *Error (%T)", s != nil, err)
	}
	return err.Error() + "\n"
}
