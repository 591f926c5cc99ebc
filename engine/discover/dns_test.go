package discover

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"hairpin/engine/spec"
)

// server answers DNS over UDP on loopback from what it is told. A name that it does not know does not exist; one of which it
// knows "fail" cannot be answered.
type server struct {
	net.PacketConn
	lock  sync.Mutex
	zone  map[string][]string // "A name." → addresses; "SRV name." → "priority weight port target."
	asked []string
	sends func(dnsmessage.Message) []dnsmessage.Message // datagrams in place of an answer; nil: the answer
}

func serveDNS(t *testing.T) (*server, netip.AddrPort) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveAt(t, &server{PacketConn: c})
}

func serveAt(t *testing.T, s *server) (*server, netip.AddrPort) {
	s.zone = map[string][]string{}
	t.Cleanup(func() { s.Close() })
	go s.run()
	return s, netip.MustParseAddrPort(s.LocalAddr().String())
}

func (s *server) set(key string, values ...string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.zone[key] = values
}

func (s *server) run() {
	buf := make([]byte, 1500)
	for {
		n, from, err := s.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		s.answer(&m)
		all := []dnsmessage.Message{m}
		if s.sends != nil {
			all = s.sends(m)
		}
		for _, m := range all {
			if reply, err := m.Pack(); err == nil {
				_, _ = s.WriteTo(reply, from)
			}
		}
	}
}

func (s *server) answer(m *dnsmessage.Message) {
	s.lock.Lock()
	defer s.lock.Unlock()
	m.Additionals, m.Response, m.RecursionAvailable = nil, true, true
	q := m.Questions[0]
	name := q.Name.String()
	key := strings.TrimPrefix(q.Type.String(), "Type") + " " + name
	s.asked = append(s.asked, key)
	values, known := s.zone[key]
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}
	for _, v := range values {
		r := dnsmessage.Resource{Header: head}
		switch a, _ := netip.ParseAddr(v); {
		case v == "fail":
			m.RCode = dnsmessage.RCodeServerFailure
			return
		case q.Type == dnsmessage.TypeA:
			r.Body = &dnsmessage.AResource{A: a.As4()}
		case q.Type == dnsmessage.TypeAAAA:
			r.Body = &dnsmessage.AAAAResource{AAAA: a.As16()}
		default:
			r.Body = service(v)
		}
		m.Answers = append(m.Answers, r)
	}
}

func service(text string) *dnsmessage.SRVResource {
	f := strings.Fields(text)
	number := func(s string) (n uint16) {
		for _, c := range s {
			n = n*10 + uint16(c-'0')
		}
		return n
	}
	return &dnsmessage.SRVResource{Priority: number(f[0]), Weight: number(f[1]), Port: number(f[2]), Target: dnsmessage.MustNewName(f[3])}
}

func here() error { return nil } // every thread of a test is in the right network namespace

func TestDNS(t *testing.T) {
	s, at := serveDNS(t)
	s.set("A web.test.", "10.0.0.1", "10.0.0.2")
	s.set("AAAA web.test.", "fd00::1")
	s.set("A none.test.")
	s.set("A fail.test.", "fail")
	s.set("SRV _http._tcp.test.", "10 5 80 web.test.", "10 0 80 other.test.", "10 9 81 wrong.test.", "20 1 80 spare.test.")
	s.set("A other.test.", "10.0.0.3")
	s.set("A spare.test.", "10.0.0.9")
	s.set("SRV _zero._tcp.test.", "1 0 80 web.test.")
	s.set("SRV _part._tcp.test.", "1 1 80 web.test.", "1 1 80 fail.test.")
	s.set("SRV _gone._tcp.test.", "0 0 0 .")
	s.set("SRV _lost._tcp.test.", "1 1 80 lost.test.")
	for _, row := range []struct {
		name    string
		records spec.Records
		family  spec.Family
		want    string // addresses and weights
		left    string
		fails   bool
	}{
		{"web.test", spec.Addresses, spec.IPv4, "10.0.0.1 0 10.0.0.2 0", "", false},
		{"web.test.", spec.Addresses, spec.IPv6, "fd00::1 0", "", false},
		{"none.test", spec.Addresses, spec.IPv4, "", "", false},
		{"unknown.test", spec.Addresses, spec.IPv4, "", "", false},
		{"fail.test", spec.Addresses, spec.IPv4, "", "", true},
		{"_http._tcp.test", spec.Services, spec.IPv4, "10.0.0.1 5 10.0.0.2 5 10.0.0.3 1", "wrong.test is on port 81", false},
		{"_zero._tcp.test", spec.Services, spec.IPv4, "10.0.0.1 0 10.0.0.2 0", "", false},
		{"_part._tcp.test", spec.Services, spec.IPv4, "", "", true},
		{"_gone._tcp.test", spec.Services, spec.IPv4, "", "", false},
		{"_lost._tcp.test", spec.Services, spec.IPv4, "", "lost.test has no address of ipv4", false},
		{"_none._tcp.test", spec.Services, spec.IPv4, "", "", false},
	} {
		f := spec.From{DNS: row.name, Records: row.records, Family: row.family, Server: at}
		a := newDNS(f, (&spec.VIP{Port: 80}).Serves, dialer(here)).look(t.Context())
		var got []string
		for _, e := range tidy(a.Endpoints) {
			got = append(got, e.Address.String(), string(rune('0'+e.Weight)))
		}
		if text := strings.Join(got, " "); text != row.want || (a.Err != nil) != row.fails || !strings.Contains(a.Left, row.left) || row.left == "" && a.Left != "" {
			t.Errorf("%s: %q, left %q, %v", row.name, text, a.Left, a.Err)
		}
	}
	for _, q := range s.asked {
		if !strings.HasSuffix(q, "test.") {
			t.Errorf("a search domain was tried: %s", q)
		}
	}
}

// TestSilentDNS: a server that is not there is an error, never an empty list.
func TestSilentDNS(t *testing.T) {
	s, at := serveDNS(t)
	s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	f := spec.From{DNS: "web.test", Family: spec.IPv4, Server: at}
	if a := newDNS(f, nil, dialer(here)).look(ctx); a.Err == nil {
		t.Errorf("answered %v", a)
	}
}

// TestPoll: a source is not asked more often than it should be, and sooner again when it did not answer.
func TestPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer stop()
		looks, fails := 0, false
		look := func(context.Context) (a Answer) {
			looks++
			if fails {
				a.Err = context.DeadlineExceeded
			}
			return a
		}
		go poll(ctx, time.Minute, look, func(Answer) {})
		time.Sleep(10*time.Minute - time.Second)
		if synctest.Wait(); looks < 9 || looks > 10 {
			t.Errorf("%d looks in 10 minutes", looks)
		}
		fails = true
		time.Sleep(2 * time.Minute) // by then it has failed once
		looks = 0
		time.Sleep(time.Minute)
		if synctest.Wait(); looks < 11 || looks > 13 {
			t.Errorf("%d looks in a minute of failures", looks)
		}
	})
}
