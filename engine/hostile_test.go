package engine

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hairpin/engine/arms"
	"hairpin/engine/spec"
)

// TestRefusedByDefault: of all verbs there are, and will be, only those in the lists here reach the node from one who is
// not armed.
func TestRefusedByDefault(t *testing.T) {
	looks := []string{"Plan", "WatchCosts", "History", "Past", "At", "Timeline", "Trace", "Connections"}
	for _, row := range []struct {
		name   string
		change func(*server)
		may    []string // call what reaches the node
	}{
		{"a stranger", uid(stranger), looks},
		{"one who is not armed", nil, append([]string{"Confirm", "Capture", "Captured", "EndCapture"}, looks...)},
	} {
		node, path := newFake(), socketPath(t)
		serve(t, path, node, row.change)
		c := dial(t, path)
		verbs := reflect.TypeFor[Verbs]()
		for i := range verbs.NumMethod() {
			method := verbs.Method(i).Name
			if method == "Arm" || method == "Disarm" {
				continue // nothing of them reaches a node
			}
			before := len(node.all())
			err := callZero(t, c, method)
			reached := len(node.all()) > before
			if may := slices.Contains(row.may, method); reached != may || errors.Is(err, ErrRefused) == may {
				t.Errorf("%s calls %s: %v; the node was asked %v", row.name, method, err, node.all()[before:])
			}
		}
	}
}

// callZero calls a method of c with a context and else nothing.
func callZero(t *testing.T, c *client, method string) error {
	t.Helper()
	f := reflect.ValueOf(c).MethodByName(method)
	in := []reflect.Value{reflect.ValueOf(t.Context())}
	for i := 1; i < f.Type().NumIn(); i++ {
		value := reflect.New(f.Type().In(i)).Elem()
		if value.Type() == reflect.TypeFor[*spec.Spec]() {
			value.Set(reflect.ValueOf(exampleSpec()))
		}
		in = append(in, value)
	}
	out := f.Call(in)
	err, _ := out[len(out)-1].Interface().(error)
	return err
}

// forged is a client of the real engine that says what it wants, and hears what comes of it.
type forged struct {
	net.Conn
	heard *bufio.Reader
	last  uint64
	spec  string // that it was shown, and the rest
	shown *State
}

// forge connects to a server of o under another user's number.
func forge(t *testing.T, path string) *forged {
	t.Helper()
	c := raw(t, path)
	f := &forged{Conn: c, heard: bufio.NewReaderSize(c, 1<<20)}
	say(t, c, hello{Protocol: protocol})
	var h hello
	if err := heard(f.heard, &h); err != nil || h.Refused != "" {
		t.Fatal(err, h.Refused)
	}
	return f
}

// call is what the engine answers to k.
func (f *forged) call(t *testing.T, k call) error {
	t.Helper()
	return f.ask(t, k).Fault.err()
}

// ask is call with all of the answer.
func (f *forged) ask(t *testing.T, k call) *answer {
	t.Helper()
	f.last++
	k.ID = f.last
	say(t, f, k)
	for {
		var n news
		if err := heard(f.heard, &n); err != nil {
			t.Fatal(err)
		}
		if n.Answer != nil && n.Answer.ID == k.ID {
			return n.Answer
		}
	}
}

// aside serves o at a second socket, as a test wants it.
func aside(t *testing.T, o *owner, change func(*server)) string {
	t.Helper()
	path := socketPath(t)
	serve(t, path, o, change)
	return path
}

// TestForgedCommands: whatever is said over the socket by those who are not armed, or for another time, the node stays as it
// is, and the journal says who tried.
func TestForgedCommands(t *testing.T) {
	p := privateNode(t)
	o := running(t, p)
	first := parse(t, lbSpec)
	mustApply(t, o, first, 0)
	old := o.State().Revision
	second := setWeight(t, first, "10.1.0.11", 7)
	mustApply(t, o, second, 0)
	if err := o.Disarm(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, links, pinned := *o.State(), xdpOf(t, "eth0"), pins(t, p)

	strangers := forge(t, aside(t, o, uid(stranger)))
	members := aside(t, o, func(s *server) {
		s.group = groupOf(4711, true)
		s.peer = func(*net.UnixConn) (peer, error) {
			return peer{pid: 1, uid: stranger + 1, groups: []uint32{100, 4711}}, nil
		}
	})
	member, another := forge(t, members), forge(t, p.Socket())
	change := call{Verb: verbApply, Spec: string(spec.Marshal(first))}
	replayed := change
	replayed.Revision = old
	step := func(what string, who *forged, k call, is error, says string) {
		t.Helper()
		if err := who.call(t, k); !errors.Is(err, is) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %v: %s", what, err, is, says)
		}
	}
	const barred = "only root and the group hairpin may, this is uid 54321 (uid 54321)"
	step("a stranger's change", strangers, change, ErrRefused, "refused: apply: "+barred)
	step("a stranger's confirmation", strangers, call{Verb: verbConfirm}, ErrRefused, "refused: confirm: "+barred)
	step("a stranger's arming", strangers, call{Verb: verbArm, Why: "please"}, ErrRefused, "refused: arm: "+barred)
	step("a member's change without arms", member, change, ErrRefused, "nobody is armed")
	step("a word that is no verb", member, call{Verb: verb("re\x1bboot" + strings.Repeat("x", 1000))}, ErrRefused, "refused: re bootxxxxxxxxxxxx…: nobody is armed")
	step("arming without a reason", member, call{Verb: verbArm}, ErrInvalid, "a reason is needed")
	if err := member.call(t, call{Verb: verbArm, Why: "INC-4412"}); err != nil {
		t.Fatalf("a member arms: %v", err)
	}
	step("a member's own program as the engine", member, call{Verb: verbHandoff, Binary: "/bin/false"}, ErrRefused, "others hand over to the one that is installed")
	const taken = "uid 54322 is armed from "
	step("root's arming while another is armed", another, call{Verb: verbArm, Why: "INC-1"}, ErrRefused, taken)
	step("root's change while another is armed", another, change, ErrRefused, taken)
	step("root's removal of everything while another is armed", another, call{Verb: verbDetach}, ErrRefused, "INC-4412; ask them to disarm, or wait")
	step("root's disarming of another", another, call{Verb: verbDisarm}, ErrRefused, taken)
	step("a change made for an earlier spec", member, replayed, ErrStale, "the running spec changed meanwhile")
	step("a confirmation of what is confirmed", another, call{Verb: verbPast, Number: 99}, ErrInvalid, "no such change")

	state := until(t, o, "the journal has it", func(s *State) bool {
		return entries(s, "apply: the running spec changed meanwhile") == 1
	})
	for what, n := range map[string]int{"refused: apply: only": 1, "refused: confirm: only": 1, "refused: arm: only": 1, "refused: apply: nobody": 1,
		"refused: re bootx": 1, "armed from": 1 + 4, "refused: detach: uid 54322 is armed": 1} {
		if got := entries(state, what); got != n && what != "armed from" || got == 0 {
			t.Errorf("the journal has %d entries %q", got, what)
		}
	}
	if state.Generation != before.Generation || state.Revision != before.Revision || !state.Spec.Equal(second) || xdpOf(t, "eth0") != links ||
		!reflect.DeepEqual(pins(t, p), pinned) {
		t.Errorf("the node was %+v %s, is %+v %s", before.Generation, before.Revision, state.Generation, state.Revision)
	}
	if a := state.Armed; a == nil || a.Who != "uid 54322" || a.Why != "INC-4412" || a.Own {
		t.Errorf("armed: %+v", a)
	}

	change.Revision = state.Revision
	if err := member.call(t, change); err != nil {
		t.Errorf("the armed member's own change: %v", err)
	}
	if changes, err := o.History(t.Context()); err != nil || changes[len(changes)-1].Who != "uid 54322" {
		t.Errorf("history: %v %v", changes, err)
	}
	member.Close()
	until(t, o, "who hangs up is disarmed", func(s *State) bool { return s.Armed == nil && entries(s, "disarmed: the connection from") == 1 })
	if err := another.call(t, call{Verb: verbArm, Why: "INC-1"}); err != nil {
		t.Errorf("root, now: %v", err)
	}
}

// TestConfirmNeedsNoArms: whoever sits there may keep a change when the armed one has lost his connection, or holds it.
func TestConfirmNeedsNoArms(t *testing.T) {
	p := privateNode(t)
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), time.Minute)
	if err := forge(t, p.Socket()).call(t, call{Verb: verbConfirm}); err != nil {
		t.Errorf("while another is armed: %v", err)
	}
	if g := o.State().Generation; !g.Deadline.IsZero() || g.Confirmed != g.Active {
		t.Errorf("%+v", g)
	}
}

// TestTwoConsolesArm: of consoles that arm at the same moment exactly one is armed, and all of them see which.
func TestTwoConsolesArm(t *testing.T) {
	o := running(t, privateNode(t))
	if err := o.Disarm(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "it listens", func() bool {
		c, err := net.Dial("unix", o.options.Paths.Socket())
		return err == nil && c.Close() == nil
	})
	consoles := []Node{o, dial(t, o.options.Paths.Socket()), dial(t, o.options.Paths.Socket()), dial(t, o.options.Paths.Socket())}
	rounds := 40
	if soak() {
		rounds = 2000
	}
	for round := range rounds {
		var wins atomic.Int32
		var winner Node
		var all sync.WaitGroup
		for _, n := range consoles {
			all.Go(func() {
				err := n.Arm(context.Background(), ArmRequest{Why: fmt.Sprint("INC-", round)})
				switch {
				case err == nil:
					wins.Add(1)
					winner = n // the race detector sees a second one
				case !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "is armed from"):
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		all.Wait()
		if wins.Load() != 1 {
			t.Fatalf("round %d: %d are armed", round, wins.Load())
		}
		for i, n := range consoles {
			await(t, "each sees who is armed", func() bool {
				a := n.State().Armed
				return a != nil && a.Why == fmt.Sprint("INC-", round) && a.Own == (n == winner)
			})
			if n == winner {
				continue
			}
			if err := n.Detach(context.Background(), "other"); !errors.Is(err, ErrRefused) {
				t.Fatalf("round %d: console %d detached: %v", round, i, err)
			}
		}
		if err := winner.Disarm(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// counted counts the plans that a host is asked for, and how many of them at a time.
type counted struct {
	*owner
	begun, atOnce, most atomic.Int64
}

func (c *counted) as(p arms.Party) Verbs { return countedSeat{c.owner.as(p), c} }

type countedSeat struct {
	Verbs
	all *counted
}

func (c countedSeat) Plan(ctx context.Context, s *spec.Spec) (*Plan, error) {
	c.all.begun.Add(1)
	now := c.all.atOnce.Add(1)
	defer c.all.atOnce.Add(-1)
	for most := c.all.most.Load(); now > most && !c.all.most.CompareAndSwap(most, now); most = c.all.most.Load() {
	}
	return c.Verbs.Plan(ctx, s)
}

// TestHostileCrowd: clients that do not read, that send without end, and that ask without pause keep the loop from nobody.
// The clients that stall are given an hour: whoever waited for one of them would not come to an end.
func TestHostileCrowd(t *testing.T) {
	o := running(t, privateNode(t))
	s := parse(t, lbSpec)
	mustApply(t, o, s, 0)
	node, path := &counted{owner: o}, socketPath(t)
	serve(t, path, node, func(s *server) {
		uid(stranger)(s)
		s.patience = time.Hour
	})
	const crowd = 8
	ask := call{Verb: verbPlan, Spec: string(spec.Marshal(s))}
	for range crowd {
		forge(t, path) // does not read, and says nothing
		half := raw(t, path)
		if _, err := half.Write([]byte{0, 0}); err != nil {
			t.Fatal(err)
		}
		flood(t, path, ask)
		flood(t, path, call{Verb: verbApply, Spec: "x"})
	}
	await(t, "the crowd is at work", func() bool { return node.begun.Load() > crowd })
	for range 50 {
		if _, err := o.Plan(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if most := node.most.Load(); most > 1 {
		t.Errorf("%d of the crowd stood in front of the loop at a time", most)
	}
	mustApply(t, o, setWeight(t, s, "10.1.0.11", 9), 0)
	if n := len(o.State().Events); n > 60 {
		t.Errorf("%d entries in the journal: %+v", n, o.State().Events)
	}
}

// flood sends k without end and reads what comes, until the test ends.
func flood(t *testing.T, path string, k call) {
	t.Helper()
	c := forge(t, path)
	f, err := frame(k)
	if err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	both.Go(func() {
		for {
			if _, err := c.Write(f); err != nil {
				return
			}
		}
	})
	both.Go(func() { _, _ = io.Copy(io.Discard, c.heard) })
	t.Cleanup(func() { c.Close(); both.Wait() })
}

// TestAnswersNotRead: one who asks and does not read what he is answered is asked no more of, and then dropped.
func TestAnswersNotRead(t *testing.T) {
	node, path := newFake(), socketPath(t)
	node.plan = func(context.Context, *spec.Spec) (*Plan, error) {
		return &Plan{Revision: strings.Repeat("x", 4<<20)}, nil // more than a socket holds
	}
	var s *server
	serve(t, path, node, func(x *server) { s = x; x.patience = shortPatience })
	other := dial(t, path)
	c := forge(t, path)
	f, err := frame(call{Verb: verbPlan, Spec: string(spec.Marshal(exampleSpec()))})
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for {
			if _, err := c.Write(f); err != nil {
				return
			}
		}
	}()
	<-sent // it was dropped
	if n := len(node.all()); n == 0 || n > 3 {
		t.Errorf("the node was asked %d times", n)
	}
	await(t, "nothing of it is left", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.clients) == 1
	})
	if err := other.Confirm(t.Context(), ""); err != nil {
		t.Errorf("another client: %v", err)
	}
}

// FuzzCalls: whatever bytes come from clients who are not armed, they are answered or dropped, and no more than looks reach
// the node.
func FuzzCalls(f *testing.F) {
	for _, text := range callSeeds(f) {
		f.Add(text)
	}
	path, node := fuzzed(f)
	f.Fuzz(func(t *testing.T, text []byte) { sendGarbage(t, path, node, text) })
}

// TestMutatedCalls is a stretch of that with calls that are almost right.
func TestMutatedCalls(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	d := rand.New(rand.NewPCG(seed, 0))
	path, node := fuzzed(t)
	seeds := callSeeds(t)
	rounds := 500
	if soak() {
		rounds = 50_000
	}
	for range rounds {
		text := slices.Clone(seeds[d.IntN(len(seeds))])
		for range 1 + d.IntN(6) {
			switch i := d.IntN(len(text) + 1); d.IntN(3) {
			case 0:
				text = append(text[:i], append([]byte{byte(d.Uint32())}, text[i:]...)...)
			case 1:
				text = text[:i]
			default:
				if i < len(text) {
					text[i] ^= 1 << d.IntN(8)
				}
			}
		}
		sendGarbage(t, path, node, text)
	}
}

// fuzzed is a server for strangers, and its node.
func fuzzed(t testing.TB) (string, *fake) {
	node, path := newFake(), socketPath(t)
	serve(t, path, node, func(s *server) {
		uid(stranger)(s)
		s.patience = shortPatience
	})
	return path, node
}

func callSeeds(t testing.TB) [][]byte {
	t.Helper()
	var seeds [][]byte
	for _, k := range []call{
		{Verb: verbArm, Why: "INC-1", Share: true}, {Verb: verbDisarm}, {Verb: verbConfirm}, {Verb: verbDetach}, {Verb: "reboot"},
		{ID: 1 << 63, Verb: verbApply, Spec: "version: 1\n", Revision: "abc", Deadline: -1, Force: true},
		{Verb: verbPlan, Spec: string(spec.Marshal(exampleSpec()))}, {Verb: verbPast, Number: -1},
	} {
		f, err := frame(k)
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, f, append(slices.Clone(f), f...))
	}
	return append(seeds, binary.BigEndian.AppendUint32(nil, maxCall+1), []byte("\x00\x00\x00\x02{}"), nil)
}

// sendGarbage says text after a good greeting, and waits until all that comes of it has come.
func sendGarbage(t *testing.T, path string, node *fake, text []byte) {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	greeting, err := frame(hello{Protocol: protocol})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := conn.Write(append(greeting, text...)); err != nil {
		return // it was dropped meanwhile
	}
	_ = conn.(*net.UnixConn).CloseWrite()
	for {
		var n json.RawMessage
		if err := heard(conn, &n); err != nil {
			break
		}
	}
	for _, what := range node.all() {
		if what != "plan" && what != "history" && what != "watch costs" && !strings.HasPrefix(what, "past ") {
			t.Fatalf("%q: the node was asked to %s", text, what)
		}
	}
	node.forget()
}
