package metrics

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hairpin/engine"
)

// full is a state in which every metric has a series.
func full() *engine.State {
	c := engine.Counter{Packets: 7, Bytes: 700}
	now := time.Unix(1_770_000_000, 0)
	return &engine.State{Time: now, Node: "lb1", Version: `v1 "beta"`, Since: now.Add(-time.Hour), Revision: "r1", Generation: engine.Generation{Active: 3, Confirmed: 3},
		NICs: []engine.NIC{{Name: "eth0", Hook: "xdp", Mode: "native", State: "attached", In: c, Forward: c, Received: c,
			Stages: []engine.Stage{{Name: "balancer", Kind: "balancer", Position: 1, In: c, NS: 11}}, Lost: []engine.Lost{{Name: "rx_missed_errors", Where: "before", Counter: c}},
			Reasons: []engine.Reason{{Name: "forwarded", Verdict: "forward", Counter: c}}}},
		VIPs: []engine.VIP{{Name: "web", Counter: c, Ring: 251, Settling: &engine.Settling{Stray: 2},
			Health:   &engine.VIPHealth{Live: 1, Quorum: 1},
			Backends: []engine.Backend{{Address: netip.MustParseAddr("10.1.1.11"), State: "up", Share: 1, Counter: c, Health: "up"}}}},
		Drops: []engine.Drop{{NIC: "eth0", Hook: "xdp", Stage: "balancer", VIP: "web", Reason: "no_backend", Counter: c}},
		Rules: []engine.Rule{{Stage: "firewall", Name: "r", Action: "drop", Counter: c}}, Lists: []engine.List{{Stage: "firewall", Of: "sources", File: "a\\b\nc"}},
		Limits: []engine.Limit{{NIC: "eth0", Hook: "xdp", Stage: "syns", Kind: "ratelimit", Scope: "nic", Max: 10, Now: 3, Passed: c, Over: c},
			{NIC: "eth0", Hook: "xdp", Stage: "syns", Kind: "ratelimit", Scope: "source", Source: netip.MustParsePrefix("10.0.0.1/32")}},
		BGP: &engine.BGP{Sessions: []engine.BGPSession{{Neighbor: netip.MustParseAddr("10.1.0.1"), State: "active"}}, Routes: []engine.Announcement{{State: "announced"}}},
		Hosting: &engine.Hosting{Translates: true, Orphans: true, Flows: 3, Room: 9, Addresses: []engine.Hosted{{Address: netip.MustParseAddr("10.99.0.1"), In: c, Taken: c}},
			Strangers: []engine.Stranger{{Address: netip.MustParseAddr("10.99.0.66"), Packets: 1}}},
		Captures: []engine.CaptureStatus{{ID: 4, Packets: 9, Lost: 1, NS: 52}},
		Paths:    []engine.SteeredPath{{Stage: "ways", Group: "both", Name: "a", State: "up", Share: 1, Counter: c, Measured: &engine.Measured{RTT: time.Millisecond, Probes: 3}}},
		Routes:   []engine.Route{{Backend: netip.MustParseAddr("10.1.1.11")}},
		Doctor:   &engine.Diagnosis{Time: now, Findings: []engine.Finding{{Check: "lro", On: "eth0", Level: engine.FindingCrit}}},
		Agents:   []engine.Agent{{State: "fresh"}},
		Metrics:  []engine.Metric{{Probe: "p", Map: "m", Name: "n", Kind: "scalar", Value: 0.5}, {Probe: "p", Map: "m", Name: "x", Why: "gone"}},
		Events:   []engine.Event{{Seq: 41}}, Problems: []engine.Problem{{Severity: "crit"}}}
}

var (
	head   = regexp.MustCompile(`^# (HELP|TYPE) (hairpin_[a-z0-9_]*[a-z0-9]) (.+)$`)
	series = regexp.MustCompile(`^(hairpin_[a-z0-9_]+)(\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\})? (\S+)$`)
)

// TestNames are the conventions of Prometheus, and that nothing appears twice.
func TestNames(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, full()); err != nil {
		t.Fatal(err)
	}
	kinds, seen, have := map[string]string{}, map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(b.String()) {
		line = strings.TrimSuffix(line, "\n")
		if m := head.FindStringSubmatch(line); m != nil {
			if m[1] == "HELP" && !strings.HasSuffix(m[3], ".") {
				t.Errorf("%s: the help is no sentence", m[2])
			}
			if m[1] == "TYPE" {
				if kinds[m[2]] != "" {
					t.Errorf("%s is there twice", m[2])
				}
				kinds[m[2]] = m[3]
			}
			continue
		}
		m := series.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("not the format: %q", line)
			continue
		}
		if seen[m[1]+m[2]] || kinds[m[1]] == "" {
			t.Errorf("%s%s comes twice, or before its type", m[1], m[2])
		}
		if v, err := strconv.ParseFloat(m[3], 64); err != nil || v < -1 {
			t.Errorf("%q: %v", line, err)
		}
		seen[m[1]+m[2]], have[m[1]] = true, true
	}
	for name, k := range kinds {
		if total := strings.HasSuffix(name, "_total"); total != (k == string(counter)) {
			t.Errorf("%s is a %s", name, k)
		}
		if regexp.MustCompile(`_(ms|ns|us|milliseconds|nanoseconds|kb|mb|percent|count|sum|bucket)(_|$)`).MatchString(name) {
			t.Errorf("%s has no base unit, or a suffix that means something else", name)
		}
	}
	for _, name := range names() {
		if !have[name] && name != "hairpin_metrics_omitted_series" {
			t.Errorf("%s has no series in a state that has everything", name)
		}
	}
	for _, want := range []string{`version="v1 \"beta\""`, `file="a\\b\nc"`, "hairpin_stage_cost_seconds{", "1.1e-08", `scope="nic"`, "hairpin_events_total 41",
		`hairpin_bgp_session_up{neighbor="10.1.0.1"} 0`, `hairpin_agent_refused_packets_total{address="10.99.0.1",reason="flow_taken"} 7`, "hairpin_agent_strangers 1",
		`hairpin_capture_lost_records_total{capture="4"} 1`, `hairpin_backend_healthy{vip="web",backend="10.1.1.11"} 1`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s is not there", want)
		}
	}
	if strings.Contains(b.String(), "10.0.0.1/32") || strings.Contains(b.String(), `name="x"`) || strings.Contains(b.String(), "10.99.0.66") {
		t.Error("a source, or what could not be read, is a series")
	}
}

// names are those of all metrics, with series or without.
func names() []string {
	p := &page{omitted: map[string]int{}}
	s := full()
	p.node(s)
	p.machine(s)
	p.chains(s)
	p.stages(s)
	p.vips(s)
	p.limits(s)
	p.peers(s)
	p.captures(s)
	return append(p.names, "hairpin_metrics_omitted_series")
}

// TestDeploy: what the dashboard and the alerts ask for is there.
func TestDeploy(t *testing.T) {
	have := names()
	for _, file := range []string{"grafana.json", "prometheus.rules.yaml"} {
		text, err := os.ReadFile("../../deploy/" + file)
		if err != nil {
			t.Fatal(err)
		}
		asked := regexp.MustCompile(`hairpin_[a-z0-9_]+`).FindAllString(string(text), -1)
		if len(asked) < 10 {
			t.Errorf("%s asks for %d metrics", file, len(asked))
		}
		for _, name := range asked {
			if !slices.Contains(have, name) {
				t.Errorf("%s asks for %s, which is not there", file, name)
			}
		}
	}
}

// TestBounded: many backends are cut, and it is said.
func TestBounded(t *testing.T) {
	s := full()
	for i := range 3000 {
		s.VIPs[0].Backends = append(s.VIPs[0].Backends, engine.Backend{Address: netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)}), State: "up"})
	}
	var b bytes.Buffer
	if err := Write(&b, s); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "hairpin_backend_share_ratio{"); n != most {
		t.Errorf("%d series", n)
	}
	if want := fmt.Sprintf(`hairpin_metrics_omitted_series{metric="hairpin_backend_share_ratio"} %d`, 3001-most); !strings.Contains(b.String(), want) {
		t.Errorf("%s is not said", want)
	}
}

func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var s *engine.State
	ended := make(chan error)
	ask := make(chan struct{})
	go func() { ended <- Serve(ctx, l, func() *engine.State { <-ask; return s }) }()
	get := func(method, path string, state *engine.State) (int, string) {
		r, err := http.NewRequest(method, "http://"+l.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s = state; path == "/metrics" && method == http.MethodGet {
			go func() { ask <- struct{}{} }()
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		text, _ := io.ReadAll(a.Body)
		return a.StatusCode, a.Header.Get("Content-Type") + "\n" + string(text)
	}
	if code, text := get(http.MethodGet, "/metrics", full()); code != 200 || !strings.HasPrefix(text, ContentType) || !strings.Contains(text, "hairpin_engine_info{") {
		t.Errorf("%d %s", code, text)
	}
	if code, _ := get(http.MethodGet, "/metrics", nil); code != 503 {
		t.Error(code)
	}
	if code, _ := get(http.MethodPost, "/metrics", full()); code != 405 {
		t.Error(code)
	}
	if code, _ := get(http.MethodGet, "/debug", full()); code != 404 {
		t.Error(code)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{":9417": "127.0.0.1:9417 false", "0.0.0.0:1": "0.0.0.0:1 true", "[::1]:2": "[::1]:2 false",
		"localhost:3": "localhost:3 false", "lb1:3": "lb1:3 true", "9417": " false"} {
		addr, open, err := Address(text)
		if got := fmt.Sprint(addr, " ", open); got != want || (addr == "") != (err != nil) {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}
