package engine

import (
	"context"
	"os"
	"testing"

	"github.com/vishvananda/netlink"

	"hairpin/engine/spec"
)

// twoNICs is lbSpec on two NICs.
func twoNICs(t *testing.T) *spec.Spec {
	t.Helper()
	s := parse(t, lbSpec)
	s.NICs = append(s.NICs, spec.NIC{Name: "eth1", XDP: spec.Stands(spec.Balancer)})
	return s
}

func nicState(s *State, name string) string {
	for _, n := range s.NICs {
		if n.Name == name {
			return n.State
		}
	}
	return "not shown"
}

// TestNICAppears: one that is missing at the start is a problem, and is attached when it is there.
func TestNICAppears(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	if err := os.WriteFile(p.SpecFile(), spec.Marshal(twoNICs(t)), 0o644); err != nil {
		t.Fatal(err)
	}
	w := newWire(t, "eth0")
	o := running(t, p)
	st := o.State()
	if nicState(st, "eth0") != "attached" || nicState(st, "eth1") != "missing" || !hasProblem(st, "crit", "eth1 xdp: nic eth1: no such NIC") {
		t.Fatalf("%+v %+v", st.NICs, st.Problems)
	}
	forwards(t, p, w)
	addNIC(t, "eth1", "")
	st = until(t, o, "eth1 is attached", func(s *State) bool { return nicState(s, "eth1") == "attached" })
	if hasProblem(st, "crit", "eth1") || xdpOf(t, "eth1") == 0 {
		t.Errorf("%+v", st.Problems)
	}
	consistent(t, p, o)
	o.Close()
	o = running(t, p)
	if st := o.State(); nicState(st, "eth1") != "attached" || len(ownProblems(st)) != 0 {
		t.Errorf("%+v", st.Problems)
	}
}

// TestNICGoesAndComesBack: as its driver does when it is reset, with an engine and without one.
func TestNICGoesAndComesBack(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	addNIC(t, "eth1", "")
	w := newWire(t, "eth0")
	o := running(t, p)
	mustApply(t, o, twoNICs(t), 0)
	forwards(t, p, w)
	remove := func(name string) {
		t.Helper()
		if err := netlink.LinkDel(nic(t, name)); err != nil {
			t.Fatal(err)
		}
	}
	remove("eth1")
	st := until(t, o, "eth1 is missing", func(s *State) bool { return nicState(s, "eth1") == "missing" })
	if !hasProblem(st, "crit", "eth1 xdp: nic eth1: no such NIC") || nicState(st, "eth0") != "attached" {
		t.Errorf("%+v", st.Problems)
	}
	mustApply(t, o, setWeightOn(t, o, 50), 0) // what is known already may be missing for a while
	forwards(t, p, w)
	addNIC(t, "eth1", "")
	until(t, o, "eth1 is attached again", func(s *State) bool { return nicState(s, "eth1") == "attached" })
	consistent(t, p, o)

	remove("eth1")
	until(t, o, "eth1 is missing", func(s *State) bool { return nicState(s, "eth1") == "missing" })
	o.Close()
	addNIC(t, "eth1", "")
	if xdpOf(t, "eth1") != 0 {
		t.Error("eth1 is another NIC now and has a program without anybody attaching one")
	}
	o = running(t, p)
	consistent(t, p, o)
	if xdpOf(t, "eth1") == 0 {
		t.Error("a new engine did not attach eth1")
	}

	before := exits(t, p)
	remove("eth0")
	until(t, o, "eth0 is missing", func(s *State) bool { return nicState(s, "eth0") == "missing" })
	addNIC(t, "eth0", "10.1.0.2/24")
	until(t, o, "eth0 is attached and leads to the backends", func(s *State) bool {
		return nicState(s, "eth0") == "attached" && len(ownProblems(s)) == 0
	})
	forwards(t, p, newWire(t, "eth0"))
	if now := exits(t, p); now["forwarded"] != before["forwarded"]+20 {
		t.Errorf("counters were %v and are %v", before, now)
	}
	consistent(t, p, o)
}

// setWeightOn is what runs, with another weight.
func setWeightOn(t *testing.T, o *owner, weight uint32) *spec.Spec {
	t.Helper()
	return setWeight(t, o.State().Spec, "10.1.0.11", weight)
}

// TestNICIsRenamed: its chain goes on, and is its own again when it has its name back or the spec has the new one.
func TestNICIsRenamed(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	addNIC(t, "eth1", "")
	o := running(t, p)
	mustApply(t, o, twoNICs(t), 0)
	rename := func(from, to string) {
		t.Helper()
		l := nic(t, from)
		if err := netlink.LinkSetName(l, to); err != nil {
			t.Fatal(err)
		}
	}
	root := xdpOf(t, "eth1")
	rename("eth1", "lan0")
	st := until(t, o, "eth1 is missing", func(s *State) bool { return nicState(s, "eth1") == "missing" })
	if !hasProblem(st, "crit", "eth1 xdp: nic eth1: no such NIC; it is called lan0 now, and its chain goes on there") || xdpOf(t, "lan0") != root {
		t.Errorf("%+v", st.Problems)
	}
	rename("lan0", "eth1")
	until(t, o, "eth1 is back", func(s *State) bool { return nicState(s, "eth1") == "attached" })
	consistent(t, p, o)

	rename("eth1", "lan0")
	until(t, o, "eth1 is missing", func(s *State) bool { return nicState(s, "eth1") == "missing" })
	s := o.State().Spec.Clone()
	s.NIC("eth1").Name = "lan0"
	mustApply(t, o, s, 0)
	if now := xdpOf(t, "lan0"); now != root || nicState(o.State(), "lan0") != "attached" {
		t.Errorf("lan0 runs program %d, it was %d: %+v", now, root, o.State().NICs)
	}
	consistent(t, p, o)
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth1", MTU: 1600}, PeerName: "other"}); err != nil {
		t.Fatal(err)
	}
	mustApply(t, o, twoNICs(t), 0)
	if xdpOf(t, "lan0") != 0 || xdpOf(t, "eth1") == 0 {
		t.Errorf("lan0 runs program %d, the new eth1 runs %d", xdpOf(t, "lan0"), xdpOf(t, "eth1"))
	}
	consistent(t, p, o)
}

// TestNICComesBackAtEveryHook: under the index that it had, which says nothing of what is attached.
func TestNICComesBackAtEveryHook(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	addNIC(t, "eth1", "")
	o := running(t, p)
	s := withEveryStage(parse(t, lbSpec))
	all := s.NICs[0].XDP
	s.NICs = append(s.NICs, spec.NIC{Name: "eth1", XDP: all, TCXIngress: all[:2], TCXEgress: all[1:2]})
	mustApply(t, o, s, 0)
	consistent(t, p, o)
	for range 2 {
		index := nic(t, "eth1").Attrs().Index
		if err := netlink.LinkDel(nic(t, "eth1")); err != nil {
			t.Fatal(err)
		}
		again := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth1", MTU: 1600, Index: index}, PeerName: "eth1peer"}
		if err := netlink.LinkAdd(again); err != nil {
			t.Fatal(err)
		}
		until(t, o, "eth1 has its chains again", func(s *State) bool {
			attached := 0
			for _, n := range s.NICs {
				if n.Name == "eth1" && n.State == "attached" && n.Index == index {
					attached++
				}
			}
			return attached == 3 && xdpOf(t, "eth1") != 0
		})
		consistent(t, p, o)
	}
}

func TestNoBPFFS(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	p.BPFFS = t.TempDir()
	_, err := Open(context.Background(), Options{Paths: p})
	says(t, err, nil, "bpffs", p.BPFFS, "mount -t bpf")
	if entries, err := os.ReadDir(p.BPFFS); err != nil || len(entries) > 0 {
		t.Errorf("%v left in it: %v", entries, err)
	}
}
