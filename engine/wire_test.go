package engine

import (
	"encoding/json"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"hairpin/engine/spec"
)

// TestStateTravels: every field of a State, whatever is added to it, comes through the socket as it was.
func TestStateTravels(t *testing.T) {
	var s State
	n := 0
	fill(t, reflect.ValueOf(&s).Elem(), &n)
	s.Spec = exampleSpec()
	node, path := newFake(), socketPath(t)
	node.publish(&s)
	serve(t, path, node, nil)
	got := *dial(t, path).State()
	if !got.Spec.Equal(s.Spec) {
		t.Errorf("the spec is\n%s", spec.Marshal(got.Spec))
	}
	if got.Role != Observer {
		t.Errorf("the role is %s", got.Role)
	}
	if got.Armed.Own || got.Barred != "" {
		t.Errorf("the party is %+v, barred by %q", got.Armed, got.Barred)
	}
	got.Spec, got.Role, got.Armed.Own, got.Barred = s.Spec, s.Role, s.Armed.Own, s.Barred // of each process's own
	if !reflect.DeepEqual(got, s) {
		a, _ := json.MarshalIndent(got, "", " ")
		b, _ := json.MarshalIndent(s, "", " ")
		t.Errorf("came\n%s\nwent\n%s", a, b)
	}
}

// fill gives every field below v a value that no other has.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.Unix(1_700_000_000, int64(*n)).UTC()
		return
	case *netip.Addr:
		*x = netip.AddrFrom4([4]byte{10, 0, byte(*n >> 8), byte(*n)})
		if *n%2 == 0 {
			*x = netip.AddrFrom16([16]byte{0xfd, 14: byte(*n >> 8), 15: byte(*n)})
		}
		return
	case *netip.AddrPort:
		*x = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 2, byte(*n >> 8), byte(*n)}), uint16(*n))
		return
	case *netip.Prefix:
		*x = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(*n >> 8), byte(*n)}), 32)
		return
	case **spec.Spec:
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.String:
		v.SetString(strings.Repeat("é<\x1b", *n%3) + string(rune('a'+*n%26)))
	case reflect.Int, reflect.Int64:
		v.SetInt(math.MaxInt64 - int64(*n))
	case reflect.Uint16, reflect.Uint32:
		v.SetUint(uint64(*n))
	case reflect.Uint64:
		v.SetUint(math.MaxUint64 - uint64(*n))
	case reflect.Float64:
		v.SetFloat(float64(float32(*n) + 0.1)) // histories travel as float32
	case reflect.Bool:
		v.SetBool(true)
	default:
		t.Fatalf("a %v in State: say here how it is filled", v.Type())
	}
}

// TestStateWithoutHistories: what is empty stays empty, and the sender's state stays as it was.
func TestStateWithoutHistories(t *testing.T) {
	s := State{VIPs: []VIP{{Name: "web", Backends: []Backend{{History: []float64{1, 2}}}}}, Reasons: []Reason{{}}}
	w, err := show(&s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.state()
	if err != nil || !reflect.DeepEqual(*got, s) || len(s.VIPs[0].Backends[0].History) != 2 {
		t.Errorf("%+v %v", got, err)
	}
}

// TestNoNumber: a state that cannot be shown is said to be one, and the next that can is shown.
func TestNoNumber(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for name, s := range map[string]*State{
			"rate":    {VIPs: []VIP{{Counter: Counter{PPS: bad}}}},
			"history": {VIPs: []VIP{{History: []float64{bad}}}},
		} {
			node, path := newFake(), socketPath(t)
			node.publish(&State{PID: 5})
			serve(t, path, node, nil)
			c := dial(t, path)
			node.publish(s)
			await(t, "the client says so", func() bool { return len(c.State().Problems) == 1 })
			if p := c.State().Problems[0]; c.State().PID != 5 || !strings.HasPrefix(p.What, "the engine runs and cannot be shown: encode state: ") {
				t.Errorf("%s %v: %+v", name, bad, c.State())
			}
			if first := dial(t, path); len(first.State().Problems) != 1 || first.State().Role != Observer {
				t.Errorf("%s %v, for one who comes now: %+v", name, bad, first.State())
			}
			node.publish(&State{PID: 6})
			await(t, "it goes on", func() bool { return c.State().PID == 6 && len(c.State().Problems) == 0 })
		}
	}
}

func TestHistoriesThatDoNotFit(t *testing.T) {
	w, err := show(&State{Reasons: []Reason{{History: []float64{1, 2, 3}}, {}}})
	if err != nil {
		t.Fatal(err)
	}
	whole := w.Histories
	for n := range whole {
		w.Histories = whole[:n]
		if _, err := w.state(); err == nil {
			t.Errorf("%d of %d bytes are taken for all", n, len(whole))
		}
	}
	w.Histories = append(whole, 0)
	if _, err := w.state(); err == nil {
		t.Error("one byte too many is not seen")
	}
}

// sized is the state of a node with some VIPs of 8 backends each.
func sized(vips int) *State {
	history := make([]float64, 60)
	for i := range history {
		history[i] = float64(i) * 1234.5
	}
	s := &State{Spec: exampleSpec(), NICs: []NIC{{Name: "eth0", History: history}}}
	for range 128 {
		s.Reasons = append(s.Reasons, Reason{Name: "no_backend", History: history})
	}
	for range vips {
		v := VIP{Name: "web", History: history}
		for i := range 8 {
			v.Backends = append(v.Backends, Backend{
				Address: netip.AddrFrom4([4]byte{10, 1, 1, byte(i)}), State: "up", NextHop: "02:00:00:00:00:01", History: history,
				Counter: Counter{Packets: 1e12, Bytes: 1e15, PPS: 123456.7, BPS: 1e9 / 3},
			})
		}
		s.VIPs = append(s.VIPs, v)
	}
	return s
}

func BenchmarkEncode(b *testing.B) {
	s, size := sized(512), 0
	for b.Loop() {
		f, err := encode(s)
		if err != nil {
			b.Fatal(err)
		}
		size = len(f)
	}
	b.ReportMetric(float64(size), "bytes")
}

func BenchmarkDecode(b *testing.B) {
	f, err := encode(sized(512))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var n news
		if err := json.Unmarshal(f[4:], &n); err != nil {
			b.Fatal(err)
		}
		if _, err := n.Shown.state(); err != nil {
			b.Fatal(err)
		}
	}
}
