package command

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"hairpin/engine"
)

var update = flag.Bool("update", false, "write the transcripts anew")

// TestTranscripts runs the command lines of testdata/*.txtar. An archive begins with a sentence and "node: NAME" (see
// fakes). Its file "transcript" holds "$ hairpin ..." lines, each followed by what it prints: stdout as it is, stderr
// behind "2>", what the node was asked to do behind "=>", and the exit code when it is not 0. Its other files lie in the
// working directory. "$ hairpin run" gets SIGTERM at once.
func TestTranscripts(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range archives {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			got := replay(t, archive)
			want := part(archive, "transcript")
			if diff := cmp.Diff(string(want.Data), got); diff != "" && !*update {
				t.Errorf("transcript differs (-want +got):\n%s", diff)
			}
			if *update {
				want.Data = []byte(got)
			}
		})
		if *update {
			if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// replay runs the archive's command lines, one node for all of them, and gives the transcript as it should read.
func replay(t *testing.T, archive *txtar.Archive) string {
	t.Chdir(t.TempDir())
	t.Setenv("HAIRPIN_NODE", "lb1")
	t.Setenv("HAIRPIN_CONFIG", "etc")
	zone := time.Local
	time.Local = time.UTC // in which a record is read
	t.Cleanup(func() { time.Local = zone })
	t.Setenv("JOURNAL_STREAM", "8:1") // no times in the log
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "HAIRPIN_KEYMAP", "HAIRPIN_THEME", "HAIRPIN_GLYPHS"} {
		t.Setenv(name, "") // nobody's own files
	}
	for _, f := range archive.Files {
		if err := os.MkdirAll(filepath.Dir(f.Name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var asked bytes.Buffer
	node, err := fakes(header(archive, "node"), &asked)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(part(archive, "transcript").Data)) {
		args, ok := strings.CutPrefix(line, "$ hairpin")
		if !ok {
			continue
		}
		out.WriteString(line)
		args, stdin, _ := strings.Cut(args, "<")
		out.WriteString(once(t, node, &asked, strings.Fields(args), strings.TrimSpace(stdin)))
	}
	return out.String()
}

// once runs one command line with the file named stdin as its input.
func once(t *testing.T, node *fake, asked *bytes.Buffer, args []string, stdin string) string {
	var stdout, stderr bytes.Buffer
	tree := &tree{engines: node, who: "ops", now: func() time.Time { return noon }}
	tree.Env = Env{Version: "v1.0.0", Stdout: &stdout, Stderr: &stderr, Stdin: strings.NewReader("")}
	tree.after = func(time.Duration) <-chan time.Time { c := make(chan time.Time); close(c); return c }
	tree.Console = func(context.Context, engine.Node, Console) error { return errors.New("no console in a transcript") }
	if stdin != "" {
		text, err := os.ReadFile(stdin)
		if err != nil {
			t.Fatal(err)
		}
		tree.Stdin = bytes.NewReader(text)
	}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	if slices.Contains(args, "run") {
		end()
	}
	code := execute(ctx, tree, args)
	text := stdout.String() + prefixed("2> ", stderr.String()) + prefixed("=> ", asked.String())
	asked.Reset()
	if code != 0 {
		text += fmt.Sprintf("exit %d\n", code)
	}
	return text
}

func prefixed(prefix, text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(prefix + line)
	}
	return out.String()
}

func header(archive *txtar.Archive, key string) string {
	for line := range strings.Lines(string(archive.Comment)) {
		if value, ok := strings.CutPrefix(line, key+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func part(archive *txtar.Archive, name string) *txtar.File {
	for i := range archive.Files {
		if archive.Files[i].Name == name {
			return &archive.Files[i]
		}
	}
	archive.Files = append(archive.Files, txtar.File{Name: name})
	return &archive.Files[len(archive.Files)-1]
}
