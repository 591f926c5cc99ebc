package datapath

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"hairpin/engine/frozen"
)

// TestSteps: every ABI that was ever used leads to today's, and of every map that is not what it was somebody has said what
// becomes of it. What was padding may have come into use.
func TestSteps(t *testing.T) {
	for i, s := range abiSteps {
		if s.from != ABI-len(abiSteps)+i {
			t.Errorf("step %d is from ABI %d to the next, and today's is %d", i, s.from, ABI)
		}
		if _, known := changesSince(s.from); !known {
			t.Errorf("ABI %d is not taken over", s.from)
		}
		if s.changed["meta"] == nil {
			t.Errorf("from ABI %d: meta says who made it, and cannot be that of another ABI", s.from)
		}
	}
	was, err := frozen.Read(filepath.Join("..", "..", "testdata", "abi", fmt.Sprint(ABI-1)))
	if err != nil {
		t.Fatalf("%v: freeze the last build of ABI %d (make freeze)", err, ABI-1)
	}
	changed, _ := changesSince(ABI - 1)
	now := map[string]*ebpf.MapSpec{}
	for _, of := range parts() {
		specs, err := mapSpecs(of)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(now, specs)
	}
	for _, m := range was.Maps {
		pin := filepath.Base(m.Pin)
		if _, said := changed[pin]; said || now[pin] == nil {
			continue
		}
		if why := changeOf(t, was, m, now[pin]); why != "" {
			t.Errorf("map %s is not what it was in ABI %d: %s; say in abi_steps.go what becomes of it", pin, ABI-1, why)
		}
	}
}

// changeOf is how a map differs from what it was; empty when a program of the older ABI could share it.
func changeOf(t *testing.T, node *frozen.Node, was frozen.Map, now *ebpf.MapSpec) string {
	t.Helper()
	if was.Type != now.Type || was.KeySize != now.KeySize || was.ValueSize != now.ValueSize || was.Flags != now.Flags ||
		was.Entries != now.MaxEntries && !was.CPUs {
		return fmt.Sprintf("%v of %d elements, keys of %d bytes, values of %d, flags %#x", was.Type, was.Entries, was.KeySize, was.ValueSize, was.Flags)
	}
	if was.Object == "" {
		return ""
	}
	object, err := node.Object(was.Object)
	if err != nil {
		t.Fatal(err)
	}
	before, after := map[string]string{}, map[string]string{}
	flatten("", object.Maps[was.Name].Value, 0, before)
	flatten("", now.Value, 0, after)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if !strings.Contains(name, ".pad") && after[name] != before[name] {
			return fmt.Sprintf("%s was at %s and is at %q", name, before[name], after[name])
		}
	}
	return ""
}

// flatten notes where each member of a type lies.
func flatten(name string, of btf.Type, at uint32, into map[string]string) {
	switch x := btf.UnderlyingType(of).(type) {
	case *btf.Struct:
		flattenMembers(name, x.Members, at, into)
	case *btf.Union:
		flattenMembers(name, x.Members, at, into)
	case *btf.Array:
		into[name] = fmt.Sprintf("%d, %d times", at, x.Nelems)
		flatten(name+".each", x.Type, at, into)
	default:
		size, _ := btf.Sizeof(x)
		into[name] = fmt.Sprintf("%d, %d bytes", at, size)
	}
}

func flattenMembers(name string, members []btf.Member, at uint32, into map[string]string) {
	for _, m := range members {
		below := name
		if m.Name != "" {
			below += "." + m.Name
		}
		flatten(below, m.Type, at+m.Offset.Bytes(), into)
	}
}
