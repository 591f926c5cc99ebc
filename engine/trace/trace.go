// Package trace is the what-if of one packet: its text as a frame, and what dry stages saw of it in words.
package trace

import (
	"fmt"
	"net/netip"

	"hairpin/engine/datapath"
	"hairpin/engine/reason"
	"hairpin/engine/spec"
)

// Outcome is what becomes of one packet by one spec.
type Outcome struct {
	NIC      string   `json:"nic"`
	Hook     string   `json:"hook"`              // of the last chain that it met
	Verdict  string   `json:"verdict"`           // forward, pass, drop, own; empty: Err says why
	Reason   string   `json:"reason"`            //
	Stage    string   `json:"stage"`             // that decided, as the spec calls it
	Why      string   `json:"why"`               // what the reason means
	Cure     string   `json:"cure,omitempty"`    // what to look at
	Answered bool     `json:"answered"`          // it is dropped, and a reset sent back
	VIP      string   `json:"vip,omitempty"`     //
	Backend  string   `json:"backend,omitempty"` // by its address
	Steps    []Step   `json:"steps,omitempty"`   // every stage, also those that were not reached
	Out      []byte   `json:"out,omitempty"`     // the frame behind the chain
	Leaves   string   `json:"leaves,omitempty"`  // Out in a line
	Way      []Fact   `json:"way,omitempty"`     // what comes then: route, neighbour, NIC, or the node itself
	Unsure   []string `json:"unsure,omitempty"`  // what it hangs on that cannot be known here
	Err      string   `json:"error,omitempty"`   // why this packet could not be traced
}

// Step is one stage, with what it saw and decided.
type Step struct {
	Hook     string  `json:"hook"`
	Position int     `json:"position"`
	Name     string  `json:"name"` // as the spec calls it
	Kind     string  `json:"kind"`
	Result   string  `json:"result"` // next, forward, pass, drop, own; would drop, of a shadow; -: not reached
	NS       float64 `json:"ns"`     // the least of some runs; 0 = not known
	Facts    []Fact  `json:"facts,omitempty"`
}

// Fact is one thing that was seen or decided.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Differs says what is another in b than in a, in a line; empty when they are the same.
func Differs(a, b *Outcome) string {
	switch {
	case a.Err != b.Err:
		return a.short() + ", then " + b.short()
	case a.Verdict != b.Verdict || a.Reason != b.Reason || a.Answered != b.Answered:
		return a.short() + ", then " + b.short()
	case a.Backend != b.Backend:
		return "to " + a.Backend + ", then to " + b.Backend
	case string(a.Out) != string(b.Out):
		return "the same way, as another frame"
	}
	return ""
}

func (o *Outcome) short() string {
	switch {
	case o.Err != "":
		return "not traced"
	case o.Verdict == string(reason.Forward):
		if o.Backend == "" {
			return "forward " + o.Reason
		}
		return "forward to " + o.Backend
	}
	return o.Verdict + " " + o.Reason
}

// Chain is what the words about one run through one chain take from elsewhere.
type Chain struct {
	Spec      *spec.Spec
	Hook      string
	Positions []spec.Position // that packets meet, from position 1 on
	Packet    Packet

	VIP     func(num uint16) string
	Backend func(id uint16) netip.Addr
	NIC     func(chain int) string
	Path    func(id uint16) string // of a steer
	Kernel  Counts
}

// Packet is what the words say of the packet itself.
type Packet struct {
	Src, Dst netip.Addr
	Inside   *Packet // what it is the tunnel of; nil = of nothing
}

// Counts is what limits and lists hold now.
type Counts interface {
	WindowNow(window, rate uint32) int
	SourceNow(key uint64, rate uint32) int
	Listing(lists spec.DropLists, destination bool, a netip.Addr) (netip.Prefix, string)
}

// Explain is the outcome of a dry run through a chain, without its NIC and its way.
func (c Chain) Explain(r datapath.DryResult) Outcome {
	why, known := reason.ByID(int(r.Note.Reason))
	if !known {
		return Outcome{Err: "the data path gave a reason that this version does not know"}
	}
	o := Outcome{Hook: c.Hook, Verdict: string(why.Verdict), Reason: why.Name, Why: why.Doc, Cure: why.Cure, Out: r.Frame}
	o.Stage = string(why.Stage)
	last := len(r.Spans) - 1
	if last >= 1 && last <= len(c.Positions) {
		o.Stage = c.Positions[last-1].Name
	} else if last > len(c.Positions) {
		o.Stage = string(reason.End)
	}
	if r.Note.Backend != 0 {
		o.Backend = c.Backend(uint16(r.Note.Backend)).String()
	}
	c.vip(&o, r.Sights)
	o.Steps = c.steps(&o, r, last)
	return o
}

// chances are reasons that no dry run has: by the reason of a packet that all goes well with, the one that it may be dropped for
// all the same, and when.
var chances = map[string]struct {
	reason, when string
	rare         bool // not worth a word before it was seen
}{
	"echo_answered": {"echo_limited", "a CPU answers some 950 pings in a second", false},
	"too_big_told":  {"too_big", "a CPU tells some 950 senders in a second", false},
	"forwarded":     {"no_headroom", "a driver may leave no room in front of a packet", true},
	"redirected":    {"no_headroom", "a driver may leave no room in front of a packet", true},
}

// Doubt adds what the packet may be dropped for that no dry run can tell. dropped says how many packets of the chain were, for a
// reason.
func (o *Outcome) Doubt(dropped func(reason string) uint64) {
	c, known := chances[o.Reason]
	if n := dropped(c.reason); known && (n > 0 || !c.rare) {
		o.Unsure = append(o.Unsure, fmt.Sprintf("%s: it may be dropped with reason %s, as %d packets were here", c.when, c.reason, n))
	}
}

// vip says whose the packet is, and what a reset leaves open.
func (c Chain) vip(o *Outcome, all []datapath.Sight) {
	for _, s := range all {
		switch s.Kind {
		case datapath.SawVIP:
			if num, flags := uint16(s.B), uint16(s.B>>16); s.A>>8&1 != 0 && flags&datapath.VIPAddress == 0 {
				o.VIP = c.VIP(num)
			}
		case datapath.SawAnswered:
			o.Answered = true
			o.Unsure = append(o.Unsure, "the reset is sent only while few others are: at most 32 in a tick of the kernel's clock, on each CPU")
		}
	}
}

// steps are all stages of the chain; last is the position that the packet got to.
func (c Chain) steps(o *Outcome, r datapath.DryResult, last int) []Step {
	list := []Step{{Hook: c.Hook, Name: string(reason.Parse), Kind: string(reason.Parse)}}
	for i, p := range c.Positions {
		list = append(list, Step{Hook: c.Hook, Position: i + 1, Name: p.Name, Kind: string(c.Spec.KindOf(p.Name))})
	}
	for i := range list {
		s := &list[i]
		if i > last || !r.Spans[i].Reached {
			s.Result = "-"
			continue
		}
		s.Result, s.NS = "next", float64(r.Spans[i].NS)
		if i == last {
			s.Result = o.Verdict
		}
		for _, saw := range r.Sights {
			if int(saw.Position) == i {
				c.tell(s, saw, r.Note)
				if saw.Kind == datapath.SawInner && c.Packet.Inside != nil {
					c.Packet = *c.Packet.Inside // which is what later stages see
				}
			}
		}
		if len(s.Facts) > 0 {
			continue
		}
		switch spec.Stage(s.Kind) {
		case spec.RateLimit, spec.ConnLimit:
			s.add("limits", "not asked: %s", c.unasked(r.Sights))
		case spec.TLSWall:
			s.add("first bytes", "it has none of a flow that is remembered, or the wall is not for it")
		case spec.Mirror:
			s.add("copy", "none: its filter is not true of it")
		case spec.Steer:
			s.add("rule", "%s", c.unsteered())
		case spec.Firewall:
			s.add("rules", "none is true of it, and no list has its addresses")
		}
	}
	return list
}
