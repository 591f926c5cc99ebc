package doctor

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// returnedFloor is how many messages between two readings are worth a warning: a few come to every machine.
const returnedFloor = 5

// checkReturned: what a balancer sends are mostly tunnels, so what comes back is mostly about those.
func checkReturned(f *Facts, s *sheet) {
	const means = "what it encapsulates is lost on the way: a hop's MTU is too small for it, somebody rejects it, or its backend has no agent"
	const cure = "hairpin capture --came --snap 256 -x 'icmp or icmp6'   # who says so, of which backend, and which MTU"
	now, before := f.Returned, f.Earlier
	if !f.balances() || now.At.IsZero() {
		return
	}
	switch {
	case before != nil && !before.At.IsZero() && now.Messages >= before.Messages+returnedFloor:
		s.say(Warn, fmt.Sprintf("others said %d times in %s that what this node sends does not arrive", now.Messages-before.Messages,
			now.At.Sub(before.At).Round(time.Second)), means, cure)
	case before == nil && now.Messages > 0:
		s.say(Info, fmt.Sprintf("others said %d times since this machine started that what it sends does not arrive", now.Messages), means, cure)
	default:
		s.ok("nobody says that what this node sends does not arrive")
	}
}

// readReturned reads the counters of the calling thread's network namespace.
func (f *Facts) readReturned() {
	four, err := os.ReadFile("/proc/thread-self/net/snmp")
	if err != nil {
		f.unread("", "the kernel's counters of ICMP", err)
		return
	}
	six, _ := os.ReadFile("/proc/thread-self/net/snmp6") // there is none without IPv6
	f.Returned = Returned{At: time.Now(), Messages: returned(four, six)}
}

// returned adds up what the kernel counts: IPv4 as a line of names and one of numbers, IPv6 as a line for each.
func returned(four, six []byte) (sum uint64) {
	var names []string
	for lines := bufio.NewScanner(bytes.NewReader(four)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0] != "Icmp:" {
			continue
		}
		for i, name := range names {
			if name == "InDestUnreachs" && i < len(fields) {
				sum += count(fields[i])
			}
		}
		names = fields
	}
	for lines := bufio.NewScanner(bytes.NewReader(six)); lines.Scan(); {
		name, number, _ := strings.Cut(lines.Text(), " ")
		if name == "Icmp6InDestUnreachs" || name == "Icmp6InPktTooBigs" {
			sum += count(strings.TrimSpace(number))
		}
	}
	return sum
}

func count(text string) uint64 {
	n, _ := strconv.ParseUint(text, 10, 64) // the kernel writes numbers
	return n
}
