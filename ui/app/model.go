package app

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/engine"
	"hairpin/engine/spec"
	"hairpin/ui/action"
	"hairpin/ui/feed"
	"hairpin/ui/keymap"
	"hairpin/ui/overlay"
	"hairpin/ui/page"
	"hairpin/ui/staged"
	"hairpin/ui/term"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Model is the root of the console. Only bubbletea's loop touches it.
type Model struct {
	ctx  context.Context
	node engine.Node
	feed *feed.Feed
	opts Options
	keys *keymap.Keymap

	kit    page.Kit
	looks  looks
	utf8   bool     // the terminal has shown that it knows the glyphs
	past   []string // commands run by name, newest last
	mouse  bool     // the terminal reports it
	unkept bool     // that they are not kept was said

	w, h  int
	now   time.Time
	shown *engine.State // what is drawn
	live  *engine.State // the newest, also while the picture is held

	pages  map[action.ID]page.Page
	place  page.Place
	trail  trail
	stack  []open
	chord  chord
	flash  flash
	was    *engine.Armed // what this console held at the last look
	staged staged.List
	next   *spec.Spec // live.Spec with what is staged
	job    job
	traces traces
	rewind rewind
	link   link
	look   looking
	watch  time.Time // when the engine was last asked to measure what stages cost
	fell   *uint64   // fallbacks seen; nil before the first snapshot

	after func(time.Duration, tea.Msg) tea.Cmd // sends a message later
}

// open is an overlay on the stack. One that nobody asked for lets no key through for a moment.
type open struct {
	overlay.Overlay
	deaf time.Time // keys before this are swallowed
}

// deafness is how long a dialog that nobody asked for swallows keys: they were meant for what was there before.
const deafness = 425 * time.Millisecond

// New is a console that has not been drawn. The options must be whole: see Run.
func New(ctx context.Context, node engine.Node, f *feed.Feed, o Options) *Model {
	o = o.withDefaults()
	m := &Model{ctx: ctx, node: node, feed: f, opts: o, pages: page.New(), now: o.Now(), after: later}
	m.mouse = o.Mouse
	m.kit.Units, m.utf8 = &widget.Units{}, o.KnowsGlyphs
	m.wear(o.looks())
	past, err := o.settings().Past().Read()
	m.past = past
	m.kept(err)
	m.place = page.Place{Screen: action.GoOverview}
	m.refresh()
	return m
}

// wear draws with other looks; with their glyphs only where the terminal has shown that it knows them.
func (m *Model) wear(l looks) {
	m.looks, m.keys, m.kit.Theme = l, l.keys, l.theme
	if m.kit.Glyphs = theme.ASCII(); m.utf8 {
		m.kit.Glyphs = l.glyphs
	}
}

type (
	tickMsg  struct{}
	freshMsg struct{} // the first snapshot came
)

// tick is due at the next full second, so that the clock on the screen is right.
func (m *Model) tick() tea.Cmd {
	return m.after(time.Second-time.Duration(m.now.Nanosecond()), tickMsg{})
}

func later(d time.Duration, msg tea.Msg) tea.Cmd {
	return tea.Tick(d, func(time.Time) tea.Msg { return msg })
}

// Init arms if it is asked to, starts the clock and waits for the first snapshot.
func (m *Model) Init() tea.Cmd {
	var arm tea.Cmd
	if m.opts.Armed {
		arm = m.armFor(armReason(m.opts.Why))
	}
	return tea.Batch(arm, m.tick(), func() tea.Msg {
		select {
		case <-m.feed.Ready():
		case <-m.ctx.Done():
		}
		return freshMsg{}
	})
}

// Update never waits: whatever may take time is a command, and its reply carries the number of its request.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.now = m.opts.Now()
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tickMsg:
		m.refresh()
		cmd = tea.Batch(m.tick(), m.lookAtCosts(), m.lookAtPackets())
	case fleetMsg:
		m.lookedAtFleet(msg)
	case talkMsg, begunMsg, capturedMsg, savedMsg:
		cmd = m.looked(msg)
	case freshMsg:
		m.refresh()
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
	case term.ProbedMsg:
		if msg.UTF8 {
			m.utf8 = true
			m.wear(m.looks)
		}
	case tea.KeyMsg:
		cmd = m.press(msg)
	case tea.MouseMsg:
		cmd = m.moused(tea.MouseEvent(msg))
	case chordMsg:
		m.chord.show(msg)
	case reply:
		cmd = m.answered(msg)
	case then:
		cmd = m.arrived(msg)
	case term.BackgroundMsg:
		cmd = m.seenOn(msg.Light)
	case term.LinkMsg:
		m.link.took(m, msg.Took)
	case relookMsg:
		m.relooked(msg)
	case keptMsg:
		m.kept(msg.err)
	case copiedMsg:
		m.copied(msg.err)
	}
	return m, cmd
}

// refresh takes one snapshot for everything that is drawn until the next.
func (m *Model) refresh() {
	m.shown, m.live = m.feed.Shown(), m.feed.Latest()
	m.noticeDisarmed()
	m.notice()
	m.relay()
}

// relay lays what is staged over the newest running spec, and tells the pages.
func (m *Model) relay() {
	m.next = nil
	if m.live != nil {
		var conflicts []staged.Conflict
		m.next, conflicts = m.staged.Over(m.live.Spec)
		if len(conflicts) > 0 { // the world moved: said once, then forgotten
			m.staged = m.staged.Without(conflicts)
			m.say(theme.Warn, "no longer staged: %v", conflicts[0].Err)
		}
	}
	if m.shown != nil {
		v := m.view()
		for _, p := range m.pages {
			p.Sync(v)
		}
	}
}

// view is what pages draw from. Held pictures are seen at their own time.
func (m *Model) view() page.View {
	v := page.View{State: m.shown, Now: m.now, Next: m.next, Traced: m.traces.find(m.place), Talk: m.look.talk, TalkWhy: m.look.why, Capture: m.look.capture,
		Fleet: m.look.fleet, FleetWhy: m.look.fleetWhy}
	for _, e := range m.staged.Edits() {
		v.Staged = append(v.Staged, e.String())
	}
	if m.live != nil {
		v.Running = m.live.Spec
	}
	if m.ofThen() {
		v.Now = m.shown.Time
	}
	if m.feed.Frozen() { // what is staged is for the node as it is now
		v.Running, v.Next, v.Staged = m.shown.Spec, m.shown.Spec, nil
	}
	return v
}

func (m *Model) page() page.Page { return m.pages[m.place.Screen] }

// name is the node's, as it is shown and typed.
func (m *Model) name() string {
	switch {
	case m.opts.Node != "":
		return m.opts.Node
	case m.live != nil && m.live.Node != "":
		return m.live.Node
	}
	return "node"
}

// push opens an overlay that the person asked for; interrupt opens one that came by itself.
func (m *Model) push(o overlay.Overlay) { m.stack = append(m.stack, open{Overlay: o}) }

func (m *Model) interrupt(o overlay.Overlay) {
	m.stack = append(m.stack, open{o, m.now.Add(deafness)})
}

// notice says what the kernel did by itself since the last look.
func (m *Model) notice() {
	if m.live == nil || m.live.Role == engine.Recorded {
		return
	}
	g := m.live.Generation
	if m.fell != nil && g.Fallbacks > *m.fell && m.isArmed() { // others read it in the second line
		m.interrupt(wentBack(g))
	}
	m.fell = &g.Fallbacks
}
