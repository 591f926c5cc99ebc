package fleet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// seenOf reads nodes as "name asked/has", with ! for failed, ~ for silent, - for one that left, and h for a host.
func seenOf(t *testing.T, line string) (nodes []Seen) {
	t.Helper()
	for _, word := range strings.Fields(line) {
		name, rest, _ := strings.Cut(word, "=")
		var target, has int
		var marks string
		if n, err := fmt.Sscanf(rest+".", "%d/%d%s", &target, &has, &marks); n != 3 || err != nil {
			t.Fatalf("%q: %v", word, err)
		}
		s := Seen{Name: name, Target: Target{Number: target, Time: noon}, Status: &Status{Node: name, Number: has}}
		for _, m := range marks {
			switch m {
			case '!':
				s.Status.Failed, s.Status.Why = target, "it drops more"
			case '-':
				s.Status.Left = "ann: incident"
			case 'h':
				s.Status.Host = true
			case '~':
				s.Status, s.Silent = nil, noon
			}
		}
		nodes = append(nodes, s)
	}
	return nodes
}

func TestJudge(t *testing.T) {
	for _, row := range []struct {
		what, nodes string
		phase       Phase
		atOnce      int
		after       time.Duration
		want        string
	}{
		{"the first goes alone", "a=1/1 b=1/1 c=1/1", Running, 3, 0, "ask a"},
		{"the next wait for it", "a=2/1 b=1/1 c=1/1", Running, 3, 0, ""},
		{"then several at a time", "a=2/2 b=1/1 c=1/1 d=1/1", Running, 2, 0, "ask b c"},
		{"never more than that", "a=2/2 b=2/1 c=1/1 d=1/1", Running, 2, 0, "ask c"},
		{"hosts first", "a=1/1 b=1/1h", Running, 1, 0, "ask b"},
		{"load balancers wait for all hosts", "a=1/1 b=2/1h c=2/2h", Running, 5, 0, ""},
		{"and go when those have it", "a=1/1 b=2/2h c=1/1", Running, 5, 0, "ask a"},
		{"the first of them alone", "a=2/1 b=2/2h c=1/1 d=1/1", Running, 5, 0, ""},
		{"then several of them", "a=2/2 b=2/2h c=1/1 d=1/1", Running, 5, 0, "ask c d"},
		{"late ones wait for nobody", "a=1/1 b=2/1h", Done, 5, 0, "ask a"},
		{"nor do those that go back", "a=1/1 b=1/1h", Returning, 1, 0, "ask b a"},
		{"all have it", "a=2/2 b=2/2", Running, 1, 0, "done"},
		{"who is silent or out is not waited for", "a=2/2 b=1/1~ c=1/1-", Running, 1, time.Hour, "done"},
		{"one does worse", "a=2/2 b=2/1! c=1/1", Running, 1, 0, "fail b: it drops more"},
		{"one does worse later", "a=2/2! b=2/1 c=1/1", Running, 1, 0, "fail a: it drops more"},
		{"one falls silent", "a=2/2 b=2/1~ c=1/1", Running, 1, quietFor, "fail b fell silent after it was asked to take revision 2"},
		{"it may come back in a moment", "a=2/2 b=2/1~ c=1/1", Running, 1, quietFor - 1, ""},
		{"one that has it falls silent", "a=2/2~ b=1/1", Running, 1, quietFor, "fail a fell silent after it was asked to take revision 2"},
		{"one takes too long", "a=2/1 b=1/1", Running, 1, time.Minute + slowBy + 1, "fail a has not kept revision 2 in 2m30s"},
		{"stopped", "a=2/2 b=1/1", Stopped, 1, 0, ""},
		{"back at once", "a=1/1 b=1/1 c=1/1", Returning, 1, 0, "ask a b c"},
		{"back although one cannot", "a=2/2 b=2/1! c=1/1~", Returning, 1, time.Hour, "done"},
		{"one comes late", "a=2/2 b=1/1", Done, 1, 0, "ask b"},
		{"one that comes late fails alone", "a=2/2 b=2/1!", Done, 1, time.Hour, ""},
		{"late ones one after the other", "a=1/1 b=2/1 c=1/1", Returned, 1, 0, ""},
	} {
		h := Head{Revision: Revision{Number: 2, Base: 1}, Phase: row.phase, Pace: Pace{row.atOnce, time.Minute}}
		v := Judge(h, seenOf(t, row.nodes), noon.Add(row.after))
		got := v.Fail
		switch {
		case v.Fail != "":
			got = "fail " + got
		case v.Done:
			got = "done"
		case len(v.Ask) > 0:
			got = "ask " + strings.Join(v.Ask, " ")
		}
		if got != row.want {
			t.Errorf("%s: %s: %q, want %q", row.what, row.nodes, got, row.want)
		}
	}
}

// TestResumeTriesAgain: a node that failed is asked anew after somebody resumed.
func TestResumeTriesAgain(t *testing.T) {
	h := Head{Revision: Revision{Number: 1}, Phase: Running, Pace: Pace{1, time.Second}}
	h, err := h.Stop("ann", "look first")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Stop("ann", ""); !errors.Is(err, ErrBusy) {
		t.Errorf("stopped twice: %v", err)
	}
	if h, err = h.Resume(); err != nil {
		t.Fatal(err)
	}
	if v := Judge(h, seenOf(t, "a=1/0!"), noon); !slices.Equal(v.Ask, []string{"a"}) {
		t.Errorf("%+v", v)
	}
}

func TestHeads(t *testing.T) {
	h := Head{Fleet: "f", Phase: Done}
	h, one, err := h.Propose(Revision{Who: "ann"}, Pace{1, 1}, noon)
	if err != nil || one.Number != 1 || one.Base != 0 {
		t.Fatalf("%+v %v", one, err)
	}
	if _, _, err := h.Propose(Revision{}, Pace{}, noon); !errors.Is(err, ErrBusy) {
		t.Errorf("a second one while the first is on its way: %v", err)
	}
	if _, _, err := h.Return(one, "", "", noon); !errors.Is(err, ErrBusy) {
		t.Errorf("back from the first: %v", err)
	}
	h = h.end(noon)
	h, two, _ := h.Propose(Revision{Who: "bob"}, Pace{1, 1}, noon)
	h, _ = h.Stop("bob", "")
	h, three, err := h.Propose(Revision{Who: "bob"}, Pace{1, 1}, noon)
	if err != nil || two.Base != 1 || three.Base != 1 || three.Number != 3 || fmt.Sprint(h.Returned) != "[2]" {
		t.Errorf("a better one in place of one that was stopped: %+v %v", h, err)
	}
	h, four, err := h.Return(one, "", "c: it drops", noon)
	if err != nil || four.Number != 4 || four.Of != 1 || h.Phase != Returning || fmt.Sprint(h.Returned) != "[2 3]" {
		t.Errorf("%+v %v", h, err)
	}
	if h = h.end(noon); h.Phase != Returned || h.ground() != 4 {
		t.Errorf("%+v", h)
	}
}

func TestMissed(t *testing.T) {
	var kept []Revision
	for n := range 6 {
		kept = append(kept, Revision{Number: n + 1, Time: noon.Add(time.Duration(n) * time.Minute)})
	}
	for _, row := range []struct {
		what     string
		own      int
		fresh    bool
		returned []int
		since    int // minutes after noon
		want     string
	}{
		{"all that may still settle", 2, false, nil, -1, "[3 4 5 6]"},
		{"not what has settled", 2, false, nil, 3, "[5 6]"},
		{"the last one always", 2, false, nil, 60, "[6]"},
		{"not what was taken back", 2, false, []int{4, 5}, -1, "[3 6]"},
		{"a new data path begins with what all had", 6, true, nil, 3, "[4 5 6]"},
		{"and with nothing else where all has settled", 0, true, nil, 60, "[]"},
		{"and not with what was taken back", 0, true, []int{4}, 3, "[3 5 6]"},
	} {
		if got := fmt.Sprint(missed(row.own, row.fresh, kept, row.returned, 6, noon.Add(time.Duration(row.since)*time.Minute))); got != row.want {
			t.Errorf("%s: %s, want %s", row.what, got, row.want)
		}
	}
}
