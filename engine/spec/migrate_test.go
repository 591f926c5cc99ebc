package spec

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// As if this were version 3: which steps a document of each version takes, or why it takes none.
func TestUpgrade(t *testing.T) {
	for text, want := range map[string]string{
		"version: 1":  "from 1, from 2",
		"version: 2":  "from 2",
		"version: 3":  "",
		"nics: {}":    "line 1: version: missing: begin with version: 3",
		"version: 0":  "line 1: version: there is no version 0: the first is 1",
		"version: 4":  "line 1: version: 4 is newer than this program, which reads up to 3: read it with a newer hairpin",
		"version: x":  `line 1: version: "x" is not a version: this program reads version 3`,
		"- version 1": "line 1: a list where the fields of a spec are expected: it begins with version: 3",
	} {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		var taken []string
		took := func(step string) func(*yaml.Node) { return func(*yaml.Node) { taken = append(taken, step) } }
		f := &faults{}
		ok := upgrade(doc.Content[0], []func(*yaml.Node){took("from 1"), took("from 2")}, f)
		got := strings.Join(taken, ", ")
		if err := f.err("x", doc.Content[0]); err != nil {
			got = strings.TrimPrefix(err.Error(), "x: ")
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		if hopeless := strings.HasPrefix(text, "-") || text == "version: 0" || text == "version: 4"; ok == hopeless {
			t.Errorf("%s: understood: %v", text, ok)
		}
	}
}
