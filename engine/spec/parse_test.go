package spec

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// examples are the documents that people are shown.
const examples = "../../testdata/specs"

func TestExamplesParse(t *testing.T) {
	paths, err := filepath.Glob(examples + "/*.yaml")
	if err != nil || len(paths) < 3 {
		t.Fatalf("%d examples: %v", len(paths), err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(filepath.Base(path), data)
		if err != nil {
			t.Error(err)
			continue
		}
		if back := parse(t, string(Marshal(s))); !s.Equal(back) {
			t.Errorf("%s is not the same after Marshal:\n%s", path, Marshal(s))
		}
	}
}

func TestParse(t *testing.T) {
	data, err := os.ReadFile(examples + "/lb.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := &Spec{
		Version: 1,
		NICs:    []NIC{{Name: "eth0", XDP: Stands(Balancer)}},
		VIPs: []VIP{{
			Name:      "web",
			Addresses: []netip.Addr{netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("fd00:99::1")},
			Port:      80,
			Protocol:  TCP,
			Encap:     GUE,
			EncapPort: 6080,
			Ring:      65537,
			Flow:      FlowSticky,
			Settle:    15 * time.Minute,
			Backends: []Backend{
				{netip.MustParseAddr("10.1.1.11"), 100, Up, 0, Found{}},
				{netip.MustParseAddr("10.1.1.12"), 100, Up, 0, Found{}},
			},
		}},
	}
	if diff := cmp.Diff(want, parse(t, string(data))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	want = &Spec{
		Version: 1,
		NICs:    []NIC{{Name: "eth0", TCXIngress: Stands(Decap)}},
		Agent:   &Agent{VIPs: []netip.Addr{netip.MustParseAddr("10.99.0.1")}, Mode: DSR, EncapPort: 6080},
	}
	got := parse(t, "version: 1\nnics: {eth0: {tcx_ingress: [decap]}}\nagent: {vips: [10.99.0.1]}\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestParseAllows(t *testing.T) {
	lb := "version: 1\nnics: {eth0: {xdp: [balancer]}}\n"
	for name, text := range map[string]string{
		"an empty node":          "version: 1\n",
		"lists left empty":       "version: 1\nnics:\nvips:\n",
		"a balancer without VIP": lb,
		"all ports beside one": lb + `vips:
  - {name: all, addresses: [10.99.0.1], port: 0, protocol: tcp}
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp}
  - {name: dns, addresses: [10.99.0.1], port: 80, protocol: udp}`,
		"backends of both families, or none that works": lb + `vips:
  - name: web
    addresses: [10.99.0.1]
    port: 80
    protocol: tcp
    backends: [{address: 10.1.1.1, weight: 0}, {address: "fd00::1", state: down}]`,
		"sticky, said of tcp": lb + "vips: [{name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, flow: sticky}]",
		"both roles, a NIC each": `version: 1
nics: {eth0: {xdp: [balancer]}, eth1: {xdp: [decap]}}
agent: {vips: [10.99.0.9]}`,
		"anchors": lb + `vips:
  - name: &name web
    addresses: &own [&first 10.99.0.1]
    port: 80
    protocol: tcp
    backends: &all [{address: 10.1.1.1, weight: &w 7}]
  - {name: web2, addresses: *own, port: 81, protocol: tcp, backends: *all}`,
		"a byte order mark, carriage returns, an end": "\ufeffversion: 1\r\nnics: {}\r\n...\r\n",
		"quoted numbers": `{"version": "1"}`,
	} {
		if _, err := Parse(name, []byte(text)); err != nil {
			t.Error(err)
		}
	}
}

func TestAliasesAreFollowed(t *testing.T) {
	s := parse(t, `version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: a, addresses: [10.99.0.1], port: 80, protocol: tcp, backends: &all [{address: 10.1.1.1, weight: &w 7}]}
  - {name: b, addresses: [10.99.0.2], port: 80, protocol: tcp, backends: *all}
  - {name: c, addresses: [10.99.0.3], port: 80, protocol: tcp, backends: [{address: 10.1.1.2, weight: *w}]}
`)
	if s.VIPs[1].Backends[0] != s.VIPs[0].Backends[0] || s.VIPs[2].Backends[0].Weight != 7 {
		t.Errorf("an alias became something else:\n%s", Marshal(s))
	}
	s.VIPs[1].Backends[0].Weight = 8
	if s.VIPs[0].Backends[0].Weight != 7 {
		t.Error("two VIPs share what an alias stands for")
	}
}

// processTime is the CPU time of this process, which others that keep the machine busy do not add to.
func processTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestParseLimits(t *testing.T) {
	const head = "version: 1\nnics: {eth0: {xdp: [balancer]}}\n"
	vips := func(n int, more string) string {
		return head + "vips:\n" + many(n, "  - {name: v%d, addresses: [10.99.%d.%d], port: 80, protocol: tcp"+more+"}\n")
	}
	backends := func(n int) string { return ", backends: [" + many(n, "{address: 172.16.%[2]d.%[3]d},") + "]" }
	one := strings.TrimSuffix(vips(1, ", backends: &all ["+many(1000, "{address: 172.16.%[2]d.%[3]d},")+"]"), "\n")
	for _, row := range []struct{ name, text, want string }{
		{"as many VIPs as can be", vips(MaxVIPs, ""), ""},
		{"a VIP too many", vips(MaxVIPs+1, ""), "line 3: vips: 4097 are too many: at most 4096"},
		{"an address too many", head + "vips:\n" +
			many(2049, "  - {name: v%[1]d, addresses: [10.98.%[2]d.%[3]d, 10.99.%[2]d.%[3]d], port: 80, protocol: tcp}\n"),
			"line 3: vips: 4098 IPv4 and 0 IPv6 addresses in all: at most 4096 of each"},
		{"as many backends as can be", vips(1, backends(MaxBackends)), ""},
		{"a backend too many", vips(1, backends(MaxBackends+1)), "line 4: vips[0].backends: 32768 are too many: at most 32767"},
		{"a backend too many in all", one + "\n" + many(33, "  - {name: w%d, addresses: [10.98.%d.%d], port: 80, protocol: tcp, backends: *all}\n"),
			"line 3: vips: 34000 backends in all: at most 32767"},
		{"a NIC too many", "version: 1\nnics:\n" + many(65, "  eth%d: {} # %d %d\n"), "line 2: nics: 65 are too many: at most 64"},
		{"a stage too many", "version: 1\nnics:\n  eth0: {xdp: [" + strings.Repeat("balancer, ", 17) + "]}\n",
			"line 3: nics.eth0.xdp: 17 are too many: at most 14"},
		{"a bomb of aliases", one + "\n" + many(511, "  - {name: w%d, addresses: [10.98.%d.%d], port: 80, protocol: tcp, backends: *all}\n"),
			"line 4: more than 524288 values, each use of an alias counted: no spec has as many"},
		{"a bomb of small lists", head + "vips: [" + strings.Repeat("a, ", MaxBytes/3-100) + "]",
			"line 3: vips: 1398001 are too many: at most 4096"},
		{"a file too large", strings.Repeat("#", MaxBytes+1), "4194305 bytes are too many for a spec: at most 4194304"},
	} {
		t.Run(row.name, func(t *testing.T) {
			began := processTime(t)
			_, err := Parse("x", []byte(row.text))
			if took := processTime(t) - began; took > 20*time.Second {
				t.Errorf("it took %v of a CPU", took)
			}
			got := ""
			if err != nil {
				got = strings.TrimPrefix(err.Error(), "parse x: ")
			}
			if got != row.want {
				t.Errorf("got  %.500q\nwant %q", got, row.want)
			}
		})
	}
}

// many is format n times, with a number and its two bytes.
func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i, i>>8, i&255)
	}
	return b.String()
}

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"10.1.1.1":    "10.1.1.1",
		"FD00:0::1":   "fd00::1",
		"10.1.1.1/24": `address: "10.1.1.1/24" is a network: write one address, as 10.1.1.1`,
		"224.0.0.1":   "address: 224.0.0.1 is multicast: it has many receivers, and a packet goes to one backend",
	} {
		a, err := ParseAddress(text)
		got := a.String()
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
