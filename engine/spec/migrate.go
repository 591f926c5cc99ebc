package spec

import "go.yaml.in/yaml/v3"

// upgrades turn a document of version N, at index N-1, into one of version N+1, in place. They see what the operator
// wrote, unchecked: what they do not recognize they leave for the reader of this version to complain about.
var upgrades = [...]func(root *yaml.Node){}

var _ [Version - 1]func(root *yaml.Node) = upgrades // one for each older version

// upgrade brings a document to the version that the last step leads to. It is false, with a fault, when the version
// that the document names says that nothing else in it can be understood.
func upgrade(root *yaml.Node, steps []func(*yaml.Node), f *faults) bool {
	newest := uint64(len(steps) + 1)
	if root.Kind != yaml.MappingNode {
		f.misread(nil, 0, "%s where the fields of a spec are expected: it begins with version: %d", kind(root), newest)
		return false
	}
	from := whole.field("version")
	written, _ := walk(root, from)
	if written == nil {
		f.misread(from, 0, "missing: begin with version: %d", newest)
		return true
	}
	written = follow(written)
	n, why := wholeNumber(written.Value, 0, 1<<32)
	switch {
	case written.Kind != yaml.ScalarNode || why != "":
		f.misread(from, 0, "%s is not a version: this program reads version %d", kind(written), newest)
		return true
	case n < 1:
		f.misread(from, 0, "there is no version %d: the first is 1", n)
		return false
	case n > newest:
		f.misread(from, 0, "%d is newer than this program, which reads up to %d: read it with a newer hairpin", n, newest)
		return false
	}
	for _, step := range steps[n-1:] {
		step(root)
	}
	return true
}
