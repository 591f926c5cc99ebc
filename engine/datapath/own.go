package datapath

import "hairpin/engine/spec"

// ownCounting is no stage of a chain: it needs the map in which stages count what is no reason.
const ownCounting spec.Stage = "own"

// ownCounts is what one CPU counted, by chain and account; see bpf/own.h.
type ownCounts struct {
	Stage [Chains][Positions][ownEach]uint64
}

const ownEach = 4

// Names of what stages count of their own, by kind and in order.
const (
	WallHellos = "hellos" // flows that began with TLS
	WallUnheld = "unheld" // new connections that could not be remembered, and so were not judged
	CopiesMade = "copied" // packets that were copied
	CopiesLost = "lost"   // copies for which there was no room: nobody, or nobody fast enough, takes them
	CopiesOver = "over"   // packets above the rate, not copied

	SteerWayless = "no_path"   // packets that a rule is true of, and that no path of it took
	SteerLarge   = "too_large" // of those, the ones that are too large for a path
	SteerLeases  = "leases"    // flows that were given to XDP, or once more
	SteerCaught  = "by_xdp"    // packets that XDP forwarded
)

var owns = map[spec.Stage][]string{
	spec.TLSWall: {WallHellos, WallUnheld},
	spec.Mirror:  {CopiesMade, CopiesLost, CopiesOver},
	spec.Steer:   {SteerWayless, SteerLarge, SteerLeases, SteerCaught},
}

// ownMetrics are the numbers that the stages of s count of their own, each over all hooks at which it stands.
func (k *Kernel) ownMetrics(s *spec.Spec) (all []Metric) {
	for _, n := range s.Stages {
		for which, name := range owns[n.Kind] {
			all = append(all, Metric{Stage: n.Name, Watch: spec.Watch{Map: string(n.Kind), Name: name}, Value: float64(k.own(n.Name, which))})
		}
	}
	return all
}

func (k *Kernel) own(stage string, which int) (sum uint64) {
	for _, c := range k.Chains() {
		for account, name := range c.Names {
			if name != stage {
				continue
			}
			for cpu := range k.owns.all {
				sum += k.owns.all[cpu].Stage[c.Number][account][which]
			}
		}
	}
	return sum
}

// forgetOwn is for an account that another stage gets.
func (k *Kernel) forgetOwn(chain, account int) {
	for cpu := range k.owns.all {
		k.owns.all[cpu].Stage[chain][account] = [ownEach]uint64{}
	}
}
