package discover

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"hairpin/engine/spec"
)

// list has a word for each endpoint: the last byte of its address, then d for one that drains, x for one that is down.
func list(words string) (all []spec.Endpoint) {
	for _, w := range strings.Fields(words) {
		e := spec.Endpoint{}
		switch w[len(w)-1] {
		case 'd':
			e.State = spec.Drain
		case 'x':
			e.State = spec.Down
		}
		e.Address = netip.MustParseAddr("10.0.0." + strings.TrimRight(w, "dx"))
		all = append(all, e)
	}
	return all
}

func words(list []spec.Endpoint) string {
	var all []string
	for _, e := range list {
		_, last, _ := strings.Cut(e.Address.String(), "10.0.0.")
		all = append(all, last+map[spec.State]string{spec.Drain: "d", spec.Down: "x"}[e.State])
	}
	return strings.Join(all, " ")
}

// Each row hears answers a minute apart, and says what is believed after each, with ! where that is not what was said. ERR is
// no answer, OK is a person who accepts.
func TestJudge(t *testing.T) {
	for _, row := range []struct{ what, hears, believes string }{
		{"what comes first is believed", "1 2 3", "1 2 3"},
		{"one of few may go", "1 2 3|1 2", "1 2 3|1 2"},
		{"one of two may go", "1 2|1", "1 2|1"},
		{"it never becomes empty", "1 2|||||||||", "1 2|1 2!|1 2!|1 2!|1 2!|1 2!|1 2!|1 2!|1 2!|1 2!"},
		{"a person may make it empty, and it stays so", "1 2||OK||3", "1 2|1 2!|||3"},
		{"nothing at first is nothing", "|1", "|1"},
		{"errors change nothing", "1 2 3|ERR|ERR|1 2 3 4", "1 2 3|1 2 3|1 2 3|1 2 3 4"},
		{"far fewer are believed in time", "1 2 3 4 5|1|1|1|1|1|1|1", "1 2 3 4 5|1 2 3 4 5!|1 2 3 4 5!|1 2 3 4 5!|1 2 3 4 5!|1 2 3 4 5!|1|1"},
		{"who comes back in time never left", "1 2 3 4 5|1|1 2 3 4 5|1", "1 2 3 4 5|1 2 3 4 5!|1 2 3 4 5|1 2 3 4 5!"},
		{"an error lets nobody go", "1 2 3 4 5|1|ERR|ERR|ERR|ERR|ERR|1", "1 2 3 4 5|1 2 3 4 5!|1 2 3 4 5!|1 2 3 4 5!|1 2 3 4 5!|1 2 3 4 5!|1 2 3 4 5!|1"},
		{"who is new comes although others are missed", "1 2 3 4 5|1 6|1 6", "1 2 3 4 5|1 2 3 4 5 6!|1 2 3 4 5 6!"},
		{"small steps are one large one", "1 2 3 4 5 6 7 8|1 2 3 4 5 6|1 2 3 4|1 2|1 2 3 4", "1 2 3 4 5 6 7 8|1 2 3 4 5 6|1 2 3 4|1 2 3 4!|1 2 3 4"},
		{"small steps that are far apart are not", "1 2 3 4 5 6|1 2 3 4|1 2 3 4|1 2 3 4|1 2 3 4|1 2 3 4|1 2 3 4|1 2", "1 2 3 4 5 6|1 2 3 4|1 2 3 4|1 2 3 4|1 2 3 4|1 2 3 4|1 2 3 4|1 2"},
		{"all others in their place are believed", "1 2 3|4 5 6", "1 2 3|4 5 6"},
		{"who said goodbye may go", "1 2 3 4 5|1 2d 3d 4d 5d|1", "1 2 3 4 5|1 2d 3d 4d 5d|1"},
		{"all who drain go on while nobody comes", "1 2|1d 2d|1d 2d 3|3", "1 2|1 2!|1d 2d 3|3"},
		{"that most are down is not believed", "1 2 3 4|1x 2x 3x 4|1 2 3 4", "1 2 3 4|1 2 3 4!|1 2 3 4"},
		{"that all are down is not believed", "1 2|1x 2x|1x 2x|1x 2x|1x 2x|1x 2x|1x 2x|1x 2x|1x 2", "1 2|1 2!|1 2!|1 2!|1 2!|1 2!|1 2!|1 2!|1x 2"},
		{"of two words about one, the better", "1 1x 2d 2x", "1 2d"},
		{"a person is heard only where the source is", "1 2 3||ERR|OK", "1 2 3|1 2 3!|1 2 3!|1 2 3!"},
	} {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		j := NewJudge(&spec.From{Hold: 5 * time.Minute, Most: 100}, nil)
		var got []string
		for answer := range strings.SplitSeq(row.hears, "|") {
			switch answer {
			case "ERR":
				j.Hear(now, Answer{Err: errors.New("no answer")})
			case "OK":
				if err := j.Accept(now); (err != nil) != (j.err != nil) {
					t.Errorf("%s: accept: %v", row.what, err)
				}
			default:
				j.Hear(now, Answer{Endpoints: list(answer)})
			}
			o := j.Opinion(now)
			mark := ""
			if !o.Held.IsZero() {
				mark = "!"
			}
			got = append(got, words(o.Endpoints)+mark)
			now = now.Add(time.Minute)
		}
		if text := strings.Join(got, "|"); text != row.believes {
			t.Errorf("%s:\nheard %s\ngot   %s\nwant  %s", row.what, row.hears, text, row.believes)
		}
	}
}

// TestOpinion: what is not believed is said with numbers and times.
func TestOpinion(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	j := NewJudge(&spec.From{Hold: time.Hour, Most: 5}, list("1 2 3 4"))
	if o := j.Opinion(start); words(o.Endpoints) != "1 2 3 4" || !o.Answered.IsZero() {
		t.Errorf("before it was heard: %+v", o)
	}
	if err := j.Accept(start); err == nil {
		t.Error("silence was accepted")
	}
	j.Hear(start, Answer{Endpoints: list("4"), Left: "something"})
	if o := j.Opinion(start); o.Missing != 3 || !o.Until.Equal(start.Add(time.Hour)) || o.Says != 1 || o.Left != "something" {
		t.Errorf("held: %+v", o)
	}
	later := start.Add(30 * time.Minute)
	j.Hear(later, Answer{Err: errors.New("timeout")})
	j.Hear(later.Add(time.Minute), Answer{Err: errors.New("refused")})
	if o := j.Opinion(later.Add(2 * time.Hour)); o.Error != "refused" || !o.Failing.Equal(later) || o.Missing != 3 {
		t.Errorf("failing: %+v", o)
	}
	j.Hear(later, Answer{})
	if o := j.Opinion(later); o.Missing != 4 || !o.Until.IsZero() || o.Error != "" {
		t.Errorf("empty: %+v", o)
	}
	j.Hear(later, Answer{Endpoints: list("9 8 7 1 2 3 4")})
	if o := j.Opinion(later); words(o.Endpoints) != "1 2 3 4 7" || !strings.Contains(o.Left, "2 of 7") {
		t.Errorf("too many: %s, %+v", words(o.Endpoints), o)
	}
}

// TestNeverEmptyByMistake: whatever a source says, a list that was not empty has somebody who takes new flows.
func TestNeverEmptyByMistake(t *testing.T) {
	r, seed := random()
	now := time.Now()
	for range 300 {
		j := NewJudge(&spec.From{Hold: time.Duration(r.IntN(600)) * time.Second, Most: 1 + r.Uint32N(20)}, list("1"))
		var heard []string
		for range 50 {
			var answer []string
			for range r.IntN(8) {
				answer = append(answer, fmt.Sprint(1+r.IntN(12), []string{"", "", "d", "x"}[r.IntN(4)]))
			}
			text := strings.ReplaceAll(strings.Join(answer, ","), " ", "")
			heard = append(heard, text)
			now = now.Add(time.Duration(r.IntN(300)) * time.Second)
			j.Hear(now, Answer{Endpoints: list(strings.ReplaceAll(text, ",", " "))})
			o := j.Opinion(now.Add(time.Duration(r.IntN(100)) * time.Second))
			if ups(o.Endpoints) == 0 {
				t.Fatalf("seed %d: nobody is left after %q", seed, heard)
			}
			if !slices.IsSortedFunc(o.Endpoints, func(a, b spec.Endpoint) int { return a.Address.Compare(b.Address) }) {
				t.Fatalf("seed %d: in no order: %s", seed, words(o.Endpoints))
			}
		}
	}
}
