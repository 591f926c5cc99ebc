package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/overlay"
	"hairpin/ui/page"
	"hairpin/ui/theme"
	"hairpin/ui/when"
)

// rewind is the way to a picture of another time. The zero value is that nobody is on it.
type rewind struct {
	n       int       // of the request; a reply to another one is dropped
	aim     time.Time // where it leads
	running bool
	cancel  context.CancelFunc
	axis    axis // around what is shown
}

// then is the reply to a request for another time.
type then struct {
	n      int
	aim    time.Time
	onward bool          // from what is shown to the next one
	state  *engine.State // nil: the axis alone was wanted
	axis   axis
	err    error
}

// goTime is the request to go to a time.
type goTime time.Time

// rewindLimit bounds the wait for a picture of another time.
const rewindLimit = 10 * time.Second

// player is a Node that plays a recording.
type player interface {
	Seek(*engine.State)
	SetSpeed(float64) error
	Speed() float64
	Last() time.Time
}

// clock is what times are typed by: now, or the end of a recording.
func (m *Model) clock() time.Time {
	if p, plays := m.node.(player); plays {
		return p.Last()
	}
	return m.now
}

// newest is the time of the newest picture that there is.
func (m *Model) newest() time.Time {
	if p, plays := m.node.(player); plays {
		return p.Last()
	}
	return m.live.Time
}

// timeKeys does what the keys of time ask for.
func (m *Model) timeKeys(c call) tea.Cmd {
	switch c.ID {
	case action.Pause, action.Live:
		return m.hold(c.ID == action.Pause && !m.feed.Frozen())
	case action.StepBack, action.MinuteBack, action.StepOn, action.MinuteOn:
		return m.stepTime(c.ID)
	case action.EventTime:
		return m.goTo(c.Target.Time, false)
	case action.Speed:
		return m.setSpeed(c.Arg)
	}
	if c.Arg == "" {
		m.askTime()
		return nil
	}
	at, err := when.Parse(c.Arg, m.clock())
	if err != nil {
		m.say(theme.Warn, "%v", err)
		return nil
	}
	return m.goTo(at, false)
}

func (m *Model) askTime() {
	m.push(&overlay.Input{
		Title: "GO TO A TIME",
		Body:  []overlay.Line{{Token: theme.Hint, Text: "What was shown then, as far as it is recorded: " + when.Forms}},
		Check: func(text string) (any, error) {
			at, err := when.Parse(text, m.clock())
			return goTime(at), err
		},
	})
}

// noTime says why an action of time cannot be done, or nothing.
func (m *Model) noTime(id action.ID, t page.Target) string {
	_, plays := m.node.(player)
	switch {
	case id == action.Live && !m.feed.Frozen():
		return "it is live"
	case id == action.Speed && !plays:
		return "only a replay has a speed"
	case id == action.EventTime && t.Time.IsZero():
		return "no event is under the cursor"
	case m.shown == nil && id != action.Speed:
		return "there is nothing to see yet"
	}
	return ""
}

// stepTime goes from what is shown, or from where it is on its way to, to another time. The next recorded one is somewhere
// within its span: half a span more meets it, and not the one behind.
func (m *Model) stepTime(id action.ID) tea.Cmd {
	span := max(m.shown.Span, time.Second)
	by := map[action.ID]time.Duration{action.MinuteBack: -time.Minute, action.MinuteOn: time.Minute,
		action.StepBack: -time.Millisecond, action.StepOn: span + span/2}[id]
	from := m.shown.Time
	if m.rewind.running {
		from = m.rewind.aim
		if id == action.StepBack {
			by = -span
		}
	}
	to := from.Add(by)
	if next := m.rewind.axis.after(from); id == action.StepOn && !next.IsZero() && next.Before(to) {
		to = next // where it is finer from there on
	}
	return m.goTo(to, id == action.StepOn)
}

// goTo shows what was shown at a time, and holds it.
func (m *Model) goTo(t time.Time, onward bool) tea.Cmd {
	if newest := m.newest(); t.After(newest) {
		if m.feed.Freeze(); !m.shown.Time.Before(newest) {
			m.say(theme.Hint, "this is the newest; %s goes on", m.keyOf(action.Live))
			return nil
		}
		t = newest
	}
	m.feed.Freeze() // as it is, until the other picture comes
	return m.fetch(t, func(ctx context.Context, node engine.Node) (*engine.State, error) { return node.At(ctx, t) }, onward)
}

// fetch asks for the axis around a time, and for what get gets.
func (m *Model) fetch(t time.Time, get func(context.Context, engine.Node) (*engine.State, error), onward bool) tea.Cmd {
	m.leaveRewind()
	ctx, cancel := context.WithTimeout(m.ctx, rewindLimit)
	m.rewind.n, m.rewind.aim, m.rewind.running, m.rewind.cancel = m.rewind.n+1, t, true, cancel
	n, node, newest := m.rewind.n, m.node, m.live
	return func() tea.Msg {
		defer cancel()
		r := then{n: n, aim: t, onward: onward}
		if r.axis, r.err = axisAround(ctx, node, t, newest); r.err != nil {
			return r
		}
		r.state, r.err = get(ctx, node)
		if first := r.axis.after(time.Time{}); errors.Is(r.err, engine.ErrInvalid) && first.After(t) {
			r.state, r.err = node.At(ctx, first) // nothing is older
		}
		return r
	}
}

// leaveRewind forgets the request that is under way; its reply will find nobody.
func (m *Model) leaveRewind() {
	if m.rewind.cancel != nil {
		m.rewind.cancel()
	}
	m.rewind.n, m.rewind.running, m.rewind.cancel = m.rewind.n+1, false, nil
}

// arrived takes a picture of another time, unless nobody waits for it any more.
func (m *Model) arrived(r then) tea.Cmd {
	if r.n != m.rewind.n || !m.rewind.running {
		return nil
	}
	m.leaveRewind()
	before := m.shown.Time
	switch {
	case r.err != nil && r.state == nil && r.aim.Equal(before):
		return nil // it was only held: without an axis
	case r.err != nil:
		what := r.err.Error()
		if errors.Is(r.err, engine.ErrInvalid) {
			what = "nothing is recorded of " + r.aim.Format(time.DateTime)
		}
		m.say(theme.Warn, "%s", what)
		m.refresh()
		return nil
	}
	m.rewind.axis = r.axis
	if r.state == nil {
		return nil
	}
	if r.onward && !r.state.Time.After(before) { // nothing is recorded for a while
		if next := r.axis.after(before); !next.IsZero() {
			return m.goTo(next, false)
		}
		m.say(theme.Hint, "nothing later is recorded; %s goes on", m.keyOf(action.Live))
		return nil
	}
	m.feed.Hold(r.state)
	m.refresh()
	if off := r.aim.Sub(r.state.Time); off < 0 || off > 2*max(r.state.Span, time.Second) {
		m.say(theme.Warn, "nothing is recorded of %s; this is %s", r.aim.Format(time.TimeOnly), r.state.Time.Format(time.DateTime))
	}
	return nil
}

// hold keeps the picture, or lets it go on. Collecting never stops; a replay goes on from what is shown.
func (m *Model) hold(still bool) tea.Cmd {
	m.leaveRewind()
	if still {
		m.feed.Freeze()
		if m.refresh(); m.shown == nil {
			return nil
		}
		none := func(context.Context, engine.Node) (*engine.State, error) { return nil, nil }
		return m.fetch(m.shown.Time, none, false)
	}
	m.rewind.axis = axis{}
	if p, plays := m.node.(player); plays && m.feed.Frozen() {
		p.Seek(m.shown)
		m.feed.Put(m.node.State())
	}
	m.feed.Thaw()
	m.refresh()
	return nil
}

func (m *Model) setSpeed(text string) tea.Cmd {
	p := m.node.(player) // noTime has looked
	if text == "" {
		m.push(&overlay.Input{
			Title: "SPEED",
			Body:  []overlay.Line{{Token: theme.Hint, Text: "How many seconds of the recording go by in one?"}},
			Check: func(text string) (any, error) {
				if _, err := strconv.ParseFloat(text, 64); err != nil {
					return nil, errors.New("a number is needed, such as 10 or 0.5")
				}
				return call{ID: action.Speed, Arg: text}, nil
			},
		})
		return nil
	}
	speed, err := strconv.ParseFloat(text, 64)
	if err == nil {
		err = p.SetSpeed(speed)
	}
	if err != nil {
		m.say(theme.Warn, "%v", err)
	}
	return nil
}

// held is what the first line says of a picture that is held: of when, how old, how exact.
func (m *Model) held(clock string, short bool) string {
	at := m.shown.Time
	if y, month, d := at.Date(); at.Before(m.clock()) {
		if ny, nm, nd := m.clock().Date(); y != ny || month != nm || d != nd {
			clock = "01-02 " + clock
		}
	}
	text := "PAUSED at " + at.Format(clock)
	if age := m.clock().Sub(at).Truncate(time.Second); age > 0 && !short && m.shown.Role != engine.Recorded {
		text += fmt.Sprintf(", -%s", age)
	}
	if m.shown.Span > 0 {
		text += fmt.Sprintf(" avg %ds", int(m.shown.Span/time.Second))
	}
	return text
}

// pace is how fast a replay goes.
func (m *Model) pace() string {
	p, plays := m.node.(player)
	switch {
	case !plays:
		return ""
	case p.Speed() == 0:
		return "at its end"
	}
	return fmt.Sprintf("x%g", p.Speed())
}
