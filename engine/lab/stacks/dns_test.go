package stacks

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"hairpin/engine/lab"
)

const dnsPort = 53

// serveDNS answers every question on a backend with the backend's name, from a VIP.
func (n *network) serveDNS(t *testing.T, backend string, vip netip.Addr) {
	t.Helper()
	var conn *net.UDPConn
	if err := n.Do(backend, func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(vip, dnsPort)))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		for b := make([]byte, 1500); ; {
			k, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if answer, err := answerTXT(b[:k], backend); err == nil {
				_, _ = conn.WriteToUDPAddrPort(answer, from) // who asks again is answered again
			}
		}
	}()
}

func answerTXT(question []byte, text string) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) != 1 {
		return nil, fmt.Errorf("%d questions: %w", len(m.Questions), err)
	}
	q := m.Questions[0]
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}, Body: &dnsmessage.TXTResource{TXT: []string{text}}}}
	return m.Pack()
}

// TestDNS: a resolver of Go's asks through both families; each question is a flow of its own, and all backends have some.
func TestDNS(t *testing.T) {
	n, ctx := begin(t)
	for _, vip := range []netip.Addr{lab.VIP4, lab.VIP6} {
		for i := 1; i <= backends; i++ {
			n.serveDNS(t, lab.Backend(i), vip)
		}
		resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return n.DialContext(ctx, lab.Client, "udp", netip.AddrPortFrom(vip, dnsPort).String())
		}}
		seen := map[string]int{}
		for i := range 60 {
			texts, err := resolver.LookupTXT(ctx, fmt.Sprintf("q%d.hairpin.test.", i))
			if err != nil {
				t.Fatalf("%s: %v", vip, err)
			}
			seen[strings.Join(texts, " ")]++
		}
		if len(seen) != backends {
			t.Errorf("%s: answers are of %v, not of %d backends", vip, seen, backends)
		}
	}
}
