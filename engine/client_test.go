package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hairpin/engine/spec"
)

func blockedPlan(begun, ended chan struct{}) func(context.Context, *spec.Spec) (*Plan, error) {
	return func(ctx context.Context, _ *spec.Spec) (*Plan, error) {
		close(begun)
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	}
}

// TestVerbs: what is asked arrives, and so does what is answered.
func TestVerbs(t *testing.T) {
	node, path := newFake(), socketPath(t)
	plan := &Plan{Revision: "abc", Text: []string{"web: 7 of 65537 slots move"}, VIPs: []VIPPlan{{"web", 65537, 7, 6, 1, 2}}}
	applied := &Applied{Generation: 4, Revision: "def", Deadline: time.Unix(1_700_000_000, 5).UTC(), Text: []string{"a", "b"}, Took: 3 * time.Millisecond}
	request := ApplyRequest{Spec: exampleSpec(), Revision: "abc", Deadline: 30 * time.Second, Who: "root (ssh)", Why: "drain\n12", Force: true}
	var planned *spec.Spec
	var got ApplyRequest
	node.plan = func(_ context.Context, s *spec.Spec) (*Plan, error) { planned = s; return plan, nil }
	node.apply = func(_ context.Context, r ApplyRequest) (*Applied, error) { got = r; return applied, nil }
	serve(t, path, node, nil)
	c := armed(t, path)
	if p, err := c.Plan(t.Context(), exampleSpec()); err != nil || !reflect.DeepEqual(p, plan) || !planned.Equal(exampleSpec()) {
		t.Errorf("plan: %+v %v; of %+v", p, err, planned)
	}
	if a, err := c.Apply(t.Context(), request); err != nil || !reflect.DeepEqual(a, applied) {
		t.Errorf("apply: %+v %v", a, err)
	}
	if !got.Spec.Equal(request.Spec) {
		t.Errorf("applied was %+v", got.Spec)
	}
	got.Spec, request.Who = request.Spec, "root" // by the kernel's word
	if got != request {
		t.Errorf("the request was %+v, want %+v", got, request)
	}
	if err := errors.Join(c.Confirm(t.Context(), "me"), c.Detach(t.Context(), "you")); err != nil {
		t.Error(err)
	}
	if changes, err := c.History(t.Context()); err != nil || len(changes) != 1 || changes[0].Number != 7 || changes[0].Outcome != ChangeWaits {
		t.Errorf("history: %+v %v", changes, err)
	}
	if s, err := c.Past(t.Context(), 7); err != nil || s.NIC("eth7") == nil {
		t.Errorf("the spec of change 7: %+v %v", s, err)
	}
	if calls := node.all(); !slices.Equal(calls, []string{"plan", "apply", "confirm by root", "detach by root", "history", "past 7"}) {
		t.Errorf("the node was asked %v", calls)
	}
}

// TestErrorsTravel: with their words, and as what they are.
func TestErrorsTravel(t *testing.T) {
	all := sentinels()
	for _, row := range []struct {
		err error
		is  []error
	}{
		{fmt.Errorf("apply: %w", ErrStale), []error{ErrStale}},
		{fmt.Errorf("%w: %w", ErrRefused, ErrLate), []error{ErrRefused, ErrLate}},
		{ErrInvalid, []error{ErrInvalid}},
		{fmt.Errorf("engine: %w", ErrNoOwner), []error{ErrNoOwner}},
		{errors.New("write map: no space left"), nil},
	} {
		node, path := newFake(), socketPath(t)
		node.err = row.err
		serve(t, path, node, nil)
		err := dial(t, path).Confirm(t.Context(), "me")
		if err == nil || err.Error() != row.err.Error() {
			t.Errorf("%v came as %v", row.err, err)
		}
		for name, sentinel := range all {
			if errors.Is(err, sentinel) != slices.Contains(row.is, sentinel) {
				t.Errorf("%v: whether it is %q is another question after it came", row.err, name)
			}
		}
	}
}

// TestAnswerAfterState: whoever was told that his change is live also sees it.
func TestAnswerAfterState(t *testing.T) {
	node, path := newFake(), socketPath(t)
	node.apply = func(context.Context, ApplyRequest) (*Applied, error) {
		node.state.Store(&State{Generation: Generation{Active: 9}}) // and the signal comes late
		return &Applied{Generation: 9}, nil
	}
	serve(t, path, node, nil)
	c := armed(t, path)
	if _, err := c.Apply(t.Context(), ApplyRequest{Spec: exampleSpec()}); err != nil || c.State().Generation.Active != 9 {
		t.Errorf("%+v %v", c.State().Generation, err)
	}
}

func TestStateFollows(t *testing.T) {
	node, path := newFake(), socketPath(t)
	serve(t, path, node, nil)
	c := dial(t, path)
	if s := c.State(); s.Node != "lb1" || s.Spec != nil || s.Role != Observer {
		t.Errorf("first: %+v", s)
	}
	one := exampleSpec()
	node.publish(&State{PID: 1, Spec: one})
	await(t, "the spec comes", func() bool { return c.State().Spec.Equal(one) })
	kept := c.State().Spec
	node.publish(&State{PID: 2, Spec: one})
	await(t, "the next comes", func() bool { return c.State().PID == 2 })
	if c.State().Spec != kept {
		t.Error("a spec that did not change was read again")
	}
	node.publish(&State{PID: 3})
	await(t, "there is none any more", func() bool { return c.State().PID == 3 && c.State().Spec == nil })
	<-c.Changed()
	select {
	case <-c.Changed():
		t.Error("more than one signal is held")
	default:
	}
}

// TestUnreadableSpec: the picture is shown also when its spec is another version's.
func TestUnreadableSpec(t *testing.T) {
	node, path := newFake(), socketPath(t)
	node.publish(&State{PID: 7, Version: "v9", Spec: &spec.Spec{Version: 99}})
	serve(t, path, node, nil)
	s := dial(t, path).State()
	if s.PID != 7 || s.Spec != nil || len(s.Problems) != 1 || !strings.Contains(s.Problems[0].What, "cannot read the running spec") ||
		!strings.Contains(s.Problems[0].Cure, "v9") {
		t.Errorf("%+v", s)
	}
}

func TestNobody(t *testing.T) {
	path := socketPath(t)
	if _, err := Dial(t.Context(), Paths{Run: filepath.Dir(path)}); !errors.Is(err, ErrNoOwner) {
		t.Errorf("no socket: %v", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := Dial(ctx, Paths{Run: filepath.Dir(path)}); err == nil || errors.Is(err, ErrNoOwner) || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("one that hangs: %v", err)
	}
	l.Close()
	if _, err := Dial(t.Context(), Paths{Run: filepath.Dir(path)}); !errors.Is(err, ErrNoOwner) {
		t.Errorf("a socket of the dead: %v", err)
	}
}

// TestOtherVersion: an engine that answers in another protocol is named as such.
func TestOtherVersion(t *testing.T) {
	for _, h := range []hello{{Protocol: 99}, {Protocol: 99, Refused: "this engine speaks protocol 99 and the caller 1"}} {
		path := socketPath(t)
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			var theirs hello
			if heard(c, &theirs) == nil {
				f, _ := frame(h)
				_, _ = c.Write(f)
			}
			c.Close()
		}()
		_, err = Dial(t.Context(), Paths{Run: filepath.Dir(path)})
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "speaks protocol 99") {
			t.Errorf("%+v: %v", h, err)
		}
	}
}

// TestReconnect: the last picture stays with a word about it, until there is an engine again.
func TestReconnect(t *testing.T) {
	node, path := newFake(), socketPath(t)
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	node.publish(&State{PID: 41, Time: noon, Spec: exampleSpec(), Problems: []Problem{{What: "an older one"}}})
	stop := serve(t, path, node, nil)
	c := dial(t, path)
	for round := range 3 {
		stop()
		await(t, "it is said that the engine is gone", func() bool { return c.State().PID == 0 })
		s := c.State()
		if s.Time != noon || !s.Spec.Equal(exampleSpec()) || s.Role != Observer || len(s.Problems) != 2 || s.Problems[1].What != "an older one" ||
			s.Problems[0].What != "the engine (pid 41) is gone; this is what it showed at 12:00:00" || s.Problems[0].Since.IsZero() {
			t.Fatalf("round %d: %+v", round, s)
		}
		if err := c.Confirm(t.Context(), "me"); !errors.Is(err, ErrNoOwner) {
			t.Errorf("asked without an engine: %v", err)
		}
		stop = serve(t, path, node, nil)
		await(t, "the next one is shown", func() bool { return c.State().PID == 41 && len(c.State().Problems) == 1 })
		if err := c.Confirm(t.Context(), "me"); err != nil {
			t.Errorf("asked again: %v", err)
		}
	}
}

// TestLostAnswer: one who does not get his answer is told what he does not know.
func TestLostAnswer(t *testing.T) {
	node, path := newFake(), socketPath(t)
	begun := make(chan struct{}, 2)
	node.apply = func(ctx context.Context, _ ApplyRequest) (*Applied, error) {
		begun <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	stop := serve(t, path, node, nil)
	c := armed(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	_, err := c.Apply(ctx, ApplyRequest{Spec: exampleSpec()})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "whether it was carried out is not known") {
		t.Errorf("given up: %v", err)
	}
	other := dial(t, path)
	if err := other.Arm(t.Context(), ArmRequest{Why: "test", Share: true}); err != nil {
		t.Fatal(err)
	}
	go func() { <-begun; stop() }()
	_, err = other.Apply(t.Context(), ApplyRequest{Spec: exampleSpec()})
	if err == nil || errors.Is(err, ErrNoOwner) || !strings.HasSuffix(err.Error(), "before it answered; whether it was carried out is not known: look before you repeat it") {
		t.Errorf("the engine went away: %v", err)
	}
}

// TestManyAsk: answers find those who asked.
func TestManyAsk(t *testing.T) {
	node, path := newFake(), socketPath(t)
	node.apply = func(_ context.Context, r ApplyRequest) (*Applied, error) { return &Applied{Revision: r.Revision}, nil }
	serve(t, path, node, nil)
	c := armed(t, path)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			want := fmt.Sprint(i)
			if a, err := c.Apply(t.Context(), ApplyRequest{Spec: exampleSpec(), Revision: want}); err != nil || a.Revision != want {
				t.Errorf("%s: %+v %v", want, a, err)
			}
		})
	}
	all.Wait()
}

func TestClose(t *testing.T) {
	node, path := newFake(), socketPath(t)
	stop := serve(t, path, node, nil)
	count := func() int { all, _ := os.ReadDir("/proc/self/fd"); return len(all) }
	dial(t, path).Close()
	before := count()
	for range 10 {
		c := dial(t, path)
		if err := errors.Join(c.Close(), c.Close()); err != nil {
			t.Fatal(err)
		}
		for range c.Changed() { // it ends
		}
		if err := c.Confirm(t.Context(), "me"); err == nil {
			t.Error("a closed client asks")
		}
	}
	await(t, "no descriptor is left", func() bool { return count() <= before })
	c := dial(t, path)
	stop()
	await(t, "the engine is gone", func() bool { return c.State().PID == 0 })
	if err := c.Close(); err != nil {
		t.Errorf("closed while it looks for an engine: %v", err)
	}
}
