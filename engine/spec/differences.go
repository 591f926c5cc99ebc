package spec

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// differ is for settings that can say better than their fields how they differ from others of their kind.
type differ interface {
	differences(old Settings) []string
}

// mostItems is how many items of a list are named one by one when they come or go.
const mostItems = 3

// Differences say how the settings of a stage differ from those of old, one of the same kind, in words such as
// "action drop → reset".
func Differences(old, now Named) []string {
	if d, ok := now.Settings.(differ); ok {
		return d.differences(old.Settings)
	}
	return compare(written(old), written(now))
}

// Changes say field by field how two specs differ, as "bgp.hold_time 9s → 3s".
func Changes(old, now *Spec) []string { return compare(parsed(Marshal(old)), parsed(Marshal(now))) }

func compare(old, now *yaml.Node) (list []string) {
	differences("", old, now, &list)
	return list
}

// written is what settings look like in a document; nil for none.
func written(n Named) *yaml.Node {
	var b bytes.Buffer
	if known, ok := n.Settings.(settings); ok {
		known.write(&b)
	}
	return parsed(b.Bytes())
}

// parsed is a document that was written here, so that it can be read.
func parsed(text []byte) *yaml.Node {
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) == 0 {
		return nil
	}
	return doc.Content[0]
}

func differences(path string, old, now *yaml.Node, list *[]string) {
	switch {
	case text(old) == text(now):
	case old != nil && now != nil && old.Kind == yaml.MappingNode && now.Kind == yaml.MappingNode:
		for _, key := range keys(old, now) {
			differences(strings.TrimPrefix(path+"."+key, "."), under(old, key), under(now, key), list)
		}
	case old != nil && now != nil && old.Kind == yaml.SequenceNode && now.Kind == yaml.SequenceNode:
		items(path, old, now, list)
	case old == nil:
		*list = append(*list, fmt.Sprintf("%s %s", path, text(now)))
	case now == nil:
		*list = append(*list, fmt.Sprintf("no %s, it was %s", path, text(old)))
	default:
		*list = append(*list, fmt.Sprintf("%s %s → %s", path, text(old), text(now)))
	}
}

// items compares two lists: item by item while there are as many, else what came and what went.
func items(path string, old, now *yaml.Node, list *[]string) {
	mappings := func(n *yaml.Node) bool {
		return !slices.ContainsFunc(n.Content, func(i *yaml.Node) bool { return i.Kind != yaml.MappingNode })
	}
	if len(old.Content) == len(now.Content) && mappings(old) && mappings(now) {
		for i := range old.Content {
			differences(fmt.Sprintf("%s[%d]", path, i), old.Content[i], now.Content[i], list)
		}
		return
	}
	came, went := missing(now, old), missing(old, now)
	if len(came)+len(went) == 0 {
		*list = append(*list, path+" in another order")
	}
	for _, change := range []struct {
		sign  string
		items []string
	}{{"+", came}, {"-", went}} {
		if len(change.items) > mostItems {
			change.items = []string{fmt.Sprintf("%d items", len(change.items))}
		}
		for _, item := range change.items {
			*list = append(*list, fmt.Sprintf("%s %s %s", path, change.sign, item))
		}
	}
}

// missing are the items of list that other has not.
func missing(list, other *yaml.Node) (all []string) {
	has := map[string]int{}
	for _, i := range other.Content {
		has[text(i)]++
	}
	for _, i := range list.Content {
		if t := text(i); has[t] > 0 {
			has[t]--
		} else {
			all = append(all, t)
		}
	}
	return all
}

func keys(nodes ...*yaml.Node) (all []string) {
	for _, n := range nodes {
		for i := 0; i < len(n.Content); i += 2 {
			if key := n.Content[i].Value; !slices.Contains(all, key) {
				all = append(all, key)
			}
		}
	}
	return all
}

func under(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// text is a node on one line.
func text(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	var parts []string
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			parts = append(parts, n.Content[i].Value+" "+text(n.Content[i+1]))
		}
		return strings.Join(parts, " ")
	case yaml.SequenceNode:
		for _, i := range n.Content {
			parts = append(parts, text(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return n.Value
}
