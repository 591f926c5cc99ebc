package spec

import (
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// Limits of checks.
const (
	MaxChecks    = 4 // of one VIP
	MinInterval  = 100 * time.Millisecond
	MaxInterval  = 10 * time.Minute
	MinTimeout   = 10 * time.Millisecond
	MaxInARow    = 100
	MaxWarmUp    = 10 * time.Minute
	MaxDamping   = time.Hour
	MinSlowStart = time.Second
	MaxSlowStart = 10 * time.Minute
)

// Defaults of checks.
const (
	DefaultInterval  = time.Second
	DefaultTimeout   = 3 * time.Second // or the interval, if that is shorter
	DefaultRise      = 2
	DefaultFall      = 3
	DefaultQuorum    = 1
	DefaultWatermark = 50
	DefaultDamping   = 5 * time.Minute
)

// Check is one way to find out whether a backend serves. A backend is down while one of its VIP's checks fails.
type Check struct {
	Kind     CheckKind
	To       CheckTo
	Port     uint16        // 0 with ping and command
	Interval time.Duration // from the start of one to the start of the next, less up to a tenth
	Timeout  time.Duration // at most the interval
	Rise     uint32        // that must succeed in a row
	Fall     uint32        // that must fail in a row

	Host    string       // of http, https, tls: what is asked for; empty = the address
	Verify  bool         // of https, tls: the certificate must be Host's, by this node's authorities
	Path    string       // of http, https
	Status  []StatusSpan // of http, https: that are right
	Header  string       // of http, https: "name: text", or a name; one of that name must be there and contain the text
	Body    string       // of http, https: text that the first 64 KiB contain
	Name    string       // of dns: the domain
	Type    QueryType    // of dns
	Send    string       // of udp
	Expect  string       // of udp: text that the answer contains
	Command []string     // of command: an absolute path, and arguments
}

// StatusSpan is the status codes from First to Last.
type StatusSpan struct{ First, Last uint16 }

// CheckKind is what is asked of a backend.
type CheckKind uint8

// Kinds of checks.
const (
	CheckTCP     CheckKind = iota // a connection is accepted
	CheckHTTP                     // a GET is answered as it should be
	CheckHTTPS                    // the same over TLS
	CheckTLS                      // a TLS handshake succeeds
	CheckDNS                      // a query is answered without an error
	CheckUDP                      // a datagram is answered
	CheckPing                     // an ICMP echo is answered
	CheckCommand                  // a program ends with 0
)

// CheckTo is where a check goes.
type CheckTo uint8

// ToVIP sends it to the VIP, in the encapsulation by which clients' packets come to the backend: it proves the path, the
// agent and the service. ToBackend sends it to the backend's own address, as any other packet.
const (
	ToVIP CheckTo = iota
	ToBackend
)

// QueryType is what a DNS check asks for, by its number in DNS.
type QueryType uint16

// Health is what the checks of a VIP may do to it. It means nothing where there are none.
type Health struct {
	Quorum     uint32        // backends that must be up
	Hysteresis uint32        // how many more it takes once there were too few
	Watermark  uint32        // percent of the weight that checks never take out of the ring
	WarmUp     time.Duration // after the first check of a backend in which failures do not count
	Damping    time.Duration // in which half of a backend's flaps are forgotten; they make it wait longer before it comes back
}

// checked tells whether the kind is one of some.
func (k CheckKind) checked(of ...CheckKind) bool { return slices.Contains(of, k) }

func (r *reader) check(n *yaml.Node, a *at) Check {
	c := Check{Interval: DefaultInterval, Rise: DefaultRise, Fall: DefaultFall}
	fields := []field{
		{"kind", "tcp, http, https, tls, dns, udp, ping or command", choice(r, &c.Kind, checkKinds)},
		{"to", "", choice(r, &c.To, checkTos)},
		{"port", "", number(r, &c.Port, 1, 65535)},
		{"interval", "", scalar(r, &c.Interval, parseDuration)},
		{"timeout", "", scalar(r, &c.Timeout, parseDuration)},
		{"rise", "", number(r, &c.Rise, 1, MaxInARow)},
		{"fall", "", number(r, &c.Fall, 1, MaxInARow)},
		{"host", "", scalar(r, &c.Host, name)},
		{"verify", "", choice(r, &c.Verify, truths)},
		{"path", "", scalar(r, &c.Path, name)},
		{"status", "", list(r, &c.Status, maxStatus, r.statusSpan)},
		{"header", "", scalar(r, &c.Header, name)},
		{"body", "", scalar(r, &c.Body, name)},
		{"name", "", scalar(r, &c.Name, name)},
		{"type", "", choice(r, &c.Type, queryTypes)},
		{"send", "", scalar(r, &c.Send, name)},
		{"expect", "", scalar(r, &c.Expect, name)},
		{"command", "", list(r, &c.Command, maxArguments, r.word)},
	}
	r.fields(n, a, fields...)
	if c.Timeout == 0 && !r.unread(a.field("timeout")) {
		c.Timeout = min(DefaultTimeout, c.Interval)
	}
	if c.Kind.checked(CheckHTTP, CheckHTTPS) {
		if c.Path == "" {
			c.Path = "/"
		}
		if len(c.Status) == 0 && !r.unread(a.field("status")) {
			c.Status = []StatusSpan{{200, 299}}
		}
	}
	if c.Kind == CheckDNS && c.Name == "" {
		c.Name = "."
		if c.Type == 0 {
			c.Type = queryNS
		}
	}
	if c.Kind == CheckDNS && c.Type == 0 {
		c.Type = queryA
	}
	return c
}

func (r *reader) health(n *yaml.Node, a *at) *Health {
	h := defaultHealth()
	r.fields(n, a,
		field{"quorum", "", number(r, &h.Quorum, 0, MaxBackends)},
		field{"hysteresis", "", number(r, &h.Hysteresis, 0, MaxBackends)},
		field{"watermark", "", number(r, &h.Watermark, 0, 100)},
		field{"warm_up", "", scalar(r, &h.WarmUp, parseDuration)},
		field{"damping", "", scalar(r, &h.Damping, parseDuration)},
	)
	return &h
}

func defaultHealth() Health {
	return Health{Quorum: DefaultQuorum, Watermark: DefaultWatermark, Damping: DefaultDamping}
}

// complete gives the checks of a VIP what follows from the VIP.
func (v *VIP) complete() {
	for i := range v.Checks {
		if c := &v.Checks[i]; c.Port == 0 && !c.Kind.checked(CheckPing, CheckCommand) {
			c.Port = v.Port
		}
	}
	if len(v.Checks) > 0 && v.Health == nil {
		h := defaultHealth()
		v.Health = &h
	}
}

func (c Check) clone() Check {
	c.Status, c.Command = slices.Clone(c.Status), slices.Clone(c.Command)
	return c
}

// Equal is Spec.Equal for a check.
func (c Check) Equal(o Check) bool {
	return slices.Equal(c.Status, o.Status) && slices.Equal(c.Command, o.Command) && c.single() == o.single()
}

// single is the check without its lists.
func (c Check) single() checkScalars {
	return checkScalars{c.Kind, c.To, c.Port, c.Interval, c.Timeout, c.Rise, c.Fall, c.Host, c.Verify, c.Path, c.Header, c.Body, c.Name,
		c.Type, c.Send, c.Expect}
}

type checkScalars struct {
	Kind                     CheckKind
	To                       CheckTo
	Port                     uint16
	Interval, Timeout        time.Duration
	Rise, Fall               uint32
	Host                     string
	Verify                   bool
	Path, Header, Body, Name string
	Type                     QueryType
	Send, Expect             string
}

// Equal is Spec.Equal for what checks may do.
func (h *Health) Equal(o *Health) bool {
	if h == nil || o == nil {
		return h == o
	}
	return *h == *o
}
