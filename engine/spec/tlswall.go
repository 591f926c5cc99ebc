package spec

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Limits of a tlswall stage.
const (
	MaxWallPorts  = 64
	MaxWallAllows = 64
	MinWait       = time.Second
	DefaultWait   = 5 * time.Minute
	MaxWait       = 2 * time.Hour
)

// Wall is the settings of a tlswall stage: ports on which the first bytes that a client sends must begin a TLS ClientHello.
type Wall struct {
	Ports  []uint16
	VIPs   []string       // whose ports they are; none = everybody's
	Allow  []netip.Prefix // clients that may say what they like
	Wait   time.Duration  // for which a client that has said nothing yet is remembered
	Full   WallFull
	Action LimitAction
}

// WallFull is what becomes of a new connection that cannot be remembered.
type WallFull uint8

// FullPass lets it pass without being judged, FullDrop refuses it.
const (
	FullPass WallFull = iota
	FullDrop
)

var fulls = []word[WallFull]{{"pass", FullPass}, {"drop", FullDrop}}

// String is the name in the document, or full(N) for a value that has none.
func (w WallFull) String() string { return nameOf(fulls, w, "full", int(w)) }

// MarshalText is String for encoders such as JSON; a value without a name is an error.
func (w WallFull) MarshalText() ([]byte, error) { return marshalWord("full", fulls, w) }

// UnmarshalText is the reverse of MarshalText.
func (w *WallFull) UnmarshalText(b []byte) error { return unmarshalWord("full", fulls, w, b) }

// Kind implements Settings.
func (*Wall) Kind() Stage { return TLSWall }

func (x *Wall) fields(r *reader) []field {
	return []field{
		{"ports", "the ports, as [443]", list(r, &x.Ports, MaxWallPorts, func(n *yaml.Node, a *at) (port uint16) {
			number(r, &port, 1, 65535)(n, a)
			return port
		})},
		{"vips", "", list(r, &x.VIPs, MaxVIPs, r.word)},
		{"allow", "", list(r, &x.Allow, MaxWallAllows, func(n *yaml.Node, a *at) (p netip.Prefix) {
			scalar(r, &p, parsePrefix)(n, a)
			return p
		})},
		{"wait", "", scalar(r, &x.Wait, parseDuration)},
		{"full", "", choice(r, &x.Full, fulls)},
		{"action", "", choice(r, &x.Action, limitActions)},
	}
}

func (x *Wall) check(s *Spec, here *at, f *faults) {
	x.checkPorts(here.field("ports"), f)
	for i, name := range x.VIPs {
		at, v := here.field("vips").item(i), s.VIP(name)
		switch {
		case v == nil:
			f.wrong(at, "vip %s", unknown(name, s.vipNames()))
		case v.Protocol == UDP:
			f.wrong(at, "%s is a VIP of %s, which has no TLS", name, v.Protocol)
		case slices.Contains(x.VIPs[:i], name):
			f.wrong(at, "%s stands in this list already", name)
		}
	}
	if len(x.Allow) > MaxWallAllows {
		f.wrong(here.field("allow"), "%d are too many: at most %d; more are excepted by a firewall in front, with a rule that says pass", len(x.Allow), MaxWallAllows)
	}
	checkPrefixes(x.Allow, here.field("allow"), f)
	if x.Wait < MinWait || x.Wait > MaxWait {
		f.wrong(here.field("wait"), "%s is not within %s to %s", duration(x.Wait), duration(MinWait), duration(MaxWait))
	}
	if !has(fulls, x.Full) {
		f.wrong(here.field("full"), "%s is not known", x.Full)
	}
	if !has(limitActions, x.Action) {
		f.wrong(here.field("action"), "%s is not known", x.Action)
	}
}

func (x *Wall) checkPorts(here *at, f *faults) {
	if len(x.Ports) == 0 {
		f.wrong(here, "none: write which, as [443]")
	}
	if len(x.Ports) > MaxWallPorts {
		f.wrong(here, "%d are too many: at most %d", len(x.Ports), MaxWallPorts)
	}
	for i, p := range x.Ports {
		switch {
		case p == 0:
			f.wrong(here.item(i), "0 is not within 1 to 65535")
		case slices.Contains(x.Ports[:i], p):
			f.wrong(here.item(i), "%d stands in this list already", p)
		}
	}
}

// cannotStand is why these settings cannot be had at a hook, or empty.
func (x *Wall) cannotStand(h Hook) string { return (&Rates{Action: x.Action}).cannotStand(h) }

func (x *Wall) write(b *bytes.Buffer) {
	ports, names := make([]string, len(x.Ports)), make([]string, len(x.VIPs))
	for i, p := range x.Ports {
		ports[i] = fmt.Sprint(p)
	}
	for i, name := range x.VIPs {
		names[i] = plain(name)
	}
	fmt.Fprintf(b, "ports: [%s]\n", strings.Join(ports, ", "))
	if len(names) > 0 {
		fmt.Fprintf(b, "vips: [%s]\n", strings.Join(names, ", "))
	}
	if len(x.Allow) > 0 {
		b.WriteString("allow:\n")
	}
	for _, p := range x.Allow {
		fmt.Fprintf(b, "  - %q\n", p.String())
	}
	fmt.Fprintf(b, "wait: %s\nfull: %s\naction: %s\n", duration(x.Wait), x.Full, x.Action)
}

func (x *Wall) clone() Settings {
	c := *x
	c.Ports, c.VIPs, c.Allow = slices.Clone(x.Ports), slices.Clone(x.VIPs), slices.Clone(x.Allow)
	return &c
}

func (x *Wall) equal(o Settings) bool {
	y, ok := o.(*Wall)
	return ok && slices.Equal(x.Ports, y.Ports) && slices.Equal(x.VIPs, y.VIPs) && slices.Equal(x.Allow, y.Allow) &&
		x.Wait == y.Wait && x.Full == y.Full && x.Action == y.Action
}
