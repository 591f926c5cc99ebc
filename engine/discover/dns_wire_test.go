package discover

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"hairpin/engine/spec"
)

// listenBoth listens by UDP and TCP on one port.
func listenBoth(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	var err error
	for range 50 { // somebody may have the port that was given by the one in the other
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		var c net.PacketConn
		if c, err = net.ListenPacket("udp", l.Addr().String()); err == nil {
			t.Cleanup(func() { l.Close() })
			return c, l
		}
		l.Close()
	}
	t.Fatal(err)
	return nil, nil
}

// streams answers over TCP, where each message has its length before it (RFC 1035, 4.2.2).
func (s *server) streams(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if text, err := s.whole(c); err == nil {
			_, _ = c.Write(text)
		}
		c.Close()
	}
}

func (s *server) whole(c net.Conn) ([]byte, error) {
	var m dnsmessage.Message
	length := make([]byte, 2)
	_, err := io.ReadFull(c, length)
	if err != nil {
		return nil, err
	}
	text := make([]byte, binary.BigEndian.Uint16(length))
	if _, err = io.ReadFull(c, text); err == nil {
		err = m.Unpack(text)
	}
	if err != nil {
		return nil, err
	}
	s.answer(&m)
	if text, err = m.Pack(); err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...), nil
}

// TestDNSOnTheWire: an answer that is cut short is asked for again over TCP and never taken for all, one to something else is nobody's, and
// a server that fails says nothing of backends.
func TestDNSOnTheWire(t *testing.T) {
	c, l := listenBoth(t)
	s := &server{PacketConn: c}
	const many = 200
	s.sends = func(m dnsmessage.Message) []dnsmessage.Message {
		switch m.Questions[0].Name.String() {
		case "large.test.":
			m.Answers, m.Truncated = m.Answers[:1], true
		case "lied.test.":
			return append(lies(m), m)
		}
		return []dnsmessage.Message{m}
	}
	_, at := serveAt(t, s)
	go s.streams(l)
	var all []string
	for i := range many {
		all = append(all, fmt.Sprintf("10.0.%d.%d", i/100, 1+i%100))
	}
	slices.Sort(all)
	s.set("A large.test.", all...)
	s.set("A lied.test.", "10.0.0.1")
	s.set("A fail.test.", "fail")
	look := func(name string) (found []string, err error) {
		a := newDNS(spec.From{DNS: name, Family: spec.IPv4, Server: at}, nil, dialer(here)).look(t.Context())
		for _, e := range a.Endpoints {
			found = append(found, e.Address.String())
		}
		slices.Sort(found)
		return found, a.Err
	}
	if got, err := look("large.test"); err != nil || !slices.Equal(got, all) {
		t.Errorf("cut short: %d of %d, %v", len(got), many, err)
	}
	if got, err := look("lied.test"); err != nil || !slices.Equal(got, []string{"10.0.0.1"}) {
		t.Errorf("among lies: %s, %v", got, err)
	}
	if got, err := look("fail.test"); err == nil {
		t.Errorf("a server that fails: %s", got)
	}
	l.Close()
	if got, err := look("large.test"); err == nil {
		t.Errorf("cut short, and nothing over TCP: %s", got)
	}
}

// lies are answers to something else than was asked.
func lies(m dnsmessage.Message) []dnsmessage.Message {
	lie := m.Answers[0]
	lie.Body = &dnsmessage.AResource{A: [4]byte{192, 0, 2, 66}}
	m.Answers = []dnsmessage.Resource{lie}
	id, question, kind := m, m, m
	id.ID++
	question.Questions = slices.Clone(m.Questions)
	question.Questions[0].Name = dnsmessage.MustNewName("other.test.")
	kind.Questions = slices.Clone(m.Questions)
	kind.Questions[0].Type = dnsmessage.TypeAAAA
	return []dnsmessage.Message{id, question, kind}
}
