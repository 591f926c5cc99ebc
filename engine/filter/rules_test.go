package filter

import (
	"fmt"
	"math/bits"
	"strings"
	"testing"
)

func parseAll(t *testing.T, texts ...string) []*Expr {
	t.Helper()
	var list []*Expr
	for _, text := range texts {
		e, err := Parse(text, Packet|VIP)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		list = append(list, e)
	}
	return list
}

// TestRules: the first rule that is true of a packet counts.
func TestRules(t *testing.T) {
	list, layout := samples(t)
	rules := parseAll(t, "vip dns and udp", "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn", "src net 198.51.100.0/24 or 2001:db8::/32", "tcp", "ip6")
	body, err := Rules(rules, layout)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint32]int{}
	for n, got := range newKernel(t, list).results(t, body) {
		want := uint32(0)
		for i, e := range rules {
			if e.Match(&list[n].fields) {
				want = uint32(i + 1)
				break
			}
		}
		if got != want {
			t.Errorf("%v: rule %d, want %d", list[n], got, want)
		}
		seen[got]++
	}
	if len(seen) != len(rules)+1 {
		t.Errorf("not every rule was first for some packet: %v", seen)
	}
}

// TestMarks: every rule that is true of a packet leaves its mark, up to the first that decides.
func TestMarks(t *testing.T) {
	list, layout := samples(t)
	g := newGenerator(9, true)
	var texts []string
	for range MaxMarks {
		texts = append(texts, g.expr(3))
	}
	rules := parseAll(t, texts...)
	decides := func(i int) bool { return i%25 == 24 }
	body, err := Marks(rules, decides, layout)
	if err != nil {
		t.Fatal(err)
	}
	// The kernel's test run returns 32 bits: one half, then the other.
	k := newKernel(t, list)
	low := k.results(t, body)
	k.high = true
	high, several := k.results(t, body), 0
	for n, s := range list {
		want := uint64(0)
		for i, e := range rules {
			if !e.Match(&s.fields) {
				continue
			}
			if want |= 1 << i; decides(i) {
				break
			}
		}
		if got := uint64(high[n])<<32 | uint64(low[n]); got != want {
			t.Errorf("%v: marks %#x, want %#x", s, got, want)
		}
		if bits.OnesCount64(want) > 1 && want>>32 != 0 {
			several++
		}
	}
	if several < 10 {
		t.Errorf("only %d packets have marks behind bit 31: this test sees too little", several)
	}
	if _, err := Marks(make([]*Expr, MaxMarks+1), decides, layout); err == nil || !strings.Contains(err.Error(), "there may be 64") {
		t.Errorf("%d marks: %v", MaxMarks+1, err)
	}
}

// TestNoRules: without any rule nothing matches.
func TestNoRules(t *testing.T) {
	list, layout := samples(t)
	body, err := Rules(nil, layout)
	if err != nil {
		t.Fatal(err)
	}
	for n, got := range newKernel(t, list).results(t, body) {
		if got != 0 {
			t.Fatalf("%v: rule %d of none", list[n], got)
		}
	}
}

// TestGlobal: the function is accepted where the verifier knows of the scratch only its type.
func TestGlobal(t *testing.T) {
	list, layout := samples(t)
	body, err := Rules(parseAll(t, "host 2001:db8::7 or port 80"), layout)
	if err != nil {
		t.Fatal(err)
	}
	_ = newKernel(t, list).load(t, body, true).Close()
}

// TestLargest: the largest sets of rules that are taken pass the verifier, and a larger one is refused before.
func TestLargest(t *testing.T) {
	list, layout := samples(t)
	k := newKernel(t, list)
	var hosts, ports, mixed []string
	for i := range MaxTerms {
		hosts = append(hosts, fmt.Sprintf("host 2001:db8:%x:1:2:3:4:%x", i, i))
		ports = append(ports, fmt.Sprintf("tcp src portrange %d-%d", 2*i, 3*i))
		mixed = append(mixed, "("+[]string{"tcp", "host 10.0.0.1", "flags S", "port 80"}[i%4]+[]string{" and ", " or "}[i/2%2]+
			fmt.Sprintf("net 10.%d.0.0/17)", i))
	}
	for name, texts := range map[string][]string{
		"many":  ports[:1],
		"hosts": {strings.Join(hosts, " or ")},
		"nots":  {"not " + strings.Join(hosts, " and not ")},
		"ports": {strings.Join(ports, " or ")},
		"mixed": {strings.Join(mixed[:MaxTerms/2], " or "), strings.Join(mixed[:MaxTerms/2], " and ")},
	} {
		var rules []*Expr
		for len(rules) < MaxRules {
			rules = append(rules, parseAll(t, texts...)...)
			if _, err := Rules(rules, layout); err != nil {
				if !strings.Contains(err.Error(), "comparisons, there may be") {
					t.Fatal(err)
				}
				rules = rules[:len(rules)-len(texts)]
				break
			}
		}
		body, err := Rules(rules, layout)
		if err != nil {
			t.Fatal(err)
		}
		program := k.load(t, body, false)
		info, err := program.Info()
		if err != nil {
			t.Fatal(err)
		}
		verified, _ := info.VerifiedInstructions()
		t.Logf("%s: %d rules, %d instructions, %d verified", name, len(rules), len(body), verified)
		_ = program.Close()
	}
	if _, err := Rules(make([]*Expr, MaxRules+1), layout); err == nil || !strings.Contains(err.Error(), "there may be 512") {
		t.Errorf("%d rules: %v", MaxRules+1, err)
	}
}

// TestUncompiled: what the data path does not know is refused by name.
func TestUncompiled(t *testing.T) {
	_, layout := samples(t)
	for text, says := range map[string]string{"vip api": "vip api: there is no VIP of this name", "tcp and backend 10.1.1.11": "backend 10.1.1.11",
		"not (udp or stage parse)": "stage parse"} {
		e, err := Parse(text, everything)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Compile(e, layout); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestSize: what people write is a handful of instructions.
func TestSize(t *testing.T) {
	_, layout := samples(t)
	for text, most := range map[string]int{
		"tcp":               10,
		"host 198.51.100.7": 12,
		"src net 198.51.100.0/24 and tcp port 443 and not host 198.51.100.7": 26,
		"tcp dst port 80 or 443 or 8080 or 8443":                             16,
	} {
		body, err := Compile(parseAll(t, text)[0], layout)
		if err != nil {
			t.Fatal(err)
		}
		if len(body) > most {
			t.Errorf("%s takes %d instructions, more than %d:\n%v", text, len(body), most, body)
		}
	}
}

func TestSplice(t *testing.T) {
	k := newKernel(t, []sample{{scratch: make([]byte, 8)}})
	if _, err := Splice(k.caller(), "no_such", nil); err == nil {
		t.Error("a function that is not there was replaced")
	}
	_ = k.load(t, k.caller()[17:], false).Close()
}
