package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

// says checks an error by its sentinel and by what a person must find in it.
func says(t *testing.T, err, sentinel error, words ...string) {
	t.Helper()
	if err == nil || sentinel != nil && !errors.Is(err, sentinel) {
		t.Errorf("error %v is not %v", err, sentinel)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func TestRefusedChangesNothing(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	foreignXDP(t, "eth1")
	theirs := xdpOf(t, "eth1")
	addNIC(t, "eth2", "")
	w := newWire(t, "eth0")
	o := running(t, p)
	s := parse(t, lbSpec)
	unknown := s.Clone()
	unknown.NICs[0].Name = "eht0"
	_, err := o.Apply(t.Context(), ApplyRequest{Spec: unknown})
	says(t, err, ErrInvalid, "nics.eht0", "no such NIC", "eth0", "eth1", "eth2")
	if st := o.State(); st.Generation.Active != -1 || xdpLink(t, p) {
		t.Errorf("after a first change that is invalid: %+v", st.Generation)
	}
	mustApply(t, o, s, 0)
	before, had := o.State(), pins(t, p)

	taken := s.Clone() // eth2 could be attached, and comes first
	taken.NICs = append([]spec.NIC{{Name: "eth2", XDP: spec.Stands(spec.Balancer)}}, append(taken.NICs, spec.NIC{Name: "eth1", XDP: spec.Stands(spec.Balancer)})...)
	drained := setState(t, s, "10.1.0.11", spec.Drain)
	for _, row := range []struct {
		what     string
		request  ApplyRequest
		sentinel error
		words    []string
	}{
		{"no spec", ApplyRequest{}, ErrInvalid, nil},
		{"a NIC that is not there", ApplyRequest{Spec: unknown}, ErrInvalid, []string{"nics.eht0", "eth0", "eth2"}},
		{"a foreign program", ApplyRequest{Spec: taken}, datapath.ErrForeign, []string{"eth1", `"theirs"`, "take it off first"}},
		{"a negative time", ApplyRequest{Spec: drained, Deadline: -1}, ErrInvalid, []string{"-1ns"}},
		{"another revision", ApplyRequest{Spec: drained, Revision: "0123456789ab"}, ErrStale, nil},
	} {
		_, err := o.Apply(t.Context(), row.request)
		t.Log(row.what, ": ", err)
		says(t, err, row.sentinel, row.words...)
		if g := o.State().Generation; g != before.Generation || o.State().Revision != before.Revision {
			t.Errorf("%s: %+v, was %+v", row.what, g, before.Generation)
		}
		if now := pins(t, p); fmt.Sprint(now) != fmt.Sprint(had) {
			t.Errorf("%s: pins %v, were %v", row.what, now, had)
		}
		if xdpOf(t, "eth2") != 0 || xdpOf(t, "eth1") != theirs {
			t.Errorf("%s: eth2 has program %d, eth1 %d instead of %d", row.what, xdpOf(t, "eth2"), xdpOf(t, "eth1"), theirs)
		}
		consistent(t, p, o)
	}
	forwards(t, p, w)
}

func TestSecondEngineIsRefused(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), 0)
	before := o.State().Epoch
	_, err := Open(context.Background(), Options{Paths: p})
	says(t, err, ErrRefused, "node is owned by", fmt.Sprintf("pid %d", os.Getpid()))
	mustApply(t, o, setState(t, parse(t, lbSpec), "10.1.0.11", spec.Drain), 0)
	if now := o.State().Epoch; now != before {
		t.Errorf("epoch %d, was %d", now, before)
	}
}

// TestSpecIsLost: a stored generation that cannot be read is a problem, and nothing else changes; the next change finds the
// VIPs that run, so that what settles goes on to settle.
func TestSpecIsLost(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		what   string
		damage func(name string) error
	}{
		{"cut short", func(name string) error { return os.Truncate(name, 100) }},
		{"empty", func(name string) error { return os.Truncate(name, 0) }},
		{"gone", os.Remove},
		{"another's", func(name string) error {
			return os.WriteFile(name, []byte(`{"Generation":2,"Revision":"0123456789ab","Spec":"version: 1\nnics: {eth0: {xdp: [decap]}}\nagent: {vips: [10.99.0.1], mode: dsr}\n"}`), 0o644)
		}},
		{"no spec any more", func(name string) error {
			return os.WriteFile(name, []byte(`{"Generation":2,"Spec":"version: 9"}`), 0o644)
		}},
	} {
		t.Run(row.what, func(t *testing.T) {
			p := privateNode(t)
			passOn(t, "eth0peer") // else what it loses is a problem of the node, once somebody has counted it
			w := newWire(t, "eth0")
			o := running(t, p)
			s := parse(t, lbSpec)
			mustApply(t, o, s, 0)
			s = setWeight(t, s, "10.1.0.11", 10)
			a := mustApply(t, o, s, 0)
			ids := backendIDs(t, o)
			o.Close()
			file := storeOf(p.State).file(a.Generation)
			if err := errors.Join(row.damage(file), os.RemoveAll(filepath.Join(p.State, "history"))); err != nil {
				t.Fatal(err)
			}
			seen, err := Observe(p)
			if err != nil || !hasProblem(seen, "crit", "the spec of generation 2 cannot be read") || len(seen.NICs) != 1 {
				t.Errorf("%v: %+v", err, seen)
			}
			o = running(t, p)
			if st := o.State(); !hasProblem(st, "crit", "the spec of generation 2 cannot be read") || st.Generation.Active != a.Generation ||
				len(st.NICs) != 1 || st.NICs[0].State != "attached" {
				t.Errorf("%+v %+v", st.NICs, st.Problems)
			}
			forwards(t, p, w)
			bad := s.Clone()
			bad.NICs[0].Name = "eth7"
			if _, err := o.Apply(t.Context(), ApplyRequest{Spec: bad}); err == nil || xdpOf(t, "eth0") == 0 {
				t.Errorf("a change that fails: %v, eth0 has program %d", err, xdpOf(t, "eth0"))
			}
			forwards(t, p, w)
			mustApply(t, o, s, 0)
			if st := o.State(); len(ownProblems(st)) > 0 || len(st.VIPs) != 1 || st.VIPs[0].Settling == nil {
				t.Errorf("after it was applied again: %+v, %+v", st.Problems, st.VIPs)
			}
			if now := backendIDs(t, o); now != ids {
				t.Errorf("backends are %s, were %s", now, ids)
			}
			_ = os.Remove(file) // its number is used again in time
			consistent(t, p, o)
		})
	}
}

func backendIDs(t *testing.T, o *owner) (text string) {
	t.Helper()
	inside(t, o, func() {
		for _, b := range o.kernel.Backends() {
			text += fmt.Sprintf("%d of vip %d is %s, ", b.ID, b.VIP, b.Address)
		}
	})
	return text
}

// ownProblems are those of a node, but for the packets that the far end of a wire refuses: it has no program, so that they come
// to 10 a second or more whenever a tick falls behind some that a test sent.
func ownProblems(s *State) []Problem {
	return slices.DeleteFunc(slices.Clone(s.Problems), func(p Problem) bool { return strings.HasPrefix(p.Key, "lost ") })
}

func hasProblem(s *State, severity, words string) bool {
	for _, p := range s.Problems {
		if p.Severity == severity && strings.Contains(p.What, words) {
			return true
		}
	}
	return false
}

// TestConfirmedSpecIsLost: after a reboot there is nothing to go by, and a sentence says what to do.
func TestConfirmedSpecIsLost(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	st := storeOf(p.State)
	if err := errors.Join(st.make(), st.confirm(3), os.WriteFile(st.file(3), []byte("{"), 0o644)); err != nil {
		t.Fatal(err)
	}
	_, err := Open(context.Background(), Options{Paths: p})
	says(t, err, nil, st.file(3), "remove "+st.confirmedFile())
	if err := os.Remove(st.confirmedFile()); err != nil {
		t.Fatal(err)
	}
	running(t, p)
}

// TestForeignPin: something that is not ours under one of our names is named, left alone, and packets go on.
func TestForeignPin(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), 0)
	forwards(t, p, w)
	o.Close()
	pin := filepath.Join(datapath.Dir(p.BPFFS, p.Node), "maps", "backends")
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "theirs", Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	before := exitsBeside(t, p, w, func() {
		if err := errors.Join(os.Remove(pin), m.Pin(pin)); err != nil {
			t.Fatal(err)
		}
		_, err = Open(context.Background(), Options{Paths: p})
		says(t, err, datapath.ErrForeign, pin, "remove it")
		_, err = Observe(p)
		says(t, err, datapath.ErrForeign, pin)
		if _, err := ebpf.LoadPinnedMap(pin, nil); err != nil {
			t.Errorf("it is gone: %v", err)
		}
	})
	if before == 0 {
		t.Error("packets stopped")
	}
}

// exitsBeside is how many packets were forwarded after f, as somebody sees who held the maps before.
func exitsBeside(t *testing.T, p Paths, w *wire, f func()) uint64 {
	t.Helper()
	k, err := datapath.Open(datapath.Dir(p.BPFFS, p.Node), false)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	forwarded := func() uint64 {
		var s datapath.Snapshot
		if err := k.Snapshot(&s); err != nil {
			t.Fatal(err)
		}
		return s.Exits[0][1].Packets
	}
	f()
	before := forwarded()
	w.send(t, "eth0", "10.99.0.1", 10)
	for limit := time.Now().Add(time.Minute); forwarded() < before+10 && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	return forwarded() - before
}

// TestSenselessChainsAreRefused before anything changes, also those that no document could say.
func TestSenselessChainsAreRefused(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	addNIC(t, "eth1", "")
	w := newWire(t, "eth0")
	o := running(t, p)
	mustApply(t, o, withEveryStage(parse(t, lbSpec)), 0)
	before, had := o.State().Generation, pins(t, p)
	for name, row := range map[string]struct {
		chain []spec.Position
		want  string
	}{
		"behind the balancer": {spec.Stands("balancer", "firewall"), "nics.eth0.xdp[1]: no packet gets behind the balancer"},
		"limits behind it":    {spec.Stands("balancer", "ratelimit"), "put ratelimit in front of it"},
		"in a circle":         {spec.Stands("wall", "firewall", "wall", "balancer"), "nics.eth0.xdp[2]: wall stands in this chain already"},
		"of no kind":          {spec.Stands("fierwall", "balancer"), `stage "fierwall" is not known: did you mean firewall?`},
		"too long":            {make([]spec.Position, 20), "20 are too many"},
		"without a balancer":  {[]spec.Position{{Name: "balancer", Disabled: true}}, "no chain has a balancer"},
	} {
		s := withEveryStage(parse(t, lbSpec))
		s.NICs[0].XDP = row.chain
		s.NICs = append(s.NICs, spec.NIC{Name: "eth1", TCXIngress: spec.Stands("wall")})
		_, err := o.Apply(t.Context(), ApplyRequest{Spec: s, Who: "test"})
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %s", name, err, row.want)
		}
	}
	if now := o.State().Generation; now != before || xdpOf(t, "eth1") != 0 || len(pins(t, p)) != len(had) {
		t.Errorf("%+v, before %+v; %d pins, before %d", now, before, len(pins(t, p)), len(had))
	}
	forwards(t, p, w)
	consistent(t, p, o)
}
