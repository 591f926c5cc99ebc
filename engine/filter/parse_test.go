package filter

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const everything = Packet | VIP | Backend | Stage | Verdict | Reason

// TestParse: a text and what it is in canonical form.
func TestParse(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"tcp", "tcp"},
		{"  tcp\n\tand  udp ", "tcp and udp"},
		{"tcp and udp or icmp", "(tcp and udp) or icmp"},
		{"tcp or udp and icmp", "(tcp or udp) and icmp"},
		{"tcp or (udp and icmp)", "tcp or (udp and icmp)"},
		{"tcp and (udp and icmp)", "tcp and udp and icmp"},
		{"not tcp and udp", "not tcp and udp"},
		{"not (tcp and udp)", "not (tcp and udp)"},
		{"not not tcp", "tcp"},
		{"!tcp&&!udp||ip", "(not tcp and not udp) or ip"},
		{"port 80 or 443", "port 80 or port 443"},
		{"tcp dst port 80 or 443 and ip6", "(tcp dst port 80 or tcp dst port 443) and ip6"},
		{"host 10.0.0.1 and not 10.0.0.2", "host 10.0.0.1 and not host 10.0.0.2"},
		{"port (80 or not 443) or 22", "port 80 or not port 443 or port 22"},
		{"src net 10.0.0.0/8 or (11.0.0.0/8 or 2001:db8::/32)", "src net 10.0.0.0/8 or src net 11.0.0.0/8 or src net 2001:db8::/32"},
		{"src 10.0.0.1", "src host 10.0.0.1"},
		{"src or dst 10.0.0.1", "host 10.0.0.1"},
		{"src and dst 10.0.0.1", "src and dst host 10.0.0.1"},
		{"dst or src port 80", "port 80"},
		{"ip host 10.0.0.1", "host 10.0.0.1"},
		{"ip6 host 2001:DB8:0::1", "host 2001:db8::1"},
		{"net 10", "net 10.0.0.0/8"},
		{"net 10.1/16", "net 10.1.0.0/16"},
		{"net 10.1.2", "net 10.1.2.0/24"},
		{"net 10.1.2.3", "net 10.1.2.3/32"},
		{"net 10.0.0.0 mask 255.240.0.0", "net 10.0.0.0/12"},
		{"port https", "port 443"},
		{"port 0x50", "port 80"},
		{"portrange 90-80", "portrange 80-90"},
		{"portrange 80", "port 80"},
		{"portrange 80-80", "port 80"},
		{"ip proto 1", "icmp"},
		{"proto tcp", "tcp"},
		{`ip proto \tcp`, "ip proto 6"},
		{"proto icmp", "proto 1"},
		{"ip6 proto sctp or 17", "ip6 proto 132 or ip6 proto 17"},
		{"less 100", "len <= 100"},
		{"greater 100 and len!=0x80", "len >= 100 and len != 128"},
		{"tcp[13] & 2 != 0", "tcp[tcpflags] & tcp-syn != 0"},
		{"tcp[tcpflags] & (tcp-ack|tcp-syn) = 2", "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn"},
		{"tcp[tcpflags] == tcp-syn|tcp-ack", "tcp[tcpflags] == tcp-syn|tcp-ack"},
		{"tcp[tcpflags] & 0xff == 0", "tcp[tcpflags] == 0"},
		{"tcp[tcpflags] & 0x3f == 2", "flags S"},
		{"flags s", "flags S"},
		{"flags AS", "flags SA"},
		{"flags SE", "flags SE"},
		{"flags none", "flags none"},
		{"flags S/SA", "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn"},
		{"flags none/R", "tcp[tcpflags] & tcp-rst == 0"},
		{"ttl<5", "ttl < 5"},
		{"ttl & 0xf == 1", "ttl & 0xf == 1"},
		{"ip[8] = 1", "ip and ttl == 1"},
		{"not ip6[7] > 1", "not (ip6 and ttl > 1)"},
		{"vlan", "vlan"},
		{"vlan 5 or vlan 6 and fragment", "(vlan 5 or vlan 6) and fragment"},
		{"vip web or dns and tcp", "(vip web or vip dns) and tcp"},
		{"vip tcp and vip 80", "vip tcp and vip 80"},
		{`vip \and or \tcp`, `vip \and or vip tcp`},
		{"vip not web", "not vip web"},
		{"backend 10.1.1.11 or 10.1.1.12", "backend 10.1.1.11 or backend 10.1.1.12"},
		{"stage firewall and verdict drop or pass", "(stage firewall and verdict drop) or verdict pass"},
		{"reason no_backend", "reason no_backend"},
	} {
		e, err := Parse(row.text, everything)
		if err != nil {
			t.Errorf("%s: %v", row.text, err)
			continue
		}
		if e.String() != row.want {
			t.Errorf("%s is read as %v, want %s", row.text, e, row.want)
		}
		roundTrip(t, e)
	}
}

// roundTrip checks that the canonical form of e is read as e again.
func roundTrip(t *testing.T, e *Expr) {
	t.Helper()
	again, err := Parse(e.String(), everything)
	if err != nil || !again.Equal(e) {
		t.Errorf("%v is read again as %v (%v)", e, again, err)
	}
}

// TestRoundTrip: so is that of random expressions.
func TestRoundTrip(t *testing.T) {
	g := newGenerator(3, true)
	for range 3000 {
		text := g.expr(12)
		e, err := Parse(text, everything)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		roundTrip(t, e)
	}
}

// TestFaults: a wrong text, the column of what is wrong, and what the error says.
func TestFaults(t *testing.T) {
	deep := strings.Repeat("(", 100) + "tcp" + strings.Repeat(")", 100)
	for _, row := range []struct {
		text   string
		column int
		says   string
	}{
		{"", 1, "read the end, expected a term"},
		{"tcp and", 8, "read the end, expected a term"},
		{"tcp udp", 5, `read "udp", expected and, or, or the end`},
		{"tcp port 80 dst 10.0.0.1", 13, `read "dst", expected and, or, or the end: between two terms stands and or or`},
		{"(tcp port 80 dst 10.0.0.1)", 14, "expected and, or, or a closing parenthesis: between two terms"},
		{"port 80,443", 8, "write or between the values of a list"},
		{"src=10.0.0.1", 4, `read "=", expected an address`},
		{"Host 10.0.0.1", 1, "did you mean host?"},
		{"net 10.0.0.0/", 14, "read the end, expected a prefix length: a number from 0 to 32"},
		{"tcp[13] = SYN", 11, "did you mean tcp-syn?"},
		{"prot 6", 1, `read "prot", expected a term such as host, net, port, tcp or not; did you mean port?`},
		{"prtrange 1-2", 1, "did you mean portrange?"},
		{"tcp dst prot 80", 9, "did you mean port?"},
		{"port 80 adn tcp", 9, "did you mean and?"},
		{"src hots 10.0.0.1", 5, "did you mean host?"},
		{"host 10.0.0.1 or nett 10.0.0.0/8", 18, "did you mean net?"},
		{"port 80-90", 6, "did you mean portrange 80-90?"},
		{"port 65536", 6, `"65536" is not a port: a number from 0 to 65535`},
		{"port 080", 6, "octal"},
		{"port htps", 6, "did you mean https?"},
		{"port (80 or tcp)", 13, `read "tcp", expected a port`},
		{"portrange 80-", 14, "not a port"},
		{"portrange 80-99999", 14, `"99999" is not a port`},
		{"host www.example.com", 6, "names are not looked up"},
		{"host 10.0.0.256", 6, "is not an address"},
		{"host 10.0.0.0/8", 14, "a prefix follows the word net"},
		{"src 10.0.0.0/8", 13, "a prefix follows the word net"},
		{"ip host ::1", 9, "::1 is no address of ip"},
		{"ip6 net 10.0.0.0/8", 9, "10.0.0.0 is no address of ip6"},
		{"net 10.0.0.1/8", 5, "did you mean 10.0.0.0/8?"},
		{"net 10.0.0.0/33", 14, "a prefix length: a number from 0 to 32"},
		{"net 10.0.0.0 mask 255.0.255.0", 19, "has a gap"},
		{"net 10.0.0.0 mask ::1", 19, "expected an IPv4 mask"},
		{"net 300", 5, "is not a net"},
		{"tcp host 10.0.0.1", 5, "write the protocol as a term of its own"},
		{"ip port 80", 4, "port stands alone or behind tcp or udp"},
		{"src proto 6", 1, "proto stands alone or behind ip or ip6"},
		{"proto 256", 7, "a number from 0 to 255"},
		{"proto tpc", 7, "did you mean tcp?"},
		{"(tcp", 1, "never closed"},
		{"(tcp udp)", 6, "expected and, or, or a closing parenthesis"},
		{"tcp)", 4, "expected and, or, or the end"},
		{"tcp[13]", 8, "expected a comparison"},
		{"tcp[13] & 2", 12, "expected a comparison"},
		{"tcp[13] & 2|16 != 0", 12, "the mask must stand in parentheses"},
		{"tcp[13] == 256", 12, "a number from 0 to 255"},
		{"tcp[13] == tcp-sym", 12, "did you mean tcp-syn?"},
		{"tcp[4:4] == 1", 1, "there are tcp[tcpflags], ip[8] and ip6[7]"},
		{"tcp[13", 7, "expected a closing bracket"},
		{"flags SX", 7, "write letters of FSRPAUEC, or none"},
		{"flags S/A", 9, "lacks S, so that the term is never true"},
		{"flags", 6, "expected TCP flags"},
		{"len", 4, "expected a comparison"},
		{"less than", 6, "not a length"},
		{"vlan 4096", 6, "a number from 0 to 4095"},
		{"ether host 1:2:3:4:5:6", 1, "ether is a word of tcpdump that is not in this language"},
		{"tcp and ümlaut", 9, `"ü" does not belong in a filter`},
		{"tcp; udp", 4, `";" does not belong`},
		{"verdict dorp", 9, "did you mean drop?"},
		{"vip", 4, "expected the name of a VIP"},
		{"vip and tcp", 5, "expected the name of a VIP"},
		{deep, 65, "parentheses and nots inside each other"},
		{"port 1" + strings.Repeat(" or 1", MaxTerms), 6 + 5*MaxTerms, "more than 256 terms"},
		{strings.Repeat(" ", MaxText) + "tcp", MaxText, "longer than"},
	} {
		e, err := Parse(row.text, everything)
		var fault *SyntaxError
		if !errors.As(err, &fault) {
			t.Errorf("%s: read as %v, error %v", row.text, e, err)
			continue
		}
		if fault.Column != row.column || !strings.Contains(fault.Problem, row.says) {
			t.Errorf("%s:\n%v\nwant column %d: … %s", quote(row.text), err, row.column, row.says)
		}
	}
}

// TestFacts: words for what something does not have are refused, and not suggested.
func TestFacts(t *testing.T) {
	for word, text := range map[Words]string{Flags: "flags S", TTL: "ttl < 5", Length: "len > 5", VLAN: "vlan", Fragment: "fragment", VIP: "vip web",
		Backend: "backend 10.1.1.11", Stage: "stage parse", Verdict: "verdict drop", Reason: "reason no_vip"} {
		if _, err := Parse(text, word); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if _, err := Parse("tcp and "+text, everything&^word); err == nil || !strings.Contains(err.Error(), "cannot be asked for here") {
			t.Errorf("%s without this fact: %v", text, err)
		}
	}
	for _, text := range []string{"tcp[13] == 2", "ip[8] == 2", "less 5", "greater 5"} {
		if _, err := Parse(text, everything&^Packet); err == nil {
			t.Errorf("%s is taken where no packet is", text)
		}
	}
	if _, err := Parse("vap web", 0); err == nil || strings.Contains(err.Error(), "mean") {
		t.Errorf("a word is suggested that cannot be used: %v", err)
	}
}

func TestNames(t *testing.T) {
	e, err := Parse("vip web or not (tcp and vip dns) or vip web and reason no_vip", everything)
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Names(VIP); !slices.Equal(got, []string{"dns", "web"}) {
		t.Errorf("VIPs are %v", got)
	}
	if got := e.Names(Reason); !slices.Equal(got, []string{"no_vip"}) {
		t.Errorf("reasons are %v", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range known {
		f.Add(text)
	}
	g := newGenerator(4, true)
	for range 100 {
		f.Add(g.expr(8))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 200 {
			return // lists and nesting have their own tests
		}
		e, err := Parse(text, everything)
		if err != nil {
			var fault *SyntaxError
			if !errors.As(err, &fault) || fault.Column < 1 || fault.Column > len(text)+1 {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		roundTrip(t, e)
	})
}
