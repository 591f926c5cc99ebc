package command

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// shown are the command lines that a document shows: in backquotes, or at the start of a line in a code block.
func shown(text string) []string {
	var lines []string
	for i, part := range strings.Split(text, "```") {
		find := regexp.MustCompile("`(hairpin [^`]*)`")
		if i%2 == 1 {
			find = regexp.MustCompile("(?m)^ *(hairpin [^#|>\n]*)")
		}
		for _, m := range find.FindAllStringSubmatch(part, -1) {
			lines = append(lines, strings.TrimSpace(m[1]))
		}
	}
	return lines
}

// TestReadmeCommands: whoever types what the README or the page on stages says gets no "unknown command" and no "unknown flag".
func TestReadmeCommands(t *testing.T) {
	root := newRoot(&tree{})
	root.InitDefaultHelpCmd()
	typeShown(t, root, "../../deploy/STAGES.md")
	seen := typeShown(t, root, "../../README.md")
	for _, c := range root.Commands() {
		if c.Runnable() && !seen[c.Name()] && !slices.Contains([]string{"version", "run", "help"}, c.Name()) {
			t.Errorf("README does not mention %q", c.CommandPath())
		}
	}
}

// typeShown checks the command lines of a file, and returns the commands in them.
func typeShown(t *testing.T, root *cobra.Command, file string) (seen map[string]bool) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	seen = map[string]bool{}
	for _, line := range shown(string(text)) {
		c, rest, err := root.Find(strings.Fields(line)[1:])
		if err != nil || c == root && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
			t.Errorf("%s says %q, and there is no such command: %v", file, line, err)
			continue
		}
		for p := c; p != root && p != nil; p = p.Parent() {
			seen[p.Name()] = true
		}
		for _, arg := range rest {
			if arg == "--" {
				break
			}
			name := strings.TrimLeft(arg, "-")
			if name != arg && c.Flag(name) == nil && c.Flags().ShorthandLookup(name[:1]) == nil {
				t.Errorf("%s says %q, and %q has no flag %s", file, line, c.CommandPath(), arg)
			}
		}
	}
	if len(seen) == 0 {
		t.Errorf("%s shows no command", file)
	}
	return seen
}

// TestReadmeExitCodes: the README and the help say the same about every code.
func TestReadmeExitCodes(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (\d) \| (.*) \|$`).FindAllSubmatch(text, -1)
	if len(rows) != exitRefused+1 {
		t.Fatalf("README has %d exit codes", len(rows))
	}
	help := strings.Join(strings.Fields(exitCodes), " ")
	for _, row := range rows {
		if want := string(row[1]) + " " + string(row[2]); !strings.Contains(help, want) {
			t.Errorf("help exit-codes does not say %q", want)
		}
	}
}
