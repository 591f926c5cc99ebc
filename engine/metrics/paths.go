package metrics

import "hairpin/engine"

// paths are the ways of steers.
func (p *page) paths(all []engine.SteeredPath) {
	each := func(name string, kind kind, help string, value func(engine.SteeredPath) (float64, bool)) {
		p.metric(name, kind, help, func(add add) {
			for _, x := range all {
				if n, known := value(x); known {
					add(n, "stage", x.Stage, "group", x.Group, "path", x.Name)
				}
			}
		})
	}
	each("hairpin_path_usable", gauge, "Whether flows take a path.", func(x engine.SteeredPath) (float64, bool) { return flag(x.State == "up"), true })
	each("hairpin_path_share", gauge, "Share of the flows that begin on a path, 0 to 1.", func(x engine.SteeredPath) (float64, bool) { return x.Share, true })
	each("hairpin_path_packets_total", counter, "Packets sent by a path.", func(x engine.SteeredPath) (float64, bool) { return float64(x.Packets), true })
	each("hairpin_path_bytes_total", counter, "Bytes sent by a path.", func(x engine.SteeredPath) (float64, bool) { return float64(x.Bytes), true })
	each("hairpin_path_rtt_seconds", gauge, "Median latency of the last probes of a path.", func(x engine.SteeredPath) (float64, bool) {
		if x.Measured == nil || x.Measured.RTT == 0 {
			return 0, false
		}
		return x.Measured.RTT.Seconds(), true
	})
	each("hairpin_path_loss", gauge, "Share of the last probes of a path that was not answered.", func(x engine.SteeredPath) (float64, bool) {
		if x.Measured == nil || x.Measured.Probes == 0 {
			return 0, false
		}
		return x.Measured.Loss, true
	})
}
