package command

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

// TestThenForScripts: JSON of another time says of which, and over how long its rates are taken.
func TestThenForScripts(t *testing.T) {
	node, err := fakes("balanced", &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	node.now.NICs[0].In.Peak = 321
	var out bytes.Buffer
	tree := &tree{engines: node, now: func() time.Time { return noon }}
	tree.Env = Env{Stdout: &out, Stderr: &out}
	if code := execute(t.Context(), tree, []string{"status", "--at", "-90s", "-o", "json"}); code != 0 {
		t.Fatal(code, out.String())
	}
	var got view
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if !got.Time.Equal(noon.Add(-2*time.Minute)) || got.Span != 60 || got.Exactly == "" || got.NICs[0].In.Peak == nil || *got.NICs[0].In.Peak != 321 {
		t.Errorf("%+v", got)
	}
}
