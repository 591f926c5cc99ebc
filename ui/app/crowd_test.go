package app

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/engine/spec"
	"hairpin/ui/action"
	"hairpin/ui/uitest/fake"
)

// crowd is a busy node with so many VIPs and backends, all of them with the longest names and addresses that there are,
// and every number of the snapshot at n.
func crowd(vips, backends int, n float64) *engine.State {
	s := fake.Incident()
	s.Node = strings.Repeat("lb-frankfurt-", 4) + "07"
	s.Spec.VIPs, s.VIPs = nil, nil
	address := func(net, i int) netip.Addr {
		return netip.MustParseAddr(fmt.Sprintf("2001:db8:ffff:%x:ffff:ffff:%x:%x", 0xfff0+net, 0xf000+i>>12, 0xf000+i&0xfff))
	}
	template := fake.Busy()
	for i := range vips {
		v := template.Spec.VIPs[i%3]
		v.Name = fmt.Sprintf("%s-%04d", strings.Repeat("v", 27), i)
		v.Addresses, v.Port, v.Backends = []netip.Addr{address(0, i), address(1, i)}, 65535, nil
		shown := template.VIPs[i%3]
		shown.Name, shown.Addresses, shown.Port, shown.Backends = v.Name, v.Addresses, v.Port, nil
		shown.Settling = &engine.Settling{Since: s.Time.Add(-time.Hour), Ends: s.Time.Add(time.Hour), LastSeen: s.Time}
		for b := i; b < backends; b += vips {
			v.Backends = append(v.Backends, spec.Backend{Address: address(2, b), Weight: spec.MaxWeight, State: spec.State(b % 4)})
			shown.Backends = append(shown.Backends, engine.Backend{
				Address: address(2, b), Weight: spec.MaxWeight, State: spec.State(b % 4).String(), NextHop: "ff:ff:ff:ff:ff:ff", History: make([]float64, 60),
			})
		}
		s.Spec.VIPs, s.VIPs = append(s.Spec.VIPs, v), append(s.VIPs, shown)
	}
	fill(reflect.ValueOf(s).Elem(), n)
	return s
}

// fill sets every rate, total and history below v to n. What the spec says, and the numbers of events, stay.
func fill(v reflect.Value, n float64) {
	switch v.Kind() {
	case reflect.Float64:
		v.SetFloat(n)
	case reflect.Uint64:
		v.SetUint(uint64(n))
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Pointer:
		if _, is := v.Interface().(*spec.Spec); !is && !v.IsNil() {
			fill(v.Elem(), n)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Name != "Seq" {
				fill(v.Field(i), n)
			}
		}
	}
}

// views are every screen, and what opens on it.
func views(d *driver) map[string]func() {
	at := func(ids ...action.ID) func() {
		return func() {
			d.m.stack = nil
			d.do(ids...)
		}
	}
	return map[string]func(){
		"overview": at(action.GoOverview), "chain": at(action.GoChain), "stage": at(action.GoChain, action.Down, action.Open),
		"vips": at(action.GoVIPs), "last VIP": at(action.GoVIPs, action.Bottom), "backends": at(action.GoVIPs, action.Open),
		"last backend": at(action.GoVIPs, action.Open, action.Bottom), "limits": at(action.GoLimits), "events": at(action.GoEvents, action.Down), "handoff": at(action.GoHandoff),
		"doctor": at(action.GoDoctor), "routing": at(action.GoRouting), "bgp": at(action.GoBGP), "fleet": at(action.GoFleet), "agent": at(action.GoAgent), "tenants": at(action.GoTenants),
		"palette": at(action.GoOverview, action.Palette), "help": at(action.Help), "quit": at(action.Quit), "filter": at(action.GoVIPs, action.Filter),
		"staged": at(action.GoVIPs, action.Open, action.Drain), "preview": at(action.Apply), "handover of names": at(action.Detach),
	}
}

// TestCrowds: no number of VIPs, backends, packets, and no name makes a screen larger than the terminal.
func TestCrowds(t *testing.T) {
	for _, c := range []struct {
		vips, backends int
		n              float64
	}{{0, 0, 0}, {1, 1, 0}, {1, 4000, 1e12}, {500, 4000, 1e12}} {
		d := open80(t, crowd(c.vips, c.backends, c.n), isArmed)
		for name, show := range views(d) {
			d.size(80, 24)
			show()
			for _, size := range [][2]int{{20, 5}, {40, 8}, {79, 23}, {80, 24}, {140, 40}, {200, 60}} {
				d.size(size[0], size[1])
				checkFilled(t, fmt.Sprintf("%d VIPs, %d backends, %g: %s", c.vips, c.backends, c.n, name), d.m.View(), size[0], size[1])
			}
		}
	}
}

// TestColumnsAlign: the digits below a title end where it ends, in every row and at every number, and names that differ
// only at their ends are told apart.
func TestColumnsAlign(t *testing.T) {
	for _, n := range []float64{0, 1e12} {
		d := open80(t, crowd(40, 400, n))
		for _, screen := range []action.ID{action.GoVIPs, action.GoOverview} {
			d.do(screen)
			for _, w := range []int{80, 140, 200} {
				d.size(w, 34)
				s := d.screen()
				head := s.Has(t, "VIP", "ADDRESS", "PPS", "DROP/s")
				end := strings.Index(strings.ReplaceAll(s.Row(head), "↓", "."), "UP ") + 2
				names := map[string]bool{}
				for y := head + 1; y < head+8; y++ {
					row := []rune(s.Row(y))
					if digits, bang := row[end-1], row[end]; digits < '0' || digits > '9' || bang != ' ' && bang != '!' {
						t.Errorf("%g, %s at %d columns: nothing ends below UP in %q", n, screen, w, string(row))
					}
					names[strings.Fields(strings.TrimPrefix(string(row), ">"))[0]] = true
				}
				if len(names) != 7 {
					t.Errorf("%s at %d columns: %d names of 7 rows are different", screen, w, len(names))
				}
			}
		}
	}
}

// TestKeyToPaint: with as much as a node may have, a key is on the screen within 50 ms, also while something is staged.
// One of many must be: others may keep the machine busy, but not each time.
func TestKeyToPaint(t *testing.T) {
	const limit = 50 * time.Millisecond
	for _, c := range []struct {
		vips int
		keys []action.ID
	}{
		{500, []action.ID{action.GoOverview}},
		{500, []action.ID{action.GoVIPs}},
		{500, []action.ID{action.GoVIPs, action.Open, action.Drain}},
		{500, []action.ID{action.GoLimits}},
		{500, []action.ID{action.GoChain}},
		{1, []action.ID{action.GoVIPs, action.Open}},
		{1, []action.ID{action.GoVIPs, action.Open, action.Drain}},
	} {
		d := open80(t, crowd(c.vips, 4000, 1e12), isArmed)
		d.size(200, 60)
		d.do(c.keys...)
		best := time.Hour
		for end := time.Now().Add(time.Minute); best > limit && time.Now().Before(end); {
			begun := time.Now()
			d.press("j")
			d.m.View()
			best = min(best, time.Since(begun))
		}
		t.Logf("%d VIPs, %v: %v", c.vips, c.keys, best)
		if best > limit {
			t.Errorf("%d VIPs, %v: a key is painted after %v", c.vips, c.keys, best)
		}
	}
}
