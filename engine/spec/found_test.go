package spec

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

const foundDocument = `version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - name: web
    addresses: [10.99.0.1]
    port: 80
    protocol: tcp
    from: {dns: web.example.com}
    backends:
      - {address: 10.1.1.1, weight: 5}
      - {address: 10.1.1.2, found: true}
      - {address: 10.1.1.3, state: drain, found: {weight: 100, state: up}}
      - {address: 10.1.1.4, weight: 7, found: {weight: 100, state: up}}
`

func mustParse(t *testing.T, text string) *Spec {
	t.Helper()
	s, err := Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// backendLines are the backends of the first VIP as they are written.
func backendLines(s *Spec) string {
	var lines []string
	for line := range strings.Lines(string(Marshal(s))) {
		if strings.Contains(line, "- {address") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n")
}

func endpoint(address string, weight uint32, state State) Endpoint {
	return Endpoint{Address: netip.MustParseAddr(address), Weight: weight, State: state}
}

func nobody(netip.Addr) (Backend, bool) { return Backend{}, false }

// TestTake: typed backends stay as they are, edits stay with their backends, and the rest is as the source says.
func TestTake(t *testing.T) {
	s := mustParse(t, foundDocument)
	v := s.VIP("web")
	refused := v.Take([]Endpoint{endpoint("10.1.1.9", 0, Up), endpoint("10.1.1.4", 50, Drain), endpoint("10.1.1.3", 60, Up),
		endpoint("10.1.1.1", 1, Down), endpoint("10.99.0.1", 0, Up), endpoint("10.1.1.8", 3, Down)}, func(a netip.Addr) (Backend, bool) {
		return Backend{Weight: 100, State: Maintenance, Found: Found{Is: true, Weight: 100, State: Up}}, a == netip.MustParseAddr("10.1.1.8")
	})
	if len(refused) != 1 || !strings.Contains(refused[0], "10.99.0.1 is the VIP itself") {
		t.Errorf("refused: %q", refused)
	}
	want := `- {address: 10.1.1.1, weight: 5, state: up}
- {address: 10.1.1.3, weight: 60, state: drain, found: {weight: 60, state: up}}
- {address: 10.1.1.4, weight: 7, state: drain, found: {weight: 50, state: drain}}
- {address: 10.1.1.8, weight: 3, state: maintenance, found: {weight: 3, state: down}}
- {address: 10.1.1.9, weight: 100, state: up, found: true}`
	if got := backendLines(s); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
}

// TestTakeQUIC: two backends never have one server id.
func TestTakeQUIC(t *testing.T) {
	v := VIP{Addresses: []netip.Addr{netip.MustParseAddr("10.99.0.1")}, Protocol: UDP, QUIC: QUIC1, From: &From{Weight: 1}}
	all, r := []Endpoint{}, rand.New(rand.NewPCG(1, 2))
	for i := range 2000 { // of 65,535 ids
		all = append(all, Endpoint{Address: netip.AddrFrom4([4]byte{10, byte(r.IntN(256)), byte(i >> 8), byte(i)})})
	}
	refused := v.Take(all, nobody)
	ids := map[uint32]bool{}
	for _, b := range v.Backends {
		ids[v.ServerID(b)] = true
	}
	if len(refused) == 0 || len(ids) != len(v.Backends) || len(refused)+len(v.Backends) != len(all) {
		t.Errorf("%d refused, %d backends with %d ids", len(refused), len(v.Backends), len(ids))
	}
}

// TestKeepFound: a document that never had them, or is older, keeps who is found now; what it says of them counts.
func TestKeepFound(t *testing.T) {
	running := mustParse(t, foundDocument)
	bare, _, _ := strings.Cut(foundDocument, "    backends:")
	for _, row := range []struct{ what, document, want string }{
		{"a document without backends", bare, `- {address: 10.1.1.2, weight: 100, state: up, found: true}
- {address: 10.1.1.3, weight: 100, state: drain, found: {weight: 100, state: up}}
- {address: 10.1.1.4, weight: 7, state: up, found: {weight: 100, state: up}}`},
		{"an older one, in which some were others", bare + `    backends:
      - {address: 10.1.1.2, weight: 100, state: maintenance, found: {weight: 100, state: up}}
      - {address: 10.1.1.3, weight: 100, state: up, found: true}
      - {address: 10.1.1.77, weight: 100, state: up, found: true}
`, `- {address: 10.1.1.2, weight: 100, state: maintenance, found: {weight: 100, state: up}}
- {address: 10.1.1.3, weight: 100, state: up, found: true}
- {address: 10.1.1.4, weight: 7, state: up, found: {weight: 100, state: up}}`},
		{"one that types an address", bare + "    backends: [{address: 10.1.1.2, weight: 1}]\n", `- {address: 10.1.1.2, weight: 1, state: up}
- {address: 10.1.1.3, weight: 100, state: drain, found: {weight: 100, state: up}}
- {address: 10.1.1.4, weight: 7, state: up, found: {weight: 100, state: up}}`},
		{"one that finds nothing", strings.Replace(bare, "    from: {dns: web.example.com}\n", "", 1) + "    backends: [{address: 10.1.1.2}]\n",
			`- {address: 10.1.1.2, weight: 100, state: up}`},
		{"one that asks another source", strings.Replace(bare, "web.example.com", "b.example.com", 1), `- {address: 10.1.1.2, weight: 100, state: up, found: true}
- {address: 10.1.1.3, weight: 100, state: drain, found: {weight: 100, state: up}}
- {address: 10.1.1.4, weight: 7, state: up, found: {weight: 100, state: up}}`},
		{"one that asks another source and knows what that said", strings.Replace(bare, "web.example.com", "b.example.com", 1) +
			"    backends: [{address: 10.1.1.77, found: true}]\n", `- {address: 10.1.1.77, weight: 100, state: up, found: true}`},
	} {
		s := mustParse(t, row.document)
		before := string(Marshal(s))
		if got := backendLines(KeepFound(s, running)); got != row.want {
			t.Errorf("%s: got\n%s\nwant\n%s", row.what, got, row.want)
		}
		if string(Marshal(s)) != before {
			t.Errorf("%s: the document itself was changed", row.what)
		}
	}
	if KeepFound(running, running) != running || KeepFound(running, nil) != running {
		t.Error("a copy was made of what does not change")
	}
}

// TestRemoveFound: whoever is found would come back.
func TestRemoveFound(t *testing.T) {
	s := mustParse(t, foundDocument)
	if _, err := RemoveBackend(s, "web", netip.MustParseAddr("10.1.1.2")); err == nil || !strings.Contains(err.Error(), "was found by dns web.example.com") {
		t.Errorf("removed: %v", err)
	}
	if _, err := RemoveBackend(s, "web", netip.MustParseAddr("10.1.1.1")); err != nil {
		t.Error(err)
	}
}
