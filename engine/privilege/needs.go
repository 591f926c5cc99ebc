// Package privilege is what of root's power the engine works with, by capabilities(7), and how it gives up the rest.
package privilege

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Need is a capability and what it is for.
type Need struct {
	Name   string // as in capabilities(7), in lower case
	For    string
	Always bool // else only what For says is not there without it
	Keep   bool // a process that was started as root keeps it; else it is worth more than what it is for

	number uint
}

// Needs are all that the engine makes use of.
func Needs() []Need {
	return []Need{
		{"cap_bpf", "programs and maps", true, true, unix.CAP_BPF},
		{"cap_net_admin", "attaching to NICs, neighbours of backends", true, true, unix.CAP_NET_ADMIN},
		{"cap_perfmon", "programs that read the kernel's memory, probes", true, true, unix.CAP_PERFMON},
		{"cap_sys_ptrace", "finding SSH servers, whose sessions no change may cut off; without it port 22 is taken for theirs", false, true, unix.CAP_SYS_PTRACE},
		{"cap_dac_read_search", "the same, and objects, lists and tracefs that only root may read", false, true, unix.CAP_DAC_READ_SEARCH},
		{"cap_net_raw", "ping checks of backends, where net.ipv4.ping_group_range leaves the engine's group out", false, true, unix.CAP_NET_RAW},
		{"cap_sys_admin", "the names of other people's programs; without it their numbers are shown", false, false, unix.CAP_SYS_ADMIN},
	}
}

// Held are the capabilities in effect for the calling thread, by name, of those that the engine makes use of.
func Held() (map[string]bool, error) {
	have, err := effective()
	if err != nil {
		return nil, err
	}
	held := map[string]bool{}
	for _, n := range Needs() {
		held[n.Name] = have&(1<<n.number) != 0
	}
	// Where these were split from it, the kernel still takes it instead.
	for _, name := range []string{"cap_bpf", "cap_perfmon"} {
		held[name] = held[name] || held["cap_sys_admin"]
	}
	return held, nil
}

// Check says which capabilities are missing without which there is no engine.
func Check() error {
	held, err := Held()
	if err != nil {
		return err
	}
	var missing []string
	for _, n := range Needs() {
		if n.Always && !held[n.Name] {
			missing = append(missing, fmt.Sprintf("%s (%s)", n.Name, n.For))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("this process lacks %s: run it as root, or give it what it lacks: hairpin privileges", strings.Join(missing, ", "))
	}
	return nil
}

// kept is the set of capabilities that Drop leaves, of those in have.
func kept(have uint64) (keep uint64) {
	for _, n := range slices.DeleteFunc(Needs(), func(n Need) bool { return !n.Keep }) {
		keep |= 1 << n.number
	}
	return keep & have
}

// effective is the set in effect for the calling thread.
func effective() (uint64, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("read capabilities: %w", err)
	}
	return uint64(data[0].Effective) | uint64(data[1].Effective)<<32, nil
}
