package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"hairpin/engine/privilege"
)

func checkVersion(f *Facts, s *sheet) {
	switch v := f.Kernel.Version; {
	case v == 0:
	case v < version(5, 15):
		s.say(Crit, "Linux "+f.Kernel.Release+" runs here, and hairpin needs 5.15 or newer",
			"programs have no timers there, so a change could not go back by itself", "install Linux 5.15 or newer, and reboot")
	case v < version(5, 16):
		s.say(Info, "Linux "+f.Kernel.Release+" keeps no neighbour fresh by itself",
			"while no engine runs, a backend whose MAC changes is lost", "")
	case v < version(6, 6):
		s.say(Info, "Linux "+f.Kernel.Release+" has no tcx", "chains at tc hooks are attached by clsact, which others can take away unseen", "")
	default:
		s.ok("Linux " + f.Kernel.Release + " has all that hairpin makes use of")
	}
}

func checkFunctions(f *Facts, s *sheet) {
	for _, name := range slices.Sorted(maps.Keys(f.Kernel.Missing)) {
		s.say(Crit, "the kernel has no "+name+": "+f.Kernel.Missing[name], "no data path can be loaded",
			"boot a kernel of your distribution with CONFIG_BPF_SYSCALL=y and CONFIG_NET_CLS_ACT=y")
	}
	if f.Kernel.Probed && len(f.Kernel.Missing) == 0 {
		s.ok("the kernel takes every kind of program and map that a data path is made of")
	}
}

func checkBTF(f *Facts, s *sheet) {
	if !f.Kernel.BTF {
		s.say(Warn, "the kernel does not describe its types: there is no /sys/kernel/btf/vmlinux",
			"connections of this host's sockets are counted by slower means, or not", "boot a kernel with CONFIG_DEBUG_INFO_BTF=y")
		return
	}
	s.ok("the kernel describes its types")
}

func checkJIT(f *Facts, s *sheet) {
	enable, harden := f.Sysctls["net/core/bpf_jit_enable"], f.Sysctls["net/core/bpf_jit_harden"]
	switch {
	case enable == "0":
		s.say(Warn, "programs are interpreted, not compiled", "each packet costs some ten times as much", sysctl("net/core/bpf_jit_enable", "1"))
	case harden == "2":
		s.say(Warn, "constants in root's programs are blinded (bpf_jit_harden is 2)", "each packet costs more",
			sysctl("net/core/bpf_jit_harden", "1"))
	case enable != "":
		s.ok("programs are compiled")
	}
}

func checkStatistics(f *Facts, s *sheet) {
	switch f.Sysctls["kernel/bpf_stats_enabled"] {
	case "0":
		s.ok("the kernel does not time programs")
	case "1":
		s.say(Warn, "the kernel times every run of every program", "each packet costs tens of ns more; hairpin does not use it",
			sysctl("kernel/bpf_stats_enabled", "0"))
	}
}

func checkLockdown(f *Facts, s *sheet) {
	switch f.Kernel.Lockdown {
	case "confidentiality":
		s.say(Warn, "the kernel is locked down for confidentiality", "programs may not read its memory, so the host's sockets cannot be counted",
			"boot without lockdown=confidentiality")
	case "":
	default:
		s.ok("lockdown is " + f.Kernel.Lockdown + ", which hairpin can live with")
	}
}

func checkPrivileges(f *Facts, s *sheet) {
	if f.Held == nil {
		return
	}
	var lacks, beside []string
	for _, n := range privilege.Needs() {
		switch {
		case f.Held[n.Name]:
		case n.Always:
			lacks = append(lacks, n.Name)
		case n.Keep:
			beside = append(beside, n.Name+" ("+n.For+")")
		}
	}
	switch {
	case len(lacks) > 0:
		s.say(Warn, "this process lacks "+strings.Join(lacks, ", "), "it could look at a node, and not own one", "sudo hairpin")
	case len(beside) > 0:
		s.say(Info, "this process lacks "+strings.Join(beside, ", "), "", "hairpin privileges")
	default:
		s.ok("this process may do all that an engine does")
	}
}

func checkBPFFS(f *Facts, s *sheet) {
	mount := "mount -t bpf bpf " + f.BPFFS.Path
	switch {
	case f.BPFFS.Path == "":
	case !f.BPFFS.Mounted:
		s.say(Crit, "no bpffs is mounted at "+f.BPFFS.Path, "programs and maps cannot outlive the engine, so it refuses to start",
			fmt.Sprintf("%s; for every start: echo 'bpf %s bpf defaults 0 0' >> /etc/fstab", mount, f.BPFFS.Path))
	case f.BPFFS.Private:
		s.say(Warn, "this process has a mount namespace of its own, and "+f.BPFFS.Path+" may be of it",
			"pins made there vanish with the last process in it", "nsenter -t 1 -m "+mount)
	default:
		s.ok("a bpffs is mounted at " + f.BPFFS.Path)
	}
}
