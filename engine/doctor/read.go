package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hairpin/engine/datapath"
	"hairpin/engine/nexthop"
	"hairpin/engine/spec"
)

// Options say what to look at.
type Options struct {
	Spec  *spec.Spec // nil: none
	BPFFS string
	Node  string
	State string          // folder
	Own   map[uint32]bool // programs of hairpin's without a pin, by number
	Told  *Returned       // by an earlier reading; nil = there was none
}

// Read looks at the machine, in the network namespace of the calling thread. It changes nothing and asks nobody on the
// network.
func Read(o Options) *Facts {
	f := &Facts{Spec: o.Spec, Sysctls: map[string]string{}, Earlier: o.Told}
	f.readKernel()
	f.readClock()
	f.readCPUs()
	f.readMemory(o)
	f.readFolders(o)
	f.readNICs(o)
	f.readWays()
	f.readSysctls()
	f.readSoftnet()
	f.readReturned()
	return f
}

// unread notes what could not be read. What this process may not read, root may.
func (f *Facts) unread(on, what string, err error) {
	u := Unread{On: on, What: what, Why: err.Error()}
	if errors.Is(err, fs.ErrPermission) {
		u.Cure = "sudo hairpin doctor"
	}
	f.Unread = append(f.Unread, u)
}

// line is the first line of a file; empty where there is none.
func line(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(first)
}

// readSysctls reads all that a check names.
func (f *Facts) readSysctls() {
	names := []string{
		"net/core/bpf_jit_enable", "net/core/bpf_jit_harden", "kernel/bpf_stats_enabled",
		"net/netfilter/nf_conntrack_count", "net/netfilter/nf_conntrack_max",
		"net/ipv4/neigh/default/gc_thresh3", "net/ipv6/neigh/default/gc_thresh3", "net/ipv4/tcp_mtu_probing",
	}
	for _, nic := range append([]string{"all"}, f.nicNames()...) {
		for _, setting := range []string{"rp_filter", "arp_ignore", "arp_announce"} {
			names = append(names, "net/ipv4/conf/"+nic+"/"+setting)
		}
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join("/proc/sys", name))
		switch {
		case err == nil:
			f.Sysctls[name] = strings.TrimSpace(string(text))
		case !errors.Is(err, fs.ErrNotExist):
			f.unread("", "setting "+name, err)
		}
	}
}

func (f *Facts) nicNames() []string {
	var names []string
	for _, n := range f.NICs {
		if n.Index != 0 {
			names = append(names, n.Name)
		}
	}
	return names
}

// readWays asks the kernel's routes and neighbours for the way to every backend.
func (f *Facts) readWays() {
	backends := f.backends()
	if len(backends) == 0 {
		return
	}
	r, err := nexthop.New()
	if err != nil {
		f.unread("", "routes and neighbours", err)
		return
	}
	defer r.Close()
	var addresses []netip.Addr
	for a := range backends {
		addresses = append(addresses, a)
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	if f.Hops, err = r.ResolveAll(addresses); err != nil {
		f.unread("", "routes and neighbours", err)
	}
}

func (f *Facts) readMemory(o Options) {
	var err error
	if f.Memory.Maps, err = datapath.Footprint(o.Spec); err != nil {
		f.unread("", "the size of the maps", err)
	}
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		f.unread("", "free memory", err)
		return
	}
	for l := range strings.Lines(string(text)) {
		var kib uint64
		if n, _ := fmt.Sscanf(l, "MemAvailable: %d kB", &kib); n == 1 {
			f.Memory.Available = kib << 10
		}
	}
	pins, _ := filepath.Glob(filepath.Join(o.BPFFS, "hairpin", o.Node, "*", "maps", "control")) // the pattern is well formed
	f.Memory.Made = len(pins) > 0
}
