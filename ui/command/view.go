package command

import (
	"math"
	"net/netip"
	"time"

	"hairpin/engine"
	"hairpin/ui/cause"
)

// view is the node as "status -o json" prints it. Its keys are a contract with scripts: they may be added to, and never
// change their meaning. What is not known is null, never zero.
type view struct {
	Time       time.Time      `json:"time"`
	Node       string         `json:"node"`
	PID        *int           `json:"pid"` // of the engine; null = none runs
	Version    string         `json:"version"`
	Role       string         `json:"role"`
	Since      *time.Time     `json:"since"`
	Epoch      uint64         `json:"epoch"`
	Generation viewGeneration `json:"generation"`
	Armed      *viewArmed     `json:"armed"`   // who may change the node now; null = nobody
	Drained    *viewDrained   `json:"drained"` // null = it is not
	Revision   string         `json:"revision"`
	NICs       []viewNIC      `json:"nics"`
	Reasons    []viewReason   `json:"reasons"`
	VIPs       []viewVIP      `json:"vips"`
	Reports    []viewReport   `json:"reports"` // to load balancers, of an agent
	Verdict    viewVerdict    `json:"verdict"`
	Problems   []viewProblem  `json:"problems"`
	Handoff    *viewHandoff   `json:"handoff"` // that goes on, or the last one; null = none is known
	EventsLost uint64         `json:"events_lost"`
	UsualOver  float64        `json:"usual_seconds"`          // of how much of the last day it is known what is usual
	Span       float64        `json:"span_seconds,omitempty"` // of an earlier time: what rates are the averages of
	Exactly    string         `json:"exactly,omitempty"`      // of an earlier time: which, and how exact
}

type viewArmed struct {
	Who   string    `json:"who"`
	From  string    `json:"from"`
	Why   string    `json:"why"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
}

func viewOfArmed(a *engine.Armed) *viewArmed {
	if a == nil {
		return nil
	}
	return &viewArmed{a.Who, a.From, a.Why, a.Since, a.Until}
}

type viewGeneration struct {
	Active    *int       `json:"active"`
	Confirmed *int       `json:"confirmed"`
	Deadline  *time.Time `json:"deadline"` // null = nothing waits for confirmation
	Fallbacks uint64     `json:"fallbacks"`
}

type viewCounter struct {
	Packets uint64   `json:"packets"`
	Bytes   uint64   `json:"bytes"`
	PPS     *float64 `json:"pps"`
	BPS     *float64 `json:"bytes_per_second"`
	Peak    *float64 `json:"peak_pps,omitempty"` // of an earlier time: the highest second of the span
}

type viewNIC struct {
	Name    string       `json:"name"`
	Hook    string       `json:"hook"`
	Mode    string       `json:"mode"`
	State   string       `json:"state"`
	Why     string       `json:"why,omitempty"`
	Index   int          `json:"ifindex"`
	In      viewCounter  `json:"in"`
	Forward viewCounter  `json:"forward"`
	Pass    viewCounter  `json:"pass"`
	Drop    viewCounter  `json:"drop"`
	Stages  []viewStage  `json:"stages"`
	Reasons []viewReason `json:"reasons"`
}

type viewStage struct {
	Name     string      `json:"name"`
	Kind     string      `json:"kind"`
	Position int         `json:"position"` // 0 = disabled
	Enabled  bool        `json:"enabled"`
	Shadow   bool        `json:"shadow"`
	In       viewCounter `json:"in"`
	Drop     viewCounter `json:"drop"`
	Would    viewCounter `json:"would"` // in shadow: what it would have dropped
	NS       *float64    `json:"ns"`    // a packet; null = not known
}

type viewReason struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
	Stage   string `json:"stage"`
	viewCounter
	Usual   *float64     `json:"usual_pps"`         // in the median minute of usual_seconds; null = not known
	Senders *viewSenders `json:"senders,omitempty"` // of what is dropped, by samples of the last seconds
}

type viewSenders struct {
	Samples   int    `json:"samples"`
	Packets   uint64 `json:"packets"`   // that they stand for
	Addresses int    `json:"addresses"` // different ones
	Net       string `json:"net"`       // the narrowest that most addresses are in; empty = they are everywhere
	InNet     int    `json:"net_samples"`
	NetPkts   uint64 `json:"net_packets"`
	NetAddrs  int    `json:"net_addresses"`
}

type viewVIP struct {
	Name      string         `json:"name"`
	Tenant    string         `json:"tenant,omitempty"` // whose it is; empty = the node's alone
	Addresses []netip.Addr   `json:"addresses"`
	Prefixes  []netip.Prefix `json:"prefixes,omitempty"`
	Port      uint16         `json:"port"`
	LastPort  uint16         `json:"last_port,omitempty"` // of a range that begins with port
	Sources   []netip.Prefix `json:"sources,omitempty"`   // from which alone it takes packets
	Protocol  string         `json:"protocol"`
	Encap     string         `json:"encap"`
	Ring      int            `json:"ring"`
	Empty     bool           `json:"empty"`
	Settling  *viewSettling  `json:"settling"` // null = quiet
	viewCounter
	Drop     viewCounter   `json:"drop"`
	Choice   viewChoice    `json:"choice"`
	Health   *viewHealth   `json:"health"` // null = its backends are not checked
	Backends []viewBackend `json:"backends"`
}

// viewChoice is how a VIP chooses, but for its ring.
type viewChoice struct {
	Hash     string  `json:"hash"`
	Flow     string  `json:"flow"`
	QUIC     string  `json:"quic"`
	IDIn     string  `json:"id_in"`
	Local    bool    `json:"local"`
	Migrate  bool    `json:"migrate"`
	Handover bool    `json:"handover"`
	Known    *uint64 `json:"id_known,omitempty"`   // packets that named a server of the VIP; of one whose packets may
	Unknown  *uint64 `json:"id_unknown,omitempty"` // that named none it has
}

// ids says where servers' ids are looked for; empty = nowhere. Fields are empty in a record that is older.
func (c viewChoice) ids() string {
	switch {
	case c.QUIC != "off" && c.QUIC != "":
		return "quic " + c.QUIC
	case c.IDIn != "off" && c.IDIn != "":
		return "id_in " + c.IDIn
	}
	return ""
}

func viewOfChoice(c engine.Choice) viewChoice {
	v := viewChoice{Hash: c.Hash, Flow: c.Flow, QUIC: c.QUIC, IDIn: c.IDIn, Local: c.Local, Migrate: c.Migrate, Handover: c.Handover}
	if v.ids() != "" {
		v.Known, v.Unknown = &c.Known, &c.Unknown
	}
	return v
}

type viewSettling struct {
	Since    *time.Time `json:"since"`
	Marked   float64    `json:"marked"`
	Stray    float64    `json:"stray_pps"`
	LastSeen *time.Time `json:"last_seen"`
	Ends     *time.Time `json:"ends"`
	Unheld   uint64     `json:"unheld"`
}

type viewBackend struct {
	Address netip.Addr `json:"address"`
	Weight  uint32     `json:"weight"`
	State   string     `json:"state"`
	Gone    bool       `json:"gone"`
	Share   float64    `json:"share"`
	NextHop string     `json:"next_hop"`
	Server  uint32     `json:"server_id,omitempty"` // by which packets may name it
	Found   string     `json:"found,omitempty"`     // where; of one that was not typed
	Since   *time.Time `json:"found_since,omitempty"`
	viewCounter
	viewChecked
}

// viewVerdict is the node in one word and one sentence, as the console's first two lines say it.
type viewVerdict struct {
	Word   string     `json:"word"`   // OK, WARN, CRIT
	Says   string     `json:"says"`   // cause, since when, after whose change, and how many causes more there are
	Cause  string     `json:"cause"`  // the cause alone; empty = all is well
	Costs  float64    `json:"costs"`  // packets per second that are dropped for it
	Since  *time.Time `json:"since"`  // null = not known
	After  string     `json:"after"`  // who changed something just before, and what; empty = nobody did
	Cure   string     `json:"cure"`   // what to do; may be empty
	Screen string     `json:"screen"` // the digit of the console's screen that shows more; may be empty
	More   int        `json:"more"`   // causes that are not said
}

func viewOfVerdict(s *engine.State) viewVerdict {
	v := cause.Judge(s, s.Time)
	return viewVerdict{v.Level.String(), v.Sentence(s.Time, math.MaxInt), v.What, round(v.Costs), instant(v.Since), v.Person, v.Cure, v.Screen, v.More}
}

type viewProblem struct {
	Severity string     `json:"severity"`
	Since    *time.Time `json:"since"`
	What     string     `json:"what"`
	Cure     string     `json:"cure,omitempty"`
}

// viewOf is s for printing, with its rates when they are known.
func viewOf(s *engine.State, rates bool) view {
	w := viewer{rates, s.UsualOver > 0}
	v := view{
		Time: s.Time, Node: s.Node, Version: s.Version, Role: string(s.Role), Since: instant(s.Since), Epoch: s.Epoch,
		Generation: generationsOf(s), Armed: viewOfArmed(s.Armed), Drained: drainedOf(s), Revision: s.Revision,
		NICs: list(s.NICs, w.nic), Reasons: list(s.Reasons, w.reason), VIPs: list(s.VIPs, w.vip),
		Reports: list(s.Reports, reportOf), Verdict: viewOfVerdict(s),
		Problems: list(s.Problems, func(p engine.Problem) viewProblem {
			return viewProblem{p.Severity, instant(p.Since), p.What, p.Cure}
		}),
		EventsLost: s.EventsLost, Span: s.Span.Seconds(), UsualOver: s.UsualOver.Seconds(),
	}
	if s.PID != 0 {
		v.PID = &s.PID
	}
	if s.Handoff != nil {
		h := viewOfHandoff(s.Handoff)
		v.Handoff = &h
	}
	return v
}

func generationsOf(s *engine.State) viewGeneration {
	g := s.Generation
	return viewGeneration{generation(g.Active), generation(g.Confirmed), instant(g.Deadline), g.Fallbacks}
}

// viewer turns parts of a state into parts of a view.
type viewer struct{ rates, usual bool }

func (w viewer) counter(c engine.Counter) viewCounter {
	v := viewCounter{Packets: c.Packets, Bytes: c.Bytes}
	if w.rates {
		pps, bps := round(c.PPS), round(c.BPS)
		v.PPS, v.BPS = &pps, &bps
		if c.Peak > 0 {
			peak := round(c.Peak)
			v.Peak = &peak
		}
	}
	return v
}

func (w viewer) nic(n engine.NIC) viewNIC {
	return viewNIC{
		Name: n.Name, Hook: n.Hook, Mode: n.Mode, State: n.State, Why: n.Why, Index: n.Index,
		In: w.counter(n.In), Forward: w.counter(n.Forward), Pass: w.counter(n.Pass), Drop: w.counter(n.Drop),
		Stages: list(n.Stages, w.stage), Reasons: list(n.Reasons, w.reason),
	}
}

func (w viewer) stage(s engine.Stage) viewStage {
	return viewStage{s.Name, s.Kind, s.Position, !s.Disabled, s.Shadow, w.counter(s.In), w.counter(s.Drop), w.counter(s.Would), known(s.NS)}
}

func (w viewer) reason(r engine.Reason) viewReason {
	v := viewReason{Name: r.Name, Verdict: r.Verdict, Stage: r.Stage, viewCounter: w.counter(r.Counter)}
	if r.Senders != nil {
		v.Senders = &viewSenders{Samples: r.Senders.Samples, Packets: r.Senders.Packets, Addresses: r.Senders.Addresses, InNet: r.Senders.NetSamples,
			NetPkts: r.Senders.NetPackets, NetAddrs: r.Senders.NetAddresses}
		if r.Senders.Net.IsValid() {
			v.Senders.Net = r.Senders.Net.String()
		}
	}
	if w.usual {
		usual := round(r.Usual)
		v.Usual = &usual
	}
	return v
}

func (w viewer) vip(v engine.VIP) viewVIP {
	out := viewVIP{
		Name: v.Name, Tenant: v.Tenant, Addresses: v.Addresses, Prefixes: v.Prefixes, Port: v.Port, LastPort: v.LastPort, Sources: v.Sources, Protocol: v.Protocol, Encap: v.Encap,
		Ring: v.Ring, Empty: v.Empty, viewCounter: w.counter(v.Counter), Drop: w.counter(v.Drop), Choice: viewOfChoice(v.Choice), Health: healthOf(v.Health),
		Backends: list(v.Backends, func(b engine.Backend) viewBackend {
			found := ""
			if b.Found && v.Found != nil {
				found = v.Found.Source
			}
			return viewBackend{b.Address, b.Weight, b.State, b.Gone, math.Round(b.Share*1e6) / 1e6, b.NextHop, b.Server, found, instant(b.FoundSince), w.counter(b.Counter), checkedOf(b)}
		}),
	}
	if s := v.Settling; s != nil {
		out.Settling = &viewSettling{instant(s.Since), s.Marked, round(s.Stray), instant(s.LastSeen), instant(s.Ends), s.Unheld}
	}
	return out
}

// list is never nil, so that JSON says [] and not null.
func list[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func generation(n int) *int {
	if n < 0 {
		return nil
	}
	return &n
}

func round(rate float64) float64 { return math.Round(rate*10) / 10 }
