package spec

import (
	"strings"
	"testing"
)

const limitsYAML = `
version: 1
stages:
  syns:
    kind: ratelimit
    limits:
      - {rate: 400, per: vip}
      - {rate: 100, per: vip, vip: api}
      - {rate: 20, per: source, prefix: 24}
      - {rate: 5, per: source}
  open: {kind: connlimit, source: flows, limits: [{max: 900, per: nic}, {max: 30, per: source_vip, vip: web}]}
nics: {eth0: {xdp: [syns, open, balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, backends: [{address: 10.1.1.11}]}
  - {name: api, addresses: [10.99.0.2], port: 80, protocol: tcp, backends: [{address: 10.1.1.11}]}
`

// TestEveryLimiter: a kind that limits connections can be edited as a limit.
func TestEveryLimiter(t *testing.T) {
	for _, k := range kinds {
		if !limits(k.name) {
			continue
		}
		if _, ok := k.settings().(limiter); !ok {
			t.Errorf("%s has no maxima", k.name)
		}
	}
	s, err := Parse("test", []byte(limitsYAML))
	if err != nil {
		t.Fatal(err)
	}
	i := s.FindMaximum("open", "source_vip", "web", 30)
	next, err := SetMaximum(s, "open", i, 29)
	if err != nil || next.Maxima("open")[1].Max != 29 || next.Maxima("open")[0].Max != 900 || s.Maxima("open")[1].Max != 30 {
		t.Errorf("%v %+v", err, next.Maxima("open"))
	}
}

// TestSetMaximum: the limit that a row of the state is about is the one that is changed, and nothing else is.
func TestSetMaximum(t *testing.T) {
	s, err := Parse("test", []byte(limitsYAML))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		per, vip string
		max      uint64
		want     int
	}{
		{"vip", "web", 400, 0}, {"vip", "api", 100, 1}, {"source", "", 20, 2}, {"source", "", 5, 3}, {"source", "", 7, 2}, {"nic", "", 400, -1},
	} {
		i := s.FindMaximum("syns", row.per, row.vip, row.max)
		if i != row.want {
			t.Errorf("%v: limit %d", row, i)
			continue
		}
		if i < 0 {
			continue
		}
		next, err := SetMaximum(s, "syns", i, 77)
		if err != nil {
			t.Fatal(err)
		}
		for j, m := range next.Maxima("syns") {
			if old := s.Maxima("syns")[j]; (m.Max == 77) != (j == i) || j != i && m != old {
				t.Errorf("%v: limit %d became %+v", row, j, m)
			}
		}
	}
	for _, row := range []struct {
		stage string
		i     int
		max   uint64
		want  string
	}{
		{"syns", 4, 1, "has no limit 5"}, {"balancer", 0, 1, "has no limit 1"}, {"syns", 0, 0, "0 is not within 1 to"}, {"syns", 0, 1 << 40, "too much"},
	} {
		if _, err := SetMaximum(s, row.stage, row.i, row.max); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%v: %v", row, err)
		}
	}
}
