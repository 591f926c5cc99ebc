package lab

import "hairpin/engine/spec"

// CheckBackends has lb check its backends: web by its page, echo by a datagram. It leaves specs of backends alone.
func (l *Lab) CheckBackends(of *spec.Spec) error {
	for i := range of.VIPs {
		v := &of.VIPs[i]
		c := spec.Check{Kind: spec.CheckHTTP, Port: v.Port, Path: "/", Status: []spec.StatusSpan{{First: 200, Last: 299}}}
		if v.Protocol == spec.UDP {
			c = spec.Check{Kind: spec.CheckUDP, Port: v.Port, Send: "hairpin", Expect: "hairpin"}
		}
		c.Interval, c.Timeout, c.Rise, c.Fall = spec.DefaultInterval, spec.DefaultInterval, spec.DefaultRise, spec.DefaultFall
		v.Checks = []spec.Check{c}
		v.Health = &spec.Health{Quorum: spec.DefaultQuorum, Watermark: spec.DefaultWatermark, Damping: spec.DefaultDamping}
	}
	return nil
}
