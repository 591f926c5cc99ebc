package datapath

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"hairpin/bpf"
	"hairpin/engine/spec"
)

// program is one function of an embedded object, as it is loaded and pinned. Dry ones write nothing but their notes.
type program struct {
	of       spec.Stage // that needs it; empty = always there
	pin      string
	load     func() (*ebpf.CollectionSpec, error)
	function string
	rows     string // pin of the rows it calls on in
	dry      bool
}

var allPrograms = []program{
	{"", "gate", bpf.LoadGate, "gate", "", false},
	{"", "parse", bpf.LoadParse, "parse", "rows_xdp", false},
	{"", "parse_tc", bpf.LoadParse, "parse_tc", "rows_tc", false},
	{"", "parse_dry", bpf.LoadParse, "parse", "rows_dry", true},
	{spec.Balancer, "balancer", bpf.LoadBalancer, "balancer", "rows_xdp", false},
	{spec.Balancer, "balancer_dry", bpf.LoadBalancer, "balancer", "rows_dry", true},
	{spec.Decap, "decap", bpf.LoadDecap, "decap", "rows_xdp", false},
	{spec.Decap, "decap_tc", bpf.LoadDecap, "decap_tc", "rows_tc", false},
	{spec.Decap, "decap_dry", bpf.LoadDecap, "decap", "rows_dry", true},
	{rebalancing, "decap_rebalance", bpf.LoadRebalance, "decap_rebalance", "rows_xdp", false},
	{rebalancing, "decap_rebalance_dry", bpf.LoadRebalance, "decap_rebalance", "rows_dry", true},
	{spec.SNAT, "decap_snat", bpf.LoadSnat, "decap_snat", "rows_xdp", false},
	{spec.SNAT, "decap_snat_tc", bpf.LoadSnat, "decap_snat_tc", "rows_tc", false},
	{spec.SNAT, "decap_snat_dry", bpf.LoadSnat, "decap_snat", "rows_dry", true},
	{spec.SNAT, "snat_tc", bpf.LoadSnat, "snat_tc", "rows_tc", false},
	{spec.SNAT, "snat_dry", bpf.LoadSnat, "snat", "rows_dry", true},
	{spec.External, "enter", bpf.LoadExternal, "enter", "rows_xdp", false},
	{spec.External, "enter_tc", bpf.LoadExternal, "enter_tc", "rows_tc", false},
	{spec.External, "enter_dry", bpf.LoadExternal, "enter", "rows_dry", true},
	{spec.External, "resume", bpf.LoadExternal, "resume", "rows_xdp", false},
	{spec.External, "resume_tc", bpf.LoadExternal, "resume_tc", "rows_tc", false},
	{spec.External, "resume_dry", bpf.LoadExternal, "resume", "rows_dry", true},
	{spec.Firewall, "firewall", bpf.LoadFirewall, "firewall", "rows_xdp", false},
	{spec.Firewall, "firewall_tc", bpf.LoadFirewall, "firewall_tc", "rows_tc", false},
	{spec.Firewall, "firewall_dry", bpf.LoadFirewall, "firewall", "rows_dry", true},
	{spec.RateLimit, "ratelimit", bpf.LoadRatelimit, "ratelimit", "rows_xdp", false},
	{spec.RateLimit, "ratelimit_tc", bpf.LoadRatelimit, "ratelimit_tc", "rows_tc", false},
	{spec.RateLimit, "ratelimit_dry", bpf.LoadRatelimit, "ratelimit", "rows_dry", true},
	{spec.ConnLimit, "connlimit", bpf.LoadConnlimit, "connlimit", "rows_xdp", false},
	{spec.ConnLimit, "connlimit_tc", bpf.LoadConnlimit, "connlimit_tc", "rows_tc", false},
	{spec.ConnLimit, "connlimit_dry", bpf.LoadConnlimit, "connlimit", "rows_dry", true},
	{ownFlows, "connlimit_flows", bpf.LoadConnlimit, "connlimit_flows", "rows_xdp", false},
	{ownFlows, "connlimit_flows_tc", bpf.LoadConnlimit, "connlimit_flows_tc", "rows_tc", false},
	{ownFlows, "connlimit_flows_dry", bpf.LoadConnlimit, "connlimit_flows", "rows_dry", true},
	{spec.TLSWall, "tlswall", bpf.LoadTlswall, "tlswall", "rows_xdp", false},
	{spec.TLSWall, "tlswall_tc", bpf.LoadTlswall, "tlswall_tc", "rows_tc", false},
	{spec.TLSWall, "tlswall_dry", bpf.LoadTlswall, "tlswall", "rows_dry", true},
	{spec.Mirror, "mirror", bpf.LoadMirror, "mirror", "rows_xdp", false},
	{spec.Mirror, "mirror_tc", bpf.LoadMirror, "mirror_tc", "rows_tc", false},
	{spec.Mirror, "mirror_dry", bpf.LoadMirror, "mirror", "rows_dry", true},
	{spec.Steer, "steer", bpf.LoadSteer, "steer", "rows_xdp", false},
	{spec.Steer, "steer_tc", bpf.LoadSteer, "steer_tc", "rows_tc", false},
	{spec.Steer, "steer_dry", bpf.LoadSteer, "steer", "rows_dry", true},
	{spec.Steer, "steer_out_dry", bpf.LoadSteer, "steer_out", "rows_dry", true},
	{"", "dry_root", bpf.LoadDry, "dry_root", "rows_dry", true},
}

// ownFlows is a connlimit that counts flows by itself, which has programs of its own.
const ownFlows spec.Stage = "connlimit_flows"

// rowsTC is the pin of the rows of chains at tc.
const rowsTC = "rows_tc"

// LoadPrograms adopts the pinned programs when they are of this build, and loads and pins those that are always there
// otherwise. The rows are not touched: the next generation's name what was loaded.
func (k *Kernel) LoadPrograms() error {
	build := bpf.Build()
	k.folder = filepath.Join("programs", hex.EncodeToString(build[:8]))
	return k.loadOrAdopt(k.folder)
}

// Rehearse loads and verifies, against the maps that are there, what this build has in the place of every program that is
// pinned, of whichever build, and pins it, so that whoever owns the node next has only to adopt it. Nothing runs it yet: it
// takes no ownership, and a Kernel that is open only to look will do.
func (k *Kernel) Rehearse() error {
	if err := k.LoadPrograms(); err != nil {
		return err
	}
	var used []spec.Stage
	for _, p := range allPrograms {
		pinned, err := filepath.Glob(k.pin("programs", filepath.Join("*", p.pin)))
		if err != nil {
			return err
		}
		if len(pinned) == 0 {
			continue // no spec has ever named it
		}
		if k.atTC = k.atTC || p.rows == rowsTC; !slices.Contains(used, p.of) {
			used = append(used, p.of)
		}
	}
	for _, of := range used {
		specs, err := mapSpecs(of)
		if err != nil {
			return err
		}
		whole := true
		for pin := range specs {
			whole = whole && k.maps[pin] != nil
		}
		if !whole {
			continue // this build would make maps: who owns the node does
		}
		if err := k.need(of); err != nil {
			return err
		}
	}
	return nil
}

// need makes what a kernel function goes by, its maps and programs, when it is to stand in a chain for the first time; what
// it is at tc, when some chain is there. They stay from then on.
func (k *Kernel) need(of spec.Stage) error {
	if also := map[spec.Stage]spec.Stage{spec.ConnLimit: counting, ownFlows: spec.ConnLimit, spec.SNAT: spec.Decap, rebalancing: spec.Decap,
		spec.TLSWall: ownCounting, spec.Mirror: ownCounting, spec.Steer: ownCounting}[of]; also != "" {
		if err := k.need(also); err != nil {
			return err
		}
	}
	if !k.needed[of] {
		if err := k.createMaps(of); err != nil {
			return fmt.Errorf("stage %s: %w", of, err)
		}
		if err := k.mapAll(); err != nil {
			return fmt.Errorf("stage %s: %w", of, err)
		}
		k.needed[of] = true
	}
	for _, p := range allPrograms {
		if p.of != of || k.programs[p.pin] != nil || p.rows == rowsTC && !k.atTC {
			continue
		}
		if err := k.loadProgram(p, k.folder); err != nil {
			return fmt.Errorf("load program %s: %w", p.pin, explain(err))
		}
	}
	return nil
}

// RemoveOtherPrograms unpins those of other builds. The rows that hold some keep them loaded.
func (k *Kernel) RemoveOtherPrograms() error {
	all, err := os.ReadDir(filepath.Join(k.dir, "programs"))
	if err != nil {
		return fmt.Errorf("load programs: %w", err)
	}
	for _, other := range all {
		if other.Name() == filepath.Base(k.folder) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(k.dir, "programs", other.Name())); err != nil {
			return fmt.Errorf("load programs: remove those of another build: %w", err)
		}
	}
	return nil
}

func (k *Kernel) loadOrAdopt(folder string) error {
	if _, err := os.Stat(filepath.Join(k.dir, folder)); err == nil {
		return k.adoptPrograms(folder)
	}
	if err := removeUnfinished(filepath.Join(k.dir, "programs", "*")); err != nil {
		return fmt.Errorf("load programs: %w", err)
	}
	temporary := fmt.Sprintf("%s_new_%d", folder, os.Getpid())
	if err := os.MkdirAll(filepath.Join(k.dir, temporary), 0o700); err != nil {
		return fmt.Errorf("load programs: %w", err)
	}
	for _, p := range allPrograms {
		if p.of != "" || p.rows == rowsTC {
			continue
		}
		if err := k.loadProgram(p, temporary); err != nil {
			_ = os.RemoveAll(filepath.Join(k.dir, temporary))
			return fmt.Errorf("load program %s: %w", p.pin, explain(err))
		}
	}
	if err := os.Rename(filepath.Join(k.dir, temporary), filepath.Join(k.dir, folder)); err != nil {
		return fmt.Errorf("load programs: publish: %w", err)
	}
	return nil
}

func (k *Kernel) adoptPrograms(folder string) error {
	for _, p := range allPrograms {
		loaded, err := ebpf.LoadPinnedProgram(k.pin(folder, p.pin), nil)
		if (p.of != "" || p.rows == rowsTC) && errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("adopt program %s: %w", p.pin, explain(err))
		}
		k.programs[p.pin] = loaded
	}
	return nil
}

func (k *Kernel) loadProgram(p program, folder string) error {
	collection, err := k.collection(p)
	if err != nil {
		return err
	}
	loaded, err := ebpf.NewCollectionWithOptions(collection.spec, ebpf.CollectionOptions{MapReplacements: collection.maps})
	if err != nil {
		return verifierTail(err)
	}
	defer loaded.Close()
	return k.keepProgram(p, folder, loaded.DetachProgram(p.function))
}

func (k *Kernel) keepProgram(p program, folder string, loaded *ebpf.Program) error {
	k.programs[p.pin] = loaded
	return loaded.Pin(k.pin(folder, p.pin))
}

type collection struct {
	spec *ebpf.CollectionSpec
	maps map[string]*ebpf.Map
}

// collection is the object of p with that one function, its constants set and its maps replaced by the pinned ones.
func (k *Kernel) collection(p program) (collection, error) {
	spec, err := p.load()
	if err != nil {
		return collection{}, err
	}
	for name := range spec.Programs {
		if name != p.function {
			delete(spec.Programs, name)
		}
	}
	value, err := k.meta()
	if err != nil {
		return collection{}, err
	}
	value.takesFrags(spec)
	for name, constant := range map[string]any{"dry": uint32(1), "conn_key": value.ConnKey, "frags": value.Flags & metaFrags} {
		variable := spec.Variables[name]
		if variable == nil || (name == "dry" && !p.dry) {
			continue
		}
		if err := variable.Set(constant); err != nil {
			return collection{}, fmt.Errorf("constant %s: %w", name, err)
		}
	}
	replaced := map[string]*ebpf.Map{}
	for name := range spec.Maps {
		pin := name
		switch {
		case name == "rows":
			pin = p.rows
		case name == "externals" || name == "captors":
			pin = strings.Replace(p.rows, "rows", name, 1)
		case p.dry && (name == "entry" || name == "scratch"):
			pin = name + "_dry"
		}
		if m := k.maps[pin]; m != nil {
			spec.Maps[name].MaxEntries = m.MaxEntries()
			replaced[name] = m
		}
	}
	return collection{spec, replaced}, nil
}

// verifierTail keeps the last lines of the verifier's log, where the reason stands.
func verifierTail(err error) error {
	var ve *ebpf.VerifierError
	if !errors.As(err, &ve) || len(ve.Log) == 0 {
		return err
	}
	tail := ve.Log[max(0, len(ve.Log)-3):]
	return fmt.Errorf("%w: %q", ve.Cause, tail)
}
