package engine

import (
	"fmt"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/nicstats"
)

// unaccounted names what a NIC received and neither its chain saw nor any counter explains.
const unaccounted = "unaccounted"

// readNICs compares what chains saw with what their NICs say, by readings from before and after that of the chains.
func (m *meters) readNICs(now time.Time, first map[int]datapath.Chain, before, after map[int]nicstats.Link) {
	m.gaps = map[int]gap{}
	if m.nics == nil || m.nics.err != nil {
		return
	}
	for n, c := range first {
		b, read := before[n]
		a, again := after[n]
		if !read || !again {
			continue
		}
		g := m.nics.gap(now, c, m.now[meterKey{kind: chainIn, chain: n}].Packets, b, a)
		m.gaps[n] = g
		if g.Err != nil {
			continue
		}
		m.note(m.shallow, meterKey{kind: nicReceived, chain: n}, datapath.Count{Packets: g.Received, Bytes: g.Bytes})
		for _, l := range g.Losses {
			m.note(m.shallow, meterKey{kind: nicLost, chain: n, word: l.Name}, datapath.Count{Packets: l.Packets})
		}
		m.note(m.shallow, meterKey{kind: nicLost, chain: n, word: unaccounted}, datapath.Count{Packets: g.Unknown})
	}
	m.nics.forget(first)
}

// showReceived puts what the NIC itself says beside what its first chain saw.
func (v view) showReceived(nic *NIC, n int) {
	if _, first := fronts(v.kernel.Chains())[n]; !first || v.meters.nics == nil || nic.State != "attached" {
		return
	}
	g, read := v.meters.gaps[n]
	switch {
	case v.meters.nics.err != nil:
		nic.Unread = v.meters.nics.err.Error()
	case !read:
		nic.Unread = "the kernel gives no statistics of " + nic.Name
	case g.Err != nil:
		nic.Unread = g.Err.Error()
	}
	if nic.Unread != "" {
		return
	}
	nic.Received, nic.Uncounted = v.meters.counter(meterKey{kind: nicReceived, chain: n}), g.Uncounted
	for _, l := range g.Losses {
		if l.Packets > 0 {
			nic.Lost = append(nic.Lost, Lost{Name: l.Name, Source: l.Source, Where: where(l.Place), What: l.What,
				Counter: v.meters.counter(meterKey{kind: nicLost, chain: n, word: l.Name})})
		}
	}
	if g.Unknown > 0 {
		nic.Lost = append(nic.Lost, Lost{Name: unaccounted, Source: "difference", Where: "before", What: whyUnaccounted(*nic),
			Counter: v.meters.counter(meterKey{kind: nicLost, chain: n, word: unaccounted})})
	}
}

func where(p nicstats.Place) string {
	if p == nicstats.Outside {
		return string(nicstats.Before)
	}
	return string(p)
}

func whyUnaccounted(n NIC) string {
	if n.Mode == "native" {
		return "received by the NIC, and never seen by the chain"
	}
	return "received by the NIC, and lost or merged with others (GRO) in front of this hook"
}

const (
	lostFloor = 10.0  // packets a second: fewer are nobody's problem
	lostShare = 0.001 // of what comes in
)

// lostBeside are problems with packets that no stage can explain.
func lostBeside(n NIC) (warn []Problem) {
	for _, l := range n.Lost {
		if l.PPS < lostFloor || l.PPS < lostShare*n.In.PPS {
			continue
		}
		place := map[string]string{"before": "before its chain", "after": "behind its chain"}[l.Where]
		if place == "" {
			place = "beside its chain"
		}
		warn = append(warn, Problem{Key: "lost " + n.Name + " " + n.Hook + " " + l.Name, Severity: "warn",
			What: fmt.Sprintf("%s loses packets %s, %.0f/s: %s (%s)", n.Name, place, l.PPS, l.What, l.Name), Cure: "hairpin drops --nic " + n.Name})
	}
	return warn
}
