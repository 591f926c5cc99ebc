package plan_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"hairpin/engine/maglev"
	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

var update = flag.Bool("update", false, "write what the plans say into testdata")

// TestText replays testdata/*.txtar: specs that are applied one after the other, and what each plan says and does. A
// file "later" between two specs lets everything settle and come free that can.
func TestText(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got, want := replay(t, archive)
			if *update {
				rewrite(t, name, archive, got)
				return
			}
			if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// rewrite makes got what is wanted from now on.
func rewrite(t *testing.T, name string, archive *txtar.Archive, got string) {
	t.Helper()
	for i := range archive.Files {
		if archive.Files[i].Name == "want" {
			archive.Files[i].Data = []byte(got)
		}
	}
	if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

func replay(t *testing.T, archive *txtar.Archive) (got, want string) {
	t.Helper()
	var w plan.World
	var out strings.Builder
	for _, f := range archive.Files {
		switch {
		case f.Name == "want":
			want = string(f.Data)
		case f.Name == "later":
			w = rested(w)
			fmt.Fprintln(&out, "== later")
		default:
			s, err := spec.Parse(f.Name, f.Data)
			if err != nil {
				t.Fatal(err)
			}
			p, err := plan.Compute(w, s)
			fmt.Fprintf(&out, "== %s\n", f.Name)
			if err != nil {
				fmt.Fprintf(&out, "error: %v\n", err)
				continue
			}
			w = after(w, p)
			fmt.Fprint(&out, dump(p, w))
		}
	}
	return out.String(), want
}

// dump is the preview, and below a line the numbers behind it.
func dump(p *plan.Plan, w plan.World) string {
	var out strings.Builder
	text := p.Text()
	if len(text) == 0 {
		text = []string{"nothing would change"}
	}
	fmt.Fprintln(&out, strings.Join(text, "\n"))
	for _, c := range p.VIPs {
		v := w.VIPs[c.Spec.Name]
		fmt.Fprintf(&out, "    %s is %d, ids %v, ring %s, before %s\n", c.Spec.Name, c.Num, c.IDs, described(c.Ring, v.Ring), described(c.Before, v.Before))
	}
	return out.String()
}

// described are the slots of each id in a ring, and how many are marked.
func described(changed, ring []uint16) string {
	if ring == nil {
		return "none"
	}
	marked := 0
	for _, slot := range ring {
		if slot&maglev.Mark != 0 {
			marked++
		}
	}
	shares := maglev.Shares(ring)
	parts := make([]string, 0, len(shares))
	for _, id := range slices.Sorted(maps.Keys(shares)) {
		parts = append(parts, fmt.Sprintf("%d:%d", id, shares[id]))
	}
	text := strings.Join(parts, " ")
	if marked > 0 {
		text += fmt.Sprintf(" (%d marked)", marked)
	}
	if changed == nil {
		text += " as it was"
	}
	return text
}
