package spec

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// MaxProbes is how many probes a spec may have.
const MaxProbes = 64

// Probe is a program of somebody else's that runs when something happens in the kernel or in a process, packets aside.
type Probe struct {
	Name string
	Object
	Kind   ProbeKind
	Attach string // to what: group/name, name, symbol, or /path:symbol, as the kind has it; empty = as its ELF section says
}

// ProbeKind is the kind of thing that a probe waits for.
type ProbeKind uint8

// ProbeAuto is what the section of the program in its ELF file says.
const (
	ProbeAuto ProbeKind = iota
	Tracepoint
	RawTracepoint
	BTFTracepoint
	Kprobe
	Kretprobe
	Uprobe
	Uretprobe
)

func (r *reader) probes(n *yaml.Node, a *at) []Probe {
	var all []Probe
	r.pairs(n, a, func(key, value *yaml.Node) {
		p := Probe{Name: key.Value}
		r.fields(value, a.field(key.Value), append(p.fields(r),
			field{"kind", "", choice(r, &p.Kind, probeKinds)},
			field{"attach", "", scalar(r, &p.Attach, name)})...)
		all = append(all, p)
	})
	return all
}

func checkProbes(s *Spec, f *faults) {
	here := whole.field("probes")
	if len(s.Probes) > MaxProbes {
		f.wrong(here, "%d are too many: at most %d", len(s.Probes), MaxProbes)
	}
	seen := map[string]bool{}
	for i := range s.Probes {
		p := &s.Probes[i]
		at := here.field(p.Name)
		checkEntry(seen, p.Name, badName(p.Name), at, f)
		if !has(probeKinds, p.Kind) {
			f.wrong(at.field("kind"), "%s is not known", p.Kind)
		}
		p.check(at, f)
	}
}

func writeProbes(b *bytes.Buffer, probes []Probe) {
	if len(probes) > 0 {
		b.WriteString("probes:\n")
	}
	for i := range probes {
		p := &probes[i]
		fmt.Fprintf(b, "  %s:\n", plain(p.Name))
		var lines bytes.Buffer
		p.write(&lines)
		fmt.Fprintf(&lines, "kind: %s\n", p.Kind)
		if p.Attach != "" {
			fmt.Fprintf(&lines, "attach: %s\n", plain(p.Attach))
		}
		indent(b, &lines)
	}
}

// Equal is Spec.Equal for a probe.
func (p Probe) Equal(o Probe) bool {
	return p.Name == o.Name && p.Kind == o.Kind && p.Attach == o.Attach && p.equal(&o.Object)
}
