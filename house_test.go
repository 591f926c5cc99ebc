package main_test

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hairpin/engine/datapath"
	"hairpin/engine/reason"
	"hairpin/engine/spec"
)

// A rule lists what a room may import besides the standard library; "./..." stands for hairpin's own folders. A file's
// tests may import more, but never across a ban.
type rule struct {
	room string // a folder and all below it, unless a later rule names a folder inside
	may  []string
	why  string
}

var rules = []rule{
	{".", []string{"./ui/...", "./engine", "golang.org/x/term"},
		"main picks a front and knows nothing of what is behind it"},
	{"bpf", []string{"github.com/cilium/ebpf"},
		"bpf is C and its generated bindings; whoever thinks belongs to the engine"},
	{"deploy", nil, "what packs the program knows nothing of what it does"},
	{"keymaps", nil, "keymaps are data files and their embed.go"},
	{"themes", nil, "themes are data files and their embed.go"},
	{"engine", []string{"./engine/...", "github.com/vishvananda/netns", "golang.org/x/sys/unix", "golang.org/x/sync/..."},
		"the loop stands on the rooms below it and on nothing beside them"},
	{"engine/spec", []string{"./engine/filter", "./engine/near", "go.yaml.in/yaml/v3"},
		"the desired state must be readable by a tool that knows no kernel"},
	{"engine/reason", nil, "reasons are names: every room may use them because they use none"},
	{"engine/maglev", nil, "ring arithmetic is pure, so that every node computes the same ring"},
	{"engine/plan", []string{"./engine/spec", "./engine/maglev", "golang.org/x/sync/errgroup"},
		"planning is pure: it says what would be done and can do none of it"},
	{"engine/packet", []string{"github.com/gopacket/gopacket/..."},
		"packets are bytes, whoever reads them"},
	{"engine/talkers", nil, "who sends most is arithmetic on samples, wherever they come from"},
	{"engine/tcpflows", []string{"github.com/vishvananda/netlink/...", "golang.org/x/sys/unix"}, "sockets are the kernel's word, whoever asks"},
	{"engine/capture", []string{"./engine/packet"}, "a captured packet is read wherever its file is brought"},
	{"engine/agents", nil, "what agents say is bytes and sums, wherever the counts come from"},
	{"engine/near", nil, "words are compared without knowing what they mean"},
	{"engine/filter", []string{"./engine/packet", "./engine/near", "github.com/cilium/ebpf/asm", "github.com/cilium/ebpf/btf"},
		"rules, captures and screens share one language, and only whoever loads its code touches the kernel"},
	{"engine/datapath", []string{"./bpf", "./engine/disk", "./engine/filter", "./engine/plan", "./engine/spec", "./engine/maglev", "./engine/reason", "./engine/packet",
		"github.com/cilium/ebpf/...", "github.com/vishvananda/netlink/...", "golang.org/x/sys/unix"},
		"only datapath touches maps, programs and links, so only one room can break a node"},
	{"engine/bgp", []string{"./engine/bgp/...", "./engine/spec", "github.com/osrg/gobgp/v4/api", "github.com/osrg/gobgp/v4/pkg/..."},
		"routers are told of prefixes, whatever they stand for"},
	{"engine/fleet", []string{"./engine/disk", "./engine/spec", "go.etcd.io/etcd/...", "go.uber.org/zap", "go.yaml.in/yaml/v3", "google.golang.org/grpc/..."},
		"what a fleet agrees on is documents and words, whatever its nodes do with them"},
	{"engine/arms", nil, "who may change a node is decided without knowing what one is"},
	{"engine/discover", []string{"./engine/spec", "go.yaml.in/yaml/v3"},
		"who serves is asked of others without knowing what follows from it"},
	{"engine/health", []string{"./engine/spec", "golang.org/x/sys/unix"},
		"whether a backend serves is found out without knowing what follows from it"},
	{"engine/handoff", []string{"golang.org/x/sys/unix"},
		"ownership is a lock, whatever is owned"},
	{"engine/privilege", []string{"golang.org/x/sys/unix"},
		"what a process may is between it and the kernel"},
	{"engine/disk", []string{"golang.org/x/sys/unix"}, "a file is whole or not, whatever stands in it"},
	{"engine/tenants", []string{"./engine/spec"}, "who may change which VIPs is decided on two specs, whoever asks and whatever runs"},
	{"engine/history", []string{"./engine/disk"}, "what was changed is read by whoever has the file"},
	{"engine/shells", []string{"github.com/vishvananda/netlink/nl", "golang.org/x/sys/unix"},
		"who works on a node is asked of the kernel, whatever runs there"},
	{"engine/nexthop", []string{"github.com/vishvananda/netlink/...", "github.com/vishvananda/netns", "golang.org/x/sys/unix"},
		"next hops are the kernel's routes and neighbours, whoever asks"},
	{"engine/nicstats", []string{"github.com/vishvananda/netlink/...", "github.com/vishvananda/netns", "golang.org/x/sys/unix"},
		"what a NIC counts is the kernel's word, whoever compares it"},
	{"engine/doctor", []string{"./engine/datapath", "./engine/disk", "./engine/nexthop", "./engine/nicstats", "./engine/privilege", "./engine/spec",
		"github.com/cilium/ebpf/...", "github.com/vishvananda/netlink/...", "golang.org/x/sys/unix"},
		"a machine is looked at by those who know its parts, and judged by nobody but doctor"},
	{"engine/sockets", []string{"./bpf", "github.com/cilium/ebpf/...", "github.com/vishvananda/netlink", "golang.org/x/sys/unix"},
		"what is pinned is the whole state of sockets, whatever else runs"},
	{"engine/paths", nil, "what a path is worth follows from what was measured, whoever did"},
	{"engine/mirror", []string{"golang.org/x/sys/unix"}, "it sends bytes, whoever copied them"},
	{"engine/ipfix", []string{"./engine/packet"}, "flows are made of packets, whoever copied them"},
	{"engine/linkwatch", []string{"./engine/datapath", "github.com/vishvananda/netlink/...", "golang.org/x/sys/unix"},
		"what others do with NICs is the kernel's word"},
	{"engine/metrics", []string{"./engine"},
		"metrics are a State in another form, for whoever serves them"},
	{"engine/stats", nil, "rates are arithmetic on totals and times"},
	{"engine/record", nil, "a record is read wherever its file is brought"},
	{"engine/events", []string{"./engine/datapath", "./engine/reason", "github.com/cilium/ebpf/ringbuf"},
		"the ring buffer is opened by datapath and only read here"},
	{"engine/lab", []string{"./engine", "./engine/bgp/collector", "./engine/datapath", "./engine/spec", "./engine/packet", "github.com/vishvananda/netlink/...",
		"github.com/vishvananda/netns", "github.com/cilium/ebpf/...", "golang.org/x/sys/unix", "golang.org/x/sync/..."},
		"the lab builds networks around the program; it is not part of it"},
	{"engine/trace", []string{"./engine/datapath", "./engine/packet", "./engine/reason", "./engine/spec"},
		"a trace is words about what the data path noted; who asks for it is the engine's matter"},
	{"engine/frozen", []string{"github.com/cilium/ebpf/...", "golang.org/x/sys/unix"},
		"what an older hairpin made is read and brought back without today's idea of it"},
	{"engine/bench", []string{"./...", "github.com/cilium/ebpf/...", "golang.org/x/sys/unix"},
		"measuring reaches for whatever is measured"},
	{"ui", []string{"./ui/...", "./engine", "./engine/capture", "./engine/spec", "./engine/reason", "./engine/near", "./keymaps", "./themes", "github.com/charmbracelet/...",
		"github.com/muesli/...", "github.com/pelletier/go-toml/v2/...", "golang.org/x/sys/unix", "golang.org/x/term"},
		"what a person sees is made of State and changed through Node"},
	{"ui/uitest", []string{"./ui/...", "./engine", "./engine/capture", "./engine/packet", "./engine/spec", "github.com/charmbracelet/...", "github.com/google/go-cmp/cmp",
		"github.com/creack/pty", "golang.org/x/sys/unix", "golang.org/x/tools/txtar"},
		"tests of screens share one driver, which may use what tests use"},
	{"ui/command", []string{"./engine", "./engine/capture", "./engine/spec", "./engine/reason", "./engine/near", "./engine/lab", "./engine/metrics", "./engine/ipfix", "./engine/sockets", "./ui/action", "./ui/cause", "./ui/keymap", "./ui/layer",
		"./ui/settings", "./ui/theme", "./ui/when", "github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/sys/unix", "golang.org/x/term"},
		"commands need no screen and must not pay for one"},
}

// A ban holds for tests as well.
var bans = []struct{ in, of, why string }{
	{"engine", "./ui/...", "the engine must run where nobody looks"},
	{"engine", "github.com/charmbracelet/...", "a screen library in the engine would run on every node without a screen"},
	{"bpf", "./ui/...", "the data path does not know who looks at it"},
	{"ui", "./bpf/...", "a screen that can reach a map will one day write one"},
	{"ui", "./engine/datapath/...", "front ends ask Node, so that an observer is refused in one place"},
	{"ui", "github.com/cilium/ebpf/...", "front ends ask Node, so that they look the same over the socket"},
}

func TestImports(t *testing.T) {
	used := map[string]bool{}
	for file, imports := range goImports(t) {
		room := path.Dir(file)
		for _, imp := range imports {
			for _, b := range bans {
				if inside(room, b.in) && matches(b.of, imp) {
					t.Errorf("%s imports %s: %s", file, imp, b.why)
				}
			}
			r := ruleOf(room)
			used[r.room] = true
			own := imp == "./"+room || strings.HasPrefix(imp, "./"+r.room+"/") && r.room != "."
			if !own && !strings.HasSuffix(file, "_test.go") && !slices.ContainsFunc(r.may, func(p string) bool { return matches(p, imp) }) {
				t.Errorf("%s imports %s, which %s does not: %s", file, imp, r.room, r.why)
			}
		}
	}
	if !used["ui/command"] || !used["engine"] {
		t.Error("no file of ui/command or engine was looked at: the rules check nothing")
	}
}

// TestScreenIsBehindOneDoor: bubbletea asks the terminal questions when it is initialised.
func TestScreenIsBehindOneDoor(t *testing.T) {
	for file, imports := range goImports(t) {
		if slices.Contains(imports, "github.com/charmbracelet/bubbletea") && !inside(path.Dir(file), "ui") {
			t.Errorf("%s imports bubbletea: only the console is a screen", file)
		}
		if inside(path.Dir(file), "ui/command") && slices.ContainsFunc(imports, func(i string) bool { return matches("./ui/app/...", i) }) {
			t.Errorf("%s imports the console: main hands it in, so that commands can be tested without a terminal", file)
		}
	}
}

// TestSizes: a file that outgrows its limit holds more than one noun.
func TestSizes(t *testing.T) {
	for _, file := range files(t) {
		limit := 0
		switch {
		case file == "main.go":
			limit = 60
		case file == "ARCHITECTURE.md":
			limit = 200
		case generated(file):
		case strings.HasSuffix(file, "_test.go"):
			limit = 600
		case slices.Contains([]string{".go", ".c", ".h"}, path.Ext(file)):
			limit = 400
		}
		if n := bytes.Count(read(t, file), []byte("\n")); limit > 0 && n > limit {
			t.Errorf("%s has %d lines, the limit is %d", file, n, limit)
		}
	}
}

// TestTopLevel: whoever opens the repository sees the house, and nothing that was left lying about.
func TestTopLevel(t *testing.T) {
	must := []string{".ci", ".gitignore", "ARCHITECTURE.md", "LICENSE", "Makefile", "README.md", "bpf", "engine", "go.mod",
		"go.sum", "house_test.go", "keymaps", "main.go", "testdata", "themes", "ui"}
	may := []string{".git", ".gitattributes", "bin", "deploy"}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
		if !slices.Contains(must, e.Name()) && !slices.Contains(may, e.Name()) {
			t.Errorf("%s does not belong at the top of the house", e.Name())
		}
	}
	for _, m := range must {
		if !slices.Contains(have, m) {
			t.Errorf("%s is missing", m)
		}
	}
}

// TestGenerated: a generated file says so in its first line, and the object that it embeds is there to build with.
func TestGenerated(t *testing.T) {
	mark := regexp.MustCompile(`^// Code generated by .* DO NOT EDIT\.\n`)
	embed := regexp.MustCompile(`(?m)^//go:embed (\S+\.o)$`)
	for _, file := range files(t) {
		if !generated(file) {
			continue
		}
		text := read(t, file)
		if !mark.Match(text) {
			t.Errorf("%s looks generated and does not say so in its first line", file)
		}
		for _, m := range embed.FindAllSubmatch(text, -1) {
			if object := path.Join(path.Dir(file), string(m[1])); !exists(object) || ignored(t, object) {
				t.Errorf("%s embeds %s, which is missing or ignored by git: building must not need clang", file, object)
			}
		}
	}
}

// TestLicence: the kernel loads only programs that say GPL, and readers must know under what they may copy each file.
func TestLicence(t *testing.T) {
	const spdx = "// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause\n"
	for _, file := range files(t) {
		if ext := path.Ext(file); (ext == ".c" || ext == ".h") && !bytes.HasPrefix(read(t, file), []byte(spdx)) {
			t.Errorf("%s does not begin with %q", file, strings.TrimSpace(spdx))
		}
	}
}

// TestReasons: a packet's reason is a number in C and a word everywhere else.
func TestReasons(t *testing.T) {
	got := map[string]int{}
	for _, r := range reason.All() {
		got[r.Name] = int(r.ID)
	}
	if want := cEnum(t, "reason"); !maps.Equal(got, want) {
		t.Errorf("engine/reason has %v, bpf/abi.h has %v", got, want)
	}
}

// TestStages: a stage has one name in C, in specs and on screens.
func TestStages(t *testing.T) {
	want := []string{string(reason.Parse), string(spec.Balancer), string(spec.Decap), string(spec.Firewall), string(spec.RateLimit), string(spec.External), string(spec.ConnLimit), string(spec.SNAT),
		string(spec.TLSWall), string(spec.Mirror), string(spec.Steer)}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(cEnum(t, "stage"))); !slices.Equal(got, want) {
		t.Errorf("bpf/abi.h has the stages %v, specs and reasons have %v", got, want)
	}
	for _, r := range reason.All() {
		if r.Stage != reason.Root && r.Stage != reason.End && !slices.Contains(want, string(r.Stage)) {
			t.Errorf("reason %s belongs to the stage %s, which is none", r.Name, r.Stage)
		}
	}
}

// TestABI: an ABI of which a node is kept is in use somewhere. What its headers declare stays, or the ABI is another one.
func TestABI(t *testing.T) {
	kept := fmt.Sprintf("testdata/abi/%d", datapath.ABI)
	if !exists(kept) {
		kept = fmt.Sprintf("testdata/abi/%d", datapath.ABI-1)
		if !exists(kept) {
			t.Errorf("%s is missing: a test must take over what ABI %d made (make freeze, in its last commit)", kept, datapath.ABI-1)
		}
		return
	}
	now := declarations(t, "bpf/abi*.h")
	for name, was := range declarations(t, kept+"/abi*.h") {
		if now[name] != was {
			t.Errorf("%s was %q in ABI %d and is %q: raise the ABI (engine/datapath/abi.go), and say in abi_steps.go what becomes of it",
				name, was, datapath.ABI, now[name])
		}
	}
}

// declarations are the constants, structs and members of enums of C headers, without comments and white space.
func declarations(t *testing.T, pattern string) map[string]string {
	t.Helper()
	found := map[string]string{}
	headers, err := filepath.Glob(pattern)
	if err != nil || len(headers) == 0 {
		t.Fatalf("no headers %s: %v", pattern, err)
	}
	for _, header := range headers {
		text := regexp.MustCompile(`//[^\n]*|\\\n`).ReplaceAllString(string(read(t, header)), "")
		for _, m := range regexp.MustCompile(`(?m)^#define +(\w+)(.*)$`).FindAllStringSubmatch(text, -1) {
			found["#define "+m[1]] = strings.Join(strings.Fields(m[2]), " ")
		}
		for _, m := range regexp.MustCompile(`(?ms)^(struct|enum) (\w+) \{(.*?)^\};`).FindAllStringSubmatch(text, -1) {
			if body := strings.Join(strings.Fields(m[3]), " "); m[1] == "struct" {
				found["struct "+m[2]] = body
			} else {
				for _, member := range strings.Split(body, ",") {
					name, value, _ := strings.Cut(strings.TrimSpace(member), " = ")
					found["enum "+m[2]+" "+name] = value
				}
			}
		}
	}
	return found
}

// cEnum is an enum of bpf/abi.h: its constants without the enum's own name in front, in lower case.
func cEnum(t *testing.T, name string) map[string]int {
	t.Helper()
	body := regexp.MustCompile(`(?s)\nenum ` + name + ` \{(.*?)\n\};`).FindSubmatch(read(t, "bpf/abi.h"))
	if body == nil {
		t.Fatalf("bpf/abi.h has no enum %s", name)
	}
	values := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^\t`+strings.ToUpper(name)+`_(\w+) = (\d+),`).FindAllSubmatch(body[1], -1) {
		values[strings.ToLower(string(m[1]))], _ = strconv.Atoi(string(m[2]))
	}
	return values
}

// TestReadme: what the README tells people to make can be made.
func TestReadme(t *testing.T) {
	makefile := string(read(t, "Makefile"))
	named := regexp.MustCompile("(?:^|[`\n]) *make ([a-z]+)").FindAllSubmatch(read(t, "README.md"), -1)
	if len(named) < 5 {
		t.Errorf("README names only %d targets", len(named))
	}
	for _, m := range named {
		if !strings.Contains(makefile, "\n"+string(m[1])+":") {
			t.Errorf("README says make %s, and the Makefile has no such target", m[1])
		}
	}
}

// TestNoHosts: a name of one registry or one machine is wrong for everybody who uses another.
func TestNoHosts(t *testing.T) {
	banned := regexp.MustCompile(`proxy\.golang\.|sum\.golang\.|deb\.debian\.|security\.debian\.|registry\.npmjs|/wor` + `k/`)
	for _, file := range files(t) {
		if file == "house_test.go" || file == "go.sum" {
			continue
		}
		for i, line := range bytes.Split(read(t, file), []byte("\n")) {
			if banned.Match(line) && !bytes.ContainsRune(line[:min(len(line), 512)], 0) {
				t.Errorf("%s:%d: names a host or a path of one machine: %s", file, i+1, line)
			}
		}
	}
}

func ruleOf(room string) rule {
	best := rules[0]
	for _, r := range rules[1:] {
		if inside(room, r.room) && (best.room == "." || len(r.room) > len(best.room)) {
			best = r
		}
	}
	return best
}

// inside tells whether folder is room or below it.
func inside(folder, room string) bool { return folder == room || strings.HasPrefix(folder, room+"/") }

// matches tells whether pattern, a path or a path/..., covers imp.
func matches(pattern, imp string) bool {
	tree, ok := strings.CutSuffix(pattern, "/...")
	return ok && inside(imp, tree) || pattern == imp
}

// goImports are the imports of every Go file that are not of the standard library, with "./" for hairpin's own.
func goImports(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, file := range files(t) {
		if path.Ext(file) != ".go" {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		found[file] = nil
		for _, spec := range parsed.Imports {
			imp, _ := strconv.Unquote(spec.Path.Value)
			if own, ok := strings.CutPrefix(imp, "hairpin/"); ok {
				imp = "./" + own
			} else if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
				continue
			}
			found[file] = append(found[file], imp)
		}
	}
	return found
}

// files are the paths of the project's files, from its root.
func files(t *testing.T) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && (name == ".git" || name == "bin") {
			return filepath.SkipDir
		}
		if e.Type().IsRegular() && name != ".git" { // which is a file in a working tree of its own
			found = append(found, name)
		}
		return nil
	})
	if err != nil || len(found) < 10 {
		t.Fatalf("list the project's files: %d found: %v", len(found), err)
	}
	return found
}

func generated(file string) bool {
	return strings.HasSuffix(file, "_bpfel.go") || strings.HasSuffix(file, "_bpfeb.go")
}

// ignored tells whether a line of .gitignore names file by its base name or by its path from the root.
func ignored(t *testing.T, file string) bool {
	for line := range strings.Lines(string(read(t, ".gitignore"))) {
		line = strings.TrimSpace(line)
		byName, _ := path.Match(line, path.Base(file))
		byPath, _ := path.Match(line, "/"+file)
		if byName || byPath {
			return true
		}
	}
	return false
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
