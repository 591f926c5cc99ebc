package fleet

import (
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"hairpin/engine/spec"
)

// Edit is d after somebody at a node has made next the spec of that node. What the document says of that node alone changes
// there; all else changes for every node. A NIC that comes new is the node's own where it has NICs of its own. before is what
// For was given.
func (d *Document) Edit(node string, next *spec.Spec, before *Document) (*Document, error) {
	whole, err := read(spec.Marshal(next))
	if err != nil {
		return nil, fmt.Errorf("edit at node %s: %w", node, err)
	}
	edited := *d
	own := d.own(node)
	if d.IsHost(node) {
		own, err = d.editHost(node, whole, before)
		if err != nil {
			return nil, err
		}
	} else {
		edited.shared, own = divide(keepNICs(whole, d.shared, own))
	}
	if own != nil {
		edited.nodes = with(d.nodes, word(node), own)
	}
	got, err := edited.For(node, before)
	switch {
	case err != nil:
		return nil, fmt.Errorf("edit at node %s: %w", node, err)
	case !got.Equal(next):
		return nil, errors.New("this edit cannot be divided into what all nodes share and what is this node's own: write it into the fleet's document")
	}
	if err := edited.check(); err != nil {
		return nil, fmt.Errorf("edit at node %s: %w", node, err)
	}
	return &edited, nil
}

// keepNICs has NICs that come new stand in what is the node's own, where others do.
func keepNICs(whole, base, own *yaml.Node) (_, _, _ *yaml.Node) {
	mine := member(own, "nics")
	if !isMapping(mine) {
		return whole, base, own
	}
	now := member(whole, "nics")
	for i := 0; now != nil && i+1 < len(now.Content); i += 2 {
		if key := now.Content[i]; member(mine, key.Value) == nil && member(member(base, "nics"), key.Value) == nil {
			mine = with(mine, key, now.Content[i+1])
		}
	}
	return whole, base, with(own, word("nics"), mine)
}

// editHost is what is a backend's own, after an edit there.
func (d *Document) editHost(node string, whole *yaml.Node, before *Document) (*yaml.Node, error) {
	was, err := d.For(node, before)
	if err != nil {
		return nil, err
	}
	old, err := read(spec.Marshal(was))
	if err != nil {
		return nil, err
	}
	text := func(n *yaml.Node) string {
		var list []string
		if v := member(member(n, "agent"), "vips"); v != nil && v.Decode(&list) != nil {
			return ""
		}
		slices.Sort(list)
		return fmt.Sprint(list)
	}
	if text(whole) != text(old) {
		return nil, fmt.Errorf("edit at node %s: agent.vips: which VIPs it hosts follows from their backends: change those", node)
	}
	own := with(without(whole, "version"), word("hosts"), member(d.own(node), "hosts"))
	if agent := member(own, "agent"); agent != nil {
		own = with(own, word("agent"), without(agent, "vips"))
	}
	return own, nil
}
