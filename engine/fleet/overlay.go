package fleet

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// member is the value of a field of a mapping; nil when there is none, or no mapping.
func member(n *yaml.Node, name string) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

// take is member, and removes it.
func take(n *yaml.Node, name string) *yaml.Node {
	value := member(n, name)
	if value != nil {
		n.Content = without(n, name).Content
	}
	return value
}

// without is a copy of a mapping that lacks a field.
func without(n *yaml.Node, name string) *yaml.Node {
	c := *n
	c.Content = nil
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != name {
			c.Content = append(c.Content, n.Content[i], n.Content[i+1])
		}
	}
	return &c
}

// with is a copy of a mapping in which a field has a value, in its place where it had one.
func with(n *yaml.Node, key, value *yaml.Node) *yaml.Node {
	c := *n
	c.Content = slices.Clone(n.Content)
	for i := 0; i+1 < len(c.Content); i += 2 {
		if c.Content[i].Value == key.Value {
			c.Content[i+1] = value
			return &c
		}
	}
	c.Content = append(c.Content, key, value)
	return &c
}

func word(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func isMapping(n *yaml.Node) bool { return n != nil && n.Kind == yaml.MappingNode }

// aliased is the first anchor or alias below any of the roots; nil when there is none.
func aliased(roots ...*yaml.Node) *yaml.Node {
	for _, n := range roots {
		if n.Kind == yaml.AliasNode || n.Anchor != "" {
			return n
		}
		if found := aliased(n.Content...); found != nil {
			return found
		}
	}
	return nil
}

// overlay is a mapping with another laid over it, nil for none: mappings key by key, all else whole, null takes away.
func overlay(base, over *yaml.Node) *yaml.Node {
	merged := base
	for i := 0; over != nil && i+1 < len(over.Content); i += 2 {
		key, value := over.Content[i], over.Content[i+1]
		below := member(merged, key.Value)
		switch {
		case isNull(value):
			merged = without(merged, key.Value)
		case isMapping(value) && isMapping(below):
			merged = with(merged, key, overlay(below, value))
		default:
			merged = with(merged, key, value)
		}
	}
	if merged == base {
		c := *base
		merged = &c
	}
	return merged
}

// divide undoes overlay: it gives the base and what lies over it, so that together they make whole. What was laid over the base
// stays so; all else changes the base, and so every node.
func divide(whole, base, over *yaml.Node) (newBase, newOver *yaml.Node) {
	newBase, newOver = whole, over
	for i := 0; over != nil && i+1 < len(over.Content); i += 2 {
		key, value := over.Content[i], over.Content[i+1]
		now, below := member(whole, key.Value), member(base, key.Value)
		switch {
		case now == nil && below == nil:
			newOver = without(newOver, key.Value) // it was this node's alone, and is gone
		case now == nil:
			newBase, newOver = with(newBase, key, below), with(newOver, key, null())
		case isMapping(now) && isMapping(value) && isMapping(below):
			b, o := divide(now, below, value)
			newBase, newOver = with(newBase, key, b), with(newOver, key, o)
		case below == nil:
			newBase, newOver = without(newBase, key.Value), with(newOver, key, now)
		default:
			newBase, newOver = with(newBase, key, below), with(newOver, key, now)
		}
	}
	return newBase, newOver
}

func null() *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"} }
