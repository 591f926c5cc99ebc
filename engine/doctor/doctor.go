// Package doctor is what stands in the way of a node's packets beside hairpin itself: the kernel, NICs, routes and settings
// of the machine, read as facts and judged by pure functions.
package doctor

import (
	"cmp"
	"slices"
	"strings"
)

// Level is how bad a finding is.
type Level string

// Levels, the worst first. Unknown: it could not be looked at.
const (
	Crit    Level = "crit"    // packets are lost, or nothing can run
	Warn    Level = "warn"    // packets are lost or slow in some case
	Unknown Level = "unknown" // it could not be looked at
	Info    Level = "info"    // to be known, nothing to be done
	OK      Level = "ok"
)

func (l Level) rank() int { return slices.Index([]Level{Crit, Warn, Unknown, Info, OK}, l) }

// Finding is one thing that was looked at.
type Finding struct {
	Check string // its name, the same on every node
	On    string // NIC, address or VIP; empty: the machine
	Level Level
	What  string // what was found, one sentence without a full stop
	Means string // what follows from it; empty when nothing does
	Cure  string // a command, or what to do where no command does it; empty when nothing is to be done
}

// Examine judges facts. The worst comes first; findings of one level keep the order of the checks.
func Examine(f *Facts) []Finding {
	var all []Finding
	for _, c := range checks() {
		s := &sheet{check: c.name}
		c.run(f, s)
		all = append(all, s.list...)
	}
	for _, u := range f.Unread {
		all = append(all, Finding{"unread", u.On, Unknown, u.What + " could not be read: " + u.Why, "", u.Cure})
	}
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Compare(a.Level.rank(), b.Level.rank()) })
	return all
}

// check is one thing to look at, on everything that has it.
type check struct {
	name string
	run  func(*Facts, *sheet)
}

func checks() []check {
	return []check{
		{"kernel", checkVersion}, {"kernel functions", checkFunctions}, {"btf", checkBTF}, {"jit", checkJIT}, {"statistics", checkStatistics},
		{"lockdown", checkLockdown}, {"privileges", checkPrivileges}, {"bpffs", checkBPFFS}, {"clock", checkClock},
		{"clock source", checkClockSource}, {"memory", checkMemory}, {"state folder", checkState}, {"conntrack", checkConntrack},
		{"nic", each(checkPresent)}, {"link", each(checkLink)}, {"xdp", each(checkXDP)}, {"stations", each(checkStations)}, {"foreign program", each(checkForeign)},
		{"lro", each(checkLRO)}, {"gro", each(checkGRO)}, {"vlan offload", each(checkVLAN)}, {"checksum", each(checkChecksum)},
		{"veth", each(checkVeth)}, {"queues", each(checkQueues)}, {"irqs", each(checkIRQs)}, {"rings", each(checkRings)},
		{"lost by the nic", each(checkLost)}, {"backlog", checkBacklog}, {"returned", checkReturned},
		{"next hop", checkHops}, {"mtu", checkMTU}, {"neighbour table", checkNeighbours},
		{"vip address", checkVIPs}, {"arp", checkARP}, {"rp_filter", checkReversePath}, {"mss", checkMSS}, {"mtu probing", checkProbing},
	}
}

// each makes a check of one NIC a check of all that are there.
func each(run func(*Facts, *NIC, *sheet)) func(*Facts, *sheet) {
	return func(f *Facts, s *sheet) {
		for i := range f.NICs {
			s.on = f.NICs[i].Name
			run(f, &f.NICs[i], s)
		}
	}
}

// sheet collects what one check finds.
type sheet struct {
	check, on string
	list      []Finding
}

func (s *sheet) say(l Level, what, means, cure string) {
	s.list = append(s.list, Finding{s.check, s.on, l, what, means, cure})
}

func (s *sheet) ok(what string) { s.say(OK, what, "", "") }

// sysctl is the command that sets name, a path below /proc/sys. NICs may have dots in their names.
func sysctl(name, value string) string {
	if !strings.Contains(name, ".") {
		name = strings.ReplaceAll(name, "/", ".")
	}
	return "sysctl -w " + name + "=" + value
}
