package trace

import (
	"fmt"
	"slices"
	"strings"

	"hairpin/engine/packet"
)

// others are the VIPs that a packet's address has and that it is for none of, as of another port: behind a semicolon.
func (c Chain) others() string {
	if c.Spec == nil {
		return ""
	}
	var list []string
	for i := range c.Spec.VIPs {
		v := &c.Spec.VIPs[i]
		if !slices.Contains(v.Addresses, c.Packet.Dst) {
			continue
		}
		low, high := v.Ports()
		ports := fmt.Sprint(low)
		if high != low {
			ports = fmt.Sprintf("%d-%d", low, high)
		}
		list = append(list, fmt.Sprintf("%s (%s %s)", v.Name, v.Protocol, ports))
	}
	if len(list) == 0 {
		return ""
	}
	return fmt.Sprintf("; %s is an address of %s", c.Packet.Dst, strings.Join(list, ", "))
}

// Socket says which socket takes a packet of TCP or UDP that the kernel gives to this host, by the state of that; empty = there is
// none.
func Socket(p packet.Summary, state string) string {
	end := fmt.Sprintf("port %d of %s", p.DstPort, p.Dst)
	switch {
	case state == "" && p.Protocol == packet.ProtoTCP:
		return "none: nothing listens at " + end + ", so the kernel answers with a reset"
	case state == "":
		return "none: nothing is bound to " + end + ", so the kernel answers port unreachable"
	case state == "listen" && !strings.Contains(p.Flags, "S"):
		return "one listens at " + end + ", and no connection has these ends: the kernel answers with a reset"
	case state == "listen":
		return "one listens at " + end
	case p.Protocol == packet.ProtoTCP:
		return "of a connection, " + state
	}
	return "one is bound to " + end
}
