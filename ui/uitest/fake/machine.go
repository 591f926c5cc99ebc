package fake

import (
	"net/netip"
	"time"

	"hairpin/engine"
)

// Ailing is Busy on a machine with something wrong, and one backend that is not reached.
func Ailing() *engine.State {
	s := Busy()
	s.Doctor = &engine.Diagnosis{Time: s.Time.Add(-12 * time.Second), Role: "load balancer", Findings: []engine.Finding{
		{Check: "lro", On: "eth0", Level: engine.FindingCrit, What: "LRO of eth0 merges packets",
			Means: "what is merged is too long to be forwarded, and drivers refuse XDP beside it", Cure: "ethtool -K eth0 lro off"},
		{Check: "mtu", On: "eth1", Level: engine.FindingWarn, What: "packets over 1472 bytes do not fit through eth1 to 7 backends: MTU 1500 less 28 for the encapsulation",
			Means: "they are dropped as too_big, and uploads of clients stall that are told by nobody", Cure: "ip link set dev eth1 mtu 1600"},
		{Check: "unread", Level: engine.FindingUnknown, What: "free memory could not be read: permission denied", Cure: "sudo hairpin doctor"},
		{Check: "rings", On: "eth0", Level: engine.FindingInfo, What: "eth0 holds 256 packets a queue until a CPU takes them, and could hold 4096",
			Means: "a burst may not fit", Cure: "ethtool -G eth0 rx 1024"},
		{Check: "btf", Level: engine.FindingOK, What: "the kernel describes its types"}}}
	gateway := netip.MustParseAddr("10.1.0.1")
	for i, b := range s.Spec.VIPs[0].Backends {
		r := engine.Route{Backend: b.Address, VIPs: []string{s.Spec.VIPs[0].Name}, NIC: "eth0", Gateway: gateway, Source: netip.MustParseAddr("10.1.0.2"),
			MAC: "02:00:0a:01:00:01", MTU: 1600, State: "reachable"}
		if i == 1 {
			r.MAC, r.State, r.Why, r.Changed = "", "failed", "failed: "+b.Address.String()+" does not answer on eth0", s.Time.Add(-95*time.Second)
		}
		s.Routes = append(s.Routes, r)
	}
	return s
}
