package spec

import (
	"bytes"
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"
)

// BFD is how a neighbor on link is watched, and watches this node: by packets at short intervals (RFC 5880, 5881).
type BFD struct {
	Interval   time.Duration // from packet to packet; 0 = no BFD
	Multiplier uint8         // how many may be missing
	Graceful   bool          // the neighbor takes a session that ends for a restart, and keeps the routes as graceful_restart says
}

// Bounds and defaults of BFD.
const (
	DefaultBFDInterval   = 300 * time.Millisecond
	MinBFDInterval       = 50 * time.Millisecond
	MaxBFDInterval       = 10 * time.Second
	DefaultBFDMultiplier = 3
	MaxBFDMultiplier     = 50
)

func (r *reader) bfd(n *yaml.Node, a *at) (x BFD) {
	x = BFD{Interval: DefaultBFDInterval}
	multiplier := uint32(DefaultBFDMultiplier)
	r.fields(n, a,
		field{"interval", "", scalar(r, &x.Interval, parseDuration)},
		field{"multiplier", "", number(r, &multiplier, 2, MaxBFDMultiplier)},
		field{"graceful", "", choice(r, &x.Graceful, truths)},
	)
	x.Multiplier = uint8(multiplier)
	return x
}

// checkBFD refuses what would have a router drop routes that graceful restart is to keep: BFD ends with the engine.
func (p *Neighbor) checkBFD(restart time.Duration, here *at, f *faults) {
	if p.BFD == (BFD{}) {
		return
	}
	here = here.field("bfd")
	switch d := p.BFD.Interval; {
	case d < MinBFDInterval || d > MaxBFDInterval || d%time.Millisecond != 0:
		f.wrong(here.field("interval"), "%s is not whole milliseconds within %s to %s", duration(d), duration(MinBFDInterval), duration(MaxBFDInterval))
	case p.Hops > 1:
		f.wrong(here, "%s is up to %d hops away: BFD is for routers on link; leave hops or bfd away", p.Address, p.Hops)
	case restart > 0 && !p.BFD.Graceful:
		f.wrong(here, "BFD ends with the engine, and %s would drop the routes that graceful_restart is to keep: write graceful: true here if it takes that for a restart "+
			"(BIRD: bfd graceful; FRR: neighbor bfd check-control-plane-failure), or graceful_restart: 0s, or leave bfd away", p.Address)
	case restart == 0 && p.BFD.Graceful:
		f.wrong(here.field("graceful"), "nothing is kept with graceful_restart: 0s; leave graceful away")
	}
}

func (x BFD) write(b *bytes.Buffer) {
	if x == (BFD{}) {
		return
	}
	fmt.Fprintf(b, ", bfd: {interval: %s, multiplier: %d", duration(x.Interval), x.Multiplier)
	if x.Graceful {
		b.WriteString(", graceful: true")
	}
	b.WriteString("}")
}
