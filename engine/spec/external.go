package spec

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// ExternalStage are the settings of an external stage: a program of somebody else's that packets meet on their way.
type ExternalStage struct {
	Object
	Next    string // name of its PROG_ARRAY, in which hairpin puts the program that comes next
	Index   uint32 // and where in it
	DrySafe bool   // a dry run may run it: what it writes into its maps then is of packets that never came
}

// DefaultNext is the name of the array when the document is silent.
const DefaultNext = "next"

// maxIndex is far above what any program array holds.
const maxIndex = 1 << 20

// Kind implements Settings.
func (*ExternalStage) Kind() Stage { return External }

func (x *ExternalStage) fields(r *reader) []field {
	x.Next = DefaultNext
	return append(x.Object.fields(r),
		field{"next", "", scalar(r, &x.Next, name)},
		field{"index", "", func(n *yaml.Node, a *at) { number(r, &x.Index, 0, maxIndex)(n, a) }},
		field{"dry_safe", "", choice(r, &x.DrySafe, truths)},
	)
}

func (x *ExternalStage) check(_ *Spec, here *at, f *faults) {
	x.Object.check(here, f)
	if x.Next == "" {
		f.wrong(here.field("next"), "empty: name the map of type PROG_ARRAY by which the program goes on")
	}
	for _, m := range x.Maps {
		if m.Map == x.Next {
			f.wrong(here.field("maps").field(m.Map), "the array by which the program goes on is filled by hairpin: remove this")
		}
	}
}

func (x *ExternalStage) write(b *bytes.Buffer) {
	x.Object.write(b)
	fmt.Fprintf(b, "next: %s\nindex: %d\n", plain(x.Next), x.Index)
	if x.DrySafe {
		b.WriteString("dry_safe: true\n")
	}
}

func (x *ExternalStage) clone() Settings {
	c := *x
	c.Object = x.Object.clone()
	return &c
}

func (x *ExternalStage) equal(o Settings) bool {
	y, ok := o.(*ExternalStage)
	return ok && x.Next == y.Next && x.Index == y.Index && x.DrySafe == y.DrySafe && x.Object.equal(&y.Object)
}

// Tail calls that a packet may make on its way, and how many an external stage takes: into it, to it, and out of it.
const (
	maxTailCalls      = 33
	externalTailCalls = 3
)

// tailCalls is how many a packet makes that meets every stage of a chain: each stage one, and one to parse.
func (s *Spec) tailCalls(list []Position) int {
	n := 1
	for _, p := range Enabled(list) {
		if n++; s.KindOf(p.Name) == External {
			n += externalTailCalls - 1
		}
	}
	return n
}
