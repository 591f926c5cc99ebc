package datapath

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

// ErrObject is the reason of what fails for a program that is not hairpin's: its file, what stands in it, or the kernel's
// refusal.
var ErrObject = errors.New("object")

// maxObject is far above any program that a kernel takes.
const maxObject = 32 << 20

// object is an ELF file of somebody else's.
type object struct {
	file string
	spec *ebpf.CollectionSpec
	sum  [sha256.Size]byte // of the file
}

func readObject(file string) (*object, error) {
	f, err := openRegular(file)
	if err != nil {
		return nil, fmt.Errorf("%w %w", ErrObject, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxObject+1))
	o := &object{file: file, sum: sha256.Sum256(data)}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w %w", ErrObject, err)
	case len(data) > maxObject:
		return nil, o.wrong("larger than %d MB: that is no program for the kernel", maxObject>>20)
	case !bytes.HasPrefix(data, []byte("\x7fELF")):
		return nil, o.wrong("not an ELF file: compile it with clang -O2 -g -target bpf -c")
	}
	o.spec, err = ebpf.LoadCollectionSpecFromReader(bytes.NewReader(data))
	if err != nil {
		return nil, o.wrong("not an object for BPF: %w: compile it with clang -O2 -g -target bpf -c", err)
	}
	for _, m := range o.spec.Maps {
		m.Pinning = ebpf.PinNone // its maps are its own, and of this data path
	}
	return o, nil
}

// openRegular opens a file of somebody else's. A pipe, which may never have an end, is none: the engine waits for nobody.
func openRegular(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a file", name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (o *object) wrong(format string, args ...any) error {
	return fmt.Errorf("%w %s: %w", ErrObject, o.file, fmt.Errorf(format, args...))
}

// choose is the program of that name, or else the only one that fits. what says for what it must fit and how it is written.
func (o *object) choose(name, what string, fits func(*ebpf.ProgramSpec) bool) (*ebpf.ProgramSpec, error) {
	var fit, all []string
	for _, name := range slices.Sorted(maps.Keys(o.spec.Programs)) {
		all = append(all, fmt.Sprintf("%s (%s)", name, o.spec.Programs[name].SectionName))
		if fits(o.spec.Programs[name]) {
			fit = append(fit, name)
		}
	}
	have := "it has " + strings.Join(all, ", ")
	switch chosen := o.spec.Programs[name]; {
	case len(all) == 0:
		return nil, o.wrong("has no program")
	case name != "" && chosen == nil:
		return nil, o.wrong("has no program %s; %s", name, have)
	case name != "" && !fits(chosen):
		return nil, o.wrong("program %s is in section %s and cannot be %s", name, chosen.SectionName, what)
	case name != "":
		return chosen, nil
	case len(fit) == 0:
		return nil, o.wrong("has no program that can be %s; %s", what, have)
	case len(fit) > 1:
		return nil, o.wrong("has several programs for this: name one, as program: %s; %s", fit[0], have)
	}
	return o.spec.Programs[fit[0]], nil
}

// knows checks that the object has every map that the spec names.
func (o *object) knows(s *spec.Object) error {
	var named []string
	for _, m := range s.Maps {
		named = append(named, m.Map)
	}
	for _, w := range s.Watch {
		named = append(named, w.Map)
	}
	for _, name := range named {
		if o.spec.Maps[name] == nil {
			return o.wrong("has no map %s; %s", name, o.mapNames())
		}
	}
	return nil
}

func (o *object) mapNames() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(o.spec.Maps)) {
		if !strings.HasPrefix(name, ".") {
			all = append(all, fmt.Sprintf("%s (%s)", name, o.spec.Maps[name].Type))
		}
	}
	if len(all) == 0 {
		return "it has none"
	}
	return "it has " + strings.Join(all, ", ")
}

// load loads a program, with the programs that the object's own arrays name and with maps in the place of its own.
func (o *object) load(p *ebpf.ProgramSpec, instead map[string]*ebpf.Map) (*ebpf.Collection, error) {
	c := o.spec.Copy()
	keep := map[string]bool{p.Name: true}
	for _, m := range c.Maps {
		for _, content := range m.Contents {
			if name, ok := content.Value.(string); ok && m.Type == ebpf.ProgramArray {
				keep[name] = true
			}
		}
	}
	for name, other := range c.Programs {
		if !keep[name] {
			delete(c.Programs, name)
		}
		other.AttachType, other.AttachTo, other.Flags = p.AttachType, p.AttachTo, p.Flags
	}
	loaded, err := ebpf.NewCollectionWithOptions(c, ebpf.CollectionOptions{MapReplacements: instead})
	if err != nil {
		return nil, o.wrong("program %s: %w", p.Name, explain(refusal(err)))
	}
	return loaded, nil
}

// verdictLines is how much of the end of the verifier's log says why.
const verdictLines = 6

// refusal is the kernel's, with the verifier's reason in one line.
func refusal(err error) error {
	var ve *ebpf.VerifierError
	if !errors.As(err, &ve) || len(ve.Log) == 0 {
		return err
	}
	var lines []string
	for _, line := range ve.Log {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "processed ") {
			lines = append(lines, line)
		}
	}
	said := strings.Join(lines[max(0, len(lines)-verdictLines):], " | ")
	if errors.Is(err, unix.EPERM) && len(lines) == 0 {
		return ve.Cause
	}
	return fmt.Errorf("the verifier refuses it: %s: %s", ve.Cause, said)
}

// pinAll pins a loaded object below folder: the program, and the maps that have names.
func pinAll(folder string, program *ebpf.Program, all map[string]*ebpf.Map) error {
	if err := program.Pin(folder + "/program"); err != nil {
		return err
	}
	for name, m := range all {
		if strings.HasPrefix(name, ".") {
			continue // a section of variables, which the program holds
		}
		if err := m.Pin(folder + "/" + mapPin(name)); err != nil {
			return err
		}
	}
	return nil
}

func mapPin(name string) string { return "map_" + name }
