package filter

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"hairpin/engine/packet"
)

// known are expressions that people write, for tcpdump and hairpin alike.
var known = []string{
	"ip", "ip6", "tcp", "udp", "icmp", "icmp6", "not tcp", "!udp", "not not icmp", "ip and not tcp", "tcp or udp", "tcp||udp&&ip6",
	"tcp or udp and ip6", "udp and ip6 or tcp", "not tcp and udp", "not (tcp and ip6)", "((tcp))", "not (not (ip6))",
	"host 198.51.100.7", "src host 198.51.100.7", "dst host 10.99.0.1", "src 198.51.100.7", "dst 10.99.0.1", "src or dst 10.99.0.1",
	"src and dst host 198.51.100.7", "src and dst 198.51.100.7", "ip host 10.99.0.1", "ip6 host 2001:db8::7", "host 2001:db8::7",
	"src host 2001:db8::7 and dst host fd00:99::1", "host ::ffff:198.51.100.7", "host 198.51.100.7 or 198.51.100.8",
	"host 198.51.100.7 and 10.99.0.1", "host 198.51.100.7 and not 10.99.0.1", "host (198.51.100.7 or 2001:db8::7)",
	"src host not 198.51.100.7", "net 198.51.100.0/24", "src net 198.51.100.0/24 or 2001:db8::/32", "net 10", "net 10.99", "net 198.51.100",
	"dst net 10.99.0.0/16", "net 198.51.100.0 mask 255.255.255.0", "ip6 net 2001:db8::/33", "ip net 10.96.0.0/11", "net 0.0.0.0/0",
	"net ::/0", "net 10.99.0.1", "port 80", "port 80 or 443", "src port 80", "dst port 0", "src and dst port 80", "tcp port 443",
	"udp dst port 443", "tcp src or dst port 22 or 80", "port not 80", "not port 80 or 443", "port (80 or 443)", "port 80 or (443 or 8080)",
	"port 80 and not 443", "portrange 79-81", "portrange 81-79", "tcp dst portrange 1024-65535", "portrange 0-65535", "portrange 443",
	"portrange 0-79 or 1023-1024", "src portrange 255-256", "proto 6", "proto 6 or 17", "ip proto 17",
	"ip6 proto 58", "ip proto 0", "proto 0", "ip6 proto 44 or 60",
	"src net 198.51.100.0/24 and tcp port 443 and not host 198.51.100.8", "tcp[tcpflags] == tcp-syn", "tcp[13] == 2", "tcp[13] = 18",
	"tcp[tcpflags] & tcp-syn != 0", "tcp[13] & 2 != 0", "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn", "tcp[13] & 0x12 == 0x12",
	"tcp[tcpflags] & (tcp-rst|tcp-fin) != 0", "tcp[tcpflags] > 16", "tcp[13] <= 2", "not tcp[13] & 16 == 16", "tcp[tcpflags] == tcp-syn|tcp-ack",
	"tcp[tcpflags] & tcp-push != 0 or tcp[tcpflags] & tcp-urg != 0", "len > 1000", "len <= 60", "less 60", "greater 1000", "len != 60",
	"len == 60 or udp", "ip[8] < 2", "ip6[7] == 64", "ip[8] = 255 or ip6[7] = 255", "not ip[8] >= 64",
}

// comparable tells by rule on which packets both languages mean the same; the package's doc names the differences.
func comparable(e *Expr, s sample) bool {
	asksTransport, asksFlags := false, false
	e.each(func(t *term) {
		asksFlags = asksFlags || t.kind == kindFlags
		asksTransport = asksTransport || t.kind == kindFlags || t.kind == kindPort
	})
	switch f := s.fields; {
	case f.Tagged:
		return false
	case f.family() == 6 && isExtension(s.frame[20]): // tcpdump asks for the first of them
		return false
	case f.Fragment && (asksTransport || f.family() == 6):
		return false
	case asksFlags && f.Proto == packet.ProtoTCP && f.family() == 6:
		return false
	}
	return true
}

// TestOracle: tcpdump's compiler, Match and generated code say the same of every packet of the corpus.
func TestOracle(t *testing.T) {
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Fatalf("%v: the language is checked against tcpdump: install it (apt-get install tcpdump)", err)
	}
	list, layout := samples(t)
	g, exprs := seeded(t, false), known
	for range 500 {
		exprs = append(exprs, g.expr(6))
	}
	programs := compileClassic(t, exprs)
	k, compared, matched := newKernel(t, list), 0, 0
	for i, text := range exprs {
		e, err := Parse(text, Packet)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		differ := check(t, k, layout, list, e)
		for n, s := range list {
			want, err := programs[i].match(s.frame)
			if err != nil {
				t.Fatalf("%s: run tcpdump's program: %v", text, err)
			}
			if !comparable(e, s) {
				continue
			}
			compared++
			got := e.Match(&s.fields)
			if got {
				matched++
			}
			if got != want && differ < 3 {
				differ++
				t.Errorf("%s\nread as %v\npacket %d: %v\ntcpdump says %v, hairpin %v", text, e, n, s, want, got)
			}
		}
	}
	if compared < len(exprs)*len(list)/2 || matched < compared/20 || matched > compared*19/20 {
		t.Errorf("%d of %d pairs were compared and %d matched: this test sees too little", compared, len(exprs)*len(list), matched)
	}
	t.Logf("%d expressions, %d packets, %d pairs, %d matches", len(exprs), len(list), compared, matched)
}

// check compares Match with the generated code, and returns how many packets it complained about.
func check(t *testing.T, k *kernel, layout Layout, list []sample, e *Expr) (differ int) {
	t.Helper()
	body, err := Compile(e, layout)
	if err != nil {
		t.Fatalf("%v: %v", e, err)
	}
	for n, got := range k.results(t, body) {
		if want := e.Match(&list[n].fields); (got == 1) != want || got > 1 {
			if differ++; differ < 3 {
				t.Errorf("%v\npacket %d: %v\nMatch says %v, the generated code %d:\n%v", e, n, list[n], want, got, body)
			}
		}
	}
	return differ
}

// TestOwnWords: Match and generated code agree on what tcpdump does not know.
func TestOwnWords(t *testing.T) {
	list, layout := samples(t)
	k, g := newKernel(t, list), seeded(t, true)
	for range 150 {
		text := g.expr(6)
		e, err := Parse(text, Packet|VIP)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		check(t, k, layout, list, e)
	}
}

// TestRefused: what tcpdump refuses as wrong, hairpin does not take for something else.
func TestRefused(t *testing.T) {
	for _, text := range []string{"10.0.0.1", "tcp 80", "port 80-90", "src 10.0.0.0/8", "ip6 host 1.2.3.4", "ip host ::1", "net 10.1/8",
		"icmp host 1.2.3.4", "tcp host 1.2.3.4", "ip port 80", "port 80 or tcp or 443", "net 2001:db8::1/32", "port 65536", "src dst port 80",
		"TCP", "host 10.0.0.256", "tcp proto 6", "(tcp and port 80) or 443", "tcp[13]", "port", "not", "and tcp", "(tcp", "tcp)"} {
		if _, err := Parse(text, Packet); err == nil {
			t.Errorf("%s: hairpin takes it", text)
		}
		if _, err := tcpdump(text); err == nil {
			t.Errorf("%s: tcpdump takes it", text)
		}
	}
}

// compileClassic compiles all expressions, as many at a time as there are processors.
func compileClassic(t *testing.T, exprs []string) []classic {
	t.Helper()
	programs, errs := make([]classic, len(exprs)), make([]error, len(exprs))
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		workers.Go(func() {
			for i := range next {
				programs[i], errs[i] = tcpdump(exprs[i])
			}
		})
	}
	for i := range exprs {
		next <- i
	}
	close(next)
	workers.Wait()
	var refused []string
	for i, err := range errs {
		if err != nil {
			refused = append(refused, fmt.Sprintf("%s: %v", exprs[i], err))
		}
	}
	if refused != nil {
		t.Fatalf("tcpdump refuses\n%s", strings.Join(refused, "\n"))
	}
	return programs
}
