package app

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/uitest/fake"
)

// openThen is a console on a node of which ten minutes are recorded.
func openThen(t *testing.T, changes ...setup) *driver {
	t.Helper()
	d := open80(t, fake.Incident(), changes...)
	d.recordTenMinutes()
	return d
}

// recordTenMinutes is up to now, by the second for the last five, by ten seconds before. Packets come in at as many
// thousands a second as minutes were over.
func (d *driver) recordTenMinutes() {
	now := fake.Epoch()
	var all []*engine.State
	for ago := 10 * time.Minute; ago >= 0; {
		s, step := *fake.Incident(), time.Second
		if ago > 5*time.Minute {
			s.Span, step = 10*time.Second, 10*time.Second
		}
		s.Time, s.Armed = now.Add(-ago), d.node.State().Armed
		s.NICs = append([]engine.NIC(nil), s.NICs...)
		s.NICs[0].In.PPS = 1000 * (10 - ago.Minutes())
		s.Generation.Active = 100 + int(ago.Minutes())
		all = append(all, &s)
		ago -= step
	}
	d.node.Record(all...)
	d.show(all[len(all)-1])
}

func TestStepThroughTime(t *testing.T) {
	d := openThen(t)
	d.press(",")
	d.has("gen 100", "PAUSED at 03:07:40, -1s")
	d.press(",", ",")
	d.has("PAUSED at 03:07:38, -3s")
	d.press(".")
	d.has("PAUSED at 03:07:39, -2s")
	d.press("<")
	d.has("gen 101", "PAUSED at 03:06:39, -1m2s")
	d.press("<", "<", "<", "<")
	d.has("PAUSED at 03:02:31, -5m10s avg 10s") // by the second only from 03:02:41 on
	d.press(",")
	d.has("PAUSED at 03:02:21, -5m20s avg 10s")
	d.press(".", ".")
	d.has("PAUSED at 03:02:41, -5m0s")
	d.hasNot("avg")
	d.press(">")
	d.has("PAUSED at 03:03:41, -4m0s")
	d.press("F")
	d.has("gen 100", "LIVE 03:07:41")
	d.press(".")
	d.has("this is the newest; F goes on")
}

func TestGoToATime(t *testing.T) {
	d := openThen(t)
	d.press("t")
	d.has("GO TO A TIME")
	d.has("03:12, 03:12:30, -5m")
	d.text("half past")
	d.press("enter")
	d.has(`"half past" is no time`)
	d.press("ctrl+u")
	d.text("03:05")
	d.press("enter")
	d.has("gen 102", "PAUSED at 03:05:00, -2m41s")
	d.run(d.m.act(call{ID: action.GoTime, Arg: "-1m"}))
	d.has("PAUSED at 03:06:41, -1m0s")
	d.run(d.m.act(call{ID: action.GoTime, Arg: "2026-08-22 03:07:40"}))
	d.has("PAUSED at 03:07:40, -1s")
	d.press("t")
	d.text("02:00")
	d.press("enter")
	d.has("nothing is recorded of 02:00:00; this is 2026-08-22 02:57:41")
	d.has("PAUSED at 02:57:41, -10m0s avg 10s")
	d.press("p")
	d.has("LIVE 03:07:41")
}

// TestEveryScreenIsOfThatTime: whichever screen is opened, it shows the held time, and ticks do not move it.
func TestEveryScreenIsOfThatTime(t *testing.T) {
	d := openThen(t)
	d.run(d.m.act(call{ID: action.GoTime, Arg: "03:04:00"}))
	for _, id := range []action.ID{action.GoOverview, action.GoChain, action.GoVIPs, action.GoLimits, action.GoEvents} {
		d.do(id)
		d.pass(time.Second)
		d.has("gen 103", "PAUSED at 03:04:00")
		if d.m.view().State.Generation.Active != 103 || !d.m.view().Now.Equal(d.m.shown.Time) {
			t.Errorf("%s draws from %+v", id, d.m.view().State.Generation)
		}
	}
	if latest := d.m.feed.Latest(); latest.Generation.Active != 100 {
		t.Errorf("collecting did not go on: %+v", latest.Generation)
	}
}

// TestNoChangeOfAnotherTime: every action that changes the node is refused while the picture is not of now, and says how to
// get back.
func TestNoChangeOfAnotherTime(t *testing.T) {
	d := openThen(t, isArmed)
	d.do(action.GoVIPs)
	d.press("enter")
	d.run(d.m.act(call{ID: action.GoTime, Arg: "03:04:00"}))
	for _, a := range action.All() {
		if a.Arms || a.ID == action.Arm || a.ID == action.Confirm {
			if why := d.m.refusal(a, d.m.page().Target()); !strings.Contains(why, "not now: F shows now") {
				t.Errorf("%s: %q", a.ID, why)
			}
		}
	}
	d.press("D")
	d.has("this is 03:04:00, not now: F shows now")
	if n := d.m.staged.Len(); n != 0 {
		t.Errorf("%d edits are staged", n)
	}
	d.press("F", "D")
	if n := d.m.staged.Len(); n != 1 {
		t.Errorf("live again, %d edits are staged", n)
	}
}

// TestEventsOnTheAxis: what happened stands under what came in, and g goes there.
func TestEventsOnTheAxis(t *testing.T) {
	d := openThen(t)
	d.press("p")
	marks := d.axis()
	if !strings.Contains(marks[0], "02:57") || !strings.Contains(marks[0], "03:07") || !strings.Contains(marks[1], "C") || !strings.Contains(marks[0], "|") {
		t.Errorf("axis:\n%s", strings.Join(marks, "\n"))
	}
	before := strings.Index(marks[0], "|")
	d.do(action.GoEvents)
	d.press("g") // the newest: the backends, at 03:02:29
	d.has("PAUSED at 03:02:21, -5m20s avg 10s")
	if marks = d.axis(); strings.Index(marks[0], "|") >= before || !strings.Contains(marks[0], "|") {
		t.Errorf("the place did not move:\n%s", strings.Join(marks, "\n"))
	}
	d.press("F")
	if d.axis() != nil {
		t.Error("a live console shows an axis")
	}
}

// axis is the two lines of the axis on the screen; nil when there is none.
func (d *driver) axis() []string {
	lines := d.m.axisLines(d.m.w)
	if lines == nil {
		return nil
	}
	return []string{ansi.Strip(lines[0]), ansi.Strip(lines[1])}
}

// TestStaleJumpsAreDropped: only the last of several requests counts, and one that comes after going live counts no more.
func TestStaleJumpsAreDropped(t *testing.T) {
	d := openThen(t)
	d.hold = true
	d.press(",", ",", "<")
	held := d.held
	d.hold, d.held = false, nil
	for _, cmd := range held {
		d.run(cmd)
	}
	d.has("PAUSED at 03:06:39")
	d.hold = true
	d.press("<")
	held, d.hold, d.held = d.held, false, nil
	d.press("F")
	for _, cmd := range held {
		d.run(cmd)
	}
	d.has("LIVE 03:07:41")
}

func TestNoRecord(t *testing.T) {
	d := open80(t, fake.Busy())
	d.press("p")
	d.has("PAUSED at 03:07:41")
	d.press(",")
	d.has("nothing is recorded of 2026-08-22 03:07:40")
	d.has("PAUSED at 03:07:41")
	d.node.Refuse(errors.New("the engine hung up"))
	d.press("<")
	d.has("the engine hung up")
}

// TestHeldAtEverySize: the axis leaves room, or is left out.
func TestHeldAtEverySize(t *testing.T) {
	d := openThen(t)
	d.run(d.m.act(call{ID: action.GoTime, Arg: "03:01"}))
	for w := 20; w <= 200; w += 12 {
		for _, h := range [...]int{5, 8, 12, 23, 24, 25, 40, 60} {
			d.size(w, h)
			checkFilled(t, "held", d.m.View(), w, h)
		}
	}
}

// TestReplay: the console on an incident file goes by the file's clock, holds, steps, goes on from there, and changes
// nothing.
func TestReplay(t *testing.T) {
	r, err := engine.OpenIncident("../../testdata/incidents/backends.rec")
	if err != nil {
		t.Fatal(err)
	}
	p, err := engine.Play(r, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.SetSpeed(0.1); err != nil { // it stands still, for a test
		t.Fatal(err)
	}
	first, last, err := r.Bounds()
	if err != nil {
		t.Fatal(err)
	}
	d := &driver{t: t, now: fake.Epoch()}
	d.open(p)
	d.has("lb1", "recorded", "REPLAY x0.1 "+first.Format(time.TimeOnly))
	d.press("!")
	d.has("arm: this is a recording")
	d.press("p", ".", ".", ".")
	d.has("PAUSED at " + first.Add(3*time.Second).Format(time.TimeOnly))
	d.has(first.Format(time.TimeOnly), last.Format(time.TimeOnly))
	d.press("p")
	d.has("REPLAY x0.1 " + first.Add(3*time.Second).Format(time.TimeOnly))
	d.press("t")
	d.text(last.Add(-5 * time.Second).Format(time.TimeOnly))
	d.press("enter")
	d.has("PAUSED at " + last.Add(-5*time.Second).Format(time.TimeOnly))
	d.press("*")
	d.text("60")
	d.press("enter", "F")
	d.has("REPLAY x60")
	d.press("*")
	d.text("1e9")
	d.press("enter")
	d.has("a speed of 1e+09; it is from 0.1 to 3600")
}
