package reason

import (
	"fmt"
	"strings"
)

// advice is what a person on call does about a reason.
type advice struct {
	look string // which of hairpin's commands show more, and what of it
	do   string // empty: the reason's cure
}

// usual is what to look at for the reasons of a stage that have no advice of their own.
var usual = map[Stage]string{
	Root:      "`hairpin chain`: whether the NIC has a row at all, and `hairpin status`: which generation is live.",
	Parse:     "`hairpin capture reason NAME` copies such packets and says by which NIC they come, `hairpin status` how many do.",
	Balancer:  "`hairpin drops` says which VIPs lose how many, `hairpin trace` what becomes of one packet and why.",
	Decap:     "`hairpin agent` shows what comes for each VIP of this backend, `hairpin capture reason NAME` the packets.",
	SNAT:      "`hairpin agent` shows how many flows are translated, and for which VIPs.",
	External:  "`hairpin status` has the numbers that the spec has watched of the stage's maps.",
	Firewall:  "`hairpin drops` says which firewall and NIC, `hairpin events` some of the senders.",
	RateLimit: "`hairpin limits` shows each limit against what it counts, and who is over.",
	ConnLimit: "`hairpin limits` shows each limit against what it counts, and who is over.",
	TLSWall:   "`hairpin chain` has the numbers of each wall, `hairpin capture reason NAME` copies such packets with what their clients said.",
	Steer:     "`hairpin paths` shows each path, what was measured of it and how many flows take it.",
	End:       "`hairpin chain`: which stages the packets went through.",
}

// fine is what to do about what is no trouble.
const fine = "Nothing: it is as it should be. Compare its rate with the usual one in `hairpin status` when clients complain."

var advised = map[string]advice{
	"forwarded":  {"`hairpin status`: the rate by VIP and backend, and each backend's share.", ""},
	"empty_slot": {"`hairpin chain` and `hairpin events`: whether somebody changed pins beside hairpin.", ""},
	"no_vip":     {"`hairpin trace` with the packet: no VIP has this address, port and protocol together.", "Nothing for the node's own traffic. Where clients of a VIP are among them, correct its port or protocol in the spec."},
	"fragment": {"`hairpin capture reason fragment`: the first fragment carries the ports, the others are matched to it.",
		"Have routers hash packets of one pair of addresses to one node, or lower the clients' MSS so that nothing is fragmented."},
	"extension_header": {"`hairpin capture reason extension_header`.", "Nothing where nobody complains: ordinary clients send none of these. Else have the sender leave them out."},
	"icmp": {"`hairpin capture reason icmp`: which type, and what it quotes.",
		"Nothing, unless they are packet-too-big of a flow that stalls: then look whether all nodes have the same spec."},
	"no_backend": {"`hairpin status`: the state and health of the VIP's backends, and since when. `hairpin found` where they are found and not typed.",
		"Bring a backend up, or give one weight. If all fail their checks at once, suspect the checks or the way to the backends first."},
	"no_next_hop":         {"`hairpin route`: the backend's route, NIC and neighbour, and when it changed last. `ip neigh` on the node.", ""},
	"other_nic":           {"`hairpin route`: which NIC leads to the backend. `hairpin doctor`: what its driver can.", ""},
	"too_big":             {"`hairpin drops` says of which VIP, `hairpin doctor` the MTU of the NICs towards the backends.", ""},
	"too_big_told":        {"`hairpin drops` says of which VIP, `hairpin doctor` the MTU of the NICs towards the backends.", ""},
	"no_headroom":         {"`hairpin doctor`: the driver and mode of the NIC.", ""},
	"decapsulated":        {"`hairpin agent`: what comes for each VIP.", ""},
	"foreign_vip":         {"`hairpin agent` lists who is sent here by mistake. Compare the load balancers' specs.", ""},
	"no_generation":       {"`hairpin status`: whether a spec was ever applied, and which NICs it names.", ""},
	"internal":            {"`hairpin events` around the first of them, and `hairpin doctor`.", ""},
	"chain_end":           {"`hairpin chain`.", "Nothing where the last stage is a firewall or a limit. Where it should balance, add `balancer` to the chain."},
	"firewall_rule":       {"`hairpin chain`: which rule, by its name and counter.", "If they should pass, correct the rule, or put one with action pass in front of it; try it in `shadow` first."},
	"rate_limited":        {"`hairpin limits`: the rate against the limit; of a tenant, which of its VIPs uses it up. `hairpin connections --by source --sort new`: who opens most.", ""},
	"source_rate_limited": {"`hairpin limits`: the sources that are over. `hairpin connections --by source --sort new`.", ""},
	"conn_limited": {"`hairpin limits`: open connections against the limit, and how they are counted.",
		"If clients are served well, raise the limit. If connections pile up, look why backends do not end them."},
	"source_conn_limited": {"`hairpin limits`: the sources that are over; one address may be many users behind a NAT.", "If it may be, raise the limit of sources; else have the firewall drop the source."},
	"local":               {"`ss -lnp` on the node: the socket that serves the VIP.", ""},
	"redirected":          {"`hairpin route`: which backends another NIC leads to.", ""},
	"looped":              {"`hairpin capture reason looped`: the outer addresses say who wrapped it first.", ""},
}

// Runbook is a paragraph in Markdown for every reason: what it means, what to look at, what to do. Those that lose packets
// come first.
func Runbook() string {
	var b strings.Builder
	b.WriteString(`# Runbook

Made by ` + "`hairpin docs runbook`" + ` from the reasons of the program; edit engine/reason, not this file.

When something is wrong with a node, begin with ` + "`hairpin status`" + `: its first line says what, since when, and after whose change. If somebody
changed something just before, ` + "`hairpin rollback`" + ` takes it back. Then look up here the reason for which packets are lost; ` + "`hairpin drops`" + `
has them by stage and VIP. To send packets elsewhere while you look: ` + "`hairpin drain node`" + `.
`)
	for _, v := range []struct {
		verdict Verdict
		title   string
	}{{Drop, "Packets that are dropped"}, {Pass, "Packets that pass up to the node's own stack"}, {Forward, "Packets that are sent on"}, {Own, "Packets that others end"}} {
		fmt.Fprintf(&b, "\n## %s\n", v.title)
		for _, r := range all {
			if r.Verdict == v.verdict {
				fmt.Fprintf(&b, "\n### %s\n\n**Means** (%s): %s.\n**Look at** %s\n**Do:** %s\n", r.Name, r.Stage, capital(r.Doc), r.look(), r.do())
			}
		}
	}
	return b.String()
}

func (r Reason) look() string {
	if a := advised[r.Name]; a.look != "" {
		return a.look
	}
	return strings.ReplaceAll(usual[r.Stage], "NAME", r.Name)
}

func (r Reason) do() string {
	switch a := advised[r.Name]; {
	case a.do != "":
		return a.do
	case r.Cure != "":
		return capital(r.Cure) + "."
	case r.Verdict == Pass || r.Verdict == Forward:
		return fine
	}
	return "" // a test asks for advice
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
