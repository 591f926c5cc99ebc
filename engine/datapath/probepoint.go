package datapath

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

// probePoint is where a probe is attached: a kind, and a place as that kind has it.
type probePoint struct {
	kind  spec.ProbeKind
	place string
}

func (p probePoint) String() string { return p.kind.String() + " " + p.place }

// sections are how programs of each kind are written: the section of the ELF file, and the type that it means.
var sections = []struct {
	kind   spec.ProbeKind
	prefix string
	of     ebpf.ProgramType
}{
	{spec.Tracepoint, "tracepoint", ebpf.TracePoint}, {spec.Tracepoint, "tp", ebpf.TracePoint},
	{spec.RawTracepoint, "raw_tp", ebpf.RawTracepoint}, {spec.RawTracepoint, "raw_tracepoint", ebpf.RawTracepoint},
	{spec.BTFTracepoint, "tp_btf", ebpf.Tracing},
	{spec.Kprobe, "kprobe", ebpf.Kprobe}, {spec.Kretprobe, "kretprobe", ebpf.Kprobe},
	{spec.Uprobe, "uprobe", ebpf.Kprobe}, {spec.Uretprobe, "uretprobe", ebpf.Kprobe},
}

// kindOf is the kind of probe that a program was written for, and where its section says that it belongs; ProbeAuto when it
// is no probe's.
func kindOf(p *ebpf.ProgramSpec) (spec.ProbeKind, string) {
	prefix, place, _ := strings.Cut(p.SectionName, "/")
	for _, s := range sections {
		if s.prefix == prefix && s.of == p.Type {
			return s.kind, place
		}
	}
	return spec.ProbeAuto, ""
}

// probePoint chooses the program of p and finds out where it goes.
func (o *object) probePoint(p *spec.Probe) (*ebpf.ProgramSpec, probePoint, error) {
	what := `a probe: write it in SEC("raw_tp/NAME"), tp_btf, tracepoint, kprobe or uprobe`
	if p.Kind != spec.ProbeAuto {
		what = fmt.Sprintf("a probe of kind %s: write it in SEC(\"%s/...\")", p.Kind, p.Kind)
	}
	program, err := o.choose(p.Program, what, func(s *ebpf.ProgramSpec) bool {
		kind, _ := kindOf(s)
		return kind != spec.ProbeAuto && (p.Kind == spec.ProbeAuto || kind == p.Kind)
	})
	if err != nil {
		return nil, probePoint{}, err
	}
	kind, place := kindOf(program)
	point := probePoint{kind, place}
	if p.Attach != "" {
		point.place = p.Attach
	}
	if why := point.bad(); why != "" {
		return nil, point, o.wrong("program %s: %s", program.Name, why)
	}
	if kind == spec.BTFTracepoint {
		program.AttachTo = point.place
	}
	return program, point, nil
}

// bad says what is wrong with the form of a place.
func (p probePoint) bad() string {
	group, name, two := strings.Cut(p.place, "/")
	file, symbol, parts := strings.Cut(p.place, ":")
	switch p.kind {
	case spec.Tracepoint:
		if !two || group == "" || name == "" {
			return fmt.Sprintf("%q names no tracepoint: write attach: GROUP/NAME, as sock/inet_sock_set_state", p.place)
		}
	case spec.Uprobe, spec.Uretprobe:
		if !parts || !strings.HasPrefix(file, "/") || symbol == "" {
			return fmt.Sprintf("%q names no function of a file: write attach: /PATH:SYMBOL", p.place)
		}
	default:
		if p.place == "" {
			return "nothing says where it belongs: write attach: NAME"
		}
	}
	return ""
}

func (p probePoint) attach(program *ebpf.Program) (link.Link, error) {
	l, err := p.open(program)
	if err != nil {
		return nil, p.explain(err)
	}
	return l, nil
}

func (p probePoint) open(program *ebpf.Program) (link.Link, error) {
	switch p.kind {
	case spec.Tracepoint:
		group, name, _ := strings.Cut(p.place, "/")
		return link.Tracepoint(group, name, program, nil)
	case spec.RawTracepoint:
		return link.AttachRawTracepoint(link.RawTracepointOptions{Name: p.place, Program: program})
	case spec.BTFTracepoint:
		return link.AttachTracing(link.TracingOptions{Program: program})
	case spec.Kprobe:
		return link.Kprobe(p.place, program, nil)
	case spec.Kretprobe:
		return link.Kretprobe(p.place, program, nil)
	}
	file, symbol, _ := strings.Cut(p.place, ":")
	executable, err := link.OpenExecutable(file)
	if err != nil {
		return nil, err
	}
	if p.kind == spec.Uretprobe {
		return executable.Uretprobe(symbol, program, nil)
	}
	return executable.Uprobe(symbol, program, nil)
}

// explain adds what the kernel lacks to an error that does not say it.
func (p probePoint) explain(err error) error {
	missing := func(path string) bool { _, err := os.Stat(path); return err != nil }
	const tracing, devices = "/sys/kernel/tracing/events", "/sys/bus/event_source/devices/"
	switch {
	case p.kind == spec.Tracepoint && missing(tracing) && missing("/sys/kernel/debug/tracing/events"):
		return fmt.Errorf("tracefs is not mounted; run: mount -t tracefs tracefs /sys/kernel/tracing, or use kind: raw_tp: %w", err)
	case (p.kind == spec.Kprobe || p.kind == spec.Kretprobe) && missing(devices+"kprobe"):
		return fmt.Errorf("this kernel has no kprobes (CONFIG_KPROBE_EVENTS): use a tracepoint: %w", err)
	case (p.kind == spec.Uprobe || p.kind == spec.Uretprobe) && missing(devices+"uprobe"):
		return fmt.Errorf("this kernel has no uprobes (CONFIG_UPROBE_EVENTS): %w", err)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ENOENT):
		return fmt.Errorf("there is no such place here: %w", err)
	}
	return explain(err)
}
