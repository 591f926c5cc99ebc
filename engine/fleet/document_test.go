package fleet

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"hairpin/engine/spec"
)

const threeNodes = `version: 1
rollout: {at_once: 2, watch: 2s}
nodes:
  lb1: {nics: {eth0: {xdp: [balancer]}}, bgp: {router_id: 10.0.0.1}}
  lb2: {nics: {ens3: {xdp: [balancer]}}, bgp: {router_id: 10.0.0.2, med: 50}}
  web1: {hosts: [10.1.1.11], nics: {eth0: {xdp: [decap]}}, agent: {mode: dsr}}
bgp:
  as: 65001
  neighbors: [{address: 10.0.0.254, as: 65000}]
vips:
  - name: web
    addresses: [10.99.0.1]
    port: 80
    protocol: tcp
    backends: [{address: 10.1.1.11}, {address: 10.1.1.12}]
  - name: mail
    addresses: [10.99.0.2]
    port: 25
    protocol: tcp
    backends: [{address: 10.1.1.12}]
`

func parsed(t *testing.T, text string) *Document {
	t.Helper()
	d, err := Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func specOf(t *testing.T, d *Document, node string, before *Document) *spec.Spec {
	t.Helper()
	s, err := d.For(node, before)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNodesDiffer(t *testing.T) {
	d := parsed(t, threeNodes)
	one, two, web := specOf(t, d, "lb1", nil), specOf(t, d, "lb2", nil), specOf(t, d, "web1", nil)
	if one.BGP.RouterID != netip.MustParseAddr("10.0.0.1") || one.NICs[0].Name != "eth0" || one.BGP.Path.MED != nil {
		t.Errorf("lb1 has %s", spec.Marshal(one))
	}
	if two.BGP.RouterID != netip.MustParseAddr("10.0.0.2") || two.NICs[0].Name != "ens3" || *two.BGP.Path.MED != 50 {
		t.Errorf("lb2 has %s", spec.Marshal(two))
	}
	if a, b := fmt.Sprint(one.VIPs), fmt.Sprint(two.VIPs); a != b {
		t.Errorf("rings cannot agree:\n%s\n%s", a, b)
	}
	if len(web.VIPs) != 0 || fmt.Sprint(web.Agent.VIPs) != "[10.99.0.1]" || web.BGP != nil {
		t.Errorf("web1 has %s", spec.Marshal(web))
	}
	if !d.IsHost("web1") || d.IsHost("lb1") || d.Rollout.AtOnce != 2 {
		t.Errorf("%v %v", d.Nodes(), d.Rollout)
	}
}

// TestHostsStayOneRevisionLonger: whoever still sends by the document before finds the backend.
func TestHostsStayOneRevisionLonger(t *testing.T) {
	before := parsed(t, threeNodes)
	d := parsed(t, strings.Replace(threeNodes, "[{address: 10.1.1.11}, {address: 10.1.1.12}]", "[{address: 10.1.1.12}]", 1))
	if web := specOf(t, d, "web1", before); fmt.Sprint(web.Agent.VIPs) != "[10.99.0.1]" {
		t.Errorf("it takes %v", web.Agent.VIPs)
	}
	if web := specOf(t, d, "web1", d); web.Agent != nil || len(web.NICs) != 0 {
		t.Errorf("behind no VIP, it has %s", spec.Marshal(web))
	}
}

func TestBackAndForth(t *testing.T) {
	d := parsed(t, threeNodes)
	text, err := d.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again := parsed(t, string(text))
	for _, node := range []string{"lb1", "lb2", "web1", "other"} {
		a, errA := d.For(node, nil)
		b, errB := again.For(node, nil)
		if !a.Equal(b) || fmt.Sprint(errA) != fmt.Sprint(errB) || again.Rollout != d.Rollout {
			t.Errorf("%s: %v, %v:\n%s", node, errA, errB, text)
		}
	}
}

// TestEditAtOneNode: what a console changes of its node's spec changes every node, but for what is the node's own.
func TestEditAtOneNode(t *testing.T) {
	d := parsed(t, threeNodes)
	s := specOf(t, d, "lb1", nil)
	s, err := spec.SetWeight(s, "web", netip.MustParseAddr("10.1.1.12"), 7)
	if err != nil {
		t.Fatal(err)
	}
	s.BGP.RouterID, s.BGP.Path.LocalPreference = netip.MustParseAddr("10.0.0.9"), new(uint32)
	s.NICs = append(s.NICs, spec.NIC{Name: "eth1", XDP: s.NICs[0].XDP})
	e, err := d.Edit("lb1", s, nil)
	if err != nil {
		t.Fatal(err)
	}
	two := specOf(t, e, "lb2", nil)
	if two.VIPs[0].Backends[1].Weight != 7 || two.BGP.RouterID != netip.MustParseAddr("10.0.0.2") || two.BGP.Path.LocalPreference == nil || len(two.NICs) != 1 {
		t.Errorf("lb2 has %s", spec.Marshal(two))
	}
	if !specOf(t, e, "lb1", nil).Equal(s) {
		t.Errorf("lb1 has %s", spec.Marshal(specOf(t, e, "lb1", nil)))
	}
	gone := s.Clone()
	gone.NICs = gone.NICs[1:]
	e, err = e.Edit("lb1", gone, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := specOf(t, e, "lb1", nil).NICs; len(n) != 1 || n[0].Name != "eth1" {
		t.Errorf("it has %v", n)
	}
	if n := specOf(t, e, "lb2", nil).NICs; len(n) != 1 {
		t.Errorf("lb2 has %v", n)
	}
}

func TestEditAtHost(t *testing.T) {
	d := parsed(t, threeNodes)
	s := specOf(t, d, "web1", nil)
	s.Agent.EncapPort = 6081
	e, err := d.Edit("web1", s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := specOf(t, e, "web1", nil); got.Agent.EncapPort != 6081 || !specOf(t, e, "lb1", nil).Equal(specOf(t, d, "lb1", nil)) {
		t.Errorf("%s", spec.Marshal(got))
	}
	s.Agent.VIPs = append(s.Agent.VIPs, netip.MustParseAddr("10.99.0.2"))
	if _, err := d.Edit("web1", s, nil); err == nil || !strings.Contains(err.Error(), "follows from their backends") {
		t.Errorf("an agent that hosts what no VIP says: %v", err)
	}
}

func TestRefusedDocuments(t *testing.T) {
	for _, row := range []struct{ what, old, new, want string }{
		{"a VIP of its own", "hosts: [10.1.1.11],", "vips: [],", "node web1: line 6: vips: all nodes share them"},
		{"what no node has", "agent: {mode: dsr}", "settle: 3", "node web1: line 6: settle: a node has its own nics"},
		{"an agent that says what it hosts", "{mode: dsr}", "{mode: dsr, vips: [10.99.0.1]}", "agent.vips: leave it out"},
		{"no spec at one node", "ens3", "ens 3", "parse the spec of node lb2: "},
		{"a node twice", "lb2:", "lb1:", "lb1 stands twice"},
		{"no address", "hosts: [10.1.1.11]", "hosts: [x]", "write the addresses that VIPs list it by"},
		{"no pace", "at_once: 2", "at_once: 0", "rollout.at_once: 0 is not within 1 to 1000"},
		{"no watch", "watch: 2s", "watch: 2", `rollout.watch: "2" is no time`},
		{"another pace", "watch: 2s", "wait: 2s", "rollout.wait: not known"},
		{"an alias", "router_id: 10.0.0.1", "router_id: &x 10.0.0.1", "write out what * stands for"},
		{"two paces", "nodes:", "rollout: {at_once: 3}\nnodes:", "line 3: rollout stands twice"},
		{"no YAML", "version: 1", "version: [", "parse test: "},
	} {
		text := strings.Replace(threeNodes, row.old, row.new, 1)
		if _, err := Parse("test", []byte(text)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", row.what, err)
		}
	}
	for _, text := range []string{"", "[]", "version: 1\nnodes: [a]", "nodes: {a: 7}\nversion: 1"} {
		if _, err := Parse("test", []byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
