package spec

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of what VIPs may be known by, beside addresses and single ports.
const (
	MaxVIPPrefixes   = 512  // over all VIPs
	MaxPrefixLengths = 16   // different ones of a family; an address with a range of ports counts as one
	MaxSources       = 4096 // prefixes of a VIP
	MaxRoutes        = 16   // VIPs for sources at one address and port
)

// Wide tells whether a VIP is more than addresses with one port, or with all.
func (v *VIP) Wide() bool { return len(v.Prefixes) > 0 || v.LastPort != 0 }

// Claim is what a wide VIP is known by: addresses that begin alike, and ports from one to another.
type Claim struct {
	Prefix netip.Prefix
	Low    uint16
	High   uint16
}

// Ports are the first and the last port of a VIP.
func (v *VIP) Ports() (low, high uint16) {
	switch {
	case v.LastPort != 0:
		return v.Port, v.LastPort
	case v.Port == 0:
		return 0, 65535
	}
	return v.Port, v.Port
}

// Claims are what v is known by beside addresses with one port. Those of more specific prefixes go before others, and among
// these those of fewer ports.
func (v *VIP) Claims() (all []Claim) {
	low, high := v.Ports()
	for _, p := range v.Prefixes {
		all = append(all, Claim{p, low, high})
	}
	if v.LastPort != 0 {
		for _, a := range v.Addresses {
			all = append(all, Claim{netip.PrefixFrom(a, a.BitLen()), low, high})
		}
	}
	return all
}

// ports reads a port, or two with a dash between them.
func ports(r *reader, v *VIP) read {
	return func(n *yaml.Node, a *at) {
		if r.shape != nil {
			r.shape["anyOf"] = []any{shape{"type": "integer", "minimum": 0, "maximum": 65535}, shape{"type": "string", "pattern": "^[0-9]+(-[0-9]+)?$"}}
			return
		}
		s, ok := r.text(n, a)
		if !ok {
			return
		}
		first, last, several := strings.Cut(s, "-")
		if !several || first == "" {
			number(r, &v.Port, 0, 65535)(n, a)
			return
		}
		low, why := wholeNumber(first, 1, 65535)
		if why == "" {
			var high uint64
			if high, why = wholeNumber(last, 1, 65535); why == "" {
				if high <= low {
					why = fmt.Sprintf("%s is no range: write the lower port first", quote(s))
				}
				v.Port, v.LastPort = uint16(low), uint16(high)
			}
		}
		if why != "" {
			v.LastPort = 0
			r.misread(a, 0, "%s", why)
		}
	}
}

func writePorts(v *VIP) string {
	text := strconv.Itoa(int(v.Port))
	if v.LastPort != 0 {
		text += "-" + strconv.Itoa(int(v.LastPort))
	}
	return text
}

func writeVIPPrefixes(b *bytes.Buffer, name string, list []netip.Prefix) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "    %s: %s\n", name, prefixList(list))
}

// prefixList is a list in one line.
func prefixList(list []netip.Prefix) string {
	text := make([]string, len(list))
	for i, p := range list {
		text[i] = strconv.Quote(p.String())
	}
	return "[" + strings.Join(text, ", ") + "]"
}

// checkWide looks at the prefixes, the ports and the sources of VIPs, and at who claims the same.
func checkWide(s *Spec, f *faults) {
	routes := map[service]int{}
	prefixes, lengths := 0, [2]map[int]bool{{}, {}}
	claims := newClaimed()
	for i := range s.VIPs {
		v, here := &s.VIPs[i], whole.field("vips").item(i)
		if !checkVIPPrefixes(v.Prefixes, here.field("prefixes"), f) || !checkVIPPrefixes(v.Sources, here.field("sources"), f) {
			continue
		}
		if len(v.Sources) > 0 && v.Wide() {
			f.wrong(here.field("sources"), "a VIP for some sources has addresses and one port, or all: remove prefixes and the range of ports, or this")
		}
		if len(v.Sources) > MaxSources {
			f.wrong(here.field("sources"), "%d are too many: at most %d", len(v.Sources), MaxSources)
		}
		for k, a := range v.Addresses {
			if at := (service{addr: a, port: v.Port, proto: v.Protocol}); len(v.Sources) > 0 {
				if routes[at]++; routes[at] == MaxRoutes+1 {
					f.wrong(here.field("addresses").item(k), "%s %s port %d is of %d VIPs for some sources already, the most that it can be",
						a, v.Protocol, v.Port, MaxRoutes)
				}
			}
		}
		prefixes += len(v.Prefixes)
		claims.addAll(s, i, here, f)
		for _, c := range v.Claims() {
			lengths[family(c.Prefix.Addr())][c.Prefix.Bits()] = true
			claims.add(s, i, c, here, f)
		}
	}
	if prefixes > MaxVIPPrefixes {
		f.wrong(whole.field("vips"), "%d prefixes in all: at most %d", prefixes, MaxVIPPrefixes)
	}
	for i, name := range []string{"IPv4", "IPv6"} {
		if n := len(lengths[i]); n > MaxPrefixLengths {
			f.wrong(whole.field("vips"), "prefixes of %d different lengths of %s: at most %d", n, name, MaxPrefixLengths)
		}
	}
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

func checkVIPPrefixes(list []netip.Prefix, here *at, f *faults) bool {
	fine := true
	for i, p := range list {
		why := badPrefix(p)
		if why == "" && p.Bits() == 0 {
			why = fmt.Sprintf("%s is every address, this node's own as well: write what is meant", p)
		}
		if why == "" && slices.Index(list, p) != i {
			why = fmt.Sprintf("%s stands in this list already", p)
		}
		if why != "" {
			f.wrong(here.item(i), "%s", why)
			fine = false
		}
	}
	return fine
}

// claimed are the claims of all VIPs, by prefix and protocol.
type claimed map[claimKey][]claimOf

type claimKey struct {
	prefix   netip.Prefix
	protocol Protocol
}

type claimOf struct {
	Claim
	vip int
}

func newClaimed() claimed { return claimed{} }

// add refuses ports that overlap others of the same prefix, unless they lie within these, or these within them: then the fewer
// ports win.
func (all claimed) add(s *Spec, i int, c Claim, here *at, f *faults) {
	key := claimKey{c.Prefix, s.VIPs[i].Protocol}
	for _, o := range all[key] {
		switch {
		case o.High < c.Low || c.High < o.Low: // apart
		case o.Low == c.Low && o.High == c.High:
			f.wrong(here, "%s %s ports %d-%d are of vips[%d] %s already", c.Prefix, key.protocol, c.Low, c.High, o.vip, s.VIPs[o.vip].Name)
		case o.Low <= c.Low && c.High <= o.High || c.Low <= o.Low && o.High <= c.High: // the fewer ports win
		default:
			f.wrong(here, "%s %s ports %d-%d overlap %d-%d of vips[%d] %s: neither is within the other", c.Prefix, key.protocol, c.Low, c.High,
				o.Low, o.High, o.vip, s.VIPs[o.vip].Name)
		}
	}
	all[key] = append(all[key], claimOf{c, i})
}

// addAll refuses every port of an address beside a range of ports: it would be found first.
func (all claimed) addAll(s *Spec, i int, here *at, f *faults) {
	v := &s.VIPs[i]
	for k, o := range s.VIPs {
		if v.LastPort == 0 || o.Port != 0 || o.LastPort != 0 || o.Protocol != v.Protocol {
			continue
		}
		for _, a := range o.Addresses {
			if slices.Contains(v.Addresses, a) {
				f.wrong(here.field("port"), "every port of %s is of vips[%d] %s: write port: 1-65535 there, of which the fewer ports are taken out",
					a, k, o.Name)
			}
		}
	}
}

// For is the VIP of a packet's protocol, source and destination; nil when there is none. The data path finds the same.
func (s *Spec) For(protocol Protocol, src netip.Addr, dst netip.AddrPort) *VIP {
	for _, port := range []uint16{dst.Port(), 0} {
		if v, claimed := s.exactly(protocol, src, dst.Addr(), port); claimed {
			return v
		}
	}
	var best *VIP
	var by Claim
	for i := range s.VIPs {
		v := &s.VIPs[i]
		if v.Protocol != protocol {
			continue
		}
		for _, c := range v.Claims() {
			if !c.Prefix.Contains(dst.Addr()) || dst.Port() < c.Low || dst.Port() > c.High {
				continue
			}
			if best == nil || c.Prefix.Bits() > by.Prefix.Bits() || c.Prefix.Bits() == by.Prefix.Bits() && c.High-c.Low < by.High-by.Low {
				best, by = v, c
			}
		}
	}
	return best
}

// exactly is the VIP for a source among those of an address and port, and whether there are any.
func (s *Spec) exactly(protocol Protocol, src, dst netip.Addr, port uint16) (best *VIP, claimed bool) {
	longest := -1
	for i := range s.VIPs {
		v := &s.VIPs[i]
		if v.Protocol != protocol || v.Port != port || v.LastPort != 0 || !slices.Contains(v.Addresses, dst) {
			continue
		}
		claimed = true
		if len(v.Sources) == 0 && longest < 0 {
			best, longest = v, 0
		}
		for _, p := range v.Sources {
			if p.Contains(src) && p.Bits() > longest {
				best, longest = v, p.Bits()
			}
		}
	}
	return best, claimed
}
