package engine

import (
	"fmt"
	"net"
	"net/netip"

	"hairpin/engine/nexthop"
	"hairpin/engine/reason"
	"hairpin/engine/spec"
	"hairpin/engine/tcpflows"
	"hairpin/engine/trace"
)

// side is one generation that packets are traced on.
type side struct {
	what       string
	spec       *spec.Spec
	generation int
	names      map[uint16]string // of its VIPs, by number
	assumed    map[string]bool   // backends whose next hop nobody asked for yet
}

// side gets a generation ready for f, and takes it away again where it was made for that.
func (o *owner) side(on TraceOn, f func(side) error) error {
	switch {
	case on.Change != 0:
		s, err := o.pastSpec(on.Change)
		if err != nil {
			return err
		}
		return o.aside(s, fmt.Sprintf("the spec of change %d, as if applied now", on.Change), f)
	case on.Spec != nil:
		return o.aside(on.Spec, "another spec, as if applied now", f)
	}
	control := o.kernel.Control()
	if on.Confirmed && control.Pending != 0 {
		_, s, err := o.store.read(int(control.Confirmed))
		if err != nil {
			return err
		}
		return f(o.sideOf(int(control.Confirmed), s, "confirmed, to which the node goes back"))
	}
	if o.active == 0 || o.spec == nil {
		return fmt.Errorf("%w: nothing is known to run on this node; trace by a spec", ErrInvalid)
	}
	return f(o.sideOf(o.active, o.spec, "running"))
}

func (o *owner) sideOf(generation int, s *spec.Spec, what string) side {
	return side{what: fmt.Sprintf("generation %d, %s", generation, what), spec: s, generation: generation, names: o.kernel.NamesOf(generation, s)}
}

// aside writes a spec beside what runs, for as long as f takes.
func (o *owner) aside(s *spec.Spec, what string, f func(side) error) error {
	s = spec.KeepFound(s, o.spec)
	if err := o.check(ApplyRequest{Spec: s}); err != nil {
		return err
	}
	p, err := o.compute(s)
	if err != nil {
		return err
	}
	return invalidObject(o.kernel.Aside(p, func(generation int) error {
		beside := o.sideOf(generation, s, "")
		beside.what, beside.assumed = what, o.reachAside()
		return f(beside)
	}))
}

// reachAside finds the way to the backends of a generation that is only asked, without asking their neighbours. Those that
// nobody asked yet are taken for ones that answer.
func (o *owner) reachAside() map[string]bool {
	assumed := map[string]bool{}
	for _, b := range o.kernel.Unreached() {
		if !o.isFresh(b) {
			continue
		}
		hop, err := o.hops.Resolve(b.Address)
		if err != nil {
			continue
		}
		w := wireHop(hop)
		if hop.State == nexthop.Unasked {
			w.Unknown, w.Asked, w.MAC = "", false, make([]byte, 6)
			assumed[b.Address.String()] = true
		}
		o.kernel.SetNextHop(b.ID, w)
	}
	return assumed
}

// way says what comes behind the chain: the route to the backend, or what the kernel does with what passed.
func (t tracer) way(_ side, o *TraceOutcome) {
	switch o.Verdict {
	case string(reason.Forward):
		if a, err := netip.ParseAddr(o.Backend); err == nil {
			t.wayToBackend(a, o)
		}
	case string(reason.Pass):
		if spec.Hook(o.Hook) != spec.TCXEgress && o.Hook != "clsact_egress" {
			t.wayUp(o)
		}
	}
}

func (t tracer) wayToBackend(a netip.Addr, o *TraceOutcome) {
	hop, err := t.hops.Resolve(a)
	if err != nil {
		o.Unsure = append(o.Unsure, err.Error())
		return
	}
	by := "on link"
	if hop.Gateway.IsValid() {
		by = hop.Gateway.String()
	}
	o.Way = append(o.Way, TraceFact{Name: "nic", Value: hop.NIC}, TraceFact{Name: "gateway", Value: by})
	neighbour := string(hop.State)
	if hop.MAC != nil {
		neighbour += " " + hop.MAC.String()
	}
	if hop.Why != "" {
		neighbour += ": " + hop.Why
	}
	o.Way = append(o.Way, TraceFact{Name: "neighbour", Value: neighbour}, TraceFact{Name: "mtu", Value: fmt.Sprint(hop.MTU)})
}

func (t tracer) wayUp(o *TraceOutcome) {
	p := summaryOf(o.Out)
	if p.Version == 0 || len(p.VLANs) > 0 {
		o.Way = append(o.Way, TraceFact{Name: "kernel", Value: "goes up to the kernel, which routes no such frame"})
		return
	}
	nic, err := net.InterfaceByName(o.NIC)
	if err != nil {
		o.Unsure = append(o.Unsure, o.NIC+": "+err.Error())
		return
	}
	a, err := t.hops.Arrive(nic.Index, o.NIC, p.Src, p.Dst)
	value := "goes up to the kernel, which takes it: " + p.Dst.String() + " is this node's"
	switch {
	case err != nil:
		o.Unsure = append(o.Unsure, err.Error())
		return
	case a.Why != "":
		value = "goes up to the kernel, which drops it: " + a.Why
	case !a.Local && a.Gateway.IsValid():
		value = "goes up to the kernel, which forwards it out of " + a.NIC + " by " + a.Gateway.String()
	case !a.Local:
		value = "goes up to the kernel, which forwards it out of " + a.NIC
	}
	o.Way = append(o.Way, TraceFact{Name: "kernel", Value: value})
	if a.Why != "" || !a.Local || !p.HasPorts || p.Fragmented() {
		return
	}
	state, err := tcpflows.Taker(p.Protocol, netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(p.Dst, p.DstPort))
	if err != nil {
		o.Unsure = append(o.Unsure, err.Error())
		return
	}
	o.Way = append(o.Way, TraceFact{Name: "socket", Value: trace.Socket(p, state)})
}
