package filter

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("filter.seed", 0, "make the same random expressions as the test that printed this number")

// generator makes random expressions: of what tcpdump knows as well, or with own, of all words.
type generator struct {
	*rand.Rand
	own bool
}

func newGenerator(seed uint64, own bool) generator {
	return generator{rand.New(rand.NewPCG(seed, 7)), own}
}

// seeded makes other expressions in every run, and says how to have them again.
func seeded(t *testing.T, own bool) generator {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-filter.seed %d", seed)
	return newGenerator(seed, own)
}

func (g generator) of(words ...string) string { return pick(g.Rand, words) }

// expr is a random expression of up to so many operands.
func (g generator) expr(operands int) string {
	var b strings.Builder
	for i := range 1 + g.IntN(operands) {
		if i > 0 {
			b.WriteString(g.of(" and ", " or ", " && ", "||"))
		}
		b.WriteString(g.of("", "", "", "not ", "!", "not !"))
		if operands > 1 && g.IntN(3) == 0 {
			b.WriteString("(" + g.expr(operands/2) + ")")
		} else {
			b.WriteString(g.term())
		}
	}
	return b.String()
}

func (g generator) term() string {
	if g.own && g.IntN(3) == 0 {
		return g.ownTerm()
	}
	direction := g.of("", "", "src ", "dst ", "src or dst ", "src and dst ", "dst or src ")
	switch g.IntN(10) {
	case 0, 1:
		return g.of("ip", "ip6", "tcp", "udp", "icmp", "icmp6")
	case 2:
		return direction + "host " + g.list(g.address)
	case 3:
		return direction + "net " + g.list(g.net)
	case 4, 5:
		return g.of("", "tcp ", "udp ") + direction + "port " + g.list(g.port)
	case 6:
		return g.of("", "tcp ", "udp ") + direction + "portrange " + g.list(func() string { return g.port() + "-" + g.port() })
	case 7:
		return g.of("", "ip ", "ip6 ") + "proto " + g.list(func() string { return fmt.Sprint(pick(g.Rand, []int{0, 1, 6, 17, 44, 50, 58, 60, 253})) })
	case 8:
		return g.flags()
	}
	length := pick(g.Rand, []int{0, 59, 60, 61, 100, 1000, 1494, 65536})
	return fmt.Sprintf(g.of("less %d", "greater %d", "len == %d", "len != %d", "len < %d", "len > %d", "len <= %d", "len >= %d"), length)
}

// list is one value, or several as they may follow the words of a term.
func (g generator) list(value func() string) string {
	if g.IntN(12) == 0 {
		return "(" + value() + g.of(" or ", " and not ") + value() + ")"
	}
	text := g.of("", "", "", "not ") + value()
	for g.IntN(3) == 0 {
		text += g.of(" or ", " or ", " and ", " or not ") + value()
	}
	return text
}

func (g generator) address() string {
	if g.IntN(2) == 0 {
		return pick(g.Rand, some6)
	}
	return pick(g.Rand, some4)
}

func (g generator) net() string {
	return g.of("198.51.100.0/24", "198.51.100.0/22", "198.51.100.6/31", "0.0.0.0/0", "128.0.0.0/1", "10", "10.99", "198.51.100", "10.99.0.1",
		"203.0.113.252/30", "10.96.0.0/11", "10.0.0.0 mask 255.0.0.0", "198.51.100.0 mask 255.255.254.0", "2001:db8::/32", "2001:db8::/33",
		"::/0", "2000::/3", "2001:db8:1::/48", "fd00:99::/63", "2001:db8::/125", "2001:db8::8/128", "fc00::/7", "2001:db8:1::7")
}

func (g generator) port() string { return fmt.Sprint(pick(g.Rand, somePorts)) }

func (g generator) flags() string {
	text := g.of("tcp[tcpflags]", "tcp[13]")
	text += g.of("", " & 2", "&tcp-syn", " & (tcp-syn|tcp-ack)", " & 0x12", " & (tcp-rst|tcp-fin|4)", " & 0xc0", " & (tcp-ece | tcp-cwr)")
	text += g.of("==", " = ", " != ", " > ", "<", " <= ", " >= ")
	return text + g.of("0", "2", "tcp-syn", "18", "0x12", "tcp-syn|tcp-ack", "(tcp-syn | tcp-ack)", "255")
}

func (g generator) ownTerm() string {
	switch g.IntN(6) {
	case 0:
		return "flags " + g.of("S", "SA", "A/A", "none", "R/RF", "SE", "none/S", "FSRPAUEC", "c")
	case 1:
		return g.of("ttl", "ip[8]", "ip6[7]", "ttl & 3", "ttl&0xf0") + g.of(" < 2", " == 64", ">128", " != 0", " <= 63", ">=255", "= 0")
	case 2:
		return g.of("vlan", "vlan 0", "vlan 1", "vlan 2 or vlan 7", "vlan 8", "fragment", "len & 1 == 0", "len & 0x3c != 0x3c")
	case 3:
		return "proto " + g.of("icmp6", "sctp or gre", `\tcp`)
	case 4:
		return g.of("port http or https", "tcp port domain")
	}
	return "vip " + g.of("web", "dns", "web or dns", "not web")
}
