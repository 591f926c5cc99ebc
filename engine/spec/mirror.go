package spec

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
)

// Limits of a mirror stage.
const (
	MaxCopySnap     = 2048
	MinCopySnap     = 64
	DefaultCopyRate = 5000
	MaxCopyRate     = 1_000_000
	MaxOneIn        = 1_000_000
	MaxVNI          = 1<<24 - 1
)

// Copies is the settings of a mirror stage: of which packets a collector gets copies.
type Copies struct {
	To    netip.AddrPort
	Encap CopyEncap
	VNI   uint32
	Match string // in the language of engine/filter; empty = every packet
	OneIn uint32 // of so many packets one is looked at
	Snap  uint32 // bytes of a frame that are copied
	Rate  uint32 // copies a second that each CPU makes at most
}

// CopyEncap is what a copy travels in.
type CopyEncap uint8

// CopyGUE has the IP packet alone, CopyVXLAN the whole frame.
const (
	CopyGUE CopyEncap = iota
	CopyVXLAN
)

var copyEncaps = []word[CopyEncap]{{"vxlan", CopyVXLAN}, {"gue", CopyGUE}}

// String is the name in the document, or encap(N) for a value that has none.
func (e CopyEncap) String() string { return nameOf(copyEncaps, e, "encap", int(e)) }

// MarshalText is String for encoders such as JSON; a value without a name is an error.
func (e CopyEncap) MarshalText() ([]byte, error) { return marshalWord("encap", copyEncaps, e) }

// UnmarshalText is the reverse of MarshalText.
func (e *CopyEncap) UnmarshalText(b []byte) error { return unmarshalWord("encap", copyEncaps, e, b) }

// Kind implements Settings.
func (*Copies) Kind() Stage { return Mirror }

func (x *Copies) fields(r *reader) []field {
	return []field{
		{"to", "the collector, as 192.0.2.9:4789", scalar(r, &x.To, parseEndpoint)},
		{"encap", "", choice(r, &x.Encap, copyEncaps)},
		{"vni", "", number(r, &x.VNI, 0, MaxVNI)},
		{"match", "", scalar(r, &x.Match, name)},
		{"one_in", "", number(r, &x.OneIn, 1, MaxOneIn)},
		{"snap", "", number(r, &x.Snap, MinCopySnap, MaxCopySnap)},
		{"rate", "", number(r, &x.Rate, 1, MaxCopyRate)},
	}
}

func (x *Copies) check(s *Spec, here *at, f *faults) {
	switch a := x.To.Addr(); {
	case !x.To.IsValid() || x.To.Port() == 0 || a.IsUnspecified():
		f.wrong(here.field("to"), "%s is nobody's: write address and port of the collector, as 192.0.2.9:4789", x.To)
	case a.Is4In6() || a.Zone() != "":
		f.wrong(here.field("to"), "%s: write the address alone", x.To)
	}
	if x.Match != "" {
		checkMatch(s, x.Match, here.field("match"), f)
	}
	if !has(copyEncaps, x.Encap) {
		f.wrong(here.field("encap"), "%s is not known", x.Encap)
	}
	if x.Encap == CopyGUE && x.VNI != 0 {
		f.wrong(here.field("vni"), "gue has none: remove it, or write encap: vxlan")
	}
	for _, n := range []struct {
		field        string
		is, low, top uint32
	}{{"vni", x.VNI, 0, MaxVNI}, {"one_in", x.OneIn, 1, MaxOneIn}, {"snap", x.Snap, MinCopySnap, MaxCopySnap}, {"rate", x.Rate, 1, MaxCopyRate}} {
		if n.is < n.low || n.is > n.top {
			f.wrong(here.field(n.field), "%d is not within %d to %d", n.is, n.low, n.top)
		}
	}
}

func (x *Copies) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "to: %q\nencap: %s\n", x.To.String(), x.Encap)
	if x.Encap == CopyVXLAN {
		fmt.Fprintf(b, "vni: %d\n", x.VNI)
	}
	if x.Match != "" {
		fmt.Fprintf(b, "match: %s\n", strconv.Quote(x.Match))
	}
	fmt.Fprintf(b, "one_in: %d\nsnap: %d\nrate: %d\n", x.OneIn, x.Snap, x.Rate)
}

func (x *Copies) clone() Settings {
	c := *x
	return &c
}

func (x *Copies) equal(o Settings) bool {
	y, ok := o.(*Copies)
	return ok && *x == *y
}
