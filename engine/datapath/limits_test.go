package datapath

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hairpin/engine/spec"
)

const limitsSpec = `
version: 1
stages:
  limits: {kind: ratelimit, count: offered, limits: [{rate: 1000, per: nic}, {rate: 300, per: vip, vip: web}, {rate: 4, per: source_vip}, {rate: 5, per: source}]}
nics: {eth0: {xdp: [{stage: limits, shadow: true}, balancer]}}
vips:
  - {name: web,   addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
  - {name: other, addresses: [10.99.0.1, "fd00:99::1"], port: 81, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
`

// TestRateLimits: what the limits count can be read, and who is over. The SYNs come within a second, or the test begins
// anew with another source.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	n := newNode(t, limitsSpec)
	const syns = 40
	for try := range 30 {
		judged, began := n.Judged(), time.Now()
		for range syns {
			n.run(t, 0, frame(ip4{Src: netip.AddrFrom4([4]byte{192, 0, 2, byte(try)})}, syn), 0)
		}
		got := n.limitLines(judged)
		if time.Since(began) > time.Second {
			continue
		}
		source := fmt.Sprintf("192.0.2.%d/32", try)
		want := []string{
			"nic: 40 of 1000, passed 40, refused 0",
			"vip web: 40 of 300, passed 40, refused 0",
			"source_vip: 8 of 4, passed 4, refused 36",
			"source_vip web " + source + ": 8 of 4, refused 36",
			"source: 8 of 5, passed 5, refused 35",
			"source " + source + ": 8 of 5, refused 35",
		}
		for _, line := range want {
			if !strings.Contains(got, line+"\n") {
				t.Errorf("no line %q in\n%s", line, got)
			}
		}
		return
	}
	t.Fatalf("%d packets never came within a second", syns)
}

// limitLines are the limits in words; what they passed and refused is since before.
func (n *node) limitLines(before map[uint32]Judged) string {
	var text strings.Builder
	judged := n.Judged()
	for _, l := range n.RateLimits() {
		text.WriteString(l.Scope.String())
		if l.VIP != 0 {
			text.WriteString(" " + n.vipName(int(l.VIP)))
		}
		if l.Source.IsValid() {
			fmt.Fprintf(&text, " %s: %d of %d, refused %d\n", l.Source, l.Now, l.Rate, l.Refused)
			continue
		}
		now, was := judged[l.Window], before[l.Window]
		fmt.Fprintf(&text, ": %d of %d, passed %d, refused %d\n", l.Now, l.Rate, now.Passed-was.Passed, now.Refused-was.Refused)
	}
	return text.String()
}

// TestWindowsStay: a window belongs to its stage, chain and VIP, whatever the rate is and whoever writes it; equal settings
// of generations are the same element.
func TestWindowsStay(t *testing.T) {
	t.Parallel()
	n := newNode(t, limitsSpec)
	first := n.windowsInUse()
	edited := n.spec.Clone()
	rates := *edited.Stages[0].Settings.(*spec.Rates)
	rates.Limits = append([]spec.Rate{}, rates.Limits...)
	rates.Limits[1].Rate = 7
	edited.Stages[0].Settings = &rates
	n.apply(t, edited, 0)
	if got := n.windowsInUse(); got != first {
		t.Errorf("after an edit of a rate, the windows are %s, were %s", got, first)
	}
	element := n.rows.all[int(n.Control().Active)*Chains].Settings[1]
	again := edited.Clone()
	again.VIPs[0].Backends[0].Weight = 5
	n.apply(t, again, 0)
	if got := n.rows.all[int(n.Control().Active)*Chains].Settings[1]; got != element {
		t.Errorf("after an edit of a backend, the settings are element %d, were %d", got, element)
	}
	without := again.Clone()
	without.NICs[0].XDP = without.NICs[0].XDP[1:]
	n.apply(t, without, 0)
	n.apply(t, again, 0)
	if got := n.windowsInUse(); got != first {
		t.Errorf("after the stage was taken out and put back, the windows are %s, were %s", got, first)
	}
}

func (n *node) windowsInUse() string {
	var all []string
	for _, l := range n.RateLimits() {
		if l.Window != 0 {
			all = append(all, fmt.Sprint(l.Scope, " ", l.VIP, " ", l.Window))
		}
	}
	return strings.Join(all, ", ")
}
