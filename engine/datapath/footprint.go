package datapath

import (
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

// Footprint is how many bytes of memory the maps take that the chains of s need; with nil, those of every node.
func Footprint(s *spec.Spec) (sum uint64, err error) {
	needs := map[spec.Stage]bool{"": true}
	if s != nil {
		for _, st := range stages {
			for _, n := range s.NICs {
				needs[st.name] = needs[st.name] || s.Has(n, st.name)
			}
		}
		needs[ownCounting] = needs[spec.TLSWall] || needs[spec.Mirror] || needs[spec.Steer]
		needs[counting] = needs[spec.ConnLimit] || s.Agent != nil && s.Agent.Report != nil
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return 0, fmt.Errorf("count CPUs: %w", err)
	}
	for of, needed := range needs {
		if !needed {
			continue
		}
		specs, err := mapSpecs(of)
		if err != nil {
			return 0, err
		}
		for _, m := range specs {
			sum += footprint(m, uint64(cpus))
		}
	}
	return sum, nil
}

// footprint is about what one map takes when it is made.
func footprint(m *ebpf.MapSpec, cpus uint64) uint64 {
	n, value := uint64(m.MaxEntries), uint64(m.ValueSize+7)&^7
	switch m.Type {
	case ebpf.RingBuf:
		return n
	case ebpf.PerCPUArray, ebpf.PerCPUHash, ebpf.LRUCPUHash:
		value *= cpus
	}
	const hashEntry = 64 // of the kernel's own beside key and value
	if m.Type == ebpf.Hash || m.Type == ebpf.LRUHash || m.Type == ebpf.PerCPUHash || m.Type == ebpf.LRUCPUHash {
		if m.Flags&unix.BPF_F_NO_PREALLOC != 0 {
			return 0
		}
		value += uint64(m.KeySize+7)&^7 + hashEntry
	}
	return n * value
}
