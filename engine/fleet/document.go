package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"hairpin/engine/spec"
)

// Document is what one revision says: a spec that all nodes share, and by node what differs there.
//
//	version: 1
//	rollout: {at_once: 2, watch: 10s}
//	nodes:
//	  lb1: {nics: {eth0: {xdp: [balancer]}}, bgp: {router_id: 10.0.0.1}}
//	  web1: {hosts: [10.1.1.11], nics: {eth0: {xdp: [decap]}}}
//	vips: …
//
// A node's part is laid over the shared one: mappings key by key, all else whole; null takes away. VIPs are never a node's own,
// since rings must agree. A node with hosts is those backends: it shares nothing, and is an agent for the VIPs that list them.
type Document struct {
	Rollout Pace
	shared  *yaml.Node // a mapping
	nodes   *yaml.Node // a mapping; nil = no node differs
}

// Pace is how a revision comes to the nodes.
type Pace struct {
	AtOnce int           // nodes at a time, once the first has it
	Watch  time.Duration // how long each watches itself before it keeps a revision
}

// Bounds and defaults of a Pace.
const (
	DefaultAtOnce = 1
	DefaultWatch  = 10 * time.Second
	MaxAtOnce     = 1000
	MinWatch      = time.Second
	MaxWatch      = 10 * time.Minute
)

// Parse reads a document and checks the spec of each node that it names, or of one that it does not name where it names none.
func Parse(name string, text []byte) (*Document, error) {
	d, err := parse(text)
	if err == nil {
		err = d.check()
	}
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	return d, nil
}

func parse(text []byte) (d *Document, err error) {
	if len(text) > spec.MaxBytes {
		return nil, fmt.Errorf("%d bytes are too many: at most %d", len(text), spec.MaxBytes)
	}
	root, err := read(text)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(root.Content); i += 2 {
		if k := root.Content[i]; member(root, k.Value) != root.Content[i+1] {
			return nil, fmt.Errorf("line %d: %s stands twice", k.Line, k.Value)
		}
	}
	d = &Document{Rollout: Pace{DefaultAtOnce, DefaultWatch}, shared: root}
	if n := take(root, "rollout"); n != nil {
		if err := d.Rollout.read(n); err != nil {
			return nil, err
		}
	}
	if d.nodes = take(root, "nodes"); d.nodes == nil {
		return d, nil
	}
	if d.nodes.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: nodes: write the name of each node that differs, and below it how", d.nodes.Line)
	}
	if n := aliased(root, d.nodes); n != nil {
		return nil, fmt.Errorf("line %d: write out what * stands for: where nodes differ, it could mean another thing for each", n.Line)
	}
	return d, nil
}

// read is the mapping that is all of a YAML document.
func read(text []byte) (root *yaml.Node, err error) {
	defer func() { // the YAML package panics at what it does not expect of itself
		if p := recover(); p != nil {
			err = fmt.Errorf("the YAML parser gave up: %v", p)
		}
	}()
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&doc); err != nil {
		return nil, err
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("it begins with no field: write version: 1, and what all nodes share")
	}
	return doc.Content[0], nil
}

func (p *Pace) read(n *yaml.Node) error {
	var given struct {
		AtOnce *int    `yaml:"at_once"`
		Watch  *string `yaml:"watch"`
	}
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		if k := n.Content[i]; k.Value != "at_once" && k.Value != "watch" {
			return fmt.Errorf("line %d: rollout.%s: not known: it has at_once and watch", k.Line, k.Value)
		}
	}
	if err := n.Decode(&given); err != nil {
		return fmt.Errorf("line %d: rollout: write {at_once: %d, watch: %s}", n.Line, DefaultAtOnce, DefaultWatch)
	}
	if given.AtOnce != nil {
		if p.AtOnce = *given.AtOnce; p.AtOnce < 1 || p.AtOnce > MaxAtOnce {
			return fmt.Errorf("line %d: rollout.at_once: %d is not within 1 to %d", n.Line, p.AtOnce, MaxAtOnce)
		}
	}
	if given.Watch != nil {
		d, err := time.ParseDuration(*given.Watch)
		if err != nil || d < MinWatch || d > MaxWatch {
			return fmt.Errorf("line %d: rollout.watch: %q is no time from %s to %s", n.Line, *given.Watch, MinWatch, MaxWatch)
		}
		p.Watch = d
	}
	return nil
}

// Nodes are the names of those that differ, in the order of the document.
func (d *Document) Nodes() (names []string) {
	for i := 0; d.nodes != nil && i < len(d.nodes.Content); i += 2 {
		names = append(names, d.nodes.Content[i].Value)
	}
	return names
}

// IsHost tells whether a node is a backend.
func (d *Document) IsHost(node string) bool { return member(d.own(node), "hosts") != nil }

// own is what differs at a node; nil = nothing.
func (d *Document) own(node string) *yaml.Node { return member(d.nodes, node) }

// For is the spec of a node. An agent also takes what it took before, where that is not nil: load balancers that have not come
// to this document yet, or settle, still send it.
func (d *Document) For(node string, before *Document) (*spec.Spec, error) {
	own := d.own(node)
	if own != nil && own.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("node %s: line %d: write how it differs, such as nics: {eth0: {xdp: [balancer]}}", node, own.Line)
	}
	if err := fit(node, own); err != nil {
		return nil, err
	}
	merged := overlay(d.shared, own)
	if own != nil && member(own, "hosts") != nil {
		var err error
		if merged, err = d.host(node, own, before); err != nil {
			return nil, err
		}
	}
	text, err := yaml.Marshal(merged)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", node, err)
	}
	return spec.Parse("the spec of node "+node, text)
}

// fit refuses what cannot differ by node.
func fit(node string, own *yaml.Node) error {
	for i := 0; own != nil && i < len(own.Content); i += 2 {
		switch k := own.Content[i]; k.Value {
		case "nics", "bgp", "stages", "probes", "agent", "hosts":
			if member(own, k.Value) != own.Content[i+1] {
				return fmt.Errorf("node %s: line %d: %s stands twice", node, k.Line, k.Value)
			}
		case "vips":
			return fmt.Errorf("node %s: line %d: vips: all nodes share them, so that their rings agree", node, k.Line)
		default:
			return fmt.Errorf("node %s: line %d: %s: a node has its own nics, bgp, stages, probes, agent and hosts", node, k.Line, k.Value)
		}
	}
	return nil
}

// check says what is wrong with the spec of any node.
func (d *Document) check() error {
	names := d.Nodes()
	if len(names) == 0 {
		_, err := d.For("", nil)
		return err
	}
	var wrong []error
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			wrong = append(wrong, fmt.Errorf("nodes: %s stands twice", name))
		} else if _, err := d.For(name, nil); err != nil {
			wrong = append(wrong, err)
		}
	}
	return errors.Join(wrong...)
}

// Marshal is the document as text.
func (d *Document) Marshal() ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode, Content: slices.Clone(d.shared.Content)}
	at := 0
	for i := 0; i < len(root.Content); i += 2 {
		if root.Content[i].Value == "version" {
			at = i + 2
		}
	}
	var head []*yaml.Node
	if d.Rollout != (Pace{DefaultAtOnce, DefaultWatch}) {
		p := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: []*yaml.Node{word("at_once"), word(fmt.Sprint(d.Rollout.AtOnce)),
			word("watch"), word(d.Rollout.Watch.String())}}
		head = append(head, word("rollout"), p)
	}
	if d.nodes != nil {
		head = append(head, word("nodes"), d.nodes)
	}
	root.Content = slices.Insert(root.Content, at, head...)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	err := errors.Join(e.Encode(root), e.Close())
	return b.Bytes(), err
}
