package trace

import (
	"encoding/binary"
	"fmt"

	"hairpin/engine/datapath"
	"hairpin/engine/reason"
	"hairpin/engine/spec"
)

// words turn a sight of one kind into facts of the step that saw it.
type words func(c Chain, s *Step, saw datapath.Sight, n datapath.Note)

// kinds has the words of each kind of sight; whoever adds a kind adds a line.
var kinds = map[datapath.SightKind]words{
	datapath.SawVIP:      Chain.tellVIP,
	datapath.SawRule:     Chain.tellRule,
	datapath.SawListed:   Chain.tellListed,
	datapath.SawShadow:   Chain.tellShadow,
	datapath.SawExcepted: says("limits", "not asked: a rule of the firewall let it pass"),
	datapath.SawWindow:   Chain.tellWindow,
	datapath.SawSource:   Chain.tellSource,
	datapath.SawSeat:     Chain.tellSeat,
	datapath.SawTally:    Chain.tellTally,
	datapath.SawFlow:     Chain.tellFlow,
	datapath.SawNoRoom:   says("flow table", "the set of this flow is full of others"),
	datapath.SawSlot:     Chain.tellSlot,
	datapath.SawBefore:   Chain.tellBefore,
	datapath.SawEntry:    Chain.tellEntry,
	datapath.SawBackend:  Chain.tellBackend,
	datapath.SawInner:    Chain.tellInner,
	datapath.SawExternal: says("program", "called; what it saw, only it knows"),
	datapath.SawReturned: says("program", "gave the packet back"),
	datapath.SawAnswered: says("answer", "a reset"),
	datapath.SawOffer:    Chain.tellOffer,
	datapath.SawOffered:  Chain.tellOffered,
	datapath.SawHello:    Chain.tellHello,
	datapath.SawMirrored: Chain.tellMirrored,
	datapath.SawNAT:      Chain.tellNAT,
	datapath.SawNATNew:   Chain.tellNATNew,
	datapath.SawLocal:    Chain.tellLocal,
	datapath.SawOrigin:   Chain.tellOrigin,
	datapath.SawSpecial:  says("ring", "not asked: the packet or a socket names its backend"),
	datapath.SawServer:   Chain.tellServer,

	datapath.SawSteerRule:    Chain.tellSteerRule,
	datapath.SawSteerUnknown: Chain.tellSteerUnknown,
	datapath.SawSteerPath:    Chain.tellSteerPath,
	datapath.SawSteerHot:     Chain.tellSteerHot,
}

func (c Chain) tell(s *Step, saw datapath.Sight, n datapath.Note) {
	if f := kinds[saw.Kind]; f != nil {
		f(c, s, saw, n)
	}
}

func (s *Step) add(name, format string, args ...any) {
	s.Facts = append(s.Facts, Fact{name, fmt.Sprintf(format, args...)})
}

// says is the same words whatever was seen.
func says(name, value string) words {
	return func(_ Chain, s *Step, _ datapath.Sight, _ datapath.Note) { s.add(name, "%s", value) }
}

// Kinds of packet as bpf/scratch.h has them.
var packetKinds = [...]string{"a fragment", "with extension headers", "ICMP", "with a VLAN tag"}

func (c Chain) tellVIP(s *Step, saw datapath.Sight, _ datapath.Note) {
	for bit, name := range packetKinds {
		if saw.A>>bit&1 != 0 {
			s.add("packet", "%s", name)
		}
	}
	switch num, flags := uint16(saw.B), uint16(saw.B>>16); {
	case saw.A>>8&1 == 0:
		s.add("vip", "none%s", c.others())
	case flags&datapath.VIPAddress != 0:
		s.add("vip", "none; the address is one of %s", c.VIP(num))
	default:
		text := c.VIP(num)
		if flags&datapath.VIPSettling != 0 {
			text += ", settling"
		}
		s.add("vip", "%s", text)
	}
}

func (c Chain) settings(s *Step) any {
	if n := c.Spec.Stage(s.Name); n != nil {
		return n.Settings
	}
	return nil
}

func (c Chain) tellRule(s *Step, saw datapath.Sight, _ datapath.Note) {
	policy, ok := c.settings(s).(*spec.Policy)
	if !ok || saw.A >= uint64(len(policy.Rules)) {
		s.add("rule", "number %d", saw.A)
		return
	}
	r := policy.Rules[saw.A]
	s.add("rule", "%s: %s (%s)", r.Name, r.Action, r.Match)
}

func (c Chain) tellListed(s *Step, saw datapath.Sight, _ datapath.Note) {
	what, a := "source", c.Packet.Src
	if saw.A == 1 {
		what, a = "destination", c.Packet.Dst
	}
	policy, ok := c.settings(s).(*spec.Policy)
	if !ok {
		return
	}
	p, from := c.Kernel.Listing(policy.Drop, saw.A == 1, a)
	if !p.IsValid() {
		s.add("listed", "%s %s", what, a)
		return
	}
	s.add("listed", "%s %s, by %s of %s", what, a, p, from)
}

func (c Chain) tellShadow(s *Step, saw datapath.Sight, _ datapath.Note) {
	why, _ := reason.ByID(int(saw.A))
	s.add("shadow", "would be dropped with reason %s", why.Name)
	s.Result = "would drop"
}

func room(bit uint64) string {
	if bit&1 != 0 {
		return "room"
	}
	return "over"
}

func (c Chain) tellWindow(s *Step, saw datapath.Sight, _ datapath.Note) {
	window, rate := uint32(saw.A), uint32(saw.B)
	name := "rate"
	if saw.A>>33 == 2 {
		name = "tenant rate"
	}
	s.add(name, "%d of %d new connections in a second: %s", c.Kernel.WindowNow(window, rate), rate, room(saw.A>>32))
}

func (c Chain) tellSource(s *Step, saw datapath.Sight, _ datapath.Note) {
	rate := uint32(saw.B)
	s.add("source rate", "%s: %d of %d new connections in a second: %s", c.Packet.Src, c.Kernel.SourceNow(saw.A, rate), rate, room(saw.B>>40))
}

func (c Chain) tellSeat(s *Step, saw datapath.Sight, _ datapath.Note) {
	name := "limit"
	if x, ok := c.settings(s).(*spec.Connections); ok && int(saw.A>>32&0xff) < len(x.Limits) {
		name = limitName(x.Limits[saw.A>>32&0xff])
	}
	s.add(name, "%d of %d connections: %s", uint32(saw.B>>32), uint32(saw.B), room(saw.A>>40))
}

func limitName(l spec.Connection) string {
	name := l.Per.String()
	if whose := l.VIP + l.Tenant; whose != "" {
		name += " " + whose
	}
	return name
}

func (c Chain) tellTally(s *Step, saw datapath.Sight, _ datapath.Note) {
	name := "source"
	switch saw.A >> 32 & 0xff {
	case 0:
		name = "nic"
	case 1:
		name = "vip"
	case datapath.HeldOfTenant:
		name = "tenant"
	}
	s.add(name, "%d of %d connections: %s", uint32(saw.B>>32), uint32(saw.B), room(saw.A>>40))
}

func (c Chain) tellFlow(s *Step, saw datapath.Sight, _ datapath.Note) {
	states := [...]string{"known", "known, beginning", "known, open", "known, ending"}
	s.add("flow", "%s", states[saw.A>>22&3])
}

func (c Chain) tellMirrored(s *Step, saw datapath.Sight, _ datapath.Note) {
	if saw.A == 1 {
		s.add("copy", "of up to %d bytes", saw.B)
		return
	}
	s.add("copy", "of up to %d bytes, of one packet in %d such", saw.B, saw.A)
}

func (c Chain) tellHello(s *Step, saw datapath.Sight, _ datapath.Note) {
	var bytes [8]byte
	binary.LittleEndian.PutUint64(bytes[:], saw.B)
	first, count := saw.A&0xff, min(saw.A>>8&0xff, 8)
	verdict := "may begin a ClientHello"
	if saw.A>>16&1 == 0 {
		verdict = "begin no ClientHello"
	}
	s.add("first bytes", "% x, from byte %d: %s", bytes[:count], first, verdict)
}

func (c Chain) backend(id uint64) string {
	if id&0x7fff == 0 {
		return "nobody"
	}
	return c.Backend(uint16(id & 0x7fff)).String()
}

// slot is where in a ring of that size a hash leads.
func slot(a uint64) (slot, size uint64) { return (a & 0xffffffff) * (a >> 32) >> 32, a >> 32 }

func (c Chain) tellSlot(s *Step, saw datapath.Sight, n datapath.Note) {
	at, size := slot(saw.A)
	s.add("slot", "%d of %d (hash %#08x): %s", at, size, uint32(saw.A), c.backend(saw.B))
	s.add("chosen", "%s, %s", c.backend(uint64(n.Backend)), settled(n.Settled))
}

// settled says how the backend was found.
func settled(way datapath.Settled) string {
	ways := [...]string{"by the ring alone", "by the ring: the rings agree here", "since the flow is known", "by the ring: a new flow",
		"by the ring before: older than the change", "by the ring before: it could not be remembered"}
	if int(way) >= len(ways) {
		return "in another way"
	}
	return ways[way]
}

func (c Chain) tellBefore(s *Step, saw datapath.Sight, _ datapath.Note) {
	at, size := slot(saw.A)
	mark := "the rings have not differed here"
	if saw.B&0x8000 != 0 {
		mark = "the rings have differed here"
	}
	s.add("ring before", "slot %d of %d: %s, %s", at, size, c.backend(saw.B), mark)
}

const entryTick = float64(1<<32) / 1e9 // seconds

func (c Chain) tellEntry(s *Step, saw datapath.Sight, _ datapath.Note) {
	text := c.backend(saw.A)
	if saw.A>>15&1 != 0 {
		text += ", confirmed"
	}
	if saw.A>>16&1 != 0 {
		text += ", closing"
	}
	age := (datapath.Monotonic()>>32 - saw.A>>17) & 0x7ff
	text += fmt.Sprintf(", seen about %.0f s ago", float64(age)*entryTick)
	if saw.B == 0 {
		text += "; it does not count"
	}
	s.add("connection", "%s", text)
}

func (c Chain) tellBackend(s *Step, saw datapath.Sight, _ datapath.Note) {
	flags := saw.A >> 32
	text := fmt.Sprintf("id %d", uint32(saw.A))
	if flags&datapath.BackendNew == 0 {
		text += ", takes no new flows"
	}
	if flags&datapath.BackendReachable == 0 {
		text += ", its next hop is not known"
	} else {
		text += fmt.Sprintf(", out of %s, mtu %d", c.NIC(int(saw.B>>16&0xffff)), saw.B&0xffff)
	}
	s.add("backend", "%s", text)
}

func (c Chain) tellServer(s *Step, saw datapath.Sight, _ datapath.Note) {
	if saw.B == 0 {
		s.add("server", "id %d, which no backend of the VIP has", saw.A)
		return
	}
	s.add("server", "id %d, of the packet", saw.A)
}

func (c Chain) tellInner(s *Step, saw datapath.Sight, _ datapath.Note) {
	inside := map[uint64]string{0x0800: "IPv4", 0x86dd: "IPv6"}[saw.B]
	s.add("inside", "%s, %d bytes come off", inside, saw.A)
}

func (c Chain) tellOffer(s *Step, saw datapath.Sight, _ datapath.Note) {
	s.add("offer", "backend %s may have the flow as well, and the packet names it", c.Backend(uint16(saw.A)))
}

func (c Chain) tellOffered(s *Step, saw datapath.Sight, _ datapath.Note) {
	s.add("offer", "backend %s may have the flow, should no socket of this host", addressOf(saw))
}

// unasked says why no limit was asked about a packet.
func (c Chain) unasked(all []datapath.Sight) string {
	for _, s := range all {
		if s.Kind == datapath.SawRule && spec.RuleAction(s.B) == spec.RulePass {
			return "a rule of the firewall let it pass"
		}
	}
	return "it begins no connection"
}
