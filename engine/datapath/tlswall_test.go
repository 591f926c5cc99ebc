package datapath

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"hairpin/engine/packet"
)

// tlsSpec has TLS only on one VIP, and on the port of another one.
const tlsSpec = `
version: 1
stages:
  friends: {kind: firewall, rules: [{name: friends, match: src net 192.0.2.0/24, action: pass}]}
  wall:    {kind: tlswall, ports: [443], vips: [web], allow: [198.51.100.64/28, "2001:db8:a::/48"], wait: 10m}
  reset:   {kind: tlswall, ports: [443, 80], action: reset}
nics:
  eth0: {xdp: [friends, wall, balancer], tcx_ingress: [wall]}
  eth1: {xdp: [reset, balancer], tcx_ingress: [{stage: wall, shadow: true}]}
vips:
  - {name: web,   addresses: [10.99.0.1, "fd00:99::1"], port: 443, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
  - {name: plain, addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
  - {name: other, addresses: [10.99.0.2], port: 443, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
`

// hello is the begin of a ClientHello, as openssl sends it.
var hello = packet.Payload{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3}

const firstByte = 0xfffffffe // of what clients of these tests send: the third has number 0

// says is a packet of a client: its flags, and data that begin so far behind the first byte.
type says struct {
	flags string
	at    uint32
	data  packet.Payload
}

func (p says) layers(port uint16) []packet.Layer {
	seq := firstByte + p.at
	if p.flags == "S" {
		seq--
	}
	return []packet.Layer{tcp{Src: packet.Field(port), Dst: 443, Seq: seq, Ack: 77, Flags: p.flags}, p.data}
}

// spoken is what a client sends, packet by packet, the last of which are refused.
type spoken struct {
	sentence string
	packets  []says
	refused  int
}

var http = packet.Payload("GET / HTTP/1.1\r\n")

var wallStories = []spoken{
	{"a client hello", []says{{"S", 0, nil}, {"A", 0, nil}, {"PA", 0, hello}, {"A", 500, nil}, {"A", 517, fill(1200)}}, 0},
	{"a client hello, without a word before", []says{{"S", 0, nil}, {"PA", 0, hello}}, 0},
	{"a client hello sent again, and what is behind it", []says{{"S", 0, nil}, {"S", 0, nil}, {"A", 0, nil}, {"PA", 0, hello}, {"PA", 0, hello}, {"A", 11, fill(9)}}, 0},
	{"a client hello cut behind each byte", []says{{"S", 0, nil}, {"A", 0, hello[:1]}, {"A", 1, hello[1:2]}, {"A", 2, hello[2:3]}, {"A", 3, hello[3:4]}, {"A", 4, hello[4:5]},
		{"A", 5, hello[5:6]}, {"A", 6, http}}, 0},
	{"the second part of a client hello comes first", []says{{"S", 0, nil}, {"A", 2, hello[2:]}, {"A", 0, hello[:2]}, {"A", 11, http}}, 0},
	{"a part of the first bytes once more, with more of them", []says{{"S", 0, nil}, {"A", 0, hello[:3]}, {"A", 0, hello}}, 0},
	{"a client hello behind a probe that the client lives", []says{{"S", 0, nil}, {"A", 0xffffffff, packet.Payload{0}}, {"A", 0xffffffff, append(packet.Payload{'x'}, hello...)}}, 0},
	{"a client hello in the SYN", []says{{"S", 0, hello}, {"A", 11, fill(20)}}, 0},
	{"the same in the SYN and behind it", []says{{"S", 0, hello}, {"A", 0, hello}}, 0},
	{"a client that hangs up without a word", []says{{"S", 0, nil}, {"A", 0, nil}, {"FA", 0, nil}}, 0},
	{"a flow whose SYN nobody saw", []says{{"A", 0, nil}, {"PA", 0, http}}, 0},
	{"the shortest record", []says{{"S", 0, nil}, {"A", 0, packet.Payload{22, 3, 3, 0, 1, 1}}}, 0},
	{"so much that numbers begin anew", []says{{"S", 0, nil}, {"PA", 0, hello}, {"A", 0x20000000, fill(9)}, {"A", 0x60000000, fill(9)}, {"A", 0xb0000000, fill(9)},
		{"A", 0xfffffffd, fill(9)}, {"A", 3, fill(9)}}, 0},
	{"another connection with these ends, which comes by the first one's numbers", []says{{"S", 5000, nil}, {"PA", 5000, hello}, {"S", 0, nil}, {"PA", 0, hello}, {"A", 4998, fill(20)}}, 0},
	{"the longest record", []says{{"S", 0, nil}, {"A", 0, packet.Payload{22, 3, 4, 0x40, 0, 1}}}, 0},

	{"http", []says{{"S", 0, nil}, {"A", 0, nil}, {"PA", 0, http}}, 1},
	{"http, sent again", []says{{"S", 0, nil}, {"A", 0, nil}, {"PA", 0, http}, {"PA", 0, http}}, 2},
	{"http in the SYN", []says{{"S", 0, http}}, 1},
	{"one byte of http", []says{{"S", 0, nil}, {"A", 0, http[:1]}}, 1},
	{"a second byte that cannot be", []says{{"S", 0, nil}, {"A", 0, hello[:1]}, {"A", 1, http}}, 1},
	{"http behind a probe that the client lives", []says{{"S", 0, nil}, {"A", 0xffffffff, http}}, 1},
	{"http behind a client hello, sent again in its place", []says{{"S", 0, nil}, {"A", 0, hello}, {"A", 0, http}}, 1},
	{"http with the fin", []says{{"S", 0, nil}, {"FA", 0, http}}, 1},
	{"a server's hello", []says{{"S", 0, nil}, {"A", 0, packet.Payload{22, 3, 3, 2, 0, 2}}}, 1},
	{"application data", []says{{"S", 0, nil}, {"A", 0, packet.Payload{23, 3, 3, 2, 0, 1}}}, 1},
	{"version 2 of the handshake", []says{{"S", 0, nil}, {"A", 0, packet.Payload{22, 2, 0, 2, 0, 1}}}, 1},
	{"a minor version of long from now", []says{{"S", 0, nil}, {"A", 0, packet.Payload{22, 3, 5, 2, 0, 1}}}, 1},
	{"a record of no bytes", []says{{"S", 0, nil}, {"A", 0, packet.Payload{22, 3, 1, 0, 0, 1}}}, 1},
	{"a record that is too long", []says{{"S", 0, nil}, {"A", 0, packet.Payload{22, 3, 1, 0x40, 1, 1}}}, 1},
	{"a client hello with urgent data", []says{{"S", 0, nil}, {"UA", 0, hello}}, 1},
	{"two SYNs, and http by the first", []says{{"S", 0, nil}, {"S", 99, nil}, {"A", 0, http}}, 1},
	{"a SYN, a reset of something else, and http", []says{{"S", 0, nil}, {"R", 5, nil}, {"A", 0, http}}, 1},
}

// TestTLSWall plays what clients say, at each hook and by each family.
func TestTLSWall(t *testing.T) {
	t.Parallel()
	n := newNode(t, tlsSpec)
	for i, story := range wallStories {
		for j, ip := range []packet.Layer{ip4{}, ip6{}, ip4{Options: []byte{7, 7, 4, 0, 0, 0, 0}}} {
			for hook, end := range map[Hook]string{XDP: "forwarded", TCXIngress: "chain_end"} {
				port, chain := uint16(10000+10*i+2*j+int(hook)%2), n.chain(t, "eth0", hook)
				for k, p := range story.packets {
					want := end
					if k >= len(story.packets)-story.refused {
						want = "not_tls"
					}
					why, _, _ := n.exit(t, chain, frame(slices.Concat([]packet.Layer{ip}, p.layers(port))...))
					if why.Name != want {
						t.Errorf("%s, %T at %s: packet %d is %s, want %s", story.sentence, ip, hook, k+1, why.Name, want)
					}
				}
			}
		}
	}
}

// TestTLSWallDoors: what the wall is not for passes it, what it refuses can be answered, or only counted, and fragments and
// dry packets are judged too.
func TestTLSWallDoors(t *testing.T) {
	t.Parallel()
	n := newNode(t, tlsSpec)
	speak := func(nic string, hook Hook, ip packet.Layer, dst uint16, p says) (string, uint32, []byte) {
		l := p.layers(40000)
		head := l[0].(tcp)
		head.Dst = packet.Field(dst)
		why, verdict, out := n.exit(t, n.chain(t, nic, hook), frame(ip, head, l[1]))
		return why.Name, verdict, out
	}
	for _, row := range []struct {
		sentence, nic string
		hook          Hook
		ip            packet.Layer
		port          uint16
		want          string
	}{
		{"a vip with a port of its own", "eth0", XDP, ip4{}, 80, "forwarded"},
		{"another vip on that port", "eth0", XDP, to4("2"), 443, "forwarded"},
		{"a client that is allowed", "eth0", XDP, ip4{Src: addr("198.51.100.79")}, 443, "forwarded"},
		{"a client beside it", "eth0", XDP, ip4{Src: addr("198.51.100.80")}, 443, "not_tls"},
		{"a client that is allowed, over v6", "eth0", XDP, ip6{Src: addr("2001:db8:a:ffff::1")}, 443, "forwarded"},
		{"a client beside it, over v6", "eth0", XDP, ip6{Src: addr("2001:db8:b::1")}, 443, "not_tls"},
		{"a client whom the firewall lets pass", "eth0", XDP, ip4{Src: addr("192.0.2.1")}, 443, "forwarded"},
		{"a wall for all vips", "eth1", XDP, to4("2"), 443, "not_tls"},
		{"a wall for several ports", "eth1", XDP, ip4{}, 80, "not_tls"},
		{"a wall in shadow", "eth1", TCXIngress, ip4{}, 443, "chain_end"},
	} {
		speak(row.nic, row.hook, row.ip, row.port, says{"S", 0, nil})
		before := n.ledger(t)
		if why, _, _ := speak(row.nic, row.hook, row.ip, row.port, says{"PA", 0, http}); why != row.want {
			t.Errorf("%s: %s, want %s", row.sentence, why, row.want)
		}
		moved := n.ledger(t).since(before)
		if strings.Contains(moved, "\" not_tls in shadow") != (row.want == "chain_end") {
			t.Errorf("%s: counted %s", row.sentence, moved)
		}
	}
	_, verdict, out := speak("eth1", XDP, ip4{}, 443, says{"PA", 0, http})
	want := build(eth{Src: packet.NodeMAC, Dst: packet.RouterMAC}, ip4{Src: packet.VIP4, Dst: packet.Client4, DF: true},
		tcp{Src: 443, Dst: 40000, Seq: 77, Flags: "R", Window: packet.Zero})
	if diff := packet.Diff(out, want); verdict != xdpTX || diff != "" {
		t.Errorf("the client is answered by verdict %d: %s", verdict, diff)
	}
	checkDryWall(t, n, n.chain(t, "eth0", XDP))
	checkCutWall(t, n, n.chain(t, "eth0", XDP))
	for _, tags := range [][]packet.Layer{{vlan{}, ip4{}}, {vlan{}, ip6{}}, {vlan{TPID: packet.TypeQinQ}, vlan{}, ip4{}}} {
		for said, want := range map[*packet.Payload]string{&hello: "forwarded", &http: "not_tls"} {
			clear(n.wallFlows.raw)
			n.run(t, n.chain(t, "eth0", XDP), frame(slices.Concat(tags, says{"S", 0, nil}.layers(40000))...), 0)
			if why, _, _ := n.exit(t, n.chain(t, "eth0", XDP), frame(slices.Concat(tags, says{"A", 0, *said}.layers(40000))...)); why.Name != want {
				t.Errorf("%q behind %d tags: %s, want %s", *said, len(tags)-1, why.Name, want)
			}
		}
	}
	for hook, end := range map[Hook]string{XDP: "forwarded", TCXIngress: "chain_end"} {
		checkSubflows(t, n, n.chain(t, "eth0", hook), end)
	}
}

// checkSubflows: what another subflow of an MPTCP connection begins with is of its middle.
func checkSubflows(t *testing.T, n *node, chain int, end string) {
	for _, row := range []struct {
		sentence string
		options  []byte
		want     string
	}{
		{"joins a connection", []byte{2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7, 30, 12, 0x10, 1, 1, 2, 3, 4, 5, 6, 7, 8}, end},
		{"is a connection of MPTCP", []byte{2, 4, 5, 0xb4, 30, 4, 1, 1}, "not_tls"},
		{"is a connection of its version 0", []byte{30, 12, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8}, "not_tls"},
		{"has half an option", []byte{2, 4, 5, 0xb4, 30, 12, 0x10, 1}, "not_tls"},
	} {
		for _, ip := range []packet.Layer{ip4{}, ip6{}} {
			clear(n.wallFlows.raw)
			syn := says{"S", 0, nil}.layers(40000)[0].(tcp)
			syn.Options = row.options
			n.run(t, chain, frame(ip, syn), 0)
			if why, _, _ := n.exit(t, chain, frame(slices.Concat([]packet.Layer{ip}, says{"A", 0, http}.layers(40000))...)); why.Name != row.want {
				t.Errorf("a SYN that %s, over %T, and http: %s, want %s", row.sentence, ip, why.Name, row.want)
			}
		}
	}
}

// TestTLSWallRoom: a flood of SYNs takes no place of a client that waits to speak, what cannot be remembered is counted
// and passes or is refused, and a silent client is forgotten in the end.
func TestTLSWallRoom(t *testing.T) {
	t.Parallel()
	n := newNode(t, strings.Replace(tlsSpec, "action: reset", "full: drop", 1))
	open, strict := n.chain(t, "eth0", XDP), n.chain(t, "eth1", XDP)
	speak := func(chain int, p says) string {
		why, _, _ := n.exit(t, chain, frame(slices.Concat([]packet.Layer{ip4{}}, p.layers(40000))...))
		return why.Name
	}
	for _, row := range []struct {
		sentence string
		state    uint64
		age      time.Duration
		unheld   bool
	}{
		{"of SYNs", wallBegun, 0, false}, {"of clients that were seen", wallSeen, 0, false}, {"of clients that were refused", wallRefused, 0, false},
		{"of clients that wait", wallOpen, 0, true}, {"of clients that have waited for too long", wallOpen, 11 * time.Minute, false},
	} {
		for _, chain := range []int{open, strict} {
			n.fillWall(Monotonic()-uint64(row.age), row.state)
			before := n.own("wall", 1) + n.own("reset", 1)
			syn, sent := speak(chain, says{"S", 0, nil}), "forwarded"
			if chain == strict {
				sent = "redirected" // its backend is behind the other NIC
			}
			want := sent
			unheld := n.own("wall", 1) + n.own("reset", 1) - before
			if row.unheld && chain == strict {
				want = "wall_full"
			}
			if syn != want || (unheld == 1) != row.unheld {
				t.Errorf("a table %s: the SYN is %s, want %s; %d were not held", row.sentence, syn, want, unheld)
			}
			if want = "not_tls"; row.unheld {
				want = sent
			}
			if why := speak(chain, says{"A", 0, http}); why != want {
				t.Errorf("a table %s: http is %s, want %s", row.sentence, why, want)
			}
		}
	}
	clear(n.wallFlows.raw)
	speak(open, says{"S", 0, nil})
	speak(open, says{"A", 0, nil})
	for i := range 100_000 {
		in := frame(ip4{}, tcp{Src: 50000, Dst: 443, Flags: "S"})
		binary.BigEndian.PutUint32(in[14+12:], uint32(i)*2654435761|1<<31)
		n.run(t, open, in, 0)
	}
	if why := speak(open, says{"A", 0, http}); why != "not_tls" {
		t.Errorf("http of a client that waited while others flooded is %s", why)
	}
}

// checkDryWall: a dry packet is judged as a real one would be, and nothing is remembered of it.
func checkDryWall(t *testing.T, n *node, chain int) {
	clear(n.wallFlows.raw)
	dry := func(want string, p says) {
		t.Helper()
		before := slices.Clone(n.wallFlows.raw)
		r, err := n.Dry(int(n.Control().Active), chain, frame(slices.Concat([]packet.Layer{ip4{}}, p.layers(40000))...))
		if err != nil {
			t.Fatal(err)
		}
		if got := reasonName(int(r.Note.Reason)); got != want {
			t.Errorf("a dry %v is %s, want %s", p, got, want)
		}
		if !slices.Equal(before, n.wallFlows.raw) {
			t.Errorf("a dry %v was remembered", p)
		}
	}
	dry("forwarded", says{"S", 0, nil})
	dry("forwarded", says{"S", 0, hello})
	dry("not_tls", says{"S", 0, http})
	dry("forwarded", says{"A", 0, http})
	n.run(t, chain, frame(slices.Concat([]packet.Layer{ip4{}}, says{"S", 0, nil}.layers(40000))...), 0)
	dry("not_tls", says{"A", 0, http})
	dry("forwarded", says{"A", 0, hello})
}

// checkCutWall: what is in the next fragment cannot be judged, so it has to be in the first.
func checkCutWall(t *testing.T, n *node, chain int) {
	for _, row := range []struct {
		sentence string
		data     packet.Payload
		want     string
	}{
		{"with none of the first bytes", nil, "not_tls"},
		{"with some of the first bytes", hello[:4], "not_tls"},
		{"with all of the first bytes", append(hello[:11:11], 0), "forwarded"},
	} {
		clear(n.wallFlows.raw)
		l := says{"A", 0, row.data}.layers(40000)
		n.run(t, chain, frame(slices.Concat([]packet.Layer{ip4{}}, says{"S", 0, nil}.layers(40000))...), 0)
		if why, _, _ := n.exit(t, chain, frame(slices.Concat([]packet.Layer{ip4{ID: 7, MF: true}}, l)...)); why.Name != row.want {
			t.Errorf("a first fragment %s is %s, want %s", row.sentence, why.Name, row.want)
		}
	}
}

// fillWall makes every place that of another flow, in a state since a moment.
func (n *node) fillWall(at uint64, state uint64) {
	for i := range n.wallFlows.all {
		for j := range n.wallFlows.all[i].Flow {
			n.wallFlows.all[i].Flow[j] = wallFlow{uint64(j+1) << 32, at&^3 | state}
		}
	}
}
