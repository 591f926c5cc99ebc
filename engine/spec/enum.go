package spec

import (
	"fmt"
	"strings"
)

// word is one value of an enumeration and its name in the document.
type word[T comparable] struct {
	name  string
	value T
}

var (
	protocols    = []word[Protocol]{{"tcp", TCP}, {"udp", UDP}}
	encaps       = []word[Encap]{{"gue", GUE}, {"ipip", IPIP}}
	flows        = []word[Flow]{{"sticky", FlowSticky}, {"none", FlowNone}}
	hashes       = []word[Hash]{{"tuple", HashTuple}, {"no_source_port", HashNoSourcePort}, {"addresses", HashAddresses}, {"destination_port", HashDestinationPort}}
	quics        = []word[QUIC]{{"off", NoQUIC}, {"v1", QUIC1}, {"v2", QUIC2}, {"v3", QUIC3}}
	idPlaces     = []word[IDPlace]{{"off", IDNowhere}, {"tcp_option", IDOption}, {"payload", IDPayload}}
	states       = []word[State]{{"up", Up}, {"drain", Drain}, {"down", Down}, {"maintenance", Maintenance}}
	modes        = []word[AgentMode]{{"dsr", DSR}, {"snat", SNATMode}}
	orphans      = []word[Orphans]{{"ignore", OrphansIgnored}, {"count", OrphansCounted}}
	scopes       = []word[Scope]{{"nic", PerNIC}, {"vip", PerVIP}, {"source", PerSource}, {"source_vip", PerSourceVIP}, {"tenant", PerTenant}}
	limitActions = []word[LimitAction]{{"drop", LimitDrop}, {"reset", LimitReset}}
	limitCounts  = []word[LimitCount]{{"accepted", Accepted}, {"offered", Offered}}
	watches      = []word[WatchAs]{{"scalar", WatchScalar}, {"max_rate", WatchMaxRate}, {"average", WatchAverage}}
	probeKinds   = []word[ProbeKind]{{"auto", ProbeAuto}, {"tracepoint", Tracepoint}, {"raw_tp", RawTracepoint}, {"tp_btf", BTFTracepoint},
		{"kprobe", Kprobe}, {"kretprobe", Kretprobe}, {"uprobe", Uprobe}, {"uretprobe", Uretprobe}}
	ruleActions  = []word[RuleAction]{{"drop", RuleDrop}, {"pass", RulePass}, {"count", RuleCount}}
	records      = []word[Records]{{"addresses", Addresses}, {"srv", Services}}
	families     = []word[Family]{{"ipv4", IPv4}, {"ipv6", IPv6}}
	truths       = []word[bool]{{"true", true}, {"false", false}}
	countSources = []word[CountSource]{{"flows", Flows}, {"sockets", Sockets}, {"agents", Agents}}
)

// String is the name in the document, or protocol(N) for a value that has none; so for the other enumerations.
func (p Protocol) String() string  { return nameOf(protocols, p, "protocol", int(p)) }
func (e Encap) String() string     { return nameOf(encaps, e, "encap", int(e)) }
func (f Flow) String() string      { return nameOf(flows, f, "flow", int(f)) }
func (h Hash) String() string      { return nameOf(hashes, h, "hash", int(h)) }
func (q QUIC) String() string      { return nameOf(quics, q, "quic", int(q)) }
func (i IDPlace) String() string   { return nameOf(idPlaces, i, "id_in", int(i)) }
func (s State) String() string     { return nameOf(states, s, "state", int(s)) }
func (m AgentMode) String() string { return nameOf(modes, m, "mode", int(m)) }
func (o Orphans) String() string   { return nameOf(orphans, o, "orphans", int(o)) }

func (r Records) String() string { return nameOf(records, r, "records", int(r)) }
func (f Family) String() string  { return nameOf(families, f, "family", int(f)) }

func (s Scope) String() string       { return nameOf(scopes, s, "scope", int(s)) }
func (a LimitAction) String() string { return nameOf(limitActions, a, "action", int(a)) }
func (c LimitCount) String() string  { return nameOf(limitCounts, c, "count", int(c)) }
func (w WatchAs) String() string     { return nameOf(watches, w, "as", int(w)) }
func (p ProbeKind) String() string   { return nameOf(probeKinds, p, "kind", int(p)) }
func (a RuleAction) String() string  { return nameOf(ruleActions, a, "action", int(a)) }
func (c CountSource) String() string { return nameOf(countSources, c, "source", int(c)) }

// ParseProtocol is the reverse of Protocol.String, and so on; an unknown name is an error that lists the known ones.
func ParseProtocol(s string) (Protocol, error)   { return parseWord("protocol", protocols, s) }
func ParseEncap(s string) (Encap, error)         { return parseWord("encap", encaps, s) }
func ParseFlow(s string) (Flow, error)           { return parseWord("flow", flows, s) }
func ParseState(s string) (State, error)         { return parseWord("state", states, s) }
func ParseAgentMode(s string) (AgentMode, error) { return parseWord("mode", modes, s) }

// MarshalText is String for encoders such as JSON; a value without a name is an error.
func (p Protocol) MarshalText() ([]byte, error)  { return marshalWord("protocol", protocols, p) }
func (e Encap) MarshalText() ([]byte, error)     { return marshalWord("encap", encaps, e) }
func (f Flow) MarshalText() ([]byte, error)      { return marshalWord("flow", flows, f) }
func (h Hash) MarshalText() ([]byte, error)      { return marshalWord("hash", hashes, h) }
func (q QUIC) MarshalText() ([]byte, error)      { return marshalWord("quic", quics, q) }
func (i IDPlace) MarshalText() ([]byte, error)   { return marshalWord("id_in", idPlaces, i) }
func (s State) MarshalText() ([]byte, error)     { return marshalWord("state", states, s) }
func (m AgentMode) MarshalText() ([]byte, error) { return marshalWord("mode", modes, m) }
func (o Orphans) MarshalText() ([]byte, error)   { return marshalWord("orphans", orphans, o) }

func (s Scope) MarshalText() ([]byte, error)       { return marshalWord("scope", scopes, s) }
func (a LimitAction) MarshalText() ([]byte, error) { return marshalWord("action", limitActions, a) }
func (c LimitCount) MarshalText() ([]byte, error)  { return marshalWord("count", limitCounts, c) }
func (w WatchAs) MarshalText() ([]byte, error)     { return marshalWord("as", watches, w) }
func (p ProbeKind) MarshalText() ([]byte, error)   { return marshalWord("kind", probeKinds, p) }
func (a RuleAction) MarshalText() ([]byte, error)  { return marshalWord("action", ruleActions, a) }
func (c CountSource) MarshalText() ([]byte, error) { return marshalWord("source", countSources, c) }

// UnmarshalText is the reverse of MarshalText.
func (p *Protocol) UnmarshalText(b []byte) error  { return unmarshalWord("protocol", protocols, p, b) }
func (e *Encap) UnmarshalText(b []byte) error     { return unmarshalWord("encap", encaps, e, b) }
func (f *Flow) UnmarshalText(b []byte) error      { return unmarshalWord("flow", flows, f, b) }
func (h *Hash) UnmarshalText(b []byte) error      { return unmarshalWord("hash", hashes, h, b) }
func (q *QUIC) UnmarshalText(b []byte) error      { return unmarshalWord("quic", quics, q, b) }
func (i *IDPlace) UnmarshalText(b []byte) error   { return unmarshalWord("id_in", idPlaces, i, b) }
func (s *State) UnmarshalText(b []byte) error     { return unmarshalWord("state", states, s, b) }
func (m *AgentMode) UnmarshalText(b []byte) error { return unmarshalWord("mode", modes, m, b) }
func (o *Orphans) UnmarshalText(b []byte) error   { return unmarshalWord("orphans", orphans, o, b) }

func (s *Scope) UnmarshalText(b []byte) error { return unmarshalWord("scope", scopes, s, b) }
func (a *LimitAction) UnmarshalText(b []byte) error {
	return unmarshalWord("action", limitActions, a, b)
}
func (c *LimitCount) UnmarshalText(b []byte) error { return unmarshalWord("count", limitCounts, c, b) }
func (w *WatchAs) UnmarshalText(b []byte) error    { return unmarshalWord("as", watches, w, b) }
func (p *ProbeKind) UnmarshalText(b []byte) error  { return unmarshalWord("kind", probeKinds, p, b) }
func (a *RuleAction) UnmarshalText(b []byte) error { return unmarshalWord("action", ruleActions, a, b) }
func (c *CountSource) UnmarshalText(b []byte) error {
	return unmarshalWord("source", countSources, c, b)
}

func nameOf[T comparable](words []word[T], v T, kind string, number int) string {
	for _, w := range words {
		if w.value == v {
			return w.name
		}
	}
	return fmt.Sprintf("%s(%d)", kind, number)
}

// has tells whether v has a name.
func has[T comparable](words []word[T], v T) bool {
	for _, w := range words {
		if w.value == v {
			return true
		}
	}
	return false
}

// lookup is the value of a name; where there is none, why says so and lists the known names.
func lookup[T comparable](words []word[T], name string) (v T, why string) {
	names := make([]string, len(words))
	for i, w := range words {
		if w.name == name {
			return w.value, ""
		}
		names[i] = w.name
	}
	return v, unknown(name, names)
}

func parseWord[T comparable](kind string, words []word[T], name string) (T, error) {
	v, why := lookup(words, name)
	if why != "" {
		return v, fmt.Errorf("%s: %s", kind, why)
	}
	return v, nil
}

func marshalWord[T comparable](kind string, words []word[T], v T) ([]byte, error) {
	for _, w := range words {
		if w.value == v {
			return []byte(w.name), nil
		}
	}
	return nil, fmt.Errorf("%s: value %v has no name", kind, any(v))
}

func unmarshalWord[T comparable](kind string, words []word[T], dst *T, b []byte) error {
	v, err := parseWord(kind, words, string(b))
	if err != nil {
		return err
	}
	*dst = v
	return nil
}

// unknown says that name is none of the known ones, and which was perhaps meant.
func unknown(name string, known []string) string {
	const most = 12
	list := "there are " + strings.Join(known[:min(len(known), most)], ", ")
	switch {
	case len(known) == 0:
		list = "there is none"
	case len(known) == 1:
		list = "there is only " + known[0]
	case len(known) > most:
		list += fmt.Sprintf(" and %d more", len(known)-most)
	}
	if near := nearest(name, known); near != "" && len(known) > 1 {
		list = fmt.Sprintf("did you mean %s? %s", near, list)
	}
	return fmt.Sprintf("%s is not known: %s", quote(name), list)
}
