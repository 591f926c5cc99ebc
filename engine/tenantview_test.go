package engine

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hairpin/engine/arms"
	"hairpin/engine/spec"
	"hairpin/engine/tenants"
)

// operatorVerbs says of every verb whether an operator of a tenant may call it. What he may is about his VIPs alone, or he is
// shown them alone: TestOperators calls each of them with all that a call can hold.
var operatorVerbs = map[verb]bool{
	verbArm:     true, // his tenants only
	verbDisarm:  true, // likewise
	verbPlan:    true, // merged into what runs
	verbApply:   true, // likewise, and when armed
	verbConfirm: true, // of changes that are his tenants' alone
	verbHistory: true, // his tenants' changes
	verbPast:    true, // his view of it
	verbAt:      true, // likewise
	verbWatch:   true, // changes nothing but what is measured

	verbDetach: false, verbHandoff: false, verbDrain: false, verbFleet: false, verbFleetChange: false, // of the whole node
	verbAccept:   false,                                           // sources of backends are read as the engine does
	verbTimeline: false, verbTrace: false, verbConnections: false, // tell what others do
	verbCapture: false, verbCaptured: false, verbEndCapture: false, // show others' packets
}

// declaredVerbs are the constants of the type verb in wire.go.
func declaredVerbs(t *testing.T) (all []verb) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "wire.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		v, is := n.(*ast.ValueSpec)
		if !is {
			return true
		}
		if of, named := v.Type.(*ast.Ident); named && of.Name == "verb" {
			text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, verb(text))
		}
		return true
	})
	return all
}

// TestOperatorVerbs: of every verb it was decided whether operators may call it, and the guard goes by that.
func TestOperatorVerbs(t *testing.T) {
	g := newGuard()
	g.operators.roster = testRoster()
	s := parse(t, tenantsSpec)
	g.operators.spec = func() *spec.Spec { return s }
	ann := arms.Party{ID: 7, Who: "ann", Barred: "only root may"}
	if m := g.operators.meet(ann.ID, peer{uid: annID}, time.Now()); !slices.Equal(m, tenants.Mine{"shop"}) {
		t.Fatalf("ann operates %v", m)
	}
	if err := g.arm(ann, "mine", false); err != nil {
		t.Fatal(err)
	}
	declared := declaredVerbs(t)
	if len(declared) != len(operatorVerbs) {
		t.Errorf("wire.go has %d verbs, of %d it was decided whether operators may call them", len(declared), len(operatorVerbs))
	}
	for _, v := range append(declared, "reboot", "") {
		may, decided := operatorVerbs[v]
		if !decided && v != "reboot" && v != "" {
			t.Errorf("nobody decided whether an operator may %q: say so in operatorVerbs and allowOperator", v)
		}
		if err := g.allow(ann, v); (err == nil) != may || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("an operator who asks to %q is told %v", v, err)
		}
	}
}

// stuff fills whatever v holds with what is of others, so that nothing in it is zero.
func stuff(v reflect.Value, depth int) {
	switch {
	case depth > 12 || !v.CanSet():
		return
	case v.Type() == reflect.TypeFor[netip.Addr]():
		v.Set(reflect.ValueOf(netip.MustParseAddr("192.0.2.66")))
		return
	case v.Type() == reflect.TypeFor[netip.Prefix]():
		v.Set(reflect.ValueOf(netip.MustParsePrefix("192.0.2.66/32")))
		return
	case v.Type() == reflect.TypeFor[netip.AddrPort]():
		v.Set(reflect.ValueOf(netip.MustParseAddrPort("192.0.2.66:66")))
		return
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(66, 0)))
		return
	case v.Type() == reflect.TypeFor[*spec.Spec]():
		return // it has its own test
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("secret")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(66)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(66)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(66)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		stuff(v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		stuff(v.Index(0), depth+1)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		stuff(key, depth+1)
		stuff(value, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct, reflect.Array:
		for i := range v.NumField() {
			stuff(v.Field(i), depth+1)
		}
	}
}

// TestSeenByOperators: of a State in which everything is of others an operator is shown what the node is, and nothing else. A
// new member of State is not shown until somebody adds it here.
func TestSeenByOperators(t *testing.T) {
	var s State
	stuff(reflect.ValueOf(&s).Elem(), 0)
	s.Spec = parse(t, tenantsSpec)
	s.VIPs[0].Name, s.Drops[0].VIP, s.Limits[0].VIP, s.Limits[0].Tenant = "blog", "blog", "", "press"
	s.Limits = append(s.Limits, Limit{VIP: "blog", Scope: "secret"}, Limit{Scope: "secret"}, Limit{Scope: "tenant", Tenant: "shop", Max: 9})
	s.NICs[0].Name = "eth0"
	s.Node, s.Version, s.Role, s.Revision = "lb1", "v1", Owner, "r"
	s.NICs[0].Hook, s.NICs[0].Mode, s.NICs[0].State = "xdp", "native", "attached"
	seen := seenBy(&s, tenants.Mine{"shop"}, "ann")
	shown := []string{"Time", "Span", "Node", "Version", "PID", "Role", "Since", "Epoch", "Generation", "Revision", "Spec", "Operator", "UsualOver",
		"Watched", "EventsLost", "NICs", "Limits"}
	v := reflect.ValueOf(seen).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if zero := v.Field(i).IsZero(); zero == slices.Contains(shown, name) {
			t.Errorf("State.%s is shown to operators: %v, want %v", name, !zero, zero)
		}
	}
	f, err := encode(seen)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"secret", "192.0.2.66", "blog", "press", "ssh"} {
		if strings.Contains(string(f), word) {
			t.Errorf("an operator is shown %q in %s", word, f)
		}
	}
	s.Drops = []Drop{{VIP: "web", NIC: "eth0", Reason: "not_tls", Counter: Counter{Packets: 3}}, {VIP: "web", NIC: "eth1", Reason: "not_tls", Counter: Counter{Packets: 4}},
		{VIP: "web", Reason: "not_tls", Shadow: true, Counter: Counter{Packets: 9}}, {VIP: "blog", Reason: "rate_limited", Counter: Counter{Packets: 9}}}
	if r := seenBy(&s, tenants.Mine{"shop"}, "ann").Reasons; len(r) != 1 || r[0].Name != "not_tls" || r[0].Packets != 7 || r[0].Verdict != "drop" {
		t.Errorf("an operator is shown the reasons %+v, want those of his drops", r)
	}
	if len(seen.Limits) != 1 || seen.Limits[0].Max != 9 {
		t.Errorf("an operator is shown the limits %+v, want his tenant's", seen.Limits)
	}
}

// TestSentencesOfOperators: an operator reads what is about his VIPs, however he and others call theirs.
func TestSentencesOfOperators(t *testing.T) {
	s := parse(t, tenantsSpec)
	for _, name := range []string{"eth0", "generation", "down"} {
		v := *s.VIP("web")
		v.Name = name
		s.VIPs = append(s.VIPs, v)
	}
	for _, name := range []string{"backends", "is"} {
		v := *s.VIP("blog")
		v.Name = name
		v.Backends = append(slices.Clone(v.Backends), s.VIP("web").Backends[0])
		s.VIPs = append(s.VIPs, v)
	}
	w := wordsOf(s, tenants.Mine{"shop"})
	for _, r := range []struct {
		what   string
		detail []string
		want   bool
	}{
		{"web: 10.1.0.11 is down: refused", nil, true},
		{"blog: 10.1.0.11 is down: refused", nil, false},
		{"web: 1 of 2 backends is down", nil, true},
		{"vip web: dropping with reason no_backend", []string{"for example tcp 198.51.100.7:1 > 10.99.1.1:80"}, true},
		{"vip web: dropping with reason no_backend", []string{"for example tcp 198.51.100.7:1 > 10.99.2.1:80"}, false},
		{"vip web has settled", nil, true},
		{"vip ssh has settled", nil, false},
		{"syns on eth0: the limit of tenant shop is used up, 3 refused/s", nil, true},
		{"syns on eth0: the limit of tenant press is used up, 3 refused/s", nil, false},
		{"eth0 xdp: limit syns per vip web refuses", nil, true},
		{"the way to 10.1.0.12: unreachable", nil, true},
		{"the way to 10.1.0.13: unreachable", nil, false},
		{"nic eth0: link is down", nil, false},
		{"generation 4 was not confirmed in time: back to generation 3", nil, false},
		{"eth0 xdp: dropping with reason firewall_source", []string{"for example tcp 10.1.0.11:1 > 10.1.0.2:22"}, false},
		{"apply: vips[3] blog: no room beside web", nil, false},
		{"10.99.1.0/24 and 10.99.2.1 are not announced", nil, false},
		{"10.99.1.1 is not announced: no backend. 10.99.2.1.", nil, false},
		{"10.99.1.1: not announced", nil, true},
	} {
		if _, shown := w.event(Event{Severity: "warn", Who: "engine", What: r.what, Detail: r.detail}, "ann"); shown != r.want {
			t.Errorf("%q %q is shown: %v, want %v", r.what, r.detail, shown, r.want)
		}
	}
	e, shown := w.event(Event{Severity: "warn", Who: "health", What: "7 backends and VIPs went down or came back",
		Detail: []string{"web: 10.1.0.12 is down", "blog: 10.1.0.13 is down", "ssh: 10.1.0.14 is down"}}, "ann")
	if !shown || len(e.Detail) != 1 || strings.Contains(e.What, "7") {
		t.Errorf("of many backends, %v %+v is shown", shown, e)
	}
	for severity, want := range map[string]bool{"audit": true, "warn": false} {
		if _, shown := w.event(Event{Severity: severity, Who: "ann", What: "armed"}, "ann"); shown != want {
			t.Errorf("what ann did is shown as %s: %v", severity, shown)
		}
	}
	err := w.discreet(fmt.Errorf("stage: vip blog: %w", ErrUnsafe))
	if !errors.Is(err, ErrUnsafe) || strings.Contains(err.Error(), "blog") {
		t.Errorf("an operator is told %v", err)
	}
	if err := fmt.Errorf("vip web: %w", ErrUnsafe); w.discreet(err) != err {
		t.Errorf("an operator is not told of his own: %v", w.discreet(err))
	}
}

// forgeAll has an operator call every verb with all that a call can hold, made of what is others': nothing of theirs changes,
// and no answer tells of them.
func forgeAll(t *testing.T, o *owner, who *forged, whole *spec.Spec) {
	t.Helper()
	before := o.State()
	for v, may := range operatorVerbs {
		var k call
		stuff(reflect.ValueOf(&k).Elem(), 0)
		k.Verb, k.Spec, k.VIP, k.Number, k.Revision = v, string(spec.Marshal(whole)), "blog", 1, ""
		k.To = time.Now()
		a := who.ask(t, k)
		if err := a.Fault.err(); !may && !errors.Is(err, ErrRefused) {
			t.Errorf("the forged call %q: %v", v, err)
		}
		if a.Fault != nil {
			a.Fault.Text = strings.ReplaceAll(a.Fault.Text, "vips[1] blog", "") // of what he sent himself
		}
		f, err := frame(news{Answer: a})
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"blog", "press", "ssh", "10.99.2.1", "10.1.0.13", "10.1.0.14"} {
			if strings.Contains(string(f), word) {
				t.Errorf("the answer to the forged call %q tells of %q: %s", v, word, f)
			}
		}
	}
	if now := o.State(); now.Revision != before.Revision || now.Generation.Active != before.Generation.Active || len(now.Captures) > 0 || now.Handoff != before.Handoff {
		t.Errorf("forged calls changed the node: it was %+v %s, is %+v %s", before.Generation, before.Revision, now.Generation, now.Revision)
	}
}
