package filter

import (
	"maps"
	"slices"
)

// Words are the facts that something to be filtered has, beyond addresses, protocols and ports: words for others are
// refused where it is named.
type Words uint

const (
	Flags    Words = 1 << iota // tcp[tcpflags], flags
	TTL                        // ttl, ip[8], ip6[7]
	Length                     // len, less, greater
	VLAN                       // vlan
	Fragment                   // fragment
	VIP                        // vip
	Backend                    // backend
	Stage                      // stage
	Verdict                    // verdict
	Reason                     // reason
	Layers                     // outer, inner

	Packet = Flags | TTL | Length | VLAN | Fragment // what every frame has
)

// Names of protocols and services, by their IANA numbers. Names of a word's own, like tcp, need no backslash here.
var (
	protocols = map[string]uint8{"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "udp": 17, "ipv6": 41, "gre": 47, "esp": 50,
		"ah": 51, "icmp6": 58, "ospf": 89, "pim": 103, "vrrp": 112, "sctp": 132}
	services = map[string]uint16{"ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "tftp": 69, "http": 80, "ntp": 123,
		"imap": 143, "snmp": 161, "bgp": 179, "ldap": 389, "https": 443, "syslog": 514, "imaps": 993}
	verdicts = []string{"drop", "pass", "forward"}
)

// flagLetters are the TCP flags from bit 0 up.
const flagLetters = "FSRPAUEC"

// keywords are all words with a meaning of their own, and what something must have for them.
var keywords = map[string]Words{
	"and": 0, "or": 0, "not": 0, "ip": 0, "ip6": 0, "tcp": 0, "udp": 0, "icmp": 0, "icmp6": 0, "src": 0, "dst": 0, "host": 0, "net": 0,
	"mask": 0, "port": 0, "portrange": 0, "proto": 0, "flags": Flags, "ttl": TTL, "len": Length, "less": Length, "greater": Length,
	"vlan": VLAN, "fragment": Fragment, "outer": Layers, "inner": Layers, "vip": VIP, "backend": Backend, "stage": Stage, "verdict": Verdict, "reason": Reason,
}

// foreign are words of tcpdump that hairpin does not have.
var foreign = []string{"ah", "arp", "broadcast", "esp", "ether", "gateway", "geneve", "igmp", "inbound", "link", "mpls", "multicast",
	"outbound", "pim", "pppoes", "protochain", "rarp", "sctp", "vrrp", "wlan"}

// has lists the words that may begin a term of something with these facts.
func (w Words) has() []string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(keywords)) {
		if keywords[k]&^w == 0 && k != "mask" && k != "and" && k != "or" {
			list = append(list, k)
		}
	}
	return list
}
