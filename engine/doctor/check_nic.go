package doctor

import (
	"fmt"
	"slices"
	"strings"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

func checkPresent(f *Facts, n *NIC, s *sheet) {
	if n.Index == 0 {
		s.say(Crit, "the spec names "+n.Name+", and this machine has no such NIC", "its chain begins when the NIC appears", "ip -br link")
	}
}

func checkLink(_ *Facts, n *NIC, s *sheet) {
	switch {
	case n.Index == 0:
	case !n.Up:
		s.say(Crit, n.Name+" is switched off", "it receives nothing", "ip link set dev "+n.Name+" up")
	case !n.Carrier:
		s.say(Crit, n.Name+" has no carrier", "it receives nothing", "look at the cable and the port at its other end; ip -s link show dev "+n.Name)
	default:
		s.ok(n.Name + " is up")
	}
}

// checkXDP: whether packets meet a chain before the kernel makes socket buffers of them.
func checkXDP(f *Facts, n *NIC, s *sheet) {
	if n.Index == 0 || !f.wants(n.Name, spec.XDP) {
		return
	}
	const slow = "every packet gets a socket buffer first, which costs several times as much"
	driver := driverName(n)
	why := n.XDP.Why
	switch {
	case why != "":
	case n.XDP.Known && !n.XDP.Native:
		why = driver + " has no native XDP"
	default:
		why = driver + " refused native XDP, and nothing of the NIC explains it"
	}
	switch mode := n.runs(); {
	case mode == "generic":
		s.say(Warn, "the chain of "+n.Name+" runs in generic XDP: "+why, slow, cureOf(n))
	case mode != "":
		s.ok("the chain of " + n.Name + " runs in " + mode + " XDP of " + driver)
	case n.XDP.Known && !n.XDP.Native:
		s.say(Warn, n.Name+" has generic XDP only: "+why, slow, cureOf(n))
	case n.XDP.Known && n.XDP.Why != "":
		s.say(Warn, n.Name+": "+driver+" has native XDP, but not as it is set up: "+why, slow, cureOf(n))
	case n.XDP.Known:
		s.ok(driver + " of " + n.Name + " has native XDP")
	default:
		s.say(Info, "this kernel does not say whether "+driver+" of "+n.Name+" has native XDP", "a chain says its mode once it is attached", "")
	}
}

func driverName(n *NIC) string {
	if n.Settings.Driver == "" {
		return "the driver"
	}
	return n.Settings.Driver
}

// cureOf is what the reason against native XDP says at its end; else where to find other NICs.
func cureOf(n *NIC) string {
	for _, mark := range []string{": ", "; "} {
		if i := strings.LastIndex(n.XDP.Why, mark); i >= 0 {
			return n.XDP.Why[i+len(mark):]
		}
	}
	return "put the chain on a NIC whose driver has native XDP"
}

// checkStations: whether packets come that are for somebody else. The kernel drops those, and XDP sees them before.
func checkStations(f *Facts, n *NIC, s *sheet) {
	if n.Index == 0 || !f.wants(n.Name, spec.XDP) {
		return
	}
	if n.Promisc {
		s.say(Info, n.Name+" is promiscuous: somebody captures on it, or it is a bridge's port", "where its switch floods, its chain takes packets that are for other nodes", "")
		return
	}
	s.ok(n.Name + " takes only frames for this machine")
}

func checkForeign(f *Facts, n *NIC, s *sheet) {
	var ours int
	for _, p := range n.Sitting {
		switch {
		case p.Ours:
			ours++
		case !n.Foreign:
			s.say(Unknown, fmt.Sprintf("%s has %s at %s, and whose it is could not be told", n.Name, program(p), p.Hook), "", "sudo hairpin doctor")
		case p.Hook == "xdp" && f.Spec != nil && f.wants(n.Name, spec.XDP):
			s.say(Crit, fmt.Sprintf("somebody else's %s sits at xdp of %s", program(p), n.Name),
				"hairpin does not replace it, so the chain is not attached", "if nobody needs it: ip link set dev "+n.Name+" xdp off")
		case p.Hook == "xdp":
			s.say(Info, fmt.Sprintf("somebody else's %s sits at xdp of %s", program(p), n.Name), "a chain could not be attached there", "")
		default:
			s.say(Info, fmt.Sprintf("somebody else's %s sits at %s of %s", program(p), p.Hook, n.Name),
				"it may change or drop what comes by there, uncounted here", "")
		}
	}
	if n.Foreign && ours == len(n.Sitting) && n.Index != 0 {
		s.ok("nobody else has programs on " + n.Name)
	}
}

func program(p datapath.Sitting) string {
	switch {
	case p.ID == 0:
		return "filter " + p.Name
	case p.Name == "":
		return fmt.Sprintf("program %d", p.ID)
	}
	return fmt.Sprintf("program %s (%d)", p.Name, p.ID)
}

func checkLost(_ *Facts, n *NIC, s *sheet) {
	if lost := n.Stats.RxMissed + n.Stats.RxFIFO; lost > 0 {
		cure := "spread its queues over more CPUs"
		if r := n.Settings.RxRing; r.Now < r.Most {
			cure = fmt.Sprintf("ethtool -G %s rx %d", n.Name, min(r.Most, 4096))
		}
		s.say(Warn, fmt.Sprintf("%s lost %d packets for want of room since it was made", n.Name, lost), "no chain saw them", cure)
	}
}

func checkRings(_ *Facts, n *NIC, s *sheet) {
	const enough = 512
	switch r := n.Settings.RxRing; {
	case r.Now == 0:
	case r.Now < enough && r.Now < r.Most:
		s.say(Info, fmt.Sprintf("%s holds %d packets a queue until a CPU takes them, and could hold %d", n.Name, r.Now, r.Most),
			"a burst may not fit", fmt.Sprintf("ethtool -G %s rx %d", n.Name, min(r.Most, 1024)))
	default:
		s.ok(fmt.Sprintf("%s holds %d packets a queue", n.Name, r.Now))
	}
}

// checkQueues: one CPU does the work of one queue.
func checkQueues(f *Facts, n *NIC, s *sheet) {
	c := n.Settings.Channels
	switch want := min(f.CPUs, c.Most); {
	case c.Now == 0 || f.CPUs < 2:
	case c.Most == 1 && n.Settings.Driver != "veth":
		s.say(Info, n.Name+" has one queue", fmt.Sprintf("one of %d CPUs handles every packet", f.CPUs), "")
	case c.Now < want:
		s.say(Warn, fmt.Sprintf("%s spreads packets over %d of %d CPUs", n.Name, c.Now, f.CPUs), "the others stay idle while those are full",
			fmt.Sprintf("ethtool -L %s %s %d", n.Name, channelKind(n), want))
	case c.Most > 1:
		s.ok(fmt.Sprintf("%s spreads packets over %d queues for %d CPUs", n.Name, c.Now, f.CPUs))
	}
}

func channelKind(n *NIC) string {
	if n.Settings.Driver == "veth" {
		return "rx"
	}
	return "combined"
}

// checkIRQs: queues whose interrupts go to one CPU share it.
func checkIRQs(f *Facts, n *NIC, s *sheet) {
	if len(n.IRQs) < 2 || f.CPUs < 2 {
		return
	}
	taken := map[int]int{}
	for _, irq := range n.IRQs {
		if len(irq.CPUs) > 0 {
			taken[irq.CPUs[0]]++
		}
	}
	want := min(len(n.IRQs), f.CPUs)
	if len(taken) >= want {
		s.ok(fmt.Sprintf("the interrupts of %s go to %d CPUs", n.Name, len(taken)))
		return
	}
	var commands []string
	for i, irq := range n.IRQs {
		commands = append(commands, fmt.Sprintf("echo %d > /proc/irq/%d/smp_affinity_list", i%f.CPUs, irq.Number))
	}
	s.say(Warn, fmt.Sprintf("the interrupts of %d queues of %s go to %d of %d CPUs", len(n.IRQs), n.Name, len(taken), f.CPUs),
		"those are full while the others are idle", "systemctl stop irqbalance; "+strings.Join(slices.Compact(commands), "; "))
}
