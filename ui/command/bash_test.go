package command

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMain is the program itself when a shell calls it.
func TestMain(m *testing.M) {
	if os.Getenv("HAIRPIN_TEST_AS") == "hairpin" {
		node, _ := fakes("balanced", os.Stderr)
		t := &tree{engines: node, Env: Env{Stdout: os.Stdout, Stderr: os.Stderr, Stdin: os.Stdin}}
		os.Exit(execute(context.Background(), t, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// TestBashCompletes: a bash without any package completes words, names of this node with colons in them, and files.
func TestBashCompletes(t *testing.T) {
	bash, dir, env := shell(t, "bash", "hairpin.bash")
	const fake = `hairpin() { printf 'fd00:1::13\nfd00:1::24\n:4\n'; }; `
	for line, want := range map[string]string{
		"hairpin x fd00:1::": "13 24", "hairpin x fd00:1::2": "24", "hairpin x --backend=fd00:1::1": "13",
		"hairpin keys v": "vim", "hairpin drops --vip ": "web", "hairpin drops --vip=w": "web", "hairpin chain sh": "shadow",
		"hairpin spec check l": "lb.yaml", "hairpin plan -f l": "lb.yaml", "hairpin rollback 4": "4", "hairpin nothing ": "", "hairpin status --output=j": "json",
	} {
		first := ""
		if strings.Contains(line, " x ") {
			first = fake
		}
		cmd := exec.Command(bash, "--norc", "-c", first+`compopt() { :; }; source ./hairpin.bash; COMP_LINE=$1 COMP_POINT=${#1}; _hairpin; echo "${COMPREPLY[*]}"`, "bash", line)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); got != want || err != nil {
			t.Errorf("%q is completed to %q, want %q (%v)", line, got, want, err)
		}
	}
}
