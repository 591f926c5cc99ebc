package command

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestManPages: every command has a page, which names it, says what it does and has its flags; nothing in it is taken for a
// request of roff that is none.
func TestManPages(t *testing.T) {
	root := newRoot(&tree{})
	pages := manPages(root)
	for _, name := range []string{"hairpin.1", "hairpin-apply.1", "hairpin-spec-show.1", "hairpin-found-accept.1", "hairpin-exit-codes.1", "hairpin-docs-man.1"} {
		if pages[name] == "" {
			t.Errorf("there is no %s", name)
		}
	}
	request := regexp.MustCompile(`^\.(TH|SH|TP|PP|nf|fi)( |$)`)
	for name, text := range pages {
		if !strings.HasPrefix(text, ".TH HAIRPIN") || !strings.Contains(text, ".SH NAME\nhairpin") || !strings.Contains(text, ` \- `) {
			t.Errorf("%s has no head: %.80q", name, text)
		}
		for line := range strings.Lines(text) {
			if (strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'")) && !request.MatchString(strings.TrimSpace(line)) {
				t.Errorf("%s: %q is no request", name, line)
			}
		}
		if strings.Count(text, ".nf\n") != strings.Count(text, ".fi\n") {
			t.Errorf("%s: lines stay as they are to the end", name)
		}
	}
	for _, c := range root.Commands() {
		if c.Short == "" {
			t.Errorf("%s says nothing of itself", c.CommandPath())
		}
	}
	if page := pages["hairpin-apply.1"]; !strings.Contains(page, `\fB\-\-confirm\fR \fI`) {
		t.Errorf("apply has no flag confirm:\n%s", page)
	}
	if got := roff(".a\n'b\\c-d"); got != "\\&.a\n\\&'b\\ec\\-d" {
		t.Errorf("roff: %q", got)
	}
}

// TestDocs: the command writes the pages, and says where they cannot be.
func TestDocs(t *testing.T) {
	var out strings.Builder
	folder := t.TempDir()
	if code := execute(t.Context(), &tree{Env: Env{Stdout: &out, Stderr: &out}}, []string{"docs", "man", folder}); code != exitOK {
		t.Fatalf("exit %d: %s", code, out.String())
	}
	if files, err := filepath.Glob(filepath.Join(folder, "*.1")); err != nil || len(files) != len(manPages(newRoot(&tree{}))) {
		t.Errorf("%d pages, %v", len(files), err)
	}
	if code := execute(t.Context(), &tree{Env: Env{Stdout: &out, Stderr: &out}}, []string{"docs", "man", filepath.Join(folder, "none")}); code != exitUsage {
		t.Errorf("a folder that is not there: exit %d", code)
	}
	out.Reset()
	if code := execute(t.Context(), &tree{Env: Env{Stdout: &out, Stderr: &out}}, []string{"docs", "runbook"}); code != exitOK {
		t.Fatalf("exit %d: %s", code, out.String())
	}
	root := newRoot(&tree{})
	lines := shown(out.String())
	if len(lines) < 20 {
		t.Errorf("the runbook has only %d commands", len(lines))
	}
	for _, line := range lines {
		if c, rest, err := root.Find(strings.Fields(line)[1:]); err != nil || c == root && len(rest) > 0 {
			t.Errorf("the runbook says %q, and there is no such command: %v", line, err)
		}
	}
}
