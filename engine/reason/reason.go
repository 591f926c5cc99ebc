// Package reason is the one enumeration of ways out of a chain, by the names that every screen, event and metric prints.
package reason

import "slices"

// Verdict is what becomes of a packet.
type Verdict string

// Verdicts: Forward leaves by a NIC, to a backend or as an answer, Pass goes up to the local stack, Drop ends here. What becomes of an Own
// one, a program that is not hairpin's has said, and only it knows.
const (
	Forward Verdict = "forward"
	Pass    Verdict = "pass"
	Drop    Verdict = "drop"
	Own     Verdict = "own"
)

// Stage is the kernel function that decides for a reason.
type Stage string

// Stages by the names that specs use; Root and Parse stand before every chain, End behind.
const (
	Root      Stage = "root"
	Parse     Stage = "parse"
	Balancer  Stage = "balancer"
	Decap     Stage = "decap"
	External  Stage = "external"
	Firewall  Stage = "firewall"
	RateLimit Stage = "ratelimit"
	ConnLimit Stage = "connlimit"
	SNAT      Stage = "snat"
	TLSWall   Stage = "tlswall"
	Steer     Stage = "steer"
	End       Stage = "end" // behind the last stage of a chain
)

// Reason says why a packet left the chain.
type Reason struct {
	ID      uint8 // enum reason in bpf/abi.h
	Name    string
	Verdict Verdict
	Stage   Stage
	Doc     string // one sentence: what it means
	Cure    string // one sentence: what to look at; empty where nothing is wrong
}

var all = []Reason{
	{1, "forwarded", Forward, Balancer, "sent to a backend, encapsulated", ""},
	{2, "empty_slot", Pass, Parse, "the row of this NIC has no stage at its next position", "detach and apply the spec again"},
	{3, "not_ip", Pass, Parse, "neither IPv4 nor IPv6, such as ARP", ""},
	{4, "truncated", Pass, Parse, "the frame ends before its headers say so", "look for a broken sender or cable on this NIC"},
	{5, "malformed", Pass, Parse, "a header contradicts itself", "look for a broken or hostile sender"},
	{6, "no_vip", Pass, Balancer, "for this node itself, or for no service of it", ""},
	{7, "fragment", Drop, Balancer, "a fragment of a packet for a VIP, and the first one with its ports did not come before it", "look whether a router sends the fragments of one packet to several nodes"},
	{8, "extension_header", Drop, Balancer, "IPv6 extension headers on a packet for a VIP: too many, or a route that leads on", ""},
	{9, "icmp", Drop, Balancer, "ICMP for a VIP's address that is about no flow and no ping", ""},
	{10, "vlan", Drop, Balancer, "a VLAN tag on a packet for a backend that another NIC leads to", "route the backends out of the NIC that the VIP comes in by"},
	{11, "ttl_exceeded", Drop, Balancer, "its TTL or hop limit is used up", "look for a routing loop between router and this node"},
	{12, "no_backend", Drop, Balancer, "no backend of the VIP takes this flow", "bring a backend up, or give one weight"},
	{13, "no_next_hop", Drop, Balancer, "the MAC address of the way to the backend is unknown", "check route and neighbour of the backend"},
	{14, "other_nic", Drop, Balancer, "the way to the backend leaves by another NIC, whose driver does not run XDP", "route the backends out of the NIC that the VIP comes in by"},
	{15, "too_big", Drop, Balancer, "encapsulated, it would not fit the NIC's MTU; its sender would not listen, or enough were told", "raise the MTU towards the backends, or lower the clients' MSS"},
	{16, "no_headroom", Drop, Balancer, "the driver left no room in front of the packet", "use a driver with XDP headroom, or generic mode"},
	{17, "decapsulated", Pass, Decap, "the outer headers were taken off", ""},
	{18, "not_encapsulated", Pass, Decap, "not in GUE or IPIP", ""},
	{19, "foreign_vip", Drop, Decap, "encapsulated, but for no VIP of this backend", "add the VIP to the agent's spec, or remove this backend from the load balancer"},
	{20, "inner_malformed", Drop, Decap, "what is inside is not a whole IP packet", "look for a broken or hostile sender"},
	{21, "no_generation", Pass, Root, "nothing is applied for this NIC", "apply a spec"},
	{22, "internal", Drop, Parse, "a step that cannot fail has failed", "report it with the output of hairpin status -o json"},
	{23, "chain_end", Pass, End, "went through every stage of its chain", ""},
	{24, "external", Own, External, "ended by an external stage, with a verdict of its own", "ask the metrics of that stage"},
	{25, "firewall_rule", Drop, Firewall, "a rule of the firewall drops it", ""},
	{26, "firewall_source", Drop, Firewall, "its source is on a list of the firewall", "to except it, put a rule with action pass into the firewall"},
	{27, "firewall_destination", Drop, Firewall, "its destination is on a list of the firewall", "to except it, put a rule with action pass into the firewall"},
	{28, "rate_limited", Drop, RateLimit, "a new connection above the rate of its VIP, its tenant or its NIC", "look whether it is a flood; if not, raise the rate"},
	{29, "source_rate_limited", Drop, RateLimit, "a new connection above the rate of its source", "look who is over; if it may be, raise the rate of sources"},
	{30, "conn_limited", Drop, ConnLimit, "a new connection, while as many are open as may be", "look at the limits: hairpin limits"},
	{31, "source_conn_limited", Drop, ConnLimit, "a new connection of a source that has as many open as it may", "look at the limits: hairpin limits"},
	{32, "echo_answered", Forward, Balancer, "a ping of a VIP, answered by this node", ""},
	{33, "echo_limited", Drop, Balancer, "a ping of a VIP, above what one CPU answers in a second", "look who pings, and have it dropped by the firewall"},
	{34, "too_big_told", Drop, Balancer, "encapsulated, it would not fit the NIC's MTU; its sender was told what does", "raise the MTU towards the backends, or lower the clients' MSS"},
	{35, "bad_fragment", Drop, Balancer, "a fragment that hides what it is part of: too short, too far, or overlapping the ports", "look for a hostile sender"},
	{36, "redirected", Forward, Balancer, "sent to a backend by another NIC, encapsulated", ""},
	{37, "looped", Drop, Balancer, "encapsulated already, with a VIP inside: it would be wrapped again", "look for a backend whose address is a VIP, or another load balancer's"},
	{42, "local", Pass, Balancer, "for a VIP that a socket of this host serves", ""},
	{46, "handed_over", Forward, Decap, "of a TCP connection that no socket of this host has, and passed on to the other backend that the load balancer named", ""},
	{47, "not_handed_over", Pass, Decap, "no socket of this host has its TCP connection, and the backend that the load balancer named was not to be sent to", "add the networks of load balancers and backends to agent.handover"},
	{48, "first_unseen", Pass, SNAT, "a later fragment of a server's packet whose first one did not come before it, so that nobody knows whether it is to come from a VIP", "have the servers send what fits the MTU"},
	{50, "translated", Pass, SNAT, "from a server, and made to come from the VIP", ""},
	{51, "untranslated", Pass, SNAT, "of no connection that came for a VIP", ""},
	{52, "flow_taken", Drop, Decap, "its addresses and ports are, for the server, those of a direct connection, or of one to another VIP", "it is rare and of one client: give the VIP a local address of its own if it is not"},
	{53, "flows_full", Drop, Decap, "no room to remember whose answers are to be translated", "look for a flood: hairpin agent"},
	{54, "no_socket", Pass, Decap, "unwrapped, and of a TCP connection that no socket of this host has", "look whether the load balancers agree on where connections go"},
	{55, "congested", Drop, Decap, "met congestion between load balancer and here, and its sender cannot be told (RFC 6040)", "look for a congested link, or a router that marks what it should drop"},
	{56, "untranslatable", Drop, Decap, "of a protocol whose answers cannot be translated", "have the server own the VIP: mode: dsr"},
	{57, "not_tls", Drop, TLSWall, "the first bytes that its client sent begin no TLS ClientHello", "to except clients, put them into allow of the tlswall"},
	{58, "wall_full", Drop, TLSWall, "a new connection that the tlswall has no room to remember, which its spec says to refuse", "look who holds connections open and says nothing; a shorter wait makes room, full: pass lets them in"},
	{60, "steered", Forward, Steer, "sent by the path that a rule of a steer names, and not the ordinary way", ""},
	{61, "unsteered", Drop, Steer, "a rule steers it, no path of that takes packets, and its spec says that it goes by no other way", "look at the paths: hairpin paths; otherwise: pass lets such packets go the ordinary way"},
}

// All are the reasons of this version, by ID.
func All() []Reason { return append([]Reason(nil), all...) }

// ByID is the reason with that number, and whether there is one.
func ByID(id int) (Reason, bool) {
	i, ok := slices.BinarySearchFunc(all, id, func(r Reason, id int) int { return int(r.ID) - id })
	if !ok {
		return Reason{}, false
	}
	return all[i], true
}

// ByName is the reason with that name, and whether there is one.
func ByName(name string) (Reason, bool) {
	for _, r := range all {
		if r.Name == name {
			return r, true
		}
	}
	return Reason{}, false
}
