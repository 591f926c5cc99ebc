package datapath

import (
	"fmt"
	"strings"
	"testing"

	"hairpin/engine/plan"
)

// fullSpec has a stage of each kind that has settings; %s is what differs.
const fullSpec = `
version: 1
stages:
  firewall: {drop: {sources: [192.0.2.%[1]d]}}
  ratelimit: {rate: %[2]d}
  connlimit: {limits: [{max: %[3]d}, {max: 9, per: source, prefix: %[4]d}, {max: 9, per: source, prefix: %[5]d}]}
nics: {eth0: {xdp: [firewall, ratelimit, connlimit, balancer]}%[6]s}
vips: [{name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}]
`

// useAllSettings has rows of chains that are not there name every element of a kind's settings.
func (n *node) useAllSettings(kind uint8, elements int) (undo func()) {
	rows := n.rows.all[int(n.Control().Active)*Chains : int(n.Control().Active+1)*Chains]
	first := Chains - 1 - elements/(Positions-1)
	for i := range elements {
		r := &rows[first+i/(Positions-1)]
		r.Kind[1+i%(Positions-1)], r.Settings[1+i%(Positions-1)] = kind, uint16(i)
	}
	return func() { clear(rows[first:]) }
}

// useAllChains has NICs that are not there take every number of a chain.
func (n *node) useAllChains() (undo func()) {
	var taken []int
	for i := range n.chains.all {
		if c := &n.chains.all[i]; c.Used == 0 {
			*c = chain{Used: 1, Hook: XDP}
			copy(c.NIC[:], fmt.Sprint("gone", i))
			taken = append(taken, i)
		}
	}
	return func() {
		for _, i := range taken {
			n.chains.all[i] = chain{}
		}
	}
}

// TestFull: where the settings of a kind, the numbers of chains or the ways to tell sources apart have no room, a change
// fails and says so, and what runs is as before. The same change finds its room later.
func TestFull(t *testing.T) {
	t.Parallel()
	n := newNode(t, fmt.Sprintf(fullSpec, 7, 1000, 1000, 32, 24, ""))
	active := n.Control().Active
	for _, row := range []struct {
		what string
		fill func() (undo func())
		spec string
		want string
	}{
		{"firewalls", func() func() { return n.useAllSettings(stageFirewall, Firewalls) }, fmt.Sprintf(fullSpec, 8, 1000, 1000, 32, 24, ""),
			"stage firewall: all 255 settings are in use"},
		{"rates", func() func() { return n.useAllSettings(kindRateLimit, RateLimits) }, fmt.Sprintf(fullSpec, 7, 2000, 1000, 32, 24, ""),
			"stage ratelimit: all 127 settings are in use"},
		{"limits of connections", func() func() { return n.useAllSettings(connlimitID, ConnSettings) },
			fmt.Sprintf(fullSpec, 7, 1000, 2000, 32, 24, ""), "stage connlimit: all 255 settings are in use"},
		{"chains", n.useAllChains, fmt.Sprintf(fullSpec, 7, 1000, 1000, 32, 24, ", eth1: {xdp: [balancer]}"),
			"nic eth1: all 128 chains are in use"},
		{"ways to tell sources apart", func() func() { return n.useWays(t, active) }, fmt.Sprintf(fullSpec, 7, 1000, 1000, 31, 23, ""),
			"stage connlimit: all 4 ways to tell sources apart are in use"},
	} {
		undo := row.fill()
		world, err := n.World(n.spec)
		if err != nil {
			t.Fatal(err)
		}
		p, err := plan.Compute(world, parse(t, row.spec))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Stage(p); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %s", row.what, err, row.want)
		}
		for from, want := range map[string]uint32{"198.51.100.1": xdpTX, "192.0.2.7": xdpDrop, "192.0.2.8": xdpTX} {
			if verdict, _ := n.run(t, n.chain(t, "eth0", XDP), frame(from4(from), syn), 0); verdict != want || n.Control().Active != active {
				t.Errorf("%s: afterwards verdict %d for %s, generation %d", row.what, verdict, from, n.Control().Active)
			}
		}
		undo()
		if _, err := n.Stage(p); err != nil {
			t.Errorf("%s: with room again: %v", row.what, err)
		}
	}
}

// useWays has a chain that is not there tell sources apart in all the ways that are left.
func (n *node) useWays(t *testing.T, active uint32) (undo func()) {
	t.Helper()
	lenses := &n.census.all[0].Lens
	before := *lenses
	element := uint16(ConnSettings - 1)
	r, x := &n.rows.all[int(active)*Chains+Chains-1], &n.connlimits.all[element]
	r.Kind[1], r.Settings[1] = connlimitID, element
	for i := range lenses {
		if lenses[i].ID == 0 {
			lenses[i] = lens{ID: uint32(1000 + i), Prefix4: uint8(8 + i), Prefix6: 64}
		}
		x.Limit[i].Lens = lenses[i].ID
	}
	return func() {
		*r, *x, *lenses = rowSettings{}, connSettings{}, before
	}
}
