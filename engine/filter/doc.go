// Package filter is hairpin's one language for packets and connections, with tcpdump's words: rules, captures and screens
// read the same grammar.
//
//	src net 198.51.100.0/24 and tcp port 443 and not host 198.51.100.7
//	tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn and not vip web
//
// What both languages have means the same as in pcap-filter(7): "and" and "or" have one precedence and group from the left,
// "not" binds tighter, and a value may follow "and" or "or" without the words in front of it (port 80 or 443). The
// exceptions come from what hairpin's data path reads of a packet:
//
//   - VLAN tags are looked through: "vlan" and "vlan 5" ask for the outermost tag and move nothing. At tc the kernel has
//     taken a tag off before any filter sees the packet.
//   - Addresses are those of IP; ARP has none. Numbers stand for hosts and nets only in the dotted form.
//   - Ports are those of TCP and UDP. A fragment has none, nor flags, also the first one.
//   - The protocol of an IPv6 packet is what follows its extension headers, if they are few: six, in 72 bytes, with no route
//     that leads on. Else it is its next header. So it is with what follows "outer" and "inner": nothing is within a packet
//     whose own protocol is not known.
//   - tcp[tcpflags] reads TCP over IPv6 as well. Of other bytes only ip[8] and ip6[7] can be asked for.
//   - Names of hosts are not looked up, a name such as https is a number for TCP and UDP alike, and a number with a leading zero is refused: in tcpdump it is octal.
//
// Words of its own:
//
//	flags S, flags SA/SAFR, flags none   of the flags behind the slash (default FSRPAU), exactly those before it are set
//	ttl < 5, fragment                    the hop limit; a fragment of a packet
//	vip NAME, backend ADDRESS            what the packet or connection is for, and where it goes
//	stage NAME, verdict NAME, reason NAME  which stage ended it, how, and why
//	outer dst host 10.1.1.11, inner tcp  of the header around a packet that is or becomes encapsulated, and of the packet within
package filter
