package datapath

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

const wideSpec = `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: net, prefixes: [10.98.0.0/16, "fd00:98::/32"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.1}]}
  - {name: all, prefixes: [10.98.7.0/24, "fd00:98:7::/48"], port: 0, protocol: tcp, ring: 251, encap: ipip, backends: [{address: 10.1.1.2}]}
  - {name: few, prefixes: [10.98.7.0/24, "fd00:98:7::/48"], port: 8000-8999, protocol: tcp, ring: 251, backends: [{address: 10.1.1.3}]}
  - {name: one, addresses: [10.98.7.7, "fd00:98:7::7"], port: 8080, protocol: tcp, ring: 251, encap: ipip, backends: [{address: "fd00:1:1::4"}]}
  - {name: rtp, addresses: [10.99.0.1, "fd00:99::1"], port: 16384-32767, protocol: udp, ring: 251, backends: [{address: 10.1.1.5}]}
  - {name: fax, addresses: [10.99.0.1, "fd00:99::1"], port: 20000-20010, protocol: udp, ring: 251, backends: [{address: "fd00:1:1::6"}]}
  - {name: web, addresses: [10.99.0.1, "fd00:99::1"], port: 443, protocol: tcp, ring: 251, backends: [{address: 10.1.1.7}]}
  - {name: web-near, addresses: [10.99.0.1, "fd00:99::1"], port: 443, protocol: tcp, sources: [198.51.0.0/16, "2001:db8::/32"], ring: 251, encap: ipip, backends: [{address: 10.1.1.8}]}
  - {name: web-lab, addresses: [10.99.0.1, "fd00:99::1"], port: 443, protocol: tcp, sources: [198.51.100.0/24, "2001:db8:1::/48"], ring: 251, backends: [{address: "fd00:1:1::9"}]}
  - {name: only, addresses: [10.99.0.2, "fd00:99::2"], port: 22, protocol: tcp, sources: [192.0.2.0/24, "2001:db8:2::/48"], ring: 251, backends: [{address: 10.1.1.10}]}
`

// TestWide sends packets to VIPs of prefixes, of ranges of ports, and for some sources: byte for byte.
func TestWide(t *testing.T) {
	t.Parallel()
	n := newNode(t, wideSpec)
	chain := n.chain(t, "eth0", XDP)
	for _, r := range []struct {
		sentence   string
		src4, dst4 string
		src6, dst6 string
		l4         packet.Layer
		vip        string // empty = none
	}{
		{"the first address of a prefix", "", "10.98.0.0", "", "fd00:98::", tcp{Dst: 80}, "net"},
		{"the last address of a prefix", "", "10.98.255.255", "", "fd00:98:ffff:ffff:ffff:ffff:ffff:ffff", tcp{Dst: 80}, "net"},
		{"just before a prefix", "", "10.97.255.255", "", "fd00:97:ffff::", tcp{Dst: 80}, ""},
		{"just behind a prefix", "", "10.99.0.0", "", "fd00:99::", tcp{Dst: 80}, ""},
		{"another port of a prefix", "", "10.98.1.1", "", "fd00:98::1", tcp{Dst: 81}, ""},
		{"udp to a prefix of tcp", "", "10.98.1.1", "", "fd00:98::1", udp{Dst: 80}, ""},
		{"the longer prefix wins, for every port", "", "10.98.7.1", "", "fd00:98:7::1", tcp{Dst: 80}, "all"},
		{"the fewer ports win, the first", "", "10.98.7.1", "", "fd00:98:7::1", tcp{Dst: 8000}, "few"},
		{"the fewer ports win, the last", "", "10.98.7.1", "", "fd00:98:7::1", tcp{Dst: 8999}, "few"},
		{"below the fewer ports", "", "10.98.7.1", "", "fd00:98:7::1", tcp{Dst: 7999}, "all"},
		{"above the fewer ports", "", "10.98.7.1", "", "fd00:98:7::1", tcp{Dst: 9000}, "all"},
		{"the last port of all", "", "10.98.7.1", "", "fd00:98:7::1", tcp{Dst: 65535}, "all"},
		{"port 0 of all", "", "10.98.7.1", "", "fd00:98:7::1", tcp{Dst: packet.Zero}, "all"},
		{"an address with one port wins over prefixes", "", "10.98.7.7", "", "fd00:98:7::7", tcp{Dst: 8080}, "one"},
		{"another port of that address", "", "10.98.7.7", "", "fd00:98:7::7", tcp{Dst: 8081}, "few"},
		{"a range of an address", "", "10.99.0.1", "", "fd00:99::1", udp{Dst: 16384}, "rtp"},
		{"its end", "", "10.99.0.1", "", "fd00:99::1", udp{Dst: 32767}, "rtp"},
		{"behind its end", "", "10.99.0.1", "", "fd00:99::1", udp{Dst: 32768}, ""},
		{"a range within it", "", "10.99.0.1", "", "fd00:99::1", udp{Dst: 20010}, "fax"},
		{"between them", "", "10.99.0.1", "", "fd00:99::1", udp{Dst: 20011}, "rtp"},
		{"from a source that no other VIP is for", "203.0.113.9", "10.99.0.1", "2001:dead::1", "fd00:99::1", tcp{Dst: 443}, "web"},
		{"from a source", "198.51.7.9", "10.99.0.1", "2001:db8:9::1", "fd00:99::1", tcp{Dst: 443}, "web-near"},
		{"from a source within it", "198.51.100.9", "10.99.0.1", "2001:db8:1::1", "fd00:99::1", tcp{Dst: 443}, "web-lab"},
		{"just behind that", "198.51.101.0", "10.99.0.1", "2001:db8:2::", "fd00:99::1", tcp{Dst: 443}, "web-near"},
		{"from a source that alone is served", "192.0.2.9", "10.99.0.2", "2001:db8:2::9", "fd00:99::2", tcp{Dst: 22}, "only"},
		{"from another, which is not", "192.0.3.9", "10.99.0.2", "2001:db8:3::9", "fd00:99::2", tcp{Dst: 22}, ""},
	} {
		four, six := ip4{Dst: addr(r.dst4)}, ip6{Dst: addr(r.dst6)}
		if r.src4 != "" {
			four.Src, six.Src = addr(r.src4), addr(r.src6)
		}
		for name, in := range map[string][]byte{"v4": frame(four, r.l4), "v6": frame(six, r.l4)} {
			want := passed("no_vip")
			if r.vip != "" {
				want = sent(r.vip, wrapOf(n.spec.VIP(r.vip)))
			}
			t.Run(r.sentence+" "+name, func(t *testing.T) { n.check(t, chain, row{r.sentence, in, want}, 0) })
		}
	}
}

// TestWideFound makes specs of overlapping prefixes, ranges and sources: each packet goes where the spec says.
func TestWideFound(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	d := rand.New(rand.NewPCG(seed, 1))
	n := newNode(t, wideSpec)
	made := 0
	for made < soak(12) {
		s, err := spec.Parse("random", []byte(randomWide(d)))
		if err != nil {
			if !strings.Contains(err.Error(), "overlap") && !strings.Contains(err.Error(), "already") && !strings.Contains(err.Error(), "every port") {
				t.Fatal(err)
			}
			continue
		}
		made++
		n.apply(t, s, 0)
		for range 300 {
			src, dst := anAddress(d, d.IntN(2) == 0), netip.Addr{}
			dst = anAddress(d, src.Is6())
			port := uint16(d.IntN(40))
			var ip packet.Layer = ip4{Src: src, Dst: dst}
			if src.Is6() {
				ip = ip6{Src: src, Dst: dst}
			}
			want := netip.Addr{}
			if v := s.For(spec.TCP, src, netip.AddrPortFrom(dst, port)); v != nil {
				want = v.Backends[0].Address
			}
			if got := n.deliver(t, frame(ip, tcp{Dst: packet.Is(port), Flags: "S"})); got != want {
				t.Fatalf("from %s to %s port %d went to %v, want %v by\n%s", src, dst, port, got, want, spec.Marshal(s))
			}
		}
		for i := range s.VIPs { // as a new engine finds them
			if n.findActive(s.VIPs[i]) == nil {
				t.Fatalf("vip %s is not found by what it is", s.VIPs[i].Name)
			}
		}
	}
}

// someAddress is one of few, so that they are met.
func anAddress(d *rand.Rand, six bool) netip.Addr {
	low := uint32(d.IntN(4))<<24 | uint32(d.IntN(3))<<16 | uint32(d.IntN(3))<<8 | uint32(1+d.IntN(3))
	b := binary.BigEndian.AppendUint32([]byte{0xfd, 0, 11: 0}, low|20<<24)
	if six {
		return netip.AddrFrom16([16]byte(b))
	}
	return netip.AddrFrom4([4]byte(b[12:]))
}

func aPrefix(d *rand.Rand) string {
	a := anAddress(d, d.IntN(2) == 0)
	bits := a.BitLen() - d.IntN(26)
	p, _ := a.Prefix(bits) // so many an address has
	return fmt.Sprintf("%q", p)
}

func randomWide(d *rand.Rand) string {
	text := "version: 1\nnics: {eth0: {xdp: [balancer]}}\nvips:\n"
	list := func(n int, one func() string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = one()
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	address := func() string { return fmt.Sprintf("%q", anAddress(d, d.IntN(2) == 0)) }
	prefix := func() string { return aPrefix(d) }
	for i := range 2 + d.IntN(7) {
		low := d.IntN(30)
		known, port := "addresses: "+list(1+d.IntN(2), address), fmt.Sprint(low)
		switch d.IntN(3) {
		case 0:
			known = "prefixes: " + list(1+d.IntN(3), prefix)
		case 1:
			known += ", sources: " + list(1+d.IntN(3), prefix)
		}
		if d.IntN(2) == 0 && !strings.Contains(known, "sources") {
			port = fmt.Sprintf("%d-%d", 1+low, 2+low+d.IntN(12))
		}
		text += fmt.Sprintf("  - {name: v%d, %s, port: %s, protocol: tcp, ring: 251, backends: [{address: 10.1.1.%d}]}\n", i, known, port, 1+i)
	}
	return text
}

// TestWideSettles: connections to a VIP of prefixes, and to one for some sources, stay when its backends change, also on the way
// back.
func TestWideSettles(t *testing.T) {
	t.Parallel()
	n := newNode(t, wideSpec)
	ask := func(vip string) (all []netip.Addr) {
		for i := range uint16(60) {
			src, dst, port := addr("198.51.100.9"), addr("10.99.0.1"), uint16(443)
			if vip == "net" {
				dst, port = netip.AddrFrom4([4]byte{10, 98, 1, byte(i)}), 80
			}
			all = append(all, n.deliver(t, frame(ip4{Src: src, Dst: dst}, tcp{Src: packet.Is(40000 + i), Dst: packet.Is(port), Flags: "A"})))
		}
		return all
	}
	old := n.spec
	before := map[string][]netip.Addr{"net": ask("net"), "web-lab": ask("web-lab")}
	s := n.spec.Clone()
	for _, name := range []string{"net", "web-lab"} {
		v := s.VIP(name)
		v.Backends = append(v.Backends, spec.Backend{Address: addr("10.1.1.77"), Weight: 100}, spec.Backend{Address: addr("10.1.1.78"), Weight: 100})
	}
	n.apply(t, s, time.Hour)
	for name, homes := range before {
		if got := ask(name); fmt.Sprint(got) != fmt.Sprint(homes) {
			t.Errorf("%s: connections went to %v, were on %v", name, got, homes)
		}
	}
	if len(n.Settlings()) != 2 {
		t.Errorf("%d VIPs settle", len(n.Settlings()))
	}
	if err := n.Revert(); err != nil {
		t.Fatal(err)
	}
	n.spec = old
	for name, homes := range before {
		if got := ask(name); fmt.Sprint(got) != fmt.Sprint(homes) {
			t.Errorf("%s, taken back: connections went to %v, were on %v", name, got, homes)
		}
	}
}
