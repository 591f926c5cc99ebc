package reason

import "testing"

func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for i, r := range All() {
		if i > 0 && r.ID <= all[i-1].ID || r.ID == 0 {
			t.Errorf("%s has id %d at place %d", r.Name, r.ID, i)
		}
		if seen[r.Name] || r.Name == "" || r.Doc == "" {
			t.Errorf("reason %d: name %q, doc %q", r.ID, r.Name, r.Doc)
		}
		seen[r.Name] = true
		if r.Verdict == Drop && r.Stage == Root {
			t.Errorf("%s: root never drops", r.Name)
		}
		if got, ok := ByName(r.Name); !ok || got != r {
			t.Errorf("by name %s: %v", r.Name, got)
		}
		if got, ok := ByID(int(r.ID)); !ok || got != r {
			t.Errorf("by id %d: %v", r.ID, got)
		}
	}
	if _, ok := ByID(0); ok {
		t.Error("0 is nobody's reason")
	}
	if _, ok := ByID(int(all[len(all)-1].ID) + 1); ok {
		t.Error("an id beyond the table was found")
	}
}
