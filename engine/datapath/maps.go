package datapath

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"hairpin/bpf"
	"hairpin/engine/spec"
)

// sources are the objects whose map definitions are used, and what of theirs. A pin's name is the map's own, or says
// which copy it is.
var sources = []struct {
	of   spec.Stage // that needs them; empty = always there
	load func() (*ebpf.CollectionSpec, error)
	maps map[string]string // pin → name in the object
}{
	{"", bpf.LoadRoot, map[string]string{"control": "control", "entry": "entry", "rows_xdp": "rows"}},
	{"", bpf.LoadGate, map[string]string{"alarms": "alarms"}},
	{"", bpf.LoadParse, map[string]string{"scratch": "scratch", "counters": "counters", "events": "events",
		"generations": "generations", "vips4": "vips4", "vips6": "vips6", "row_settings": "row_settings", "rows_tc": "rows", "trail": "trail",
		"captors_xdp": "captors", "captors_tc": "captors", waysPin: waysPin, "prefixes": "prefixes"}},
	{"", bpf.LoadRatelimit, map[string]string{tenantsPin: tenantsPin}},
	{"", bpf.LoadBalancer, map[string]string{"rings": "rings", "backends": "backends", "connections": "connections",
		"settlings": "settlings", "clients": "clients", "seen_syns": "seen_syns", "fragments": "fragments", quicPin: quicPin}},
	{spec.External, bpf.LoadExternal, map[string]string{"externals_xdp": "externals", "externals_tc": "externals", "externals_dry": "externals"}},
	{spec.Firewall, bpf.LoadFirewall, map[string]string{"firewalls": "firewalls"}},
	{spec.RateLimit, bpf.LoadRatelimit, map[string]string{"ratelimits": "ratelimits", "windows": "windows", "sources": "sources",
		"offenders": "offenders"}},
	{spec.ConnLimit, bpf.LoadConnlimit, map[string]string{"flows": "flows", "tallies": "tallies",
		"connlimits": "connlimits", "tally_sets": "tally_sets", "tally_names": "tally_names"}},
	{counting, bpf.LoadSockets, map[string]string{"sockets": "sockets", "census": "census", "seats": "seats",
		"seat_sets": "seat_sets", "seat_names": "seat_names"}},
	{spec.Decap, bpf.LoadDecap, map[string]string{"agent_settings": "agent_settings", "agent_vips": "agent_vips",
		"agent_counts": "agent_counts", "strangers": "strangers"}},
	{spec.SNAT, bpf.LoadSnat, map[string]string{"nat_flows": "nat_flows"}},
	{spec.TLSWall, bpf.LoadTlswall, map[string]string{"tlswalls": "tlswalls", "wall_flows": "wall_flows"}},
	{spec.Mirror, bpf.LoadMirror, map[string]string{"mirrors": "mirrors", "mirror_records": "mirror_records", "mirrorings": "mirrorings"}},
	{spec.Steer, bpf.LoadSteer, map[string]string{"steers": "steers", "steer_paths": "steer_paths", "steer_groups": "steer_groups",
		"steer_cgroups": "steer_cgroups", "steer_flows": "steer_flows", "steer_hots": "steer_hots", "steer_counts": "steer_counts",
		"steer_devices": "steer_devices", "steer_stations": "steer_stations"}},
	{ownCounting, bpf.LoadTlswall, map[string]string{"own_counts": "own_counts"}},
	{"", bpf.LoadDry, map[string]string{"entry_dry": "entry", "scratch_dry": "scratch", "rows_dry": "rows"}},
}

// definitions are the maps of each source's object. An object is read once in a process: that takes milliseconds, and whoever
// looks at a node wants those of all.
var definitions = func() (all []func() (map[string]*ebpf.MapSpec, error)) {
	for _, source := range sources {
		all = append(all, sync.OnceValues(func() (map[string]*ebpf.MapSpec, error) {
			collection, err := source.load()
			if err != nil {
				return nil, err
			}
			return collection.Maps, nil
		}))
	}
	return all
}()

// counting is no stage of a chain: it needs the maps of whoever has this host's sockets counted, a limit or an agent that
// reports.
const counting spec.Stage = "census"

// rebalancing is a decap in front of a balancer, which has programs of its own.
const rebalancing spec.Stage = "rebalance"

// plain are the maps that no program reads.
var plain = []struct {
	of   spec.Stage
	name string
	size uintptr
	n    uint32
}{
	{"", "chains", unsafe.Sizeof(chain{}), Chains},
	{"", "meta", unsafe.Sizeof(meta{}), 1},
	{inheritance, inheritedPin, unsafe.Sizeof(counters{}), 1},
	{spec.Firewall, "rule_names", unsafe.Sizeof(ruleName{}), RuleCounters},
	{"", "prefix_blocks", unsafe.Sizeof(uint64(0)), prefixBlocks},
}

// mapSpecs are the definitions of the maps that one kernel function needs, or with none those that are always there, by
// their pins' names.
func mapSpecs(of spec.Stage) (map[string]*ebpf.MapSpec, error) {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("count CPUs: %w", err)
	}
	specs := map[string]*ebpf.MapSpec{}
	for _, p := range plain {
		if p.of == of {
			specs[p.name] = plainArray(p.name, p.size, p.n)
		}
	}
	for i, source := range sources {
		if source.of != of {
			continue
		}
		all, err := definitions[i]()
		if err != nil {
			return nil, fmt.Errorf("read embedded objects: %w", err)
		}
		for pin, name := range source.maps {
			specs[pin] = all[name].Copy()
		}
	}
	for _, each := range []string{"counters", inheritedPin, "offenders", "clients", "trail", "agent_counts", "own_counts", "steer_counts"} { // an element a CPU
		if specs[each] != nil {
			specs[each].MaxEntries = uint32(cpus)
		}
	}
	return specs, nil
}

func plainArray(name string, size uintptr, n uint32) *ebpf.MapSpec {
	return &ebpf.MapSpec{Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(size), MaxEntries: n,
		Flags: unix.BPF_F_MMAPABLE}
}

// createMaps makes and pins the maps that one kernel function needs, or with none those that are always there. What is
// there already stays.
func (k *Kernel) createMaps(of spec.Stage) error {
	specs, err := mapSpecs(of)
	if err != nil {
		return err
	}
	for pin, spec := range specs {
		if k.maps[pin] != nil {
			continue
		}
		if _, err := k.createMap(pin, spec); err != nil {
			return fmt.Errorf("map %s: %w", pin, err)
		}
	}
	return nil
}

func (k *Kernel) createMap(pin string, spec *ebpf.MapSpec) (*ebpf.Map, error) {
	m, err := ebpf.NewMap(spec)
	if err != nil {
		return nil, explain(err)
	}
	k.maps[pin] = m
	return m, m.Pin(k.pin("maps", pin))
}

func (k *Kernel) writeMeta(cpus uint32) error {
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return fmt.Errorf("map meta: %w", err)
	}
	value := meta{Magic: metaMagic, CPUs: cpus}
	if kernelHasFrags() {
		value.Flags = metaFrags
	}
	value.ConnKey[0] = binary.LittleEndian.Uint64(random[:8])
	value.ConnKey[1] = binary.LittleEndian.Uint64(random[8:])
	if err := k.maps["meta"].Put(uint32(0), value); err != nil {
		return fmt.Errorf("map meta: %w", err)
	}
	return nil
}

// openMaps opens every pin and checks that it is what it is called: a foreign map under one of our names is refused.
func (k *Kernel) openMaps() error {
	for _, of := range parts() {
		if err := k.openMapsOf(of); err != nil {
			return err
		}
	}
	value, err := k.meta()
	if err != nil {
		return err
	}
	if value.Magic != metaMagic {
		return fmt.Errorf("pin %s: %w: wrong magic; remove it, or run: hairpin detach", k.pin("maps", "meta"), ErrForeign)
	}
	return nil
}

// parts are all that maps are made for, each when it is needed first.
func parts() []spec.Stage {
	all := []spec.Stage{"", counting, inheritance, ownCounting}
	for _, st := range stages {
		all = append(all, st.name)
	}
	return all
}

// openMapsOf opens the maps of one kernel function. It may never have been needed.
func (k *Kernel) openMapsOf(of spec.Stage) error {
	specs, err := mapSpecs(of)
	if err != nil {
		return err
	}
	for pin, spec := range specs {
		m, err := ebpf.LoadPinnedMap(k.pin("maps", pin), nil)
		if of != "" && errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("map %s: %w", pin, explain(err))
		}
		k.maps[pin] = m
		if err := spec.Compatible(m); err != nil {
			return fmt.Errorf("pin %s: %w: %w; remove it, or run: hairpin detach", k.pin("maps", pin), ErrForeign, err)
		}
	}
	return nil
}

func (k *Kernel) meta() (meta, error) {
	var value meta
	if err := k.maps["meta"].Lookup(uint32(0), &value); err != nil {
		return value, fmt.Errorf("map meta: %w", err)
	}
	return value, nil
}

func (k *Kernel) pin(folder, name string) string { return filepath.Join(k.dir, folder, name) }
