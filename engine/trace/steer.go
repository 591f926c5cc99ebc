package trace

import (
	"fmt"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

// unsteered says why a steer left a packet alone of which it noted nothing.
func (c Chain) unsteered() string {
	if c.Hook == string(spec.XDP) {
		return "not asked: its flow is not hot"
	}
	return "none is true of it"
}

func (c Chain) steerRule(s *Step, number uint64) string {
	if x, ok := c.settings(s).(*spec.Steering); ok && number < uint64(len(x.Rules)) {
		return x.Rules[number].Name
	}
	return fmt.Sprint("number ", number)
}

func (c Chain) tellSteerRule(s *Step, saw datapath.Sight, _ datapath.Note) {
	s.add("rule", "%s", c.steerRule(s, saw.A))
}

func (c Chain) tellSteerUnknown(s *Step, saw datapath.Sight, _ datapath.Note) {
	s.add("rule", "%s: its mark or cgroup decides, and a trace's packet has none", c.steerRule(s, saw.A))
}

// Answers of a path as bpf/steer_way.h has them.
var steerWays = [...]string{"takes it", "takes no packets", "no route of it leads there", "the packet is too large for it",
	"the kernel cannot be asked: forwarding is off on this NIC and on lo"}

func (c Chain) tellSteerPath(s *Step, saw datapath.Sight, _ datapath.Note) {
	answer := "gives an answer that this version does not know"
	if way := uint32(saw.B); int(way) < len(steerWays) {
		answer = steerWays[way]
	}
	s.add("path", "%s: %s", c.Path(uint16(saw.A)), answer)
}

func (c Chain) tellSteerHot(s *Step, saw datapath.Sight, _ datapath.Note) {
	s.add("path", "%s, by XDP: its flow is hot", c.Path(uint16(saw.A)))
}
