package datapath

import (
	"fmt"
	"path/filepath"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

// What an older ABI had counted is kept beside the counters of today's programs, since those of the older one count on until the
// switch, and nobody else may write what a program counts. Each element is of one CPU; a node that took nothing over has none.
const inheritedPin = "inherited"

// inheritance is no stage of a chain: only a takeover makes its map.
const inheritance spec.Stage = "inheritance"

// counters3 are those of ABI 2 and 3.
type counters3 struct {
	Exit         [Chains][Reasons]Count
	VIP          [1024]Count
	VIPDrop      [1024]Count
	Backend      [Backends]Count
	Stray        [1024]uint64
	StrayAt      [1024]uint64
	Unheld       [1024]uint64
	_            [Reasons]uint64
	EventsLost   uint64
	_, _         uint64
	DropsLost    uint64
	Clock        Cost
	ConnFull     uint64
	ConnUnplaced uint64
	Rule         [RuleCounters]Count
	Drop         [Drops]drop
	ConnChain    [Chains]admission
	ConnVIP      [1024]admission
	Cost         [Chains][Positions]Cost
	Passage      [Chains][Positions]passage
	Window       [4096]Judged
}

// into writes c as it is counted today.
func (c *counters3) into(now *counters) {
	now.Exit, now.Backend, now.Rule = c.Exit, c.Backend, c.Rule
	copy(now.VIP[:], c.VIP[:])
	copy(now.VIPDrop[:], c.VIPDrop[:])
	copy(now.Stray[:], c.Stray[:])
	copy(now.StrayAt[:], c.StrayAt[:])
	copy(now.Unheld[:], c.Unheld[:])
	now.EventsLost, now.DropsLost, now.Clock = c.EventsLost, c.DropsLost, c.Clock
	now.ConnFull, now.ConnUnplaced, now.ConnChain = c.ConnFull, c.ConnUnplaced, c.ConnChain
	copy(now.ConnVIP[:], c.ConnVIP[:])
	now.Cost, now.Passage = c.Cost, c.Passage
	copy(now.Window[:], c.Window[:])
	for i, d := range c.Drop {
		const low, used = 1<<16 - 1, 1 << 31 // a VIP's number had three bits less
		now.Drop[i] = drop{Key: d.Key&low | d.Key>>16&0xfff<<19 | d.Key&used, Count: d.Count}
	}
}

// inherit brings what the older ABI has counted until now into the pins below dir.
func inherit(dir, older string) error {
	var mapped [2]*ebpf.Map
	for i, pin := range []string{filepath.Join(dir, "maps", inheritedPin), filepath.Join(older, "maps", "counters")} {
		m, err := ebpf.LoadPinnedMap(pin, nil)
		if err != nil {
			return fmt.Errorf("inherit counters: %s: %w", pin, explain(err))
		}
		defer m.Close()
		mapped[i] = m
	}
	now, err := mapMemory[counters](mapped[0], true)
	if err != nil {
		return fmt.Errorf("inherit counters: %w", err)
	}
	defer now.unmap()
	was, err := mapMemory[counters3](mapped[1], false)
	if err != nil {
		return fmt.Errorf("inherit counters: %w", err)
	}
	defer was.unmap()
	for i := range min(len(now.all), len(was.all)) {
		was.all[i].into(&now.all[i])
	}
	return nil
}

// awaitPackets returns when every packet that was inside a program has left it. Without it, what they count last would not be
// inherited; that is all, so a kernel that cannot wait is no reason to stop.
func awaitPackets() {
	const global = 1 // MEMBARRIER_CMD_GLOBAL
	_, _, _ = unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0)
}
