package datapath

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"hairpin/engine/packet"
)

// mirrorSpec copies everything, some of it, one packet of many, and little of it.
const mirrorSpec = `
version: 1
stages:
  fw:     {kind: firewall, rules: [{name: no, match: "tcp port 81", action: drop}]}
  all:    {kind: mirror, to: "192.0.2.9:4789"}
  some:   {kind: mirror, to: "192.0.2.9:4789", match: "vip web and tcp port 80", snap: 64}
  many:   {kind: mirror, to: "192.0.2.9:4789", one_in: 10}
  little: {kind: mirror, to: "192.0.2.9:4789", rate: 3}
nics:
  eth0: {xdp: [all, fw, some, balancer], tcx_ingress: [all], tcx_egress: [some]}
  eth1: {xdp: [many, balancer], tcx_ingress: [little]}
vips:
  - {name: web, addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
`

// copies are what mirrors copied since the last call: by mirror, and the bytes of each.
func copies(t *testing.T, c *Copier) (all []string, frames [][]byte) {
	t.Helper()
	names := map[uint64]string{}
	for _, name := range []string{"all", "some", "many", "little"} {
		names[MirrorID(name)] = name
	}
	for {
		one, err := c.Read(0)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return all, frames
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %d of %d at %d", names[one.ID], len(one.Frame), one.Bytes, one.L2Len))
		frames = append(frames, append([]byte(nil), one.Frame...))
	}
}

func TestMirror(t *testing.T) {
	t.Parallel()
	n := newNode(t, mirrorSpec)
	c, err := n.Copies()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	big := frame(ip4{}, tcp{Flags: "A"}, fill(2500))
	for _, row := range []struct {
		sentence string
		hook     Hook
		in       []byte
		reason   string
		want     string
	}{
		{"a packet that a filter is true of", XDP, frame(ip4{}, tcp{Flags: "A"}, fill(100)), "forwarded", "all 154 of 154 at 14, some 64 of 154 at 14"},
		{"one over v6", XDP, frame(ip6{}, tcp{Flags: "A"}), "forwarded", "all 74 of 74 at 14, some 64 of 74 at 14"},
		{"one that a filter is not true of", XDP, frame(ip4{}, tcp{Dst: 82, Flags: "A"}), "no_vip", "all 54 of 54 at 14"},
		{"one that is dropped between", XDP, frame(ip4{}, tcp{Dst: 81, Flags: "A"}), "firewall_rule", "all 54 of 54 at 14"},
		{"one with a VLAN tag", XDP, frame(vlan{}, ip4{}, tcp{Flags: "A"}), "forwarded", "all 58 of 58 at 18, some 58 of 58 at 18"},
		{"one that is no IP", TCXIngress, frame(packet.ARP{}), "not_ip", ""},
		{"one at tc", TCXIngress, frame(ip4{}, tcp{Flags: "A"}), "chain_end", "all 54 of 54 at 14"},
		{"one that leaves", TCXEgress, frame(ip4{}, tcp{Flags: "A"}), "chain_end", "some 54 of 54 at 14"},
		{"one longer than copies are", TCXIngress, big, "chain_end", "all 2048 of 2554 at 14"},
	} {
		why, _, _ := n.exit(t, n.chain(t, "eth0", row.hook), row.in)
		got, frames := copies(t, c)
		if why.Name != row.reason || strings.Join(got, ", ") != row.want {
			t.Errorf("%s: %s, copies %s; want %s, %s", row.sentence, why.Name, got, row.reason, row.want)
		}
		for _, f := range frames {
			if string(f) != string(row.in[:len(f)]) {
				t.Errorf("%s: the copy is %x", row.sentence, f)
			}
		}
	}
	n.checkMirrorBounds(t, c)
}

// checkMirrorBounds: one packet of many is copied, so many in a second, none of a dry run, and what has no room is counted.
func (n *node) checkMirrorBounds(t *testing.T, c *Copier) {
	t.Helper()
	in := frame(ip4{}, tcp{Flags: "A"})
	for range 2000 {
		n.run(t, n.chain(t, "eth1", XDP), in, 0)
	}
	if got, _ := copies(t, c); len(got) < 100 || len(got) > 320 || n.own("many", 0) != uint64(len(got)) {
		t.Errorf("%d of 2000 packets were copied, one in 10 was wanted; counted %d", len(got), n.own("many", 0))
	}
	before := coarse() >> 30
	for range 100 {
		n.run(t, n.chain(t, "eth1", TCXIngress), in, 0)
	}
	windows := int(coarse()>>30-before) + 1
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := copies(t, c); len(got) < 3 || len(got) > 3*windows*cpus || n.own("little", 2) != uint64(100-len(got)) {
		t.Errorf("%d packets were copied in %d windows of 3; %d were over", len(got), windows, n.own("little", 2))
	}
	if _, err := n.Dry(int(n.Control().Active), n.chain(t, "eth0", XDP), in); err != nil {
		t.Fatal(err)
	}
	if got, _ := copies(t, c); len(got) != 0 {
		t.Errorf("a dry packet was copied: %s", got)
	}
	large := frame(ip4{}, tcp{Flags: "A"}, fill(1900))
	for deadline := time.Now().Add(time.Minute); n.own("all", 1) == 0 && time.Now().Before(deadline); {
		n.run(t, n.chain(t, "eth0", TCXIngress), large, 0)
	}
	got, _ := copies(t, c)
	if n.own("all", 1) == 0 || len(got) < 1000 {
		t.Errorf("nobody took copies, and %d were lost; there was room for %d", n.own("all", 1), len(got))
	}
}
