package datapath

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"hairpin/engine/reason"
)

// hitsOf opens what the guard of the active generation counts into.
func (n *node) hitsOf(t testing.TB, stage string) (folder string, hits *ebpf.Map) {
	t.Helper()
	folders, err := n.standing(n.spec)
	if err != nil || len(folders[stage]) != 1 {
		t.Fatalf("instances of %s: %v, %v", stage, folders, err)
	}
	hits, err = n.pinnedMap(folders[stage][0], "hits")
	if err != nil {
		t.Fatal(err)
	}
	return folders[stage][0], hits
}

type guardHits struct{ Seen, Dropped uint64 }

func sumHits(t testing.TB, hits *ebpf.Map) (sum guardHits) {
	t.Helper()
	var perCPU []guardHits
	if err := hits.Lookup(uint32(0), &perCPU); err != nil {
		t.Fatal(err)
	}
	for _, h := range perCPU {
		sum.Seen += h.Seen
		sum.Dropped += h.Dropped
	}
	return sum
}

// TestExternalReplaced: one version of an external stage after another takes over under traffic. No packet passes without one,
// and what the versions counted adds up to what came.
func TestExternalReplaced(t *testing.T) {
	t.Parallel()
	n := newNode(t, externalSpec(t, "xdp: [guard, balancer]"))
	chain := n.chain(t, "eth0", XDP)
	var stop atomic.Bool
	var sent, leaked atomic.Uint64
	var group sync.WaitGroup
	for _, in := range [][]byte{toDNS, toWeb} {
		group.Go(func() {
			for !stop.Load() {
				verdict, _ := n.run(t, chain, in, 0)
				sent.Add(1)
				if want := map[bool]uint32{true: xdpDrop, false: xdpTX}[len(in) == len(toDNS)]; verdict != want {
					leaked.Add(1)
				}
			}
		})
	}
	folder, hits := n.hitsOf(t, "guard")
	versions := map[string]*ebpf.Map{folder: hits}
	func() {
		defer group.Wait()
		defer stop.Store(true)
		for i := range min(soak(12), 300) {
			values := fmt.Sprintf(`{0: "00:35:%02x:%02x"}`, i>>8, i&0xff)
			n.apply(t, parse(t, strings.Replace(externalSpec(t, "xdp: [guard, balancer]"), "{0: {port: 53}}", values, 1)), 0)
			folder, hits := n.hitsOf(t, "guard")
			if versions[folder] == nil {
				versions[folder] = hits
			} else {
				_ = hits.Close()
			}
			n.Retire()
			if err := n.RetireExternals(); err != nil {
				t.Error(err)
			}
		}
	}()
	var counted guardHits
	for _, hits := range versions {
		sum := sumHits(t, hits)
		counted.Seen, counted.Dropped = counted.Seen+sum.Seen, counted.Dropped+sum.Dropped
		_ = hits.Close()
	}
	var s Snapshot
	if err := n.Snapshot(&s); err != nil {
		t.Fatal(err)
	}
	exits := map[string]uint64{}
	var all uint64
	for id, c := range s.Exits[chain] {
		if r, _ := reason.ByID(id); c.Packets > 0 {
			exits[r.Name], all = c.Packets, all+c.Packets
		}
	}
	if leaked.Load() > 0 || all != sent.Load() || counted.Seen != all || counted.Dropped != exits["external"] || len(exits) != 2 {
		t.Errorf("%d packets came, %d of them fared as no version has it; %d versions counted %+v; they left %v", sent.Load(), leaked.Load(),
			len(versions), counted, exits)
	}
	for limit := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		n.Retire()
		if err := n.RetireExternals(); err != nil {
			t.Fatal(err)
		}
		if left, err := n.instances(); err == nil && len(left) == 1 {
			break
		} else if time.Now().After(limit) {
			t.Fatalf("instances %v are left, %v", left, err)
		}
	}
	var id uint32
	taken := 0
	for number := range uint32(Externals) {
		if n.maps["externals_xdp"].Lookup(number, &id) == nil {
			taken++
		}
	}
	if taken != 1 {
		t.Errorf("%d external programs are loaded, one runs", taken)
	}
}

// TestExternalAdopted: an external stage goes on without a process, and the next one has the same instance, also when the
// file is gone by then.
func TestExternalAdopted(t *testing.T) {
	t.Parallel()
	text := externalSpec(t, "xdp: [guard, balancer], tcx_ingress: [mark]")
	file := filepath.Join(t.TempDir(), "guard.o")
	data, err := os.ReadFile(objectFile(t, "guard.o"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, strings.ReplaceAll(text, objectFile(t, "guard.o"), file))
	chain := n.chain(t, "eth0", XDP)
	n.run(t, chain, toDNS, 0)
	made, err := n.instances()
	if err != nil || len(made) != 2 {
		t.Fatal(made, err)
	}
	n.Close()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if verdict, _ := n.run(t, chain, toDNS, 0); verdict != xdpDrop {
		t.Errorf("without a process, a packet leaves with %d", verdict)
	}
	again, err := Open(n.dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.LoadPrograms(); err != nil {
		t.Fatal(err)
	}
	if err := again.Take(); err != nil {
		t.Fatal(err)
	}
	again.Retire()
	if err := again.RetireExternals(); err != nil {
		t.Fatal(err)
	}
	if got, err := again.instances(); err != nil || len(got) != 2 {
		t.Errorf("adopted %v, %v; want %v", got, err, made)
	}
	if verdict, _ := n.run(t, chain, toDNS, 0); verdict != xdpDrop {
		t.Errorf("adopted, a packet leaves with %d", verdict)
	}
	if got := metricsOf(t, again, n.spec); got != "guard.seen 3, guard.dropped 3, mark.marked 0" {
		t.Errorf("metrics %s", got)
	}
	n.Kernel = again
	for range 2 { // without the file, and with it
		n.apply(t, n.spec.Clone(), 0)
		if got, err := n.instances(); err != nil || len(got) != 2 {
			t.Errorf("applied again: %v, %v; want %v", got, err, made)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, append(data, 0), 0o600); err != nil { // a newer version
		t.Fatal(err)
	}
	n.apply(t, n.spec.Clone(), 0)
	n.run(t, chain, toDNS, 0)
	if got := metricsOf(t, n.Kernel, n.spec); got != "guard.seen 1, guard.dropped 1, mark.marked 0" {
		t.Errorf("a newer version: metrics %s", got)
	}
}

// TestExternalOtherBuild: programs of another build of hairpin's mean another instance, with what the first one counted.
func TestExternalOtherBuild(t *testing.T) {
	t.Parallel()
	n := newNode(t, externalSpec(t, "xdp: [guard, balancer]"))
	chain := n.chain(t, "eth0", XDP)
	n.run(t, chain, toDNS, 0)
	all, err := n.instances()
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	other := all[0]
	other.build = "0123456789ab"
	if err := os.Rename(n.pin("externals", all[0].folder()), n.pin("externals", other.folder())); err != nil {
		t.Fatal(err)
	}
	n.apply(t, n.spec.Clone(), 0)
	n.run(t, chain, toDNS, 0)
	if got := metricsOf(t, n.Kernel, n.spec); got != "guard.seen 2, guard.dropped 2" {
		t.Errorf("metrics %s", got)
	}
	if all, err := n.instances(); err != nil || len(all) != 2 {
		t.Errorf("instances %v, %v", all, err)
	}
}

// TestExternalDry: a dry run stops in front of an external stage, and goes through one that is said to be safe.
func TestExternalDry(t *testing.T) {
	t.Parallel()
	n := newNode(t, externalSpec(t, "xdp: [guard, balancer]"))
	chain := n.chain(t, "eth0", XDP)
	for _, r := range []struct {
		chains, reason string
		in             []byte
	}{
		{"xdp: [guard, balancer]", "external", toWeb},
		{"xdp: [safe, balancer]", "forwarded", toWeb81},
		{"xdp: [safe, guard, balancer]", "external", toWeb},
		{"xdp: [safe, tested, balancer]", "external", toDNS},
		{"xdp: [safe, tested, balancer]", "forwarded", toWeb},
	} {
		n.apply(t, parse(t, externalSpec(t, r.chains)), 0)
		before := n.memories(t)
		got, err := n.Dry(int(n.Control().Active), chain, r.in)
		if why, _ := reason.ByID(int(got.Note.Reason)); err != nil || why.Name != r.reason {
			t.Errorf("%s: left with %q, %v; want %s", r.chains, why.Name, err, r.reason)
		}
		for name, was := range n.memories(t) {
			if string(was) != string(before[name]) {
				t.Errorf("%s: a dry run changed %s", r.chains, name)
			}
		}
	}
}
