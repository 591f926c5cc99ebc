package datapath

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"hairpin/engine/spec"
)

const (
	howtoFile  = "../../deploy/STAGES.md"
	howtoLines = 20
)

// A node for the document's commands: it shows the spec that runs, and keeps what is applied.
const howtoNode = `#!/bin/sh
echo "$*" >>said
case "$1 $2" in
"spec show") cat running.yaml ;;
"apply -f") cp "$3" applied.yaml ;;
esac
`

// followHowto does what the document says, on a node that runs s, and returns the spec that it applies.
func followHowto(t *testing.T, s *spec.Spec) *spec.Spec {
	t.Helper()
	text, err := os.ReadFile(howtoFile)
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(text, []byte("\n")); lines > howtoLines {
		t.Errorf("%s has %d lines, and %d are promised", howtoFile, lines, howtoLines)
	}
	script := regexp.MustCompile("(?s)```sh\n(.*?)```").FindSubmatch(text)
	if script == nil {
		t.Fatalf("%s has no commands", howtoFile)
	}
	here, bin := t.TempDir(), t.TempDir()
	put := func(folder, name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	put(here, "running.yaml", string(spec.Marshal(s)))
	put(bin, "hairpin", howtoNode)
	if why := noClang(); why != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(why)
		}
		t.Logf("%v: the committed object stands for what it would make", why)
		put(bin, "clang-16", "#!/bin/sh\nfor object; do :; done\ncp "+objectFile(t, "plain.o")+" \"$object\"\n")
	}
	c := exec.CommandContext(t.Context(), "sh", "-eu", "-c", string(script[1]))
	c.Dir, c.Env = here, append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("the commands of %s: %v: %s", howtoFile, err, out)
	}
	applied, err := os.ReadFile(filepath.Join(here, "applied.yaml"))
	if err != nil {
		said, _ := os.ReadFile(filepath.Join(here, "said"))
		t.Fatalf("%s applies nothing: %v; hairpin was called with %q", howtoFile, err, said)
	}
	return parse(t, string(applied))
}

// noClang is why this machine cannot build what the document shows.
func noClang() error {
	if _, err := exec.LookPath("clang-16"); err != nil {
		return fmt.Errorf("clang is missing: %w", err)
	}
	if _, err := os.Stat("/usr/include/bpf/bpf_helpers.h"); err != nil {
		return fmt.Errorf("clang has no headers (libbpf-dev): %w", err)
	}
	return nil
}

// TestHowto: whoever does what the document says has a stage in front of a balancer, with stages in his spec already or
// without. It drops what it says it drops, which the ledger counts, and all else goes on.
func TestHowto(t *testing.T) {
	for name, chains := range map[string]string{"bare": "", "behind": "edge, "} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stages := ""
			if chains != "" {
				stages = "stages: {edge: {kind: firewall, drop: {sources: [192.0.2.0/24]}}}\n"
			}
			n := newNode(t, "version: 1\n"+stages+"nics: {eth0: {xdp: ["+chains+"balancer]}}\n"+externalVIPs)
			had := n.spec
			n.apply(t, followHowto(t, had), 0)
			if len(n.spec.Stages) != len(had.Stages)+1 || n.spec.KindOf("plain") != spec.External || !n.spec.VIPs[0].Equal(had.VIPs[0]) {
				t.Errorf("it made of\n%sthis:\n%s", spec.Marshal(had), spec.Marshal(n.spec))
			}
			chain := n.chain(t, "eth0", XDP)
			before := n.ledger(t)
			optioned := frame(ip4{Options: []byte{1, 1, 1, 1}}, tcp{Flags: "S"})
			for _, r := range []struct {
				in      []byte
				verdict uint32
			}{{toWeb, xdpTX}, {optioned, xdpDrop}, {optioned, xdpDrop}, {frame(ip6{}, tcp{Flags: "S"}), xdpPass}} {
				if verdict, _ := n.run(t, chain, r.in, 0); verdict != r.verdict {
					t.Errorf("% x ends with %d, want %d", r.in[:40], verdict, r.verdict)
				}
			}
			const want = "backend web 10.1.1.11 1/54, chain 0 external 2/116, chain 0 forwarded 1/54, chain 0 no_vip 1/74, vip web 1/54"
			if moved := n.ledger(t).since(before); moved != want {
				t.Errorf("the ledger has %s, want %s", moved, want)
			}
		})
	}
}
