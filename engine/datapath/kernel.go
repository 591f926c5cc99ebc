package datapath

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"hairpin/engine/filter"
	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// Errors a caller branches on.
var (
	ErrNone    = errors.New("no data path of hairpin's here")
	ErrForeign = errors.New("not hairpin's")
)

// Kernel is the realized state of one node: everything below its pin folder. One process writes it, the one whose epoch
// the gate accepts; a read-only Kernel may be open in any number of others. It is not safe for concurrent use.
type Kernel struct {
	Step     func(string) // is told each effect on the kernel that is done; nil = nobody is
	dir      string       // BPFFS/hairpin/NODE/vABI
	writable bool
	maps     map[string]*ebpf.Map
	mapped   map[string]bool     // those that are memory too
	needed   map[spec.Stage]bool // kernel functions whose maps are there
	atTC     bool                // some chain is: programs for it are made too
	programs map[string]*ebpf.Program

	control     memory[Control]
	generations memory[Generation]
	rows        memory[rowSettings]
	vips4       [Generations * VIPParts]memory[vip4Table]
	vips6       [Generations * VIPParts]memory[vip6Table]
	ways        [Generations]memory[vipWays]
	quicServers [Generations * QUICParts]memory[quicTable]
	vipTenants  memory[vipTenants]
	backends    memory[backend]
	connections memory[set]
	settlings   memory[settling]
	counters    memory[counters]
	inherited   memory[counters] // what an older ABI had counted
	clients     memory[Clients]
	trails      memory[trail]
	ratelimits  memory[rateLimit]
	windows     memory[window]
	offenders   memory[offenders]
	chains      memory[chain]
	connlimits  memory[connSettings]
	seats       memory[seats]
	seatSets    memory[set]
	seatNames   memory[seatName]
	census      memory[census]
	flows       memory[set]
	tallies     memory[tally]
	tallySets   memory[set]
	tallyNames  memory[seatName]
	segments    [Segments]memory[segment]
	agents      memory[agentSettings]
	agentVIPs   memory[agentVIP]
	agentCounts memory[agentCounts]
	natFlows    memory[natSet]
	tlsWalls    memory[tlsWall]
	wallFlows   memory[wallSet]
	mirrors     memory[mirror]
	steers      memory[steer]
	steerPaths  memory[steerPath]
	steerGroups memory[steerGroup]
	cgroups     memory[steerCgroup]
	steerFlows  memory[steerSet]
	steerHots   memory[steerHot]
	steerCounts memory[steerCounts]
	owns        memory[ownCounts]
	firewalls   memory[firewall]
	ruleNames   memory[ruleName]
	blocks      memory[uint64] // digest of the table that has each block of the prefix store
	prefixes    [PrefixSegments]memory[prefixSegment]

	store      ringStore
	spare      *loose[segment]        // nil = none is ready
	staged     uint64                 // when the last generation was staged, in ns of CLOCK_MONOTONIC
	answers    sync.WaitGroup         // of the kernel, for which nobody waits
	occupied   [Generations]*occupied // by version; nil = not looked
	watched    uint16                 // flags of the generations at which somebody looks
	captor     *Captor                // nil while nobody captures packets
	counted    []*counters            // of all CPUs, and what was taken over from an older ABI
	top        int                    // no id above this one is in use; 0 = not looked
	backendIDs map[plan.Key]uint16    // in use; nil = not looked
	vlans      map[uint16]uint32      // index of the VLAN's NIC, by the backend that is in it
	live       *plan.Plan             // that went live last; nil = not known
	folder     string                 // of the programs of this build
	facts      *filter.Layout         // of the programs of this build; nil = not looked
	copies     string                 // folder of copies of files of prefixes; empty = none are kept
	files      map[string]*prefixFile // of prefixes, by name
	compiled   map[string]compiled    // what lists come to, by the stage that has them

	links map[int]link.Link // of chains, held by who owns the node
	seen  map[string]uint64 // inodes of the pins when they were last in order
	noted struct {          // what the rows of a generation held
		generation int
		rows       map[uint32]uint32 // id of the program, by its place
	}

	watching map[string]*watching // by the folder of the pins and the number that is read
	tables   *bool                // whether the kernel gives programs the routes of a table; nil = not asked

	aside    *aside    // a generation is being written only to be asked; nil = none is
	takeover *takeover // of an older ABI, until the first switch; nil = none

	epoch uint64
	runs  uint64 // number of the last dry run
}

// Dir is the pin folder of a node on a bpffs.
func Dir(bpffs, node string) string {
	return filepath.Join(bpffs, "hairpin", strings.ReplaceAll(node, ".", "_"), fmt.Sprintf("v%d", ABI))
}

// Create makes the maps of a node and publishes them under dir with one rename, or leaves nothing.
func Create(dir string) (*Kernel, error) {
	if _, err := os.Stat(dir); err == nil {
		return nil, fmt.Errorf("create data path: %s exists", dir)
	}
	if err := removeUnfinished(dir); err != nil {
		return nil, fmt.Errorf("create data path: %w", err)
	}
	temporary := fmt.Sprintf("%s%s%d", dir, unfinishedMark, os.Getpid())
	if err := os.MkdirAll(filepath.Join(temporary, "maps"), 0o700); err != nil {
		return nil, fmt.Errorf("create data path: %w", err)
	}
	k := &Kernel{dir: temporary, writable: true, maps: map[string]*ebpf.Map{}, mapped: map[string]bool{},
		needed: map[spec.Stage]bool{}, programs: map[string]*ebpf.Program{}}
	if err := k.publish(dir); err != nil {
		k.Close()
		_ = os.RemoveAll(temporary) // what is left is found by the next start
		return nil, fmt.Errorf("create data path: %w", err)
	}
	return k, nil
}

// publish fills the folder of k and gives it the name dir.
func (k *Kernel) publish(dir string) error {
	if err := k.createMaps(""); err != nil {
		return err
	}
	if err := k.maps["control"].Freeze(); err != nil {
		return fmt.Errorf("map control: %w", err)
	}
	if err := k.writeMeta(k.maps["counters"].MaxEntries()); err != nil {
		return err
	}
	for _, folder := range []string{"links", "programs"} {
		if err := os.Mkdir(filepath.Join(k.dir, folder), 0o700); err != nil {
			return err
		}
	}
	if err := k.mapAll(); err != nil {
		return err
	}
	if err := os.Rename(k.dir, dir); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	k.dir = dir
	return nil
}

// Open adopts what is pinned under dir, writable or only to look. ErrNone when nothing is, ErrOlder and ErrNewer when another
// ABI made what is.
func Open(dir string, writable bool) (*Kernel, error) {
	older, err := checkLayouts(dir)
	if err != nil {
		return nil, fmt.Errorf("open data path: %w", err)
	}
	k, err := opened(dir, writable, nil)
	if older != 0 && errors.Is(err, ErrNone) {
		err = fmt.Errorf("open data path: %w: %s; an engine of this one takes it over: hairpin run, or hairpin", ErrOlder, layoutDir(dir, older))
	}
	return k, err
}

func opened(dir string, writable bool, step func(string)) (*Kernel, error) {
	if _, err := os.Stat(filepath.Join(dir, "maps", "meta")); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("open data path: %s: %w", dir, ErrNone)
		}
		return nil, fmt.Errorf("open data path: %w", err)
	}
	k := &Kernel{Step: step, dir: dir, writable: writable, maps: map[string]*ebpf.Map{}, mapped: map[string]bool{},
		needed: map[spec.Stage]bool{}, programs: map[string]*ebpf.Program{}}
	if err := k.openMaps(); err != nil {
		k.Close()
		return nil, fmt.Errorf("open data path: %w", err)
	}
	if err := errors.Join(k.mapAll(), k.mapStores()); err != nil {
		k.Close()
		return nil, fmt.Errorf("open data path: %w", err)
	}
	return k, nil
}

// mapAll makes the maps that are there readable as memory, and writable if k is.
func (k *Kernel) mapAll() error {
	var err error
	for _, m := range []struct {
		name string
		do   func(*ebpf.Map) error
	}{
		{"control", func(m *ebpf.Map) error { k.control, err = mapMemory[Control](m, false); return err }},
		{"generations", func(m *ebpf.Map) error { k.generations, err = mapMemory[Generation](m, k.writable); return err }},
		{"row_settings", func(m *ebpf.Map) error { k.rows, err = mapMemory[rowSettings](m, k.writable); return err }},
		{tenantsPin, func(m *ebpf.Map) error { k.vipTenants, err = mapMemory[vipTenants](m, k.writable); return err }},
		{"backends", func(m *ebpf.Map) error { k.backends, err = mapMemory[backend](m, k.writable); return err }},
		{"connections", func(m *ebpf.Map) error { k.connections, err = mapMemory[set](m, k.writable); return err }},
		{"settlings", func(m *ebpf.Map) error { k.settlings, err = mapMemory[settling](m, k.writable); return err }},
		{"counters", func(m *ebpf.Map) error { k.counters, err = mapMemory[counters](m, k.writable); return err }},
		{inheritedPin, func(m *ebpf.Map) error { k.inherited, err = mapMemory[counters](m, k.writable); return err }},
		{"clients", func(m *ebpf.Map) error { k.clients, err = mapMemory[Clients](m, k.writable); return err }},
		{"trail", func(m *ebpf.Map) error { k.trails, err = mapMemory[trail](m, false); return err }},
		{"firewalls", func(m *ebpf.Map) error { k.firewalls, err = mapMemory[firewall](m, k.writable); return err }},
		{"rule_names", func(m *ebpf.Map) error { k.ruleNames, err = mapMemory[ruleName](m, k.writable); return err }},
		{"prefix_blocks", func(m *ebpf.Map) error { k.blocks, err = mapMemory[uint64](m, k.writable); return err }},
		{"ratelimits", func(m *ebpf.Map) error { k.ratelimits, err = mapMemory[rateLimit](m, k.writable); return err }},
		{"windows", func(m *ebpf.Map) error { k.windows, err = mapMemory[window](m, k.writable); return err }},
		{"offenders", func(m *ebpf.Map) error { k.offenders, err = mapMemory[offenders](m, k.writable); return err }},
		{"chains", func(m *ebpf.Map) error { k.chains, err = mapMemory[chain](m, k.writable); return err }},
		{"connlimits", func(m *ebpf.Map) error { k.connlimits, err = mapMemory[connSettings](m, k.writable); return err }},
		{"seats", func(m *ebpf.Map) error { k.seats, err = mapMemory[seats](m, k.writable); return err }},
		{"seat_sets", func(m *ebpf.Map) error { k.seatSets, err = mapMemory[set](m, k.writable); return err }},
		{"seat_names", func(m *ebpf.Map) error { k.seatNames, err = mapMemory[seatName](m, k.writable); return err }},
		{"flows", func(m *ebpf.Map) error { k.flows, err = mapMemory[set](m, k.writable); return err }},
		{"tallies", func(m *ebpf.Map) error { k.tallies, err = mapMemory[tally](m, k.writable); return err }},
		{"tally_sets", func(m *ebpf.Map) error { k.tallySets, err = mapMemory[set](m, k.writable); return err }},
		{"tally_names", func(m *ebpf.Map) error { k.tallyNames, err = mapMemory[seatName](m, k.writable); return err }},
		{"agent_settings", func(m *ebpf.Map) error { k.agents, err = mapMemory[agentSettings](m, k.writable); return err }},
		{"agent_vips", func(m *ebpf.Map) error { k.agentVIPs, err = mapMemory[agentVIP](m, k.writable); return err }},
		{"agent_counts", func(m *ebpf.Map) error { k.agentCounts, err = mapMemory[agentCounts](m, k.writable); return err }},
		{"nat_flows", func(m *ebpf.Map) error { k.natFlows, err = mapMemory[natSet](m, k.writable); return err }},
		{"tlswalls", func(m *ebpf.Map) error { k.tlsWalls, err = mapMemory[tlsWall](m, k.writable); return err }},
		{"wall_flows", func(m *ebpf.Map) error { k.wallFlows, err = mapMemory[wallSet](m, k.writable); return err }},
		{"mirrors", func(m *ebpf.Map) error { k.mirrors, err = mapMemory[mirror](m, k.writable); return err }},
		{"steers", func(m *ebpf.Map) error { k.steers, err = mapMemory[steer](m, k.writable); return err }},
		{"steer_paths", func(m *ebpf.Map) error { k.steerPaths, err = mapMemory[steerPath](m, k.writable); return err }},
		{"steer_groups", func(m *ebpf.Map) error { k.steerGroups, err = mapMemory[steerGroup](m, k.writable); return err }},
		{"steer_cgroups", func(m *ebpf.Map) error { k.cgroups, err = mapMemory[steerCgroup](m, k.writable); return err }},
		{"steer_flows", func(m *ebpf.Map) error { k.steerFlows, err = mapMemory[steerSet](m, k.writable); return err }},
		{"steer_hots", func(m *ebpf.Map) error { k.steerHots, err = mapMemory[steerHot](m, k.writable); return err }},
		{"steer_counts", func(m *ebpf.Map) error { k.steerCounts, err = mapMemory[steerCounts](m, k.writable); return err }},
		{"own_counts", func(m *ebpf.Map) error { k.owns, err = mapMemory[ownCounts](m, k.writable); return err }},
		{"census", func(m *ebpf.Map) error { k.census, err = mapMemory[census](m, k.writable); return err }},
	} {
		if k.maps[m.name] == nil || k.mapped[m.name] {
			continue
		}
		if err := m.do(k.maps[m.name]); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		k.mapped[m.name] = true
	}
	k.counted = k.counted[:0]
	for _, all := range [][]counters{k.counters.all, k.inherited.all} {
		for i := range all {
			k.counted = append(k.counted, &all[i])
		}
	}
	return nil
}

// mapStores makes the segments of the stores memory.
func (k *Kernel) mapStores() error {
	if err := openSegments(k, "rings", segmentPin, k.segments[:]); err != nil {
		return err
	}
	return errors.Join(openSegments(k, "prefixes", prefixPin, k.prefixes[:]), k.mapParts())
}

// Close lets go of everything and leaves the data path running.
func (k *Kernel) Close() {
	k.answers.Wait()
	k.dropSpare()
	k.control.unmap()
	k.generations.unmap()
	k.rows.unmap()
	for i := range k.vips4 {
		k.vips4[i].unmap()
		k.vips6[i].unmap()
	}
	for i := range k.ways {
		k.ways[i].unmap()
	}
	for i := range k.quicServers {
		k.quicServers[i].unmap()
	}
	k.vipTenants.unmap()
	k.backends.unmap()
	k.connections.unmap()
	k.settlings.unmap()
	k.counters.unmap()
	k.inherited.unmap()
	k.clients.unmap()
	k.trails.unmap()
	k.ratelimits.unmap()
	k.windows.unmap()
	k.agents.unmap()
	k.agentVIPs.unmap()
	k.agentCounts.unmap()
	k.natFlows.unmap()
	k.tlsWalls.unmap()
	k.wallFlows.unmap()
	k.mirrors.unmap()
	k.steers.unmap()
	k.steerPaths.unmap()
	k.steerGroups.unmap()
	k.cgroups.unmap()
	k.steerFlows.unmap()
	k.steerHots.unmap()
	k.steerCounts.unmap()
	k.owns.unmap()
	k.offenders.unmap()
	k.chains.unmap()
	k.firewalls.unmap()
	k.ruleNames.unmap()
	k.blocks.unmap()
	for i := range k.prefixes {
		k.prefixes[i].unmap()
	}
	k.connlimits.unmap()
	k.seats.unmap()
	k.seatSets.unmap()
	k.seatNames.unmap()
	k.census.unmap()
	k.flows.unmap()
	k.tallies.unmap()
	k.tallySets.unmap()
	k.tallyNames.unmap()
	for i := range k.segments {
		k.segments[i].unmap()
	}
	k.stopWatching(func(*watching) bool { return true })
	if k.captor != nil {
		k.captor.close()
	}
	for _, m := range k.maps {
		_ = m.Close()
	}
	for _, p := range k.programs {
		_ = p.Close()
	}
	for n := range k.links {
		k.letGo(n)
	}
}

func (k *Kernel) step(name string) {
	if k.Step != nil {
		k.Step(name)
	}
}

// Control is the gate's word, read now.
func (k *Kernel) Control() Control { return k.control.all[0] }

// Monotonic is the time by the kernel's clock that control, counters and connections use, in ns.
func Monotonic() uint64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail for this clock
	return uint64(ts.Nano())
}
