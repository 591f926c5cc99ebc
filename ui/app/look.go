package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/engine"
	"hairpin/engine/capture"
	"hairpin/ui/action"
	"hairpin/ui/overlay"
	"hairpin/ui/page"
	"hairpin/ui/theme"
)

// mostCaptured is how many records of a capture the console keeps.
const mostCaptured = 20_000

// looking is what the console knows of packets: they are no part of a State.
type looking struct {
	talk    *engine.Connections
	why     string // there is none
	talking bool   // it was asked
	capture *page.Capturing
	reading bool

	fleet    []engine.FleetNode
	fleetWhy string // it is not known
	fleeting bool   // it was asked
	fleetAt  time.Time
}

type (
	talkMsg struct {
		c   *engine.Connections
		err error
	}
	begunMsg struct {
		id  int
		err error
	}
	capturedMsg struct {
		id  int
		c   *engine.Captured
		err error
	}
	savedMsg struct {
		name string
		n    int
		err  error
	}
	captureFilter string
	captureFile   string
)

// lookAtPackets asks for what the screens show of packets, while they do.
func (m *Model) lookAtPackets() tea.Cmd {
	if m.live == nil || m.live.Role == engine.Pins || m.live.Role == engine.Recorded {
		return nil
	}
	asked := []tea.Cmd{m.lookAtFleet()}
	if p, ok := m.page().(*page.Connections); ok && !m.look.talking && !m.feed.Frozen() {
		m.look.talking = true
		ctx, node, r := m.ctx, m.node, p.Request()
		asked = append(asked, func() tea.Msg {
			ctx, cancel := context.WithTimeout(ctx, lookLimit)
			defer cancel()
			c, err := node.Connections(ctx, r)
			return talkMsg{c, err}
		})
	}
	if c := m.look.capture; c != nil && c.On && !m.look.reading {
		asked = append(asked, m.readCapture(c.Status.ID))
	}
	return tea.Batch(asked...)
}

// lookLimit is how long an answer may take.
const lookLimit = 5 * time.Second

func (m *Model) readCapture(id int) tea.Cmd {
	m.look.reading = true
	ctx, node := m.ctx, m.node
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, lookLimit)
		defer cancel()
		c, err := node.Captured(ctx, id)
		return capturedMsg{id, c, err}
	}
}

// looked takes what was asked for.
func (m *Model) looked(msg tea.Msg) tea.Cmd {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case talkMsg:
		m.look.talking = false
		if m.look.talk, m.look.why = msg.c, ""; msg.err != nil {
			m.look.why = msg.err.Error()
		}
	case begunMsg:
		if msg.err != nil {
			m.say(theme.Warn, "%v", msg.err)
			return nil
		}
		m.look.capture = &page.Capturing{Status: engine.CaptureStatus{ID: msg.id}, On: true}
		cmd = m.readCapture(msg.id)
	case capturedMsg:
		m.took(msg)
	case savedMsg:
		if msg.err != nil {
			m.say(theme.Warn, "save: %v", msg.err)
		} else {
			m.say(theme.OK, "%d records in %s", msg.n, msg.name)
		}
	}
	m.relay()
	return cmd
}

// took adds records; a page keeps the slice that it was given.
func (m *Model) took(msg capturedMsg) {
	m.look.reading = false
	c := m.look.capture
	switch {
	case c == nil || c.Status.ID != msg.id:
	case msg.err != nil:
		c.On, c.Status.Over = false, msg.err.Error()
	default:
		was := c.Status.Over
		c.Status = msg.c.Status
		c.Records = append(c.Records, msg.c.Records...)
		c.Records = c.Records[max(0, len(c.Records)-mostCaptured):]
		c.On = was == "" // what was taken last is still on its way when it is said to be over
	}
}

// capturing does what concerns captures.
func (m *Model) capturing(c call) tea.Cmd {
	switch c.ID {
	case action.CaptureStart:
		if c.Arg != "" {
			return m.ask(captureFilter(c.Arg))
		}
		m.push(&overlay.Input{Title: "Capture", Body: []overlay.Line{{Text: "filter, such as: vip web and reason no_backend; nothing = every packet"}},
			Check: func(text string) (any, error) { return captureFilter(text), engine.CheckCaptureFilter(text) }})
	case action.CaptureThis:
		p, ok := m.page().(*page.Connections)
		if !ok || p.Selected() == "" {
			m.say(theme.Hint, "there is no connection under the cursor")
			return nil
		}
		m.open(page.Place{Screen: action.GoCapture})
		return m.ask(captureFilter(p.Selected()))
	case action.CaptureStop:
		return m.stopCapture()
	case action.CaptureSave:
		return m.saveCapture(captureFile(c.Arg))
	}
	return nil
}

func (m *Model) beginCapture(filter captureFilter) tea.Cmd {
	ctx, node, stop := m.ctx, m.node, m.stopCapture()
	return func() tea.Msg {
		if stop != nil {
			stop()
		}
		ctx, cancel := context.WithTimeout(ctx, lookLimit)
		defer cancel()
		id, err := node.Capture(ctx, engine.CaptureRequest{Filter: string(filter)})
		return begunMsg{id, err}
	}
}

func (m *Model) stopCapture() tea.Cmd {
	c := m.look.capture
	if c == nil || !c.On {
		return nil
	}
	c.On, c.Status.Over = false, "ended by hand"
	ctx, node, id := m.ctx, m.node, c.Status.ID
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, lookLimit)
		defer cancel()
		_ = node.EndCapture(ctx, id) // else it ends when nobody reads it any more
		return nil
	}
}

// saveCapture writes pcapng: into the file that is named, or one in the person's own folder.
func (m *Model) saveCapture(file captureFile) tea.Cmd {
	c := m.look.capture
	if c == nil || len(c.Records) == 0 {
		m.say(theme.Hint, "there is nothing to save")
		return nil
	}
	name, records := string(file), c.Records
	if name == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			m.say(theme.Warn, "save: %v", err)
			return nil
		}
		name = filepath.Join(home, fmt.Sprintf("hairpin-%s-%s.pcapng", m.name(), m.now.Format("20060102-150405")))
	}
	return func() tea.Msg { return savedMsg{name, len(records), writeCapture(name, records)} }
}

func writeCapture(name string, records []engine.CaptureRecord) (err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600) // it may hold what clients sent
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	w, err := capture.NewWriter(f, "hairpin")
	for i := 0; err == nil && i < len(records); i++ {
		err = w.Write(&records[i])
	}
	return err
}
