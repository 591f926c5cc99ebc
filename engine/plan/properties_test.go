package plan_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"hairpin/engine/maglev"
	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// dice make specs that are near one another, so that one follows the other as edits do. The seed is in the test's log.
type dice struct{ *rand.Rand }

func newDice(t *testing.T) dice {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return dice{rand.New(rand.NewPCG(seed, 0))}
}

func (d dice) spec() *spec.Spec {
	s := &spec.Spec{Version: spec.Version, NICs: []spec.NIC{{Name: "eth0", XDP: spec.Stands(spec.Balancer)}}}
	for i, name := range []string{"web", "tls", "dns", "sip"} {
		if d.IntN(5) == 0 {
			continue
		}
		v := spec.VIP{Name: name, Addresses: []netip.Addr{netip.MustParseAddr("10.99.0.1")}, Port: uint16(80 + i),
			Protocol: spec.TCP, Ring: []uint32{251, 251, 251, 509}[d.IntN(4)], Settle: time.Minute}
		if i >= 2 {
			v.Protocol, v.Flow = spec.UDP, spec.Flow(d.IntN(2))
		}
		v.Backends = d.backends()
		s.VIPs = append(s.VIPs, v)
	}
	return s
}

func (d dice) backends() []spec.Backend {
	var list []spec.Backend
	for _, i := range d.Perm(6)[:d.IntN(7)] {
		state := []spec.State{spec.Up, spec.Up, spec.Up, spec.Drain, spec.Down, spec.Maintenance}[d.IntN(6)]
		list = append(list, backend(fmt.Sprintf("10.1.1.%d", 11+i), []uint32{100, 100, 50, 0}[d.IntN(4)], state))
	}
	return list
}

// walk plans one random spec after the other, and lets check look at every step.
func walk(t *testing.T, steps int, check func(t *testing.T, w plan.World, p *plan.Plan)) {
	t.Helper()
	d := newDice(t)
	var w plan.World
	for step := range steps {
		s := d.spec()
		p, err := plan.Compute(w, s)
		if err != nil {
			t.Fatal(err)
		}
		check(t, w, p)
		if t.Failed() {
			t.Fatalf("step %d, from\n%s\nto\n%s", step, spec.Marshal(w.Spec), spec.Marshal(s))
		}
		w = after(w, p)
		if d.IntN(8) == 0 {
			w = rested(w)
		}
	}
}

const walkSteps = 400

func TestNumbersAreNeverShared(t *testing.T) {
	walk(t, walkSteps, func(t *testing.T, w plan.World, p *plan.Plan) {
		owner := map[uint16]plan.Key{}
		for k, id := range w.IDs {
			owner[id] = k
		}
		nums := map[uint16]string{}
		for _, c := range p.VIPs {
			if other, taken := nums[c.Num]; taken || c.Num == 0 {
				t.Errorf("vip %s has the number %d, as has %q", c.Spec.Name, c.Num, other)
			}
			nums[c.Num] = c.Spec.Name
			if old, known := w.VIPs[c.Spec.Name]; known != !c.New || known && old.Num != c.Num {
				t.Errorf("vip %s: number %d, new %v, was %+v", c.Spec.Name, c.Num, c.New, old.Num)
			}
			if c.New && w.Nums[c.Num] {
				t.Errorf("vip %s: number %d is in use", c.Spec.Name, c.Num)
			}
			for i, b := range c.Spec.Backends {
				k := plan.Key{VIP: c.Num, Address: b.Address}
				if other, taken := owner[c.IDs[i]]; c.IDs[i] == 0 || taken && other != k {
					t.Errorf("vip %s: %s has the id %d of %v", c.Spec.Name, b.Address, c.IDs[i], other)
				}
				if id, known := w.IDs[k]; known && id != c.IDs[i] {
					t.Errorf("vip %s: %s had the id %d and now has %d", c.Spec.Name, b.Address, id, c.IDs[i])
				}
				owner[c.IDs[i]] = k
			}
		}
	})
}

// TestRings: the ring leads to the backends that take new flows and to nobody else, and before to where flows went first.
func TestRings(t *testing.T) {
	walk(t, walkSteps, func(t *testing.T, w plan.World, p *plan.Plan) {
		n := after(w, p)
		for _, c := range p.VIPs {
			v, name := n.VIPs[c.Spec.Name], c.Spec.Name
			checkRing(t, c, v.Ring)
			old := w.VIPs[name]
			switch {
			case c.New && (c.Ring == nil || c.Before != nil):
				t.Errorf("vip %s is new: ring %v, before %v", name, c.Ring != nil, c.Before != nil)
			case !plan.Settles(c.Spec) && c.Before != nil:
				t.Errorf("vip %s settles", name)
			case c.Ring == nil && c.Before != nil:
				t.Errorf("vip %s: before without a ring", name)
			case c.Before != nil:
				checkBefore(t, name, old, v)
			case c.Ring != nil && !c.New && plan.Settles(c.Spec) && old.Before == nil && !empty(old.Ring):
				if m := maglev.Marks(slices.Clone(old.Ring), c.Ring); m != 0 {
					t.Errorf("vip %s: %d slots differ and nothing settles", name, m)
				}
			}
		}
	})
}

func checkRing(t *testing.T, c plan.Change, ring []uint16) {
	t.Helper()
	if len(ring) != int(c.Spec.Ring) {
		t.Errorf("vip %s: ring of %d slots, not %d", c.Spec.Name, len(ring), c.Spec.Ring)
	}
	shares, takers := maglev.Shares(ring), 0
	for i, b := range c.Spec.Backends {
		if has := shares[c.IDs[i]] > 0; has != b.TakesNew() {
			t.Errorf("vip %s: %s takes new flows %v and has %d slots", c.Spec.Name, b.Address, b.TakesNew(), shares[c.IDs[i]])
		}
		delete(shares, c.IDs[i])
		if b.TakesNew() {
			takers++
		}
	}
	if takers == 0 && shares[0] == len(ring) {
		delete(shares, 0)
	}
	if len(shares) > 0 {
		t.Errorf("vip %s: slots lead elsewhere: %v", c.Spec.Name, shares)
	}
}

func checkBefore(t *testing.T, name string, old, v plan.VIP) {
	t.Helper()
	oldest := old.Before
	if oldest == nil {
		oldest = old.Ring
	}
	if len(v.Before) != len(oldest) {
		t.Errorf("vip %s: before has %d slots, the oldest ring %d", name, len(v.Before), len(oldest))
		return
	}
	marked := slices.Clone(v.Before)
	for i := range oldest {
		if (oldest[i]^v.Before[i])&^maglev.Mark != 0 {
			t.Errorf("vip %s: slot %d of before leads to %d, older flows are on %d", name, i, v.Before[i]&maglev.MaxID, oldest[i]&maglev.MaxID)
			return
		}
		if oldest[i]&maglev.Mark != 0 && v.Before[i]&maglev.Mark == 0 {
			t.Errorf("vip %s: slot %d lost its mark", name, i)
			return
		}
	}
	maglev.Marks(marked, v.Ring)
	if !slices.Equal(marked, v.Before) {
		t.Errorf("vip %s: not every slot that differs is marked", name)
	}
}

func empty(ring []uint16) bool {
	return !slices.ContainsFunc(ring, func(id uint16) bool { return id != 0 })
}

// TestSameSpecBuildsNothing: also with its backends in another order, and while VIPs settle.
func TestSameSpecBuildsNothing(t *testing.T) {
	d := newDice(t)
	walk(t, walkSteps, func(t *testing.T, w plan.World, p *plan.Plan) {
		w, s := after(w, p), p.Spec.Clone()
		d.Shuffle(len(s.VIPs), func(i, j int) { s.VIPs[i], s.VIPs[j] = s.VIPs[j], s.VIPs[i] })
		for _, v := range s.VIPs {
			d.Shuffle(len(v.Backends), func(i, j int) { v.Backends[i], v.Backends[j] = v.Backends[j], v.Backends[i] })
		}
		again, err := plan.Compute(w, s)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range again.VIPs {
			if c.New || c.Ring != nil || c.Before != nil || len(c.Gone)+len(c.Added) > 0 {
				t.Errorf("vip %s: %+v", c.Spec.Name, c)
			}
		}
		if text := again.Text(); len(text) > 0 || len(again.Removed) > 0 {
			t.Errorf("%q, removed %q", text, again.Removed)
		}
	})
}

// TestWorldIsReadOnly: the rings of a world lie in the kernel, where packets read them.
func TestWorldIsReadOnly(t *testing.T) {
	walk(t, walkSteps, func(t *testing.T, w plan.World, p *plan.Plan) {
		copied := map[string]plan.VIP{}
		for name, v := range w.VIPs {
			copied[name] = plan.VIP{Num: v.Num, Ring: slices.Clone(v.Ring), Before: slices.Clone(v.Before)}
		}
		if _, err := plan.Compute(w, p.Spec); err != nil {
			t.Fatal(err)
		}
		for name, v := range w.VIPs {
			if !slices.Equal(v.Ring, copied[name].Ring) || !slices.Equal(v.Before, copied[name].Before) {
				t.Errorf("vip %s was written", name)
			}
		}
		for _, c := range p.VIPs {
			if old := w.VIPs[c.Spec.Name]; len(c.Before) > 0 && (&c.Before[0] == &old.Ring[0] || len(old.Before) > 0 && &c.Before[0] == &old.Before[0]) {
				t.Errorf("vip %s: before is not a copy", c.Spec.Name)
			}
		}
	})
}

// TestRemovedIsReported: every VIP that was there and is not any more, and no other.
func TestRemovedIsReported(t *testing.T) {
	walk(t, walkSteps, func(t *testing.T, w plan.World, p *plan.Plan) {
		var want []string
		for name := range w.VIPs {
			if p.Spec.VIP(name) == nil {
				want = append(want, name)
			}
		}
		got := slices.Clone(p.Removed)
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("removed %q, not %q", got, want)
		}
	})
}

func TestNumbersRunOut(t *testing.T) {
	full := plan.World{Nums: map[uint16]bool{}, IDs: map[plan.Key]uint16{}}
	for n := range uint16(8191) {
		full.Nums[n+1] = n != 500
	}
	for id := 1; id <= maglev.MaxID; id++ {
		if id != 777 {
			full.IDs[plan.Key{VIP: 2000, Address: netip.AddrFrom4([4]byte{10, 0, byte(id >> 8), byte(id)})}] = uint16(id)
		}
	}
	s := &spec.Spec{VIPs: []spec.VIP{{Name: "web", Ring: 251, Protocol: spec.TCP, Backends: []spec.Backend{backend("10.1.1.11", 1, spec.Up)}}}}
	p, err := plan.Compute(full, s)
	if err != nil || p.VIPs[0].Num != 501 || p.VIPs[0].IDs[0] != 777 {
		t.Fatalf("the last free numbers: %+v, %v", p, err)
	}
	s.VIPs[0].Backends = append(s.VIPs[0].Backends, backend("10.1.1.12", 1, spec.Up))
	if _, err := plan.Compute(full, s); err == nil || err.Error() != "plan: vip web: backend 10.1.1.12: all 32767 backend ids are in use; "+
		"those of removed backends come free when their flows have ended" {
		t.Error(err)
	}
	s.VIPs[0].Backends = nil
	s.VIPs = append(s.VIPs, spec.VIP{Name: "tls", Ring: 251, Protocol: spec.TCP})
	if _, err := plan.Compute(full, s); err == nil || err.Error() != "plan: vip tls: all 8191 VIP numbers are in use; "+
		"those of removed VIPs come free when no kept generation names them" {
		t.Error(err)
	}
}
