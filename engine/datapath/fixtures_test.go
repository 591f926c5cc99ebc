package datapath

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"

	"hairpin/engine/reason"
	"hairpin/engine/spec"
)

// leastFixtures is how many packets the tests of this room compare byte for byte at least.
const leastFixtures = 200

// fixtures counts the rows that were checked, and what they show.
type fixtures struct {
	mu    sync.Mutex
	rows  int
	shown map[string]int
}

var checked = fixtures{shown: map[string]int{}}

// note takes note of a frame that left for a reason, and of what it was then.
func (f *fixtures) note(left string, in, out []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows++
	f.shown["reason "+left]++
	f.shown["in "+familyOf(in)]++
	why, _ := reason.ByName(left)
	if why.Verdict == reason.Forward && left != "echo_answered" {
		f.shown["out "+familyOf(out)]++
	}
}

// count takes note of a row, and of the frame that it ended as.
func (f *fixtures) count(n *node, r row, out []byte) {
	f.note(r.want.reason, r.in, out)
	f.mu.Lock()
	defer f.mu.Unlock()
	v := n.spec.VIP(r.want.vip)
	if v == nil {
		return
	}
	flags := choiceFlags(v)
	for name, is := range map[string]bool{
		"encap " + v.Encap.String(): true, "hash " + v.Hash.String(): true, "quic " + v.QUIC.String(): true, "id_in " + v.IDIn.String(): true,
		"flow " + v.Flow.String(): true, "local": flags&VIPLocal != 0, "tunnel": flags&VIPTunnel != 0, "every port": v.Port == 0,
		"ports": v.LastPort != 0, "prefixes": len(v.Prefixes) > 0, "sources": len(v.Sources) > 0,
	} {
		if is {
			f.shown["vip "+name]++
		}
	}
}

// familyOf is what a frame has behind its Ethernet header and tags.
func familyOf(frame []byte) string {
	const tag, qinq, most = 0x8100, 0x88a8, 2
	for at, tags := 12, 0; at+2 <= len(frame) && tags <= most; at, tags = at+4, tags+1 {
		switch kind := int(frame[at])<<8 | int(frame[at+1]); kind {
		case 0x0800:
			return "v4"
		case 0x86dd:
			return "v6"
		case tag, qinq:
			continue
		default:
			return "other"
		}
	}
	return "other"
}

// unrowed are reasons that none of these packets leaves by: whether a limit is reached, a packet by itself does not say.
// TestLost and TestExternal meet all of them but the first.
var unrowed = []string{"internal", "external", "firewall_rule", "rate_limited", "source_rate_limited", "source_conn_limited", "echo_limited", "flows_full", "not_tls", "wall_full"}

// wanted is what rows have to show.
func (f *fixtures) wanted() (all []string) {
	for _, r := range reason.All() {
		if !slices.Contains(unrowed, r.Name) {
			all = append(all, "reason "+r.Name)
		}
	}
	all = append(all, "in v4", "in v6", "out v4", "out v6", "vip local", "vip tunnel", "vip every port", "vip ports", "vip prefixes", "vip sources")
	for _, e := range []spec.Encap{spec.GUE, spec.IPIP} {
		all = append(all, "vip encap "+e.String())
	}
	for h := spec.HashTuple; h <= spec.HashDestinationPort; h++ {
		all = append(all, "vip hash "+h.String())
	}
	for q := spec.NoQUIC; q <= spec.QUIC3; q++ {
		all = append(all, "vip quic "+q.String())
	}
	for i := spec.IDNowhere; i <= spec.IDPayload; i++ {
		all = append(all, "vip id_in "+i.String())
	}
	return append(all, "vip flow "+spec.FlowSticky.String(), "vip flow "+spec.FlowNone.String())
}

// judge says what the rows of a whole run do not show. A run of some tests alone shows nothing.
func (f *fixtures) judge() (faults []string) {
	if run, skip := flag.Lookup("test.run"), flag.Lookup("test.skip"); run.Value.String() != "" || skip.Value.String() != "" {
		return nil
	}
	if f.rows < leastFixtures {
		faults = append(faults, fmt.Sprintf("%d packets were compared, at least %d must be", f.rows, leastFixtures))
	}
	for _, what := range f.wanted() {
		if f.shown[what] == 0 {
			faults = append(faults, "no packet shows "+what)
		}
	}
	if flag.Lookup("test.v").Value.String() != "false" {
		fmt.Fprintf(os.Stderr, "%d packets were compared byte for byte: %v\n", f.rows, f.shown)
	}
	slices.Sort(faults)
	return faults
}
