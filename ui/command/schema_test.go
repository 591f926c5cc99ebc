package command

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"

	"hairpin/engine/spec"
	"hairpin/keymaps"
	"hairpin/themes"
	"hairpin/ui/keymap"
	"hairpin/ui/layer"
	"hairpin/ui/theme"
)

// schema is a JSON Schema as an editor reads it. It fails on words that it does not know: a rule that nobody checks would
// look like one that holds.
type schema struct {
	t    *testing.T
	root map[string]any
}

// readSchema takes what the command prints.
func readSchema(t *testing.T, name string) (schema, map[string]any) {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal([]byte(prints(t, false, "schema", name)), &root); err != nil {
		t.Fatal(err)
	}
	return schema{t, root}, root
}

// wrong is what a value breaks of a schema; empty when it fits.
func (s schema) wrong(rules any, v any, at string) string {
	if rules, ok := rules.(map[string]any); ok {
		for _, word := range slices.Sorted(maps.Keys(rules)) {
			if why := s.rule(word, rules, v, at); why != "" {
				return why
			}
		}
	}
	return ""
}

func (s schema) rule(word string, rules map[string]any, v any, at string) string {
	rule := rules[word]
	bad := func(ok bool) string {
		if ok {
			return ""
		}
		return fmt.Sprintf("%s: %v is not %s %v", at, v, word, rule)
	}
	number, isNumber := v.(float64)
	text, isText := v.(string)
	list, _ := v.([]any)
	switch word {
	case "$schema", "title", "description", "default", "definitions", "properties":
		return ""
	case "$ref":
		var to any = s.root
		for _, part := range strings.Split(strings.TrimPrefix(rule.(string), "#/"), "/") {
			to = to.(map[string]any)[part]
		}
		return s.wrong(to.(map[string]any), v, at)
	case "const":
		return bad(v == rule)
	case "enum":
		return bad(slices.Contains(rule.([]any), v))
	case "type":
		types, many := rule.([]any)
		if !many {
			types = []any{rule}
		}
		return bad(slices.ContainsFunc(types, func(t any) bool { return isOf(t.(string), v) }))
	case "minimum":
		return bad(!isNumber || number >= rule.(float64))
	case "maximum":
		return bad(!isNumber || number <= rule.(float64))
	case "maxItems":
		return bad(len(list) <= int(rule.(float64)))
	case "pattern":
		return bad(!isText || regexp.MustCompile(rule.(string)).MatchString(text))
	case "not":
		return bad(s.wrong(rule, v, at) != "")
	case "anyOf":
		var all []string
		for _, one := range rule.([]any) {
			all = append(all, s.wrong(one, v, at))
		}
		if slices.Contains(all, "") {
			return ""
		}
		return strings.Join(all, " and ")
	case "items":
		for i, item := range list {
			if why := s.wrong(rule, item, fmt.Sprintf("%s[%d]", at, i)); why != "" {
				return why
			}
		}
		return ""
	case "required", "additionalProperties", "propertyNames":
		return s.object(rules, v, at)
	}
	s.t.Fatalf("the schema says %q, which this test cannot check", word)
	return ""
}

func (s schema) object(rules map[string]any, v any, at string) string {
	object, is := v.(map[string]any)
	if !is {
		return ""
	}
	required, _ := rules["required"].([]any)
	for _, name := range required {
		if _, has := object[name.(string)]; !has {
			return fmt.Sprintf("%s: no %s", at, name)
		}
	}
	properties, _ := rules["properties"].(map[string]any)
	for name, value := range object {
		rule, known := properties[name]
		if !known {
			rule = rules["additionalProperties"]
		}
		if rule == false {
			return fmt.Sprintf("%s: unknown %s", at, name)
		}
		if why := s.wrong(rules["propertyNames"], name, at+" key"); why != "" {
			return why
		}
		if why := s.wrong(rule, value, at+"."+name); why != "" {
			return why
		}
	}
	return ""
}

func isOf(kind string, v any) bool {
	n, number := v.(float64)
	switch kind {
	case "integer":
		return number && n == float64(int64(n))
	case "null":
		return v == nil
	}
	return map[string]string{"object": "map[string]interface {}", "array": "[]interface {}", "string": "string", "number": "float64", "boolean": "bool"}[kind] ==
		fmt.Sprintf("%T", v)
}

// plain is a document as JSON has it.
func plain(t *testing.T, text string, read func([]byte, any) error) (v any) {
	t.Helper()
	var raw any
	if err := read([]byte(text), &raw); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	data, err := json.Marshal(textKeys(raw))
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// textKeys has texts for keys, as editors take a YAML key that looks like a number.
func textKeys(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = textKeys(v[k])
		}
	case map[any]any:
		out := map[string]any{}
		for k := range v {
			out[fmt.Sprint(k)] = textKeys(v[k])
		}
		return out
	case []any:
		for i := range v {
			v[i] = textKeys(v[i])
		}
	}
	return v
}

// specs are documents that people read as examples, and everything that the parser's own tests take.
func specs(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{"every kind": everyKind}
	files, err := filepath.Glob("../../testdata/specs/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(text)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range strings.Split(string(readme), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		if strings.HasPrefix(strings.TrimSpace(block), "version") {
			lines := strings.Split(block, "\n")
			indent := len(lines[0]) - len(strings.TrimLeft(lines[0], " "))
			for i := range lines {
				lines[i] = lines[i][min(indent, len(lines[i])):]
			}
			texts[fmt.Sprintf("README %d", i)] = strings.Join(lines, "\n")
		}
	}
	return texts
}

// everyKind has each kind of stage, a probe, and each way of writing a thing that has several.
const everyKind = `version: 1
stages:
  firewall: {rules: [{name: r, match: tcp port 23, action: drop}], drop: {sources: [192.0.2.0/24], source_files: [/tmp/list]}}
  ratelimit: {rate: 1000, action: reset, count: offered}
  per-source: {kind: ratelimit, limits: [{rate: 50, per: source, prefix: 24, prefix6: 56}, {rate: 9, per: vip, vip: web}]}
  connlimit: {max: 10000, idle: 90s, source: flows}
  mine: {kind: external, object: /tmp/x.o, maps: {ports: {53: 1, 0x35: {port: 2}}}, watch: [{map: m, key: 1, as: max_rate}], dry_safe: true}
probes:
  p: {object: /tmp/x.o, kind: kprobe, attach: tcp_v4_connect}
nics:
  eth0: {xdp: [firewall, {stage: ratelimit, shadow: true}, {stage: mine, disabled: true}, balancer], tcx_ingress: []}
  eth1:
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 251, settle: 15m}
agent:
  vips: [10.99.0.9]
`

// TestSchemaTakesWhatTheParserTakes: an editor has nothing to say about files that are fine.
func TestSchemaTakesWhatTheParserTakes(t *testing.T) {
	s, root := readSchema(t, "spec")
	for name, text := range specs(t) {
		if _, err := spec.Parse(name, []byte(text)); err != nil && name != "every kind" {
			t.Fatal(err)
		}
		if why := s.wrong(root, plain(t, text, yaml.Unmarshal), "spec"); why != "" {
			t.Errorf("%s: %s", name, why)
		}
	}
	for kind, files := range map[string]fs.FS{"keymap": keymaps.Files, "theme": themes.FS} {
		s, root := readSchema(t, kind)
		names, err := fs.Glob(files, "*.toml")
		if err != nil || len(names) == 0 {
			t.Fatal(names, err)
		}
		for _, name := range names {
			text, err := fs.ReadFile(files, name)
			if err != nil {
				t.Fatal(err)
			}
			if why := s.wrong(root, plain(t, string(text), toml.Unmarshal), kind); why != "" {
				t.Errorf("%s: %s", name, why)
			}
		}
	}
}

// TestSchemaRefusesWhatTheParserRefuses, as far as one field tells.
func TestSchemaRefusesWhatTheParserRefuses(t *testing.T) {
	s, root := readSchema(t, "spec")
	good := specs(t)["../../testdata/specs/lb.yaml"]
	for _, edit := range [][2]string{
		{"port: 80", "port: 80000"}, {"port: 80", "prot: 80"}, {"protocol: tcp", "protocol: tpc"}, {"version: 1", "version: 2"},
		{"ring: 65537", "ring: many"}, {"settle: 15m", "settle: 15"}, {"[balancer]", "balancer"}, {"[balancer]", "[{shadow: true}]"},
		{"  - name: web\n", "  - encap: gue\n"}, {"state: up", "state: away"}, {"weight: 100", "weight: -1"},
		{"nics:", "stages: {edge: {rate: 5}}\nnics:"}, {"nics:", "stages: {edge: {kind: ratelimit, action: refuse}}\nnics:"},
		{"nics:", "stages: {ratelimit: {drop: {}}}\nnics:"},
	} {
		text := strings.Replace(good, edit[0], edit[1], 1)
		if text == good {
			t.Fatalf("%q is not in the example", edit[0])
		}
		if _, err := spec.Parse("x", []byte(text)); err == nil {
			t.Errorf("%q: the parser takes it", edit[1])
		}
		if strings.HasPrefix(edit[1], "  - encap") {
			text = strings.Replace(text, "    encap: gue", "    # encap: gue", 1)
		}
		if s.wrong(root, plain(t, text, yaml.Unmarshal), "spec") == "" {
			t.Errorf("%q: the schema takes it", edit[1])
		}
	}
	for _, row := range []struct{ kind, text string }{
		{"keymap", ""}, {"keymap", "schema = 2"}, {"keymap", "schema = 1\ninherits = \"vi\""}, {"keymap", "schema = 1\n[moon]\na = \"list.up\""},
		{"keymap", "schema = 1\n[global]\na = \"list.fly\""}, {"keymap", "schema = 1\n[global]\na = \"backend.drain\""},
		{"keymap", "schema = 1\n[global]\n\"ctrl+i\" = \"list.up\""}, {"keymap", "schema = 1\n[global]\n\"?\" = \"list.up\""},
		{"keymap", "schema = 1\n[global]\nab = \"list.up\""}, {"keymap", "schema = 1\n[global.x]\ny = 5"},
		{"theme", "schema = 1\n[tokens]\nokay = \"red\""}, {"theme", "schema = 1\n[tokens]\nok = \"\""},
		{"theme", "schema = 1\n[palette]\nred = {true = \"#ff0000\", ansi256 = 9}"},
		{"theme", "schema = 1\n[palette]\nred = {true = \"red\", ansi256 = 9, ansi16 = 9}"},
		{"theme", "schema = 1\n[palette]\nred = {true = \"#ff0000\", ansi256 = 999, ansi16 = 9}"},
	} {
		s, root := readSchema(t, row.kind)
		if s.wrong(root, plain(t, row.text, toml.Unmarshal), row.kind) == "" {
			t.Errorf("%q: the schema takes it", row.text)
		}
		file := filepath.Join(t.TempDir(), "x.toml")
		if err := os.WriteFile(file, []byte(row.text), 0o600); err != nil {
			t.Fatal(err)
		}
		problems := keymap.Load(file).Problems
		if row.kind == "theme" {
			_, problems = theme.Load("x", layer.Dir(filepath.Dir(file)))
		}
		if len(problems) == 0 {
			t.Errorf("%q: the reader takes it", row.text)
		}
	}
}
