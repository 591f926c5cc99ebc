package agents

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// within waits for a condition.
func within(t *testing.T, what string, so func() bool) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("never %s", what)
		}
	}
}

func listen(t *testing.T, at string) *Listener {
	t.Helper()
	l, err := Listen(netip.MustParseAddrPort(at), key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// TestReportsTravel: a report comes to every load balancer that listens; who does not is named, and hears again when it does.
func TestReportsTravel(t *testing.T) {
	one, gone := listen(t, "127.0.0.1:0"), listen(t, "[::1]:0")
	at := gone.Address()
	gone.Close()
	s := NewSender(key, []netip.AddrPort{one.Address(), at, netip.MustParseAddrPort("[fe80::1]:1")})
	defer s.Close()
	r := sample(100)
	sent := 0
	send := func() {
		sent++
		r.Seq++
		if err := s.Send(r, noon); err != nil {
			t.Fatal(err)
		}
	}
	within(t, "refused", func() bool { send(); return strings.Contains(s.Targets()[1].Why, "nobody listens at [::1]:") })
	if all := s.Targets(); all[0].Why != "" || all[0].Sent != uint64(sent) || all[0].Last != noon || all[2].Why == "" || all[2].Sent != 0 {
		t.Errorf("targets: %+v", all)
	}
	heard := map[uint8]Heard{}
	for h := range one.Parts() {
		heard[h.Index] = h
		if len(heard) == int(h.Parts) {
			break
		}
	}
	if h := heard[0]; h.Node != r.Node || h.To != 3 || !h.From.Addr().IsLoopback() || len(h.Counts) == 0 {
		t.Errorf("heard %+v", h)
	}
	again := listen(t, at.String())
	within(t, "heard again", func() bool {
		send()
		select {
		case <-again.Parts():
			return s.Targets()[1].Why == ""
		default:
			return false
		}
	})
}

// TestListenerRefuses: what is not signed goes no further, is counted, and stops nothing; nor does a reader who does not read.
func TestListenerRefuses(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	conn, err := net.Dial("udp", l.Address().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	good := sign(t, sample(1))[0]
	garbage := Part{sample(1), 3, 1}
	write := func(b []byte) {
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range [][]byte{{}, []byte("hello"), good[1:], append(good, make([]byte, 2000)...)} {
		write(b)
	}
	write(resign(garbage))
	write(good)
	if h := <-l.Parts(); h.Node != "backend1" {
		t.Errorf("heard %+v", h)
	}
	if forged, malformed, lost := l.Refused(); forged != 4 || malformed != 1 || lost != 0 {
		t.Errorf("%d forged, %d malformed, %d lost", forged, malformed, lost)
	}
	within(t, "lost", func() bool {
		write(good)
		_, _, lost := l.Refused()
		return lost > 0
	})
	l.Close()
	for range l.Parts() {
	}
	if _, err := Listen(netip.MustParseAddrPort("198.18.0.1:1"), key); err == nil || !strings.Contains(err.Error(), "listen for agents on 198.18.0.1:1: ") {
		t.Errorf("an address of another host: %v", err)
	}
}
