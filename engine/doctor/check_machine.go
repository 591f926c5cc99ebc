package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

func checkClock(f *Facts, s *sheet) {
	switch {
	case !f.Clock.Known:
	case !f.Clock.Synchronized:
		s.say(Warn, "nothing keeps this machine's clock right", "events and recordings of several nodes cannot be laid side by side",
			"timedatectl set-ntp true")
	default:
		s.ok("the clock is kept right")
	}
}

func checkClockSource(f *Facts, s *sheet) {
	fast := []string{"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "xen", "riscv_clocksource"}
	switch source := f.Clock.Source; {
	case source == "":
	case slices.Contains(fast, source):
		s.ok("the kernel reads the time from " + source)
	default:
		s.say(Warn, "the kernel reads the time from "+source, "a reading costs up to a µs, and limits and settling VIPs read it for packets",
			"echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource")
	}
}

func checkMemory(f *Facts, s *sheet) {
	m := f.Memory
	switch need := mega(m.Maps); {
	case m.Maps == 0 || m.Available == 0:
	case m.Made:
		s.ok(fmt.Sprintf("the maps, %s, are there; %s are left", need, mega(m.Available)))
	case m.Maps > m.Available:
		s.say(Crit, fmt.Sprintf("the maps take %s, and %s are left", need, mega(m.Available)), "they cannot be made, or others are killed for them",
			"free some memory, or give the machine more")
	case m.Maps > m.Available/2:
		s.say(Warn, fmt.Sprintf("the maps take %s of the %s that are left", need, mega(m.Available)), "an upgrade may not have room for a second set",
			"free some memory, or give the machine more")
	default:
		s.ok(fmt.Sprintf("the maps take %s of the %s that are left", need, mega(m.Available)))
	}
}

func mega(bytes uint64) string { return fmt.Sprintf("%d MB", (bytes+1<<19)>>20) }

func checkState(f *Facts, s *sheet) {
	switch {
	case f.State.Path == "":
	case f.State.Full:
		s.say(Crit, f.State.Path+" "+f.State.Why, "no change can be applied", "du -xsh "+f.State.Path+"/* /var/log/* | sort -h")
	case f.State.Why != "":
		s.say(Warn, f.State.Path+" "+f.State.Why, "soon no change can be applied", "du -xsh "+f.State.Path+"/* /var/log/* | sort -h")
	default:
		s.ok("there is room in " + f.State.Path)
	}
}

func checkConntrack(f *Facts, s *sheet) {
	count, most := f.number("net/netfilter/nf_conntrack_count"), f.number("net/netfilter/nf_conntrack_max")
	switch {
	case most <= 0:
	case count*100 >= most*95:
		s.say(Crit, fmt.Sprintf("the kernel's connection tracking is full: %d of %d", count, most),
			"it drops new connections of what the chain passes on", sysctl("net/netfilter/nf_conntrack_max", strconv.Itoa(most*4)))
	case count*100 >= most*75:
		s.say(Warn, fmt.Sprintf("the kernel's connection tracking fills up: %d of %d", count, most),
			"once full, it drops new connections of what the chain passes on", sysctl("net/netfilter/nf_conntrack_max", strconv.Itoa(most*4)))
	default:
		s.ok(fmt.Sprintf("the kernel tracks %d of %d connections", count, most))
	}
}

func checkBacklog(f *Facts, s *sheet) {
	if n := f.Softnet.Dropped; n > 0 {
		s.say(Warn, fmt.Sprintf("the kernel lost %d packets since it started, its backlog was full", n),
			"they were passed on by a chain, or came from a virtual NIC", sysctl("net/core/netdev_max_backlog", "10000"))
	}
	if n := f.Softnet.Squeezed; n > 0 {
		s.say(Info, fmt.Sprintf("the kernel left off receiving %d times with packets waiting", n), "harmless by itself; rings must hold what waits",
			sysctl("net/core/netdev_budget", "600"))
	}
	if f.Softnet == (Softnet{}) {
		s.ok("the kernel's backlog never ran over")
	}
}

// number is a setting that is one; -1 where it is not there.
func (f *Facts) number(name string) int {
	n, err := strconv.Atoi(strings.TrimSpace(f.Sysctls[name]))
	if err != nil {
		return -1
	}
	return n
}
