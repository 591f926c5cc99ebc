package spec

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// at is a place in a spec, kept as the way to it from the root, and written vips[0].port. nil is the whole spec.
type at struct {
	up    *at
	key   string
	index int // -1 = key counts
}

func (a *at) field(key string) *at { return &at{up: a, key: key, index: -1} }
func (a *at) item(index int) *at   { return &at{up: a, index: index} }

func (a *at) String() string {
	switch {
	case a == nil:
		return ""
	case a.index >= 0:
		return fmt.Sprintf("%s[%d]", a.up, a.index)
	case a.up == nil:
		return plainKey(a.key)
	}
	return a.up.String() + "." + plainKey(a.key)
}

// top is the field of the document that a is in; "" for the whole spec.
func (a *at) top() string {
	for ; a != nil; a = a.up {
		if a.up == nil {
			return a.key
		}
	}
	return ""
}

func plainKey(key string) string {
	odd := func(c rune) bool { return c <= ' ' || c > '~' || c == '"' }
	if key == "" || key[0] == '.' || len(key) > 32 || strings.ContainsFunc(key, odd) {
		return quote(key)
	}
	return key
}

// locate is the line on which a stands in the document below root, or the line of the nearest thing around it that
// is written there.
func locate(root *yaml.Node, a *at) int {
	_, line := walk(root, a)
	return line
}

func walk(root *yaml.Node, a *at) (n *yaml.Node, line int) {
	if a == nil {
		return root, root.Line
	}
	around, line := walk(root, a.up)
	if around == nil {
		return nil, line
	}
	around = follow(around)
	if a.index >= 0 {
		if around.Kind == yaml.SequenceNode && a.index < len(around.Content) {
			n = around.Content[a.index]
			return n, n.Line
		}
		return nil, line
	}
	for i := 0; around.Kind == yaml.MappingNode && i+1 < len(around.Content); i += 2 {
		if follow(around.Content[i]).Value == a.key {
			return around.Content[i+1], around.Content[i].Line
		}
	}
	return nil, line
}

// follow is what an alias stands for; any other node is itself.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
