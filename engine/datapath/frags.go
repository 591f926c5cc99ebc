package datapath

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// Frames that are larger than a page come to XDP in several buffers, and a driver gives them only to programs that say that
// they take them. All programs that share an array of programs must say the same. So it is settled when the maps are made: a
// data path that an older ABI began, whose rows hold programs that do not, goes on without.

// metaFrags is META_FRAGS.
const metaFrags = 1

// programFlags are those that every program at XDP is loaded with.
func (m *meta) programFlags() uint32 {
	if m.Flags&metaFrags == 0 {
		return 0
	}
	return unix.BPF_F_XDP_HAS_FRAGS
}

// takesFrags sets the flags of an object's programs at XDP.
func (m *meta) takesFrags(spec *ebpf.CollectionSpec) {
	for _, p := range spec.Programs {
		if p.Type == ebpf.XDP {
			p.Flags |= m.programFlags()
		}
	}
}

// kernelHasFrags asks the kernel, which has them from 5.18 on.
func kernelHasFrags() bool {
	p := fragsProgram()
	if p == nil {
		return false
	}
	_ = p.Close()
	return true
}

// fragsProgram takes such frames and lets all pass; nil where the kernel has none.
func fragsProgram() *ebpf.Program {
	const pass = 2 // XDP_PASS
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, AttachType: ebpf.AttachXDP, Flags: unix.BPF_F_XDP_HAS_FRAGS, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, pass), asm.Return()}})
	if err != nil {
		return nil
	}
	return p
}
