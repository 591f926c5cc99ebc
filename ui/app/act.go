package app

import (
	"fmt"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/ui/action"
	"hairpin/ui/overlay"
	"hairpin/ui/page"
	"hairpin/ui/staged"
	"hairpin/ui/theme"
)

// act does an action, or says why not. Everything it is about is in the call.
func (m *Model) act(c call) tea.Cmd {
	a, known := action.Find(c.ID)
	if !known {
		m.say(theme.Warn, "no action is called %s", c.ID)
		return nil
	}
	if a.Of == action.ChainStages {
		if c, known = m.named(c); !known {
			return nil
		}
	}
	if c.ID == action.Believe && c.Arg != "" {
		c.Target = page.Target{VIP: c.Arg}
	}
	if why := m.refusal(a, c.Target); why != "" {
		m.say(theme.Warn, "%s: %s", a.Title, why)
		return nil
	}
	switch a.Scope {
	case action.Backends:
		return m.edit(c)
	case action.Chain:
		return m.editChain(c)
	case action.Limits:
		return m.editLimit(c)
	case action.Events:
		switch c.ID {
		case action.History:
			return m.openHistory()
		case action.EventTime:
			return m.timeKeys(c)
		}
		return m.takeBack(c)
	}
	if a.Scope == action.Trace && c.ID != action.TraceOther {
		return m.tracing(c)
	}
	switch c.ID {
	case action.GoTrace, action.TraceThis:
		return m.tracing(c)
	case action.CaptureStart, action.CaptureStop, action.CaptureSave, action.CaptureThis:
		return m.capturing(c)
	case action.GoVIPs:
		m.goVIP(c.Arg)
	case action.GoOverview, action.GoChain, action.GoLimits, action.GoConnections, action.GoCapture, action.GoHandoff, action.GoEvents, action.GoDoctor, action.GoRouting, action.GoBGP, action.GoFleet,
		action.GoAgent, action.GoTenants:
		m.open(page.Place{Screen: c.ID})
	case action.Older, action.Newer, action.Last:
		m.travel(c.ID)
	case action.Palette:
		m.openPalette(c.Target)
	case action.Help:
		m.push(overlay.NewHelp(m.keys, m.page().Scope(), m.looks.problems))
	case action.Filter:
		m.openFilter(c.Arg)
	case action.Pause, action.Live, action.StepBack, action.StepOn, action.MinuteBack, action.MinuteOn, action.GoTime, action.Speed:
		return m.timeKeys(c)
	case action.CopyRow, action.CopyView:
		return m.copy(c.ID)
	case action.Arm:
		return m.toggleArm(c.Arg)
	case action.Undo, action.Redo, action.Discard:
		m.restage(c.ID)
	case action.Apply:
		return m.preview()
	case action.Confirm:
		return m.confirm()
	case action.FleetStop, action.FleetResume, action.FleetBack, action.FleetLeave, action.FleetRejoin:
		return m.fleeted(c.ID)
	case action.Believe:
		m.openBelieve(c.Target.VIP)
	case action.HandOver:
		m.openHandOver()
	case action.GoBack:
		return m.goBack()
	case action.Detach:
		m.openDetach(false)
	case action.Quit:
		m.openQuit()
	case action.Theme, action.Keymap, action.Glyphs:
		return m.relook(c)
	case action.Mouse:
		return m.toggleMouse()
	default:
		return m.within(c.ID)
	}
	return nil
}

// within gives an action to the page, and goes where the page wants to.
func (m *Model) within(id action.ID) tea.Cmd {
	if m.shown == nil {
		if id == action.Back {
			m.openQuit()
		}
		return nil
	}
	v := m.view()
	move := m.page().Act(id, v)
	m.page().Sync(v)
	switch {
	case move.Go != nil:
		m.open(*move.Go)
	case move.Up && m.place.Screen == action.GoOverview:
		m.openQuit()
	case move.Up:
		m.open(page.Place{Screen: action.GoOverview})
	}
	return nil
}

func (m *Model) travel(id action.ID) {
	move := map[action.ID]func() bool{action.Older: m.older, action.Newer: m.newer, action.Last: m.last}[id]
	if !move() {
		m.say(theme.Hint, "%s: there is no other view yet", action.Title(id))
	}
}

// restage walks the staged list back and forth, or empties it.
func (m *Model) restage(id action.ID) {
	var e staged.Edit
	switch id {
	case action.Undo:
		m.staged, e, _ = m.staged.Undo()
		m.say(theme.Hint, "taken back: %s", e)
	case action.Redo:
		m.staged, e, _ = m.staged.Redo()
		m.say(theme.Staged, "staged again: %s", e)
	case action.Discard:
		m.say(theme.Hint, "%s dropped", count(m.staged.Len(), "staged edit"))
		m.staged = staged.List{}
	}
	m.relay()
}

// filterText is the request to filter the screen that it names.
type filterText struct {
	screen action.ID
	text   string
}

// openFilter asks for a filter that works while it is typed, or takes the one that is given.
func (m *Model) openFilter(text string) {
	screen := m.place.Screen
	change := func(text string) any { return filterText{screen, text} }
	if text != "" {
		m.ask(change(text))
		return
	}
	m.push(overlay.NewPrompt("/", m.page().Filter().Text, change))
}

// outcome closes the topmost overlay if it is done, and does what it asks for.
func (m *Model) outcome(o overlay.Outcome) tea.Cmd {
	if o.Close && len(m.stack) > 0 {
		m.closeTop()
	}
	if o.Ask == nil {
		return nil
	}
	return m.ask(o.Ask)
}

func (m *Model) top() overlay.Overlay { return m.stack[len(m.stack)-1].Overlay }

func (m *Model) closeTop() {
	n := len(m.stack) - 1
	if _, was := m.stack[n].Overlay.(*previewing); was {
		m.job.drop()
	}
	m.stack = m.stack[:n]
}

// ask does what an overlay wanted.
func (m *Model) ask(request any) tea.Cmd {
	switch r := request.(type) {
	case call:
		return m.act(r)
	case command:
		return m.command(r)
	case armReason:
		return m.armFor(r)
	case goTime:
		return m.goTo(time.Time(r), false)
	case filterText:
		p := m.pages[r.screen]
		p.SetFilter(page.NewFilter(r.text))
		if m.shown != nil {
			p.Sync(m.view())
		}
	case captureFilter:
		return m.beginCapture(r)
	case staged.Edit:
		m.stage(r)
	case applyIt:
		return m.apply(r)
	case fleetIt:
		return m.askFleet(r)
	case believeIt:
		return m.believe(r)
	case handOverIt:
		return m.handOver(r)
	case detachIt:
		return m.detach(r)
	case askDetach:
		m.openDetach(true)
	case leave:
		return tea.Quit
	}
	return nil
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
