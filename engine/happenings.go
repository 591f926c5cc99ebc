package engine

import (
	"fmt"
	"slices"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/linkwatch"
)

// happenings are what was last seen of things that others change, or that begin to happen: to tell it once.
type happenings struct {
	nics   map[string]linkwatch.NIC // nil: not looked at yet
	limits map[limitKey]limitSeen

	exceptions *datapath.Exceptions // nil: they are not counted
	failed     map[datapath.Exception]failedSeen
}

// failedSeen is how often the kernel could not do something, and when last.
type failedSeen struct {
	packets uint64
	last    time.Time
}

// startExceptions has the kernel count what it could not do of what XDP programs asked for.
func (o *owner) startExceptions() (end func()) {
	x, err := datapath.OpenExceptions()
	if err != nil {
		o.log.Info("kernel exceptions are no events", "error", err)
		return func() {}
	}
	o.happened.exceptions, o.happened.failed = x, map[datapath.Exception]failedSeen{}
	return x.Close
}

// tellExceptions tells what the kernel could not do on NICs of chains, where it begins to.
func (h *happenings) tellExceptions(now time.Time, nics []NIC, j *journal) error {
	if h.exceptions == nil {
		return nil
	}
	list, err := h.exceptions.Read()
	if err != nil {
		return err
	}
	for _, e := range list {
		i := slices.IndexFunc(nics, func(n NIC) bool { return n.Index == e.Ifindex && n.Hook == "xdp" })
		if i < 0 {
			continue // another namespace's NIC, or one without a chain
		}
		key := datapath.Exception{Ifindex: e.Ifindex, What: e.What}
		was := h.failed[key]
		if e.Packets == was.packets {
			continue
		}
		h.failed[key] = failedSeen{e.Packets, now}
		if now.Sub(was.last) >= quietFor {
			j.add(now, "warn", "kernel", fmt.Sprintf("nic %s: %s", nics[i].Name, e.What), fmt.Sprintf("%d packets so far", e.Packets),
				"hairpin doctor looks for causes, hairpin drops for what the driver counts")
		}
	}
	return nil
}

type limitKey struct{ nic, hook, stage, scope, vip string }

type limitSeen struct {
	over uint64    // packets
	last time.Time // when it refused last
}

// tellHappenings tells what begins to happen by the numbers of a snapshot.
func (o *owner) tellHappenings(now time.Time, s *State) {
	o.happened.tellLimits(now, s.Limits, &o.journal)
	if err := o.happened.tellExceptions(now, s.NICs, &o.journal); err != nil {
		o.log.Warn("kernel exceptions are not read", "error", err)
	}
}

// ownPrograms are those of this engine's that have no pin.
func (o *owner) ownPrograms() map[uint32]bool {
	if o.checking.path == nil {
		return nil
	}
	return map[uint32]bool{o.checking.path.ID(): true}
}

// lookAtLinks tells what others changed of the NICs of the running spec.
func (o *owner) lookAtLinks(now time.Time) {
	if o.spec == nil {
		o.happened.nics = nil
		return
	}
	var names []string
	for _, n := range o.spec.NICs {
		names = append(names, n.Name)
	}
	seen, err := linkwatch.Read(o.options.Paths.BPFFS, o.ownPrograms(), names)
	if err != nil {
		o.log.Warn("what others do with NICs is not known", "error", err)
		return
	}
	for _, n := range linkwatch.Changes(o.happened.nics, seen) {
		o.journal.add(now, map[bool]string{false: "info", true: "warn"}[n.Bad], "kernel", n.What)
	}
	o.happened.nics = seen
}

// tellLimits tells which limits begin to refuse, and by whom most comes where that is known.
func (h *happenings) tellLimits(now time.Time, list []Limit, j *journal) {
	seen := map[limitKey]limitSeen{}
	for i, l := range list {
		if l.Source.IsValid() {
			continue
		}
		k := limitKey{l.NIC, l.Hook, l.Stage, l.Scope, l.VIP}
		was, known := h.limits[k]
		is := limitSeen{l.Over.Packets, was.last}
		if known && l.Over.Packets > was.over {
			is.last = now
			if now.Sub(was.last) >= quietFor {
				j.add(now, "warn", "kernel", limitText(l), limitDetail(l, list[i+1:])...)
			}
		}
		seen[k] = is
	}
	h.limits = seen
}

func limitText(l Limit) string {
	does := "refuses"
	if l.Shadow {
		does = "would refuse, were it not in shadow"
	}
	per := l.Scope
	if whose := l.Whose(); whose != "" {
		per += " " + whose
	}
	return fmt.Sprintf("%s %s: limit %s per %s %s", l.NIC, l.Hook, l.Stage, per, does)
}

// limitDetail is what it counts, and its fullest sources: the rows that follow.
func limitDetail(l Limit, following []Limit) []string {
	of := "that differ by VIP"
	if l.Max > 0 {
		of = fmt.Sprint("of ", l.Max)
	}
	detail := []string{fmt.Sprintf("%.0f %s", l.Now, of)}
	for i, s := range following {
		if !s.Source.IsValid() || i == 3 {
			break
		}
		detail = append(detail, fmt.Sprintf("source %s was refused %d times", s.Source, s.Over.Packets))
	}
	return detail
}
