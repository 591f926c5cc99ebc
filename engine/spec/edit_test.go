package spec

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

const editable = `version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, backends: [{address: 10.1.1.11}, {address: 10.1.1.12}]}
  - {name: dns, addresses: [10.99.0.1], port: 53, protocol: udp, backends: [{address: 10.1.1.11}]}
`

func TestEdits(t *testing.T) {
	a, b, c := netip.MustParseAddr("10.1.1.11"), netip.MustParseAddr("10.1.1.12"), netip.MustParseAddr("fd00::13")
	for _, row := range []struct {
		name string
		edit func(*Spec) (*Spec, error)
		want string // the backends of web, or the error
	}{
		{"weight", func(s *Spec) (*Spec, error) { return SetWeight(s, "web", b, 0) }, "10.1.1.11 100 up, 10.1.1.12 0 up"},
		{"weight too large", func(s *Spec) (*Spec, error) { return SetWeight(s, "web", b, 65536) },
			"set weight of 10.1.1.12 in web: 65536 is not within 0 to 65535"},
		{"weight of none", func(s *Spec) (*Spec, error) { return SetWeight(s, "web", c, 1) },
			"set weight: vip web has no backend fd00::13"},
		{"weight elsewhere", func(s *Spec) (*Spec, error) { return SetWeight(s, "wbe", b, 1) },
			`set weight: vip "wbe" is not known: did you mean web? there are web, dns`},
		{"state", func(s *Spec) (*Spec, error) { return SetState(s, "web", a, Maintenance) },
			"10.1.1.11 100 maintenance, 10.1.1.12 100 up"},
		{"state that is none", func(s *Spec) (*Spec, error) { return SetState(s, "web", a, 7) },
			"set state of 10.1.1.11 in web: state(7) is not known"},
		{"state of none", func(s *Spec) (*Spec, error) { return SetState(s, "web", c, Up) }, "set state: vip web has no backend fd00::13"},
		{"add", func(s *Spec) (*Spec, error) {
			return AddBackend(s, "web", Backend{Address: c, Weight: 5, State: Drain})
		},
			"10.1.1.11 100 up, 10.1.1.12 100 up, fd00::13 5 drain"},
		{"add again", func(s *Spec) (*Spec, error) { return AddBackend(s, "web", Backend{Address: a}) },
			"add backend 10.1.1.11 to web: it is there already"},
		{"add nowhere", func(s *Spec) (*Spec, error) { return AddBackend(s, "x", Backend{Address: a}) },
			`add backend: vip "x" is not known: there are web, dns`},
		{"add the VIP", func(s *Spec) (*Spec, error) {
			return AddBackend(s, "web", Backend{Address: netip.MustParseAddr("10.99.0.1")})
		},
			"add backend 10.99.0.1 to web: 10.99.0.1 is the VIP itself: packets would come back for ever"},
		{"add no address", func(s *Spec) (*Spec, error) { return AddBackend(s, "web", Backend{}) },
			"add backend invalid IP to web: empty: write an IP address"},
		{"add too heavy", func(s *Spec) (*Spec, error) { return AddBackend(s, "web", Backend{Address: c, Weight: 1 << 20}) },
			"add backend fd00::13 to web: weight 1048576 is not within 0 to 65535"},
		{"add in no state", func(s *Spec) (*Spec, error) { return AddBackend(s, "web", Backend{Address: c, State: 4}) },
			"add backend fd00::13 to web: state(4) is not known"},
		{"remove", func(s *Spec) (*Spec, error) { return RemoveBackend(s, "web", a) }, "10.1.1.12 100 up"},
		{"remove none", func(s *Spec) (*Spec, error) { return RemoveBackend(s, "web", c) },
			"remove backend: vip web has no backend fd00::13"},
		{"no spec", func(*Spec) (*Spec, error) { return RemoveBackend(nil, "web", c) },
			`remove backend: vip "web": there is no spec yet`},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, before := parse(t, editable), parse(t, editable)
			after, err := row.edit(s)
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				got = webOf(after)
				if err := after.Validate(); err != nil {
					t.Error(err)
				}
				after.VIPs[1].Backends[0].Weight = 1
			}
			if got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
			if !s.Equal(before) {
				t.Errorf("the spec given was changed:\n%s", Marshal(s))
			}
			if (after == nil) != (err != nil) {
				t.Errorf("both or neither of a spec and an error")
			}
		})
	}
}

func webOf(s *Spec) string {
	var all []string
	for _, b := range s.VIP("web").Backends {
		all = append(all, fmt.Sprint(b.Address, " ", b.Weight, " ", b.State))
	}
	return strings.Join(all, ", ")
}

func TestLastBackendMayGo(t *testing.T) {
	s, err := RemoveBackend(parse(t, editable), "dns", netip.MustParseAddr("10.1.1.11"))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.VIP("dns").Backends) != 0 || s.Validate() != nil || len(s.Warnings()) != 1 {
		t.Errorf("%v %v\n%s", s.Validate(), s.Warnings(), Marshal(s))
	}
}

func TestAddBackendStopsAtTheLimit(t *testing.T) {
	s := parse(t, editable)
	for i := range MaxBackends - 3 {
		s.VIPs[1].Backends = append(s.VIPs[1].Backends, Backend{Address: netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)})})
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	_, err := AddBackend(s, "web", Backend{Address: netip.MustParseAddr("10.1.1.13")})
	if want := "add backend 10.1.1.13 to web: the spec has 32767 backends, the most there can be"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
