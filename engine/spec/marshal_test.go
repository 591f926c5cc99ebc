package spec

import (
	"bytes"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMarshalReadsBack(t *testing.T) {
	d := newDice(t)
	for range 2000 {
		s := d.spec()
		if err := s.Validate(); err != nil {
			t.Fatalf("the dice made no valid spec: %v\n%s", err, Marshal(s))
		}
		text := Marshal(s)
		back, err := Parse("marshalled", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !s.Equal(back) || Revision(s) != Revision(back) || !bytes.Equal(text, Marshal(back)) {
			t.Fatalf("another spec came back (-want +got):\n%s\n%s", cmp.Diff(string(text), string(Marshal(back))), text)
		}
	}
}

func TestMarshalWritesDefaultsOut(t *testing.T) {
	s := parse(t, `
version: 1
nics: {eth0: {xdp: [balancer]}, eth1: {tcx_ingress: [decap]}, eth2: {}}
vips:
  - {name: web, port: 80, protocol: tcp, addresses: ["FD00:99:0:0::1", 10.99.0.1], backends: [{address: 10.1.1.11}, {address: "fd00:1::b", state: down, weight: 0}]}
  - {name: "on", port: 0, protocol: udp, addresses: [10.99.0.2], encap: ipip, settle: 90s}
agent: {vips: [10.99.0.3]}
`)
	want := `version: 1
nics:
  eth0: {xdp: [balancer]}
  eth1: {tcx_ingress: [decap]}
  eth2: {}
vips:
  - name: web
    addresses: ["fd00:99::1", 10.99.0.1]
    port: 80
    protocol: tcp
    encap: gue
    encap_port: 6080
    ring: 65537
    flow: sticky
    settle: 15m
    backends:
      - {address: 10.1.1.11, weight: 100, state: up}
      - {address: "fd00:1::b", weight: 0, state: down}
  - name: "on"
    addresses: [10.99.0.2]
    port: 0
    protocol: udp
    encap: ipip
    ring: 65537
    flow: sticky
    settle: 1m30s
    backends: []
agent: {vips: [10.99.0.3], mode: dsr, encap_port: 6080}
`
	if diff := cmp.Diff(want, string(Marshal(s))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestMarshalOfNothing(t *testing.T) {
	if b := Marshal(nil); b != nil {
		t.Errorf("nil became %q", b)
	}
	if got, want := string(Marshal(&Spec{Version: 1})), "version: 1\n"; got != want {
		t.Errorf("an empty spec became %q, want %q", got, want)
	}
}

func TestRevision(t *testing.T) {
	short, long := parse(t, "version: 1\nnics: {eth0: {}}\n"), parse(t, "# the same\nnics:\n  eth0:\n    xdp: []\nversion: 1\n")
	if Revision(short) != Revision(long) {
		t.Errorf("%s and %s name the same spec", Revision(short), Revision(long))
	}
	if !regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(Revision(short)) {
		t.Errorf("%q is not 12 hex digits", Revision(short))
	}
	if Revision(nil) == Revision(&Spec{Version: 1}) {
		t.Error("no spec and an empty one have the same revision")
	}
}

func TestDuration(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"1s": time.Second, "10s": 10 * time.Second, "1m": time.Minute, "20m": 20 * time.Minute, "1h": time.Hour,
		"10m10s": 610 * time.Second, "1h0m1s": 3601 * time.Second, "1h10m": 70 * time.Minute, "1.5s": 1500 * time.Millisecond,
	} {
		if got := duration(d); got != want {
			t.Errorf("%v is written %s, want %s", d, got, want)
		}
	}
}

func parse(t testing.TB, text string) *Spec {
	t.Helper()
	s, err := Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
