package engine

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hairpin/engine/arms"
	"hairpin/engine/datapath"
	"hairpin/engine/packet"
	"hairpin/engine/reason"
	"hairpin/engine/shells"
	"hairpin/engine/spec"
	"hairpin/engine/trace"
)

// dryRuns is how often a packet is run to tell what each stage costs: the first finds nothing in the caches.
const dryRuns = 8

// tracer carries out one request. It belongs to the loop.
type tracer struct {
	*owner
	request TraceRequest
	whole   bool // with every step
	nics    map[netip.Addr]string
}

func (o *owner) trace(r TraceRequest, asks arms.Party) (*Trace, error) {
	if err := o.ready(); err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	if asks.Barred != "" && (r.On.beside() || r.Against.beside()) {
		return nil, fmt.Errorf("trace: %w: another spec than the running one is tried only for those who may change the node: %s", ErrRefused, asks.Barred)
	}
	frames, err := o.traced(r, asks)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	t := tracer{o, r, !r.Brief && len(frames) <= tracedWhole, nicsByAddress()}
	result := &Trace{Time: time.Now(), Packets: make([]Traced, len(frames))}
	for i, f := range frames {
		result.Packets[i].Packet = describe(f)
		if t.whole {
			result.Packets[i].Frame = f
		}
	}
	err = o.side(r.On, func(s side) error {
		result.On = s.what
		for i, f := range frames {
			result.Packets[i].Now = t.outcome(s, f)
		}
		return nil
	})
	if err == nil && r.Against != nil {
		err = o.side(*r.Against, func(s side) error {
			result.Against = s.what
			for i, f := range frames {
				p := &result.Packets[i]
				then := t.outcome(s, f)
				p.Then, p.Differs = &then, trace.Differs(&p.Now, &then)
			}
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	for i := range result.Packets {
		result.Packets[i].trim(t.whole)
	}
	return result, nil
}

// trim takes away what is not asked for.
func (p *Traced) trim(whole bool) {
	for _, o := range []*TraceOutcome{&p.Now, p.Then} {
		if o != nil && !whole {
			o.Steps, o.Out, o.Way = nil, nil, nil
		}
	}
}

func describe(frame []byte) string {
	s, err := packet.Parse(frame)
	if err != nil {
		return fmt.Sprintf("%d bytes (%v)", len(frame), err)
	}
	return s.String()
}

// traced are the frames that a request names.
func (o *owner) traced(r TraceRequest, asks arms.Party) ([][]byte, error) {
	switch r.Packet {
	case "":
		return r.Frames, nil
	case tracedSessions:
		return o.sessionFrames(asks.Place)
	case tracedFlows:
		return o.captures.frames(time.Now())
	}
	frame, err := trace.Parse(r.Packet)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return [][]byte{frame}, nil
}

// sessionFrames are a packet of each SSH session and the first one of another from the same address: of the sessions from a
// place, or of all where none is from there.
func (o *owner) sessionFrames(place string) (frames [][]byte, err error) {
	all, err := shells.Sessions(o.sshPorts)
	if err != nil {
		return nil, err
	}
	own := slices.DeleteFunc(slices.Clone(all), func(s shells.Session) bool { return s.Remote.Addr().Unmap().String() != place })
	if len(own) > 0 {
		all = own
	}
	for _, s := range all[:min(len(all), mostSessions)] {
		again := netip.AddrPortFrom(s.Remote.Addr(), s.Remote.Port()^1)
		frames = append(frames, sessionFrame(s.Remote, s.Local, "A"), sessionFrame(again, s.Local, "S"))
	}
	if len(frames) == 0 {
		return nil, fmt.Errorf("%w: nobody works on this node by SSH", ErrInvalid)
	}
	return frames, nil
}

// outcome is what becomes of one frame on one side.
func (t tracer) outcome(s side, frame []byte) TraceOutcome {
	summary, _ := packet.Parse(frame) // what cannot be read parses as far as it goes
	if len(frame) > datapath.MostDry {
		return TraceOutcome{Err: fmt.Sprintf("%d bytes: the kernel tries frames of up to %d", len(frame), datapath.MostDry)}
	}
	chains, err := t.chains(s, summary)
	if err != nil {
		return TraceOutcome{Err: err.Error()}
	}
	var o TraceOutcome
	var steps []TraceStep
	for _, c := range chains {
		o = t.through(s, c, frame)
		steps = append(steps, o.Steps...)
		if o.Err != "" || o.Verdict != string(reason.Pass) {
			break
		}
		frame = o.Out
	}
	o.Steps = steps
	if t.whole {
		t.way(s, &o)
	}
	if len(s.assumed) > 0 && s.assumed[o.Backend] {
		o.Unsure = append(o.Unsure, "nobody has asked yet for the MAC of the way to "+o.Backend+": it is taken for one that answers")
	}
	return o
}

// through runs a frame through one chain.
func (t tracer) through(s side, c datapath.Chain, frame []byte) TraceOutcome {
	runs := 1
	if t.whole {
		runs = dryRuns
	}
	var best datapath.DryResult
	for range runs {
		r, err := t.kernel.Dry(s.generation, c.Number, frame)
		if err != nil {
			return TraceOutcome{Err: err.Error()}
		}
		for i := range min(len(best.Spans), len(r.Spans)) {
			r.Spans[i].NS = min(r.Spans[i].NS, best.Spans[i].NS)
		}
		best = r
	}
	in := summaryOf(frame)
	words := trace.Chain{Spec: s.spec, Hook: c.Hook.String(), Positions: positionsOf(s.spec, c), Packet: *endsOf(&in),
		VIP: func(num uint16) string { return s.names[num] }, Backend: t.kernel.BackendAddress, NIC: t.nicOf,
		Path: func(id uint16) string { return t.kernel.SteerPathName(s.spec, int(id)) }, Kernel: t.kernel}
	o := words.Explain(best)
	o.NIC, o.Leaves = c.NIC, ""
	o.Doubt(t.droppedBy(c))
	if !bytes.Equal(o.Out, frame) {
		o.Leaves = describe(o.Out)
	}
	return o
}

// droppedBy says how many packets of a chain left it by a reason.
func (t tracer) droppedBy(c datapath.Chain) func(string) uint64 {
	return func(why string) uint64 {
		s := t.state.Load()
		if s == nil {
			return 0
		}
		for _, n := range s.NICs {
			for _, r := range n.Reasons {
				if n.Name == c.NIC && n.Hook == c.Hook.String() && r.Name == why {
					return r.Packets
				}
			}
		}
		return 0
	}
}

// endsOf are the addresses of a packet, and of what is inside.
func endsOf(in *packet.Summary) *trace.Packet {
	if in == nil {
		return nil
	}
	return &trace.Packet{Src: in.Src, Dst: in.Dst, Inside: endsOf(in.Inner)}
}

func summaryOf(frame []byte) packet.Summary {
	s, _ := packet.Parse(frame) // what cannot be read parses as far as it goes
	return s
}

func (t tracer) nicOf(chain int) string {
	for _, c := range t.kernel.Chains() {
		if c.Number == chain {
			return c.NIC
		}
	}
	return "a NIC that is gone"
}

// positionsOf are the stages of a chain that packets meet.
func positionsOf(s *spec.Spec, c datapath.Chain) []spec.Position {
	for _, n := range s.NICs {
		if n.Name == c.NIC {
			return spec.Enabled(map[spec.Hook][]spec.Position{spec.XDP: n.XDP, spec.TCXIngress: n.TCXIngress, spec.TCXEgress: n.TCXEgress}[c.Hook.Spec()])
		}
	}
	return nil
}

var errNoChain = errors.New("no chain")

// chains are those that a packet meets, one behind the other.
func (t tracer) chains(s side, p packet.Summary) ([]datapath.Chain, error) {
	var all []datapath.Chain
	for _, c := range t.kernel.Chains() {
		if len(positionsOf(s.spec, c)) > 0 {
			all = append(all, c)
		}
	}
	nic := t.request.NIC
	if nic == "" {
		nic = t.comesBy(s, all, p)
	}
	var met []datapath.Chain
	for _, hook := range []spec.Hook{spec.XDP, spec.TCXIngress, spec.TCXEgress} {
		for _, c := range all {
			asked := t.request.Hook == string(hook) || t.request.Hook == "" && hook != spec.TCXEgress
			if c.NIC == nic && c.Hook.Spec() == hook && asked {
				met = append(met, c)
			}
		}
	}
	if len(met) == 0 {
		var names []string
		for _, c := range all {
			names = append(names, c.NIC+" "+string(c.Hook.Spec()))
		}
		return nil, fmt.Errorf("%w at %s %s; there are: %s", errNoChain, nic, t.request.Hook, strings.Join(names, ", "))
	}
	return met, nil
}

// comesBy is the NIC that a packet comes by: the one with its destination, else one that balances or decapsulates.
func (t tracer) comesBy(s side, all []datapath.Chain, p packet.Summary) string {
	own := t.nics[p.Dst]
	first := ""
	for _, c := range all {
		if c.NIC == own {
			return own
		}
		ends := slices.ContainsFunc(positionsOf(s.spec, c), func(p spec.Position) bool {
			kind := s.spec.KindOf(p.Name)
			return kind == spec.Balancer || kind == spec.Decap
		})
		if first == "" || ends && c.Hook == datapath.XDP && first == all[0].NIC {
			first = c.NIC
		}
	}
	return first
}
