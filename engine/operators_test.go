package engine

import (
	"bufio"
	"errors"
	"net"
	"os"
	"os/user"
	"slices"
	"strings"
	"testing"
	"time"

	"hairpin/engine/spec"
)

const tenantsSpec = `version: 1
nics: {eth0: {xdp: [balancer]}}
tenants:
  shop: {operators: [ann], max_vips: 2, prefixes: [10.99.1.0/24]}
  press: {groups: [editors], prefixes: [10.99.2.0/24]}
vips:
  - {name: web, tenant: shop, addresses: [10.99.1.1], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.0.11}, {address: 10.1.0.12}]}
  - {name: blog, tenant: press, addresses: [10.99.2.1], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.0.13}]}
  - {name: ssh, addresses: [10.99.9.1], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.0.14}]}
`

// Users and groups of the tests of tenants.
const (
	annID     = 60701
	editorsID = 60702
)

// testRoster knows ann and the group editors.
func testRoster() *roster {
	r := newRoster()
	r.user = func(name string) (*user.User, error) {
		if name != "ann" {
			return nil, user.UnknownUserError(name)
		}
		return &user.User{Uid: "60701"}, nil
	}
	r.group = func(name string) (*user.Group, error) {
		if name != "editors" {
			return nil, user.UnknownGroupError(name)
		}
		return &user.Group{Gid: "60702"}, nil
	}
	return r
}

// TestRoster: an operator is who the machine says has the name, and members of the groups; nobody by a name that is not there.
func TestRoster(t *testing.T) {
	s, r, now := parse(t, tenantsSpec), testRoster(), time.Now()
	s.Tenants[0].Operators = append(s.Tenants[0].Operators, "root0", "nobody-here")
	for _, row := range []struct {
		peer peer
		mine []string
	}{
		{peer{uid: annID}, []string{"shop"}},
		{peer{uid: 60703, groups: []uint32{7, editorsID}}, []string{"press"}},
		{peer{uid: annID, groups: []uint32{editorsID}}, []string{"shop", "press"}},
		{peer{uid: 60703, groups: []uint32{annID}}, nil},
		{peer{uid: 0}, nil},
	} {
		if m := r.operates(s, row.peer, now); !slices.Equal(m, row.mine) {
			t.Errorf("%+v operates %v, want %v", row.peer, m, row.mine)
		}
	}
	r.user = func(name string) (*user.User, error) { return nil, errors.New("gone") }
	if m := r.operates(s, peer{uid: annID}, now.Add(namesFor+time.Second)); len(m) > 0 {
		t.Error("a user that is gone operates", m)
	}
}

// picture is the newest State that f is shown, after it has been asked something.
func (f *forged) picture(t *testing.T) (text string, s *State) {
	t.Helper()
	f.last++
	say(t, f, call{ID: f.last, Verb: verbWatch})
	for {
		var n news
		if err := heard(f.heard, &n); err != nil {
			t.Fatal(err)
		}
		switch {
		case n.Spec != nil:
			f.spec = *n.Spec
		case n.Shown != nil:
			var err error
			if f.shown, err = n.Shown.state(); err != nil {
				t.Fatal(err)
			}
		case n.Answer != nil && n.Answer.ID == f.last:
			return f.spec, f.shown
		}
	}
}

// TestOperators: an operator does with his tenant's VIPs what he wants, whatever he says of others changes nothing, and he
// is shown nothing of theirs.
func TestOperators(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	o.guard.operators.roster = testRoster()
	first := parse(t, tenantsSpec)
	mustApply(t, o, first, 0)
	ssh := func(s *spec.Spec, weight uint32) *spec.Spec {
		s = s.Clone()
		s.VIP("ssh").Backends[0].Weight = weight
		return s
	}
	whole := ssh(first, 77)
	mustApply(t, o, whole, 0)
	if err := o.Disarm(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := func(who peer) string {
		return aside(t, o, func(s *server) {
			s.group = groupOf(4711, true)
			s.peer = func(*net.UnixConn) (peer, error) { return who, nil }
		})
	}
	annAt := other(peer{pid: os.Getpid(), uid: annID})
	ann, editor := forge(t, annAt), forge(t, other(peer{pid: os.Getpid(), uid: 60703, groups: []uint32{editorsID}}))

	if info, err := os.Stat(annAt); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("operators cannot open the socket: %v %v", info.Mode(), err)
	}
	c := raw(t, other(peer{pid: os.Getpid(), uid: stranger}))
	say(t, c, hello{Protocol: protocol})
	var h hello
	if err := heard(bufio.NewReader(c), &h); err != nil || !strings.Contains(h.Refused, "the operators of its tenants") {
		t.Errorf("a stranger is told %+v, %v", h, err)
	}

	text, seen := ann.picture(t)
	if len(seen.VIPs) != 1 || seen.VIPs[0].Name != "web" || len(seen.Reasons) > 0 || !slices.Equal(seen.Operator, []string{"shop"}) {
		t.Errorf("ann is shown %+v", seen)
	}
	f, err := encode(seen)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"press", "blog", "ssh", "10.99.2.1", "10.1.0.13", "10.1.0.14", "editors"} {
		if strings.Contains(text, secret) || strings.Contains(string(f), secret) {
			t.Errorf("ann is shown %q in\n%s\n%s", secret, text, f)
		}
	}

	step := func(what string, who *forged, k call, is error, says string) {
		t.Helper()
		before := o.State().Revision
		if err := who.call(t, k); !errors.Is(err, is) || is != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %v: %s", what, err, is, says)
		}
		if is != nil && o.State().Revision != before {
			t.Errorf("%s changed the node", what)
		}
	}
	change := func(edit func(*spec.Spec)) call {
		s := parse(t, text)
		edit(s)
		return call{Verb: verbApply, Spec: string(spec.Marshal(s)), Force: true}
	}
	weight := func(n uint32) call { return change(func(s *spec.Spec) { s.VIPs[0].Backends[0].Weight = n }) }
	step("a change without arms", ann, weight(7), ErrRefused, "nobody is armed")
	step("arms", ann, call{Verb: verbArm, Why: "mine"}, nil, "")
	step("another tenant's arms at the same time", editor, call{Verb: verbArm, Why: "mine too"}, nil, "")
	step("a plan", ann, call{Verb: verbPlan, Spec: weight(7).Spec}, nil, "")
	step("a change", ann, weight(7), nil, "")
	step("the whole spec, forged", ann, call{Verb: verbApply, Spec: string(spec.Marshal(first)), Force: true}, ErrRefused, "is not of tenant shop")
	step("a plan of it", ann, call{Verb: verbPlan, Spec: string(spec.Marshal(first))}, ErrRefused, "is not of tenant shop")
	step("nothing of all", editor, call{Verb: verbApply, Spec: "version: 1\n"}, ErrRefused, "only VIPs of tenant press")
	step("more than the quota", ann, change(func(s *spec.Spec) { s.Tenants[0].MaxVIPs = 9 }), ErrRefused, "only VIPs of tenant shop")
	step("another's address", ann, change(func(s *spec.Spec) { s.Tenants, s.VIPs[0].Tenant = nil, "" }), ErrRefused, "is not of tenant shop")
	step("an old revision", ann, call{Verb: verbApply, Spec: text, Revision: "abc"}, ErrStale, "")
	step("a verb that is none", ann, call{Verb: "reboot"}, ErrRefused, "only root and the group hairpin may, this is uid 60701 (uid 60701), an operator of tenant shop")
	forgeAll(t, o, ann, first)
	step("arms again", ann, call{Verb: verbArm, Why: "mine"}, nil, "")
	if s := o.State().Spec; s.VIP("web").Backends[0].Weight != 7 || !s.VIP("ssh").Equal(*whole.VIP("ssh")) || !s.VIP("blog").Equal(*whole.VIP("blog")) {
		t.Errorf("it runs\n%s", spec.Marshal(s))
	}

	if err := o.Arm(t.Context(), ArmRequest{Why: "incident"}); err != nil {
		t.Fatalf("an operator keeps root from arming: %v", err)
	}
	step("a change while the whole node is armed", ann, weight(8), ErrRefused, "is armed for the whole node until")
	mustApply(t, o, ssh(o.State().Spec, 5), time.Hour)
	if err := o.Disarm(t.Context()); err != nil {
		t.Fatal(err)
	}
	step("a confirmation of others' change", ann, call{Verb: verbConfirm}, ErrRefused, "a change of others' waits")
	step("a change on top of it", ann, weight(8), ErrRefused, "a change of others' waits")
	if err := o.Confirm(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	late := weight(9)
	late.Deadline = time.Hour
	step("a change that waits", ann, late, nil, "")
	step("another tenant's confirmation", editor, call{Verb: verbConfirm}, ErrRefused, "a change of others' waits")
	step("one's own", ann, call{Verb: verbConfirm}, nil, "")

	list := dial(t, annAt)
	changes, err := list.History(t.Context())
	if err != nil || len(changes) != 2 {
		t.Fatalf("ann's changes are %+v, %v", changes, err)
	}
	if past, err := list.Past(t.Context(), 1); err != nil || past.VIP("blog") != nil || past.VIP("web") == nil {
		t.Errorf("ann's past is %v\n%s", err, spec.Marshal(past))
	}

	bare := o.State().Spec.Clone()
	bare.Tenants[0].Operators = nil
	mustApply(t, o, bare, 0)
	await(t, "one who is no operator any more is sent away", func() bool {
		var n news
		return heard(ann.heard, &n) != nil
	})
}
