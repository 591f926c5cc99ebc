package doctor

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"

	"hairpin/engine/disk"
	"hairpin/engine/privilege"
)

func (f *Facts) readKernel() {
	var name unix.Utsname
	if err := unix.Uname(&name); err == nil {
		f.Kernel.Release = unix.ByteSliceToString(name.Release[:])
		f.Kernel.Version = parseVersion(f.Kernel.Release)
	}
	_, err := os.Stat("/sys/kernel/btf/vmlinux")
	f.Kernel.BTF = err == nil
	f.Kernel.Lockdown = lockdown(line("/sys/kernel/security/lockdown"))
	held, err := privilege.Held()
	if err != nil {
		f.unread("", "capabilities", err)
	}
	f.Held = held
	f.probe()
}

// parseVersion reads "6.1.0-28-amd64"; 0 when it is none.
func parseVersion(release string) uint32 {
	var numbers [3]uint32
	rest := release
	for i := range numbers {
		end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(rest)
		}
		n, err := strconv.ParseUint(rest[:end], 10, 16)
		if err != nil {
			return 0
		}
		numbers[i] = uint32(n)
		if end == len(rest) || rest[end] != '.' {
			break
		}
		rest = rest[end+1:]
	}
	return version(numbers[0], numbers[1]) | min(numbers[2], 255)
}

// lockdown is the word in brackets of "none [integrity] confidentiality".
func lockdown(text string) string {
	_, text, _ = strings.Cut(text, "[")
	word, _, _ := strings.Cut(text, "]")
	return word
}

// probe has the kernel verify the smallest program or map of each kind that the data path is made of.
func (f *Facts) probe() {
	missing := map[string]string{}
	for _, p := range []struct {
		name string
		ask  func() error
	}{
		{"XDP programs", func() error { return features.HaveProgramType(ebpf.XDP) }},
		{"tc programs", func() error { return features.HaveProgramType(ebpf.SchedCLS) }},
		{"programs that run on request", func() error { return features.HaveProgramType(ebpf.Syscall) }},
		{"ring buffers", func() error { return features.HaveMapType(ebpf.RingBuf) }},
		{"arrays of programs", func() error { return features.HaveMapType(ebpf.ProgramArray) }},
		{"arrays of maps", func() error { return features.HaveMapType(ebpf.ArrayOfMaps) }},
		{"timers", func() error { return features.HaveProgramHelper(ebpf.XDP, asm.FnTimerStart) }},
		{"loops", func() error { return features.HaveBoundedLoops() }},
	} {
		switch err := p.ask(); {
		case errors.Is(err, ebpf.ErrNotSupported):
			missing[p.name] = err.Error()
		case errors.Is(err, fs.ErrPermission):
			f.Unread = append(f.Unread, Unread{What: "what the kernel can do", Why: "only root may ask", Cure: "sudo hairpin doctor"})
			return
		case err != nil:
			f.unread("", "whether the kernel has "+p.name, err)
			return
		}
	}
	f.Kernel.Missing, f.Kernel.Probed = missing, true
}

func (f *Facts) readClock() {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		f.unread("", "the clock", err)
	} else {
		f.Clock.Known, f.Clock.Synchronized = true, t.Status&unix.STA_UNSYNC == 0
	}
	f.Clock.Source = line("/sys/devices/system/clocksource/clocksource0/current_clocksource")
}

func (f *Facts) readFolders(o Options) {
	f.BPFFS.Path = o.BPFFS
	var there unix.Statfs_t
	if err := unix.Statfs(o.BPFFS, &there); err == nil {
		f.BPFFS.Mounted = there.Type == unix.BPF_FS_MAGIC
	} else if !errors.Is(err, unix.ENOENT) {
		f.unread("", o.BPFFS, err)
		f.BPFFS.Path = ""
	}
	own, err := os.Readlink("/proc/self/ns/mnt")
	first, err1 := os.Readlink("/proc/1/ns/mnt")
	f.BPFFS.Private = err == nil && err1 == nil && own != first
	why, full, err := disk.Room(o.State)
	switch {
	case errors.Is(err, fs.ErrNotExist): // it is made by the first engine
	case err != nil:
		f.unread("", o.State, err)
	default:
		f.State = Folder{o.State, why, full}
	}
}
