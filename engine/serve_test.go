package engine

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// raw is a client that says what it wants.
func raw(t *testing.T, path string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c
}

func say(t *testing.T, c net.Conn, v any) {
	t.Helper()
	f, err := frame(v)
	if err == nil {
		_, err = c.Write(f)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// heard is the next frame, or why there is none.
func heard(r io.Reader, v any) error {
	var n [4]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return err
	}
	text := make([]byte, binary.BigEndian.Uint32(n[:]))
	if _, err := io.ReadFull(r, text); err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// TestOthersLook: who may not be armed looks and plans.
func TestOthersLook(t *testing.T) {
	node, path := newFake(), socketPath(t)
	serve(t, path, node, uid(stranger))
	c := dial(t, path)
	if c.State().Node != "lb1" {
		t.Errorf("state %+v", c.State())
	}
	if p, err := c.Plan(t.Context(), exampleSpec()); err != nil || p.Revision != "abc" {
		t.Errorf("plan %+v %v", p, err)
	}
	if changes, err := c.History(t.Context()); err != nil || len(changes) != 1 {
		t.Errorf("history %+v %v", changes, err)
	}
	if calls := node.all(); !slices.Equal(calls, []string{"plan", "history"}) {
		t.Errorf("the node was asked %v", calls)
	}
}

func TestCredentials(t *testing.T) {
	path := socketPath(t)
	who := make(chan peer, 1)
	serve(t, path, newFake(), func(s *server) {
		s.peer = func(c *net.UnixConn) (peer, error) {
			p, err := credentials(c)
			select {
			case who <- p:
			default:
			}
			return p, err
		}
	})
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	want := []uint32{uint32(os.Getegid())}
	for _, g := range groups {
		want = append(want, uint32(g))
	}
	if p := <-who; p.uid != uint32(os.Getuid()) || p.pid != os.Getpid() || !slices.Equal(p.groups, want) {
		t.Errorf("%+v", p)
	}
	serve := socketPath(t)
	s := newServer(newFake())
	s.peer = func(*net.UnixConn) (peer, error) { return peer{}, errors.New("nobody knows") }
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.serve(ctx, serve) }()
	await(t, "it listens", func() bool { c, err := net.Dial("unix", serve); return err == nil && c.Close() == nil })
	if err := heard(raw(t, serve), new(hello)); err == nil {
		t.Error("one whom the kernel does not name is served")
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestStalledClient: one that does not read costs the node and the other clients nothing, and is dropped.
func TestStalledClient(t *testing.T) {
	node, path := newFake(), socketPath(t)
	node.publish(sized(100)) // more than a socket holds
	var s *server
	const patience = 3 * time.Second // a publisher that waits for the client waits for as long
	serve(t, path, node, func(x *server) { s = x; x.patience = patience })
	stalled := raw(t, path)
	say(t, stalled, hello{Protocol: protocol})
	clients := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.clients)
	}
	await(t, "it is a client", func() bool { return clients() == 1 })
	other := dial(t, path)
	for pid := 1; pid <= 20; pid++ {
		state := *node.State()
		state.PID = pid
		start := time.Now()
		node.publish(&state)
		if took := time.Since(start); took >= patience {
			t.Fatalf("publishing takes %v", took)
		}
		await(t, "the other one sees each", func() bool { return other.State().PID == pid })
	}
	await(t, "the one that does not read is dropped", func() bool { return clients() == 1 })
	if err := other.Confirm(t.Context(), "me"); err != nil {
		t.Errorf("the other one: %v", err)
	}
}

// TestLatestWins: a client that reads late gets the newest state, not all of them.
func TestLatestWins(t *testing.T) {
	node, path := newFake(), socketPath(t)
	big := *sized(100) // more than a socket holds
	node.publish(&big)
	serve(t, path, node, nil)
	late := raw(t, path)
	say(t, late, hello{Protocol: protocol})
	r := bufio.NewReader(late)
	if err := heard(r, new(hello)); err != nil {
		t.Fatal(err)
	}
	watcher := dial(t, path)
	const last = 20
	for pid := 1; pid <= last; pid++ {
		state := big
		state.PID = pid
		node.publish(&state)
		await(t, "another sees it", func() bool { return watcher.State().PID == pid })
	}
	pictures := 0
	for {
		var n news
		if err := heard(r, &n); err != nil {
			t.Fatal(err)
		}
		if n.Shown == nil {
			continue
		}
		if pictures++; n.Shown.State.PID == last {
			break
		}
	}
	if pictures > 5 {
		t.Errorf("%d of %d states were kept for one that did not read", pictures, last)
	}
}

// TestGarbage: whatever a client sends, it is dropped and the others go on.
func TestGarbage(t *testing.T) {
	node, path := newFake(), socketPath(t)
	serve(t, path, node, func(s *server) { s.patience = shortPatience })
	other := dial(t, path)
	greeting, err := frame(hello{Protocol: protocol})
	if err != nil {
		t.Fatal(err)
	}
	framed := func(text string) string {
		return string(binary.BigEndian.AppendUint32(nil, uint32(len(text)))) + text
	}
	for _, row := range []struct {
		name, text string
		answer     string // in the hello that refuses; nothing when the client had been greeted
	}{
		{"nothing at all", "", "not a hairpin client's"},
		{"another protocol's words", "GET / HTTP/1.1\r\n\r\n", "the limit is 4096"},
		{"no JSON", framed("garbage"), "cannot be read"},
		{"an empty message", framed(""), "cannot be read"},
		{"the largest length", "\xff\xff\xff\xff", "4294967295 bytes"},
		{"half a message", framed("{}")[:5], "not a hairpin client's"},
		{"an older version", framed(`{"Protocol": 0}`), "speaks protocol 2 and the caller 0"},
		{"a newer version", framed(`{"Protocol": 3, "New": [1]}`), "speaks protocol 2 and the caller 3"},
		{"garbage after the greeting", string(greeting) + framed("garbage"), ""},
		{"half a call", string(greeting) + framed(`{"Verb": "apply"}`)[:8], ""},
		{"a call that is too long", string(greeting) + "\x7f\xff\xff\xff", ""},
		{"a call of wrong types", string(greeting) + framed(`{"ID": "x"}`), ""},
	} {
		c := raw(t, path)
		if _, err := io.WriteString(c, row.text); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(c)
		var h hello
		if err := heard(r, &h); err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if row.answer == "" && h.Refused != "" || !strings.Contains(h.Refused, row.answer) {
			t.Errorf("%s: refused with %q, want %q", row.name, h.Refused, row.answer)
		}
		if _, err := io.Copy(io.Discard, r); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: not dropped", row.name)
		}
	}
	if calls := node.all(); calls != nil {
		t.Errorf("the node was asked %v", calls)
	}
	if err := other.Confirm(t.Context(), "me"); err != nil {
		t.Errorf("another client: %v", err)
	}
}

// TestOddCalls: what is well formed and makes no sense is answered.
func TestOddCalls(t *testing.T) {
	node, path := newFake(), socketPath(t)
	serve(t, path, node, nil)
	c := armed(t, path)
	for _, row := range []struct {
		call call
		is   error
		says string
	}{
		{call{Verb: "reboot"}, ErrRefused, `refused: this engine knows no "reboot"`},
		{call{Verb: verbPlan}, ErrInvalid, "invalid: parse the caller's spec: "},
		{call{Verb: verbApply, Spec: "version: 1\nvips: 3\n"}, ErrInvalid, "invalid: parse the caller's spec: line 2: vips: "},
		{call{Verb: verbApply, Spec: strings.Repeat("x", maxCall)}, ErrInvalid, "the limit is 8388608"},
	} {
		_, err := c.ask(t.Context(), row.call)
		if !errors.Is(err, row.is) || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v, want %s", row.call.Verb, err, row.says)
		}
	}
	if calls := node.all(); calls != nil {
		t.Errorf("the node was asked %v", calls)
	}
}

// TestCrowd: there is a bound, and users other than root cannot fill it.
func TestCrowd(t *testing.T) {
	path := socketPath(t)
	var s *server
	var now uint32
	serve(t, path, newFake(), func(x *server) {
		s = x
		x.peer = func(*net.UnixConn) (peer, error) {
			x.mu.Lock()
			defer x.mu.Unlock()
			return peer{uid: now}, nil
		}
	})
	come := func() string {
		c := raw(t, path)
		say(t, c, hello{Protocol: protocol})
		var h hello
		if err := heard(c, &h); err != nil {
			t.Fatal(err)
		}
		return h.Refused
	}
	as := func(uid uint32) {
		s.mu.Lock()
		defer s.mu.Unlock()
		now = uid
	}
	as(stranger)
	for i := range maxClients / 2 {
		if why := come(); why != "" {
			t.Fatalf("number %d: %s", i+1, why)
		}
	}
	if why, want := come(), fmt.Sprintf("%d others look at this node already", maxClients/2); !strings.HasPrefix(why, want) {
		t.Errorf("one more: %q", why)
	}
	as(0)
	for i := range maxClients / 2 {
		if why := come(); why != "" {
			t.Fatalf("root's number %d: %s", i+1, why)
		}
	}
	if come() == "" {
		t.Error("there is no bound for root")
	}
}

// TestGivenUpPlan: nobody computes for one who left.
func TestGivenUpPlan(t *testing.T) {
	node, path := newFake(), socketPath(t)
	begun, ended := make(chan struct{}), make(chan struct{})
	node.plan = blockedPlan(begun, ended)
	serve(t, path, node, nil)
	c := dial(t, path)
	go func() { _, _ = c.Plan(context.Background(), exampleSpec()) }()
	<-begun
	c.Close()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("it goes on")
	}
}
