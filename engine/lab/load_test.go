package lab

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// backendTargets are all backends' own addresses, in both families.
func backendTargets(l *Lab, port uint16) []netip.AddrPort {
	var all []netip.AddrPort
	for i := 1; i <= l.Backends(); i++ {
		for _, a := range l.Addresses(Backend(i)) {
			all = append(all, netip.AddrPortFrom(a, port))
		}
	}
	return all
}

func TestLoadThroughLab(t *testing.T) {
	l := testUp(t, 4)
	r, err := l.Load(testContext(t), LoadConfig{
		For: 2 * time.Minute, Timeout: 30 * time.Second, // the machine may be busy for some
		Web: backendTargets(l, HTTPPort), New: 5000, Count: 15_000, Kept: 64, Pace: 50 * time.Millisecond,
		Echo: backendTargets(l, EchoPort), Datagrams: 500,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.0f new connections/s, latency %+v, skipped %d", float64(r.New.Answered)/r.Took.Seconds(), r.New.Latency, r.Skipped)
	if r.New.Asked != 15_000 {
		t.Errorf("%d new connections, not 15000", r.New.Asked)
	}
	for what, tally := range map[string]Tally{"new": r.New, "kept": r.Kept, "echo": r.Echo} {
		if tally.Failed != 0 || tally.Moved != 0 || tally.Asked != tally.Answered || tally.Answered == 0 {
			t.Errorf("%s: %+v", what, tally)
		}
		for i := 1; i <= l.Backends(); i++ {
			if tally.Answers[Backend(i)] == 0 {
				t.Errorf("%s: %s never answered: %v", what, Backend(i), tally.Answers)
			}
		}
	}
	if r.Reset != 0 || r.Failed() != 0 {
		t.Errorf("%d resets, %d failures", r.Reset, r.Failed())
	}
}

// listen is a TCP server on loopback; every connection is served by serve, then closed with a reset.
func listen(t *testing.T, serve func(net.Conn)) []netip.AddrPort {
	t.Helper()
	on, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { on.Close() })
	go func() {
		for {
			conn, err := on.Accept()
			if err != nil {
				return
			}
			go func() {
				serve(conn)
				conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
			}()
		}
	}()
	return []netip.AddrPort{on.Addr().(*net.TCPAddr).AddrPort()}
}

// answers replies to n requests on a connection, by the names in turn.
func answers(conn net.Conn, n int, names ...string) {
	question := make([]byte, 1024)
	for i := range n {
		if _, err := conn.Read(question); err != nil {
			return
		}
		name := names[i%len(names)]
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nX-Backend: %s\r\nContent-Length: %d\r\n\r\n%s", name, len(name), name)
	}
}

// here runs a load on loopback, outside any lab, for as long as ctx and the load's own bounds allow.
func here(t *testing.T, ctx context.Context, c LoadConfig) LoadResult {
	t.Helper()
	c.For = cmp.Or(c.For, time.Minute)
	r, err := c.run(ctx, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLoadSeesKeptMove(t *testing.T) {
	ctx, enough := context.WithCancel(testContext(t))
	web := listen(t, func(c net.Conn) {
		for range 100 {
			answers(c, 9, "a", "a", "b")
			enough()
		}
	})
	r := here(t, ctx, LoadConfig{Web: web, Kept: 1, Pace: 5 * time.Millisecond})
	if r.Kept.Moved == 0 || r.Kept.Answers["b"] == 0 || r.Failed() != 0 || r.Reset != 0 {
		t.Errorf("%+v", r)
	}
}

func TestLoadSeesKeptReset(t *testing.T) {
	ctx, enough := context.WithCancel(testContext(t))
	var connections atomic.Int32
	web := listen(t, func(c net.Conn) {
		if connections.Add(1) > 6 { // so four have been reset
			enough()
		}
		answers(c, 2, "a")
	})
	r := here(t, ctx, LoadConfig{Web: web, Kept: 2, Pace: 5 * time.Millisecond})
	if r.Reset < 2 || r.Kept.Failed != r.Reset || r.Kept.Moved != 0 {
		t.Errorf("%+v", r)
	}
	if r.Kept.Asked != r.Kept.Answered+r.Kept.Failed || r.Kept.Answered < 4 {
		t.Errorf("it did not go on: %+v", r.Kept)
	}
}

func TestLoadSeesFailures(t *testing.T) {
	say := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			c.Read(make([]byte, 1024))
			fmt.Fprint(c, text)
			c.Read(make([]byte, 1)) // until the client goes
		}
	}
	nobody := listen(t, func(net.Conn) {})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, row := range []struct {
		what string
		web  []netip.AddrPort
		want string
	}{
		{"silence", listen(t, say("")), "no answer in 100ms"},
		{"half an answer", listen(t, say("HTTP/1.1 200 OK\r\nX-Backend: a\r\n")), "no answer in 100ms"},
		{"an error", listen(t, say("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")), `answered "HTTP/1.1 503 No"`},
		{"no name", listen(t, say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")), "without X-Backend"},
		{"too much", listen(t, say("HTTP/1.1 200 OK\r\n"+strings.Repeat("A: b\r\n", 300))), "longer than 1024 bytes"},
		{"a reset", nobody, "connection reset"},
		{"a closed port", []netip.AddrPort{closed.Addr().(*net.TCPAddr).AddrPort()}, "connection refused"},
	} {
		t.Run(row.what, func(t *testing.T) {
			r := here(t, testContext(t), LoadConfig{Web: row.web, New: 500, Count: 20, Timeout: 100 * time.Millisecond})
			if r.New.Failed != 20 || r.New.Answered != 0 {
				t.Errorf("%+v", r.New)
			}
			if !slices.ContainsFunc(r.New.Errors, func(e string) bool { return strings.Contains(e, row.want) }) {
				t.Errorf("errors %q do not say %q", r.New.Errors, row.want)
			}
		})
	}
}

func TestLoadSeesLostDatagrams(t *testing.T) {
	t.Parallel()
	ctx, enough := context.WithCancel(testContext(t))
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() { // every third datagram is lost, every answer comes twice
		question := make([]byte, 100)
		for i := 0; ; i++ {
			n, from, err := conn.ReadFromUDPAddrPort(question)
			if err != nil {
				return
			}
			if i == 200 {
				enough()
			}
			for range 2 * min(i%3, 1) {
				conn.WriteToUDPAddrPort(append([]byte("a\n"), question[:n]...), from)
			}
		}
	}()
	echo := []netip.AddrPort{conn.LocalAddr().(*net.UDPAddr).AddrPort()}
	r := here(t, ctx, LoadConfig{Echo: echo, Datagrams: 200, Flows: 3, Timeout: 5 * time.Second}).Echo // no stall is as long
	if r.Asked != r.Answered+r.Failed || r.Answers["a"] != r.Answered || len(r.Errors) != 1 {
		t.Errorf("%+v", r)
	}
	if third := r.Asked / 3; r.Failed < third || r.Failed > third+1 {
		t.Errorf("%d of %d failed, not a third", r.Failed, r.Asked)
	}
}

func TestLoadBounds(t *testing.T) {
	web := listen(t, func(c net.Conn) { answers(c, 1, "a") })
	if r := here(t, testContext(t), LoadConfig{Web: web, New: 10_000, Count: 37}); r.New.Asked != 37 || r.Took >= time.Minute {
		t.Errorf("count: %+v", r)
	}
	if r := here(t, testContext(t), LoadConfig{Web: web, New: 100, For: time.Second}); r.New.Asked > 101 || r.New.Asked < 1 {
		t.Errorf("time and rate: %+v", r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	r, err := LoadConfig{Web: web, New: 100, For: time.Minute}.run(ctx, func() error { return nil })
	if err != nil || r.Took >= time.Minute || r.New.Failed != 0 {
		t.Errorf("cancelled: %+v, %v", r, err)
	}
	for _, c := range []LoadConfig{
		{}, {For: 2 * time.Hour}, {For: 1, New: -1}, {For: 1, New: MaxRate + 1}, {For: 1, Kept: MaxKept + 1},
		{For: 1, Datagrams: MaxRate + 1}, {For: 1, Flows: MaxFlows + 1}, {For: 1, Timeout: -1},
	} {
		if _, err := c.run(context.Background(), func() error { return nil }); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
}
