package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"hairpin/engine/datapath"
	"hairpin/engine/frozen"
	"hairpin/engine/nexthop"
)

// olderABI is the oldest of which a node is kept: every step to today's is on its way.
const olderABI = 2

// TestTakeover: an engine of today's ABI takes over what one of an older ABI made, under traffic: no packet is lost, none goes
// elsewhere, every one is counted, and nothing of the older ABI is left.
func TestTakeover(t *testing.T) {
	t.Parallel()
	for abi := olderABI; abi < datapath.ABI; abi++ {
		t.Run(fmt.Sprint(abi), func(t *testing.T) { takesOver(t, abi) })
	}
}

func takesOver(t *testing.T, abi int) {
	t.Helper()
	p := restored(t, abi)
	s := newStream(t, 64)
	s.connect(t)
	s.start()
	s.round(t, 20)
	o := open(t, p).(*owner)
	defer o.Close()
	s.round(t, 20)
	s.stop(t)
	if got := exits(t, p)["forwarded"]; got != s.sent {
		t.Errorf("%d packets were sent, %d are counted", s.sent, got)
	}
	if left := olderPins(t, p); len(left) > 0 {
		t.Errorf("%q is left", left)
	}
	if problems := ownProblems(o.State()); len(problems) > 0 {
		t.Errorf("%+v", problems)
	}
	inside(t, o, func() {
		if !o.kernel.OwnPrograms(o.active) || o.kernel.TakingOver() != 0 {
			t.Error("programs of the older ABI still run")
		}
	})
	mustApply(t, o, setWeight(t, o.State().Spec, "10.1.0.11", 5), 0)
	s.start()
	s.round(t, 5)
	s.stop(t)
	forgetConnections(t, p)
	moved := 0
	if err := s.exchange(func(i int, to netip.Addr) {
		if to != s.homes[i] {
			moved++
		}
	}); err != nil || moved == 0 {
		t.Errorf("%v; %d connections needed the table", err, moved)
	}
}

// TestTakeoverKilled kills engines behind each effect that a takeover has, under traffic. Packets go on each time, by the programs
// of one ABI or of the other, and the next engine ends the takeover whatever the one before had done of it.
func TestTakeoverKilled(t *testing.T) {
	t.Parallel()
	p := restored(t, olderABI)
	s := newStream(t, 32)
	steps := takeoverSteps(t, p)
	for i, name := range steps {
		if !exists(olderDir(p)) {
			restore(t, p, olderABI)
			s.connect(t)
		}
		s.start()
		walk(t, p, walker{"start", name, 1})
		s.round(t, 2)
		if exists(olderDir(p)) && name != "takeover: switched" && i < len(steps)-1 {
			s.stop(t)
			continue // the next begins where this one was killed
		}
		if exists(olderDir(p)) {
			ownByOlder(t, p)
		}
		o := open(t, p).(*owner)
		s.round(t, 2)
		s.stop(t)
		consistent(t, p, o)
		if left := olderPins(t, p); len(left) > 0 {
			t.Errorf("%s: %d pins are left: %q", name, len(left), left[0])
		}
		if err := errors.Join(o.Detach(t.Context(), "test"), o.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func olderDir(p Paths) string {
	return filepath.Join(filepath.Dir(datapath.Dir(p.BPFFS, p.Node)), fmt.Sprintf("v%d", olderABI))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// takeoverSteps are the effects of a takeover, from its first to that of its end. It leaves the node without a data path.
func takeoverSteps(t *testing.T, p Paths) (names []string) {
	t.Helper()
	all := walk(t, p, walker{Way: "start"})
	last := slices.Index(all, "step apply: switched")
	for i, line := range all {
		name, is := strings.CutPrefix(line, "step ")
		if is && i <= last && !slices.Contains(names, name) && (soak() || strings.HasPrefix(name, "takeover: ")) {
			names = append(names, name)
		}
	}
	if len(names) < 5 {
		t.Fatalf("no takeover: %q", all)
	}
	if err := Remove(p); err != nil {
		t.Fatal(err)
	}
	return names
}

// olderPins are those that are not of today's ABI.
func olderPins(t *testing.T, p Paths) (older []string) {
	t.Helper()
	for pin := range pins(t, p) {
		if !strings.HasPrefix(pin, fmt.Sprintf("test/v%d/", datapath.ABI)) {
			older = append(older, pin)
		}
	}
	return older
}

// ownByOlder has an engine of the older ABI own the node, as far as the gate can tell.
func ownByOlder(t *testing.T, p Paths) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(olderDir(p), "programs", "*", "gate"))
	if err != nil || len(found) != 1 {
		t.Fatalf("gate of the older ABI: %q, %v", found, err)
	}
	gate, err := ebpf.LoadPinnedProgram(found[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Close()
	take := [4]uint64{1000, 0, 1} // epoch, deadline, op
	if result, err := gate.Run(&ebpf.RunOptions{Context: take}); err != nil || result != 0 {
		t.Fatalf("take: %d, %v", result, err)
	}
}

func forgetConnections(t *testing.T, p Paths) {
	t.Helper()
	m, err := ebpf.LoadPinnedMap(filepath.Join(datapath.Dir(p.BPFFS, p.Node), "maps", "connections"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i := range m.MaxEntries() {
		if err := m.Put(i, make([]byte, m.ValueSize())); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDowngrade: what a newer ABI made is refused by whatever would touch it, with the version that made it, and left as it is,
// while packets go by it.
func TestDowngrade(t *testing.T) {
	t.Parallel()
	p := frozenNode(t)
	n := open(t, p)
	mustApply(t, n, parse(t, frozenSpec), 0)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	today := datapath.Dir(p.BPFFS, p.Node)
	newer := filepath.Join(filepath.Dir(today), "v99")
	if err := os.Rename(today, newer); err != nil {
		t.Fatal(err)
	}
	s := newStream(t, 32)
	s.connect(t)
	refuse := func() {
		_, opened := Open(t.Context(), Options{Paths: p, Version: "older"})
		_, observed := Observe(p)
		for _, err := range []error{opened, observed, Remove(p)} {
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "ABI 99, by hairpin test,") || !strings.Contains(err.Error(), "start that version") {
				t.Errorf("%v", err)
			}
		}
	}
	before := contents(t, newer)
	keepNeighbour(t, "10.1.0.77")
	refuse()
	if now := contents(t, newer); now != before {
		t.Errorf("was %.3000s\nis %.3000s", before, now)
	}
	s.start()
	s.round(t, 5)
	refuse()
	s.round(t, 5)
	s.stop(t)
	if exists(today) {
		t.Errorf("%s was made", today)
	}
	left, err := netlink.NeighList(nic(t, "eth0").Attrs().Index, netlink.FAMILY_V4)
	if err != nil || !slices.ContainsFunc(left, func(n netlink.Neigh) bool { return n.IP.String() == "10.1.0.77" }) {
		t.Errorf("the neighbour that packets go to is not kept any more: %v %v", left, err)
	}
}

// keepNeighbour is what an engine does for the way to a backend.
func keepNeighbour(t *testing.T, address string) {
	t.Helper()
	hops, err := nexthop.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(hops.Keep(netip.MustParseAddr(address)), hops.Close()); err != nil {
		t.Fatal(err)
	}
}

// contents is all that is pinned below a folder, and what is in it.
func contents(t *testing.T, dir string) string {
	t.Helper()
	f, err := frozen.Freeze(dir, objects(t))
	if err != nil {
		t.Fatal(err)
	}
	return asJSON(t, f)
}

// TestTakeoverWaits: where it is not known what runs, the older programs go on until somebody says what should.
func TestTakeoverWaits(t *testing.T) {
	t.Parallel()
	p := restored(t, olderABI)
	if err := os.RemoveAll(filepath.Join(p.State, "generations")); err != nil {
		t.Fatal(err)
	}
	s := newStream(t, 32)
	s.connect(t)
	s.start()
	o := open(t, p).(*owner)
	defer o.Close()
	waits := func(st *State) bool {
		return slices.ContainsFunc(st.Problems, func(p Problem) bool { return p.Key == "takeover" })
	}
	if !waits(o.State()) || !exists(olderDir(p)) {
		t.Errorf("the older pins are there: %t; %+v", exists(olderDir(p)), o.State().Problems)
	}
	same := parse(t, strings.Replace(frozenSpec, "{address: 10.1.0.12}]", thirdBackend, 1))
	_, err := o.Apply(t.Context(), ApplyRequest{Spec: same, Deadline: time.Minute, Who: "test", Force: true})
	if err == nil || !strings.Contains(err.Error(), "ABI 2 is still being taken over: apply once without a deadline") {
		t.Errorf("%v", err)
	}
	s.round(t, 5)
	mustApply(t, o, same, 0)
	s.round(t, 5)
	s.stop(t)
	if waits(o.State()) || exists(olderDir(p)) {
		t.Errorf("the older pins are there: %t; %+v", exists(olderDir(p)), o.State().Problems)
	}
}

// TestStray: an older hairpin that was started beside today's data path has made pins that hold nothing. They go; pins that
// hold a NIC are left for somebody to decide.
func TestStray(t *testing.T) {
	t.Parallel()
	p := frozenNode(t)
	n := open(t, p)
	mustApply(t, n, parse(t, frozenSpec), 0)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	links := filepath.Join(olderDir(p), "links")
	if err := os.MkdirAll(links, 0o700); err != nil {
		t.Fatal(err)
	}
	before := contents(t, datapath.Dir(p.BPFFS, p.Node))
	held := filepath.Join(links, "chain_0")
	if err := os.Link(filepath.Join(datapath.Dir(p.BPFFS, p.Node), "links", "chain_0"), held); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Paths: p}); err == nil || !strings.Contains(err.Error(), "holds 1 NICs beside") {
		t.Errorf("%v", err)
	}
	if err := os.Remove(held); err != nil {
		t.Fatal(err)
	}
	if now := contents(t, datapath.Dir(p.BPFFS, p.Node)); now != before {
		t.Errorf("was %.3000s\nis %.3000s", before, now)
	}
	o := running(t, p)
	if exists(olderDir(p)) || o.State().Generation.Active != 1 {
		t.Errorf("stray pins are left: %t; %+v", exists(olderDir(p)), o.State().Generation)
	}
}
