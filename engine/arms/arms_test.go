package arms

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	noon   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ops3   = Party{ID: 1, UID: 1003, Who: "ops-3", Place: "198.51.100.60", From: "198.51.100.60"}
	window = Party{ID: 2, UID: 1003, Who: "ops-3", Place: "198.51.100.60", From: "198.51.100.60"}
	home   = Party{ID: 3, UID: 1003, Who: "ops-3", Place: "203.0.113.9", From: "203.0.113.9"}
	eve    = Party{ID: 4, UID: 1004, Who: "eve", Place: "198.51.100.60", From: "198.51.100.60"}
	sudo   = Party{ID: 5, UID: 0, Who: "ops-3", Place: "198.51.100.60", From: "198.51.100.60"}
)

// TestOneParty walks through a day: who may arm, who may act, and what the others are told.
func TestOneParty(t *testing.T) {
	var a Arms
	now := noon
	refused := func(what string, err error, says ...string) {
		t.Helper()
		if err == nil {
			t.Fatalf("%s is not refused", what)
		}
		for _, words := range says {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %v, without %q", what, err, words)
			}
		}
	}
	may := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	arm := func(p Party, why string, share bool) error { _, err := a.Arm(p, why, share, now); return err }

	refused("an act of one who is not armed", a.Check(ops3, now), "nobody is armed")
	refused("arming without a reason", arm(ops3, " \t\n", false), "a reason is needed")
	may("arming", arm(ops3, "INC-4412", false))
	may("an act", a.Check(ops3, now))
	if h, held := a.Held(now); !held || h.Party != ops3 || h.Why != "INC-4412" || h.Until != noon.Add(Lease) {
		t.Errorf("held: %+v %v", h, held)
	}

	words := []string{"ops-3 is armed from 198.51.100.60 since 12:00:00 until 12:10:00: INC-4412"}
	refused("another's act", a.Check(eve, now), append(words, "ask them to disarm, or wait")...)
	refused("another's arming", arm(eve, "x", true), words...)
	refused("the same user's second console", arm(window, "x", false), append(words, "hairpin disarm")...)
	refused("the same user's act in another window", a.Check(window, now))
	refused("the same user's command from elsewhere", arm(home, "x", true), words...)
	refused("root's command, who was the same user", arm(sudo, "x", true), words...)
	_, _, err := a.Disarm(eve, now)
	refused("disarming another", err, words...)

	now = noon.Add(6 * time.Minute)
	may("the same user's command from the same place", arm(window, "apply", true))
	may("its act", a.Check(window, now))
	if h, _ := a.Held(now); h.Why != "INC-4412" || h.Party != ops3 || h.Until != noon.Add(Lease) {
		t.Errorf("a guest changed the hold: %+v", h)
	}
	if _, held := a.Leave(window); held {
		t.Error("a guest that leaves ends the hold")
	}
	refused("an act after the command has left", a.Check(window, now))
	may("arming again", arm(ops3, "INC-4413", false))
	if h, _ := a.Held(now); h.Since != noon || h.Until != now.Add(Lease) || h.Why != "INC-4413" {
		t.Errorf("armed again: %+v", h)
	}

	may("the command in the other window", arm(window, "apply", true))
	if h, held := a.Leave(ops3); !held || h.Party != ops3 {
		t.Errorf("hung up: %+v %v", h, held)
	}
	refused("a guest's act when its host has gone", a.Check(window, now), "nobody is armed")
	if _, held, err := a.Disarm(eve, now); held || err != nil {
		t.Errorf("disarming nobody: %v %v", held, err)
	}

	may("another, now", arm(eve, "INC-9", false))
	now = now.Add(Lease - 1)
	may("his last act", a.Check(eve, now))
	if _, over := a.Expire(now); over {
		t.Error("over too early")
	}
	now = now.Add(1)
	refused("an act when the time is over", a.Check(eve, now))
	if _, held := a.Held(now); held {
		t.Error("still held when the time is over")
	}
	if h, over := a.Expire(now); !over || h.Party != eve {
		t.Errorf("over: %+v %v", h, over)
	}
	if _, over := a.Expire(now); over {
		t.Error("over twice")
	}
	may("arming elsewhere", arm(home, "INC-10", false))
	if h, held, err := a.Disarm(ops3, now); !held || err != nil || h.Party != home {
		t.Errorf("the same user takes back what a lost session holds: %+v %v %v", h, held, err)
	}
}

// TestTwoAtOnce: of any number who arm at the same time exactly one is armed, however often they try.
func TestTwoAtOnce(t *testing.T) {
	var a Arms
	for round := range 2000 {
		var won atomic.Uint64
		var wins atomic.Int32
		var all sync.WaitGroup
		begin := make(chan struct{})
		for id := uint64(1); id <= 4; id++ {
			p := Party{ID: id, Who: fmt.Sprint("ops-", id%2)}
			all.Go(func() {
				<-begin
				if _, err := a.Arm(p, "now", false, noon); err == nil {
					won.Store(id)
					wins.Add(1)
				}
			})
		}
		close(begin)
		all.Wait()
		h, held := a.Held(noon)
		if wins.Load() != 1 || !held || h.ID != won.Load() {
			t.Fatalf("round %d: %d were armed, %d the last of them; held by %d (%v)", round, wins.Load(), won.Load(), h.ID, held)
		}
		for id := uint64(1); id <= 4; id++ {
			if err := a.Check(Party{ID: id}, noon); (err == nil) != (id == h.ID) {
				t.Fatalf("round %d: %d may act while %d is armed: %v", round, id, h.ID, err)
			}
		}
		a.Leave(h.Party)
	}
}

// TestReasonsOnScreens: what somebody types reaches the terminals of others as text, and not too much of it.
func TestReasonsOnScreens(t *testing.T) {
	var a Arms
	h, err := a.Arm(ops3, " INC\x1b[31m-4412\r\n"+strings.Repeat("é", 300), false, noon)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(h.Why, "INC [31m-4412  é") || len([]rune(h.Why)) != 200 {
		t.Errorf("%d characters: %q", len([]rune(h.Why)), h.Why)
	}
	if _, err := a.Arm(ops3, "\x1b\x00", false, noon); !errors.Is(err, ErrNoReason) {
		t.Errorf("nothing but control characters: %v", err)
	}
}

// TestRefusals: the first of a kind is a line at once, its repeats are one later, and the later the longer it goes on.
func TestRefusals(t *testing.T) {
	var r Refusals
	now := noon
	const text = "refused: apply: not armed"
	if !r.Add(eve, text, now) {
		t.Error("the first is not news")
	}
	if lines := r.Due(now); len(lines) != 1 || lines[0] != (Line{"eve", "from 198.51.100.60: " + text}) {
		t.Errorf("%+v", lines)
	}
	for range 100_000 {
		now = now.Add(100 * time.Microsecond)
		if r.Add(eve, text, now) {
			t.Fatal("a repeat is news at once")
		}
	}
	if lines := r.Due(now); len(lines) != 0 {
		t.Errorf("%+v", lines)
	}
	if lines := r.Due(noon.Add(soon)); len(lines) != 1 || lines[0].Text != "from 198.51.100.60: "+text+" (100000 times)" {
		t.Errorf("%+v", lines)
	}
	lines := 0
	for now = noon.Add(soon); now.Before(noon.Add(24 * time.Hour)); now = now.Add(time.Second) {
		r.Add(eve, text, now)
		lines += len(r.Due(now))
	}
	if lines < 24 || lines > 30 {
		t.Errorf("%d lines in a day", lines)
	}
	if r.Due(now.Add(late)); len(r.Due(now.Add(2*late))) != 0 || len(r.kinds) != 0 {
		t.Errorf("%d kinds are remembered", len(r.kinds))
	}
}

// TestManyRefusals: many kinds are few lines, and none is lost from their number.
func TestManyRefusals(t *testing.T) {
	for _, row := range []struct {
		name  string
		party func(i int) Party
		most  int
	}{
		{"one user from everywhere", func(i int) Party { return Party{Who: "eve", From: fmt.Sprint(i)} }, mostOfOne + 1},
		{"many users", func(i int) Party { return Party{Who: fmt.Sprint("ops-", i)} }, mostOfAll + 1},
	} {
		var r Refusals
		const all = 5000
		lines, total := 0, 0
		for i := range 2 * all {
			r.Add(row.party(i%all), fmt.Sprint("word ", i%all), noon)
			if i%100 != 0 {
				continue
			}
			for _, l := range r.Due(noon.Add(time.Duration(i/all) * soon)) {
				n := 1
				if _, times, many := strings.Cut(l.Text, " ("); many {
					_, _ = fmt.Sscanf(times, "%d times", &n)
				}
				lines++
				total += n
			}
		}
		left := 0
		for _, n := range r.kinds {
			left += n.count
		}
		if len(r.kinds) > row.most || lines > 2*row.most || total+left != 2*all {
			t.Errorf("%s: %d lines of %d refusals, %d are left, %d kinds", row.name, lines, total, left, len(r.kinds))
		}
	}
}
