package app

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/engine"
	"hairpin/engine/spec"
	"hairpin/ui/action"
	"hairpin/ui/overlay"
	"hairpin/ui/page"
	"hairpin/ui/theme"
)

// traceLimit is how long a trace may take: others may be before it.
const traceLimit = 15 * time.Second

// mostTraces bounds how many traces are kept to be looked at again.
const mostTraces = maxTrail

// traces are what was traced in this session, newest last.
type traces []page.Traced

func (t traces) find(at page.Place) *page.Traced {
	for i := range t {
		if t[i].Place == at {
			return &t[i]
		}
	}
	return nil
}

// put keeps what a place's trace has come to. One that is asked again keeps the old answer until the new one comes.
func (t traces) put(r page.Traced) traces {
	kept := make(traces, 0, len(t)+1)
	for _, old := range t {
		switch {
		case old.Place != r.Place:
			kept = append(kept, old)
		case r.Asked:
			r.Result = old.Result
		}
	}
	kept = append(kept, r)
	return kept[max(0, len(kept)-mostTraces):]
}

// tracing does what is about traces.
func (m *Model) tracing(c call) tea.Cmd {
	arg := strings.TrimSpace(c.Arg)
	switch {
	case c.ID == action.TraceThis:
		packet := page.PacketOf(c.Target, m.shown)
		if packet == "" {
			m.say(theme.Warn, "this row says of no packet what it is; %s asks for one", m.keyOf(action.GoTrace))
			return nil
		}
		nic := c.Target.NIC
		if c.Target.Hook == spec.TCXEgress {
			nic = ""
		}
		return m.trace(page.Place{Screen: action.GoTrace, Packet: packet, NIC: nic})
	case c.ID == action.TraceShells:
		return m.trace(page.Place{Screen: action.GoTrace, Packet: "ssh"})
	case c.ID == action.TraceAgain && m.place.Packet != "":
		return m.trace(m.place)
	case c.ID == action.TraceAgainst:
		return m.traceAgainst(arg)
	case c.ID == action.GoTrace && arg == "":
		m.openTrace()
		return nil
	case arg == "":
		m.askPacket()
		return nil
	}
	if err := engine.CheckPacket(arg); err != nil {
		m.say(theme.Warn, "%v", err)
		return nil
	}
	return m.trace(page.Place{Screen: action.GoTrace, Packet: arg})
}

// traceAgainst traces the packet that is shown also by the spec of an earlier change, or asks by which.
func (m *Model) traceAgainst(arg string) tea.Cmd {
	switch {
	case m.place.Packet == "":
		m.say(theme.Warn, "no packet is traced; %s asks for one", m.keyOf(action.TracePacket))
		return nil
	case m.live != nil && m.live.Barred != "":
		m.say(theme.Warn, "an earlier spec is tried only for those who may change the node: %s", m.live.Barred)
		return nil
	case arg == "":
		m.push(&overlay.Input{Title: "TRACE AGAINST A CHANGE",
			Body: []overlay.Line{{Token: theme.Hint, Text: "the number of a change, as the history has it; 0: what is staged or would come back"}},
			Check: func(text string) (any, error) {
				_, err := changeNumber(text)
				return call{ID: action.TraceAgainst, Arg: text}, err
			}})
		return nil
	}
	n, err := changeNumber(arg)
	if err != nil {
		m.say(theme.Warn, "%v", err)
		return nil
	}
	at := m.place
	at.Change = n
	return m.trace(at)
}

func changeNumber(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no number of a change", text)
	}
	return n, nil
}

// openTrace opens the screen with what was traced last.
func (m *Model) openTrace() {
	at := page.Place{Screen: action.GoTrace}
	if n := len(m.traces); n > 0 {
		at = m.traces[n-1].Place
	}
	m.open(at)
}

// askPacket asks for a packet; the one that is shown is there to be changed.
func (m *Model) askPacket() {
	in := &overlay.Input{Title: "TRACE A PACKET",
		Body:  []overlay.Line{{Token: theme.Hint, Text: engine.TraceExample}, {Token: theme.Hint, Text: "also udp, icmp, gue, ipip [...], hexadecimal, ssh, or flows"}},
		Check: func(text string) (any, error) { return call{ID: action.GoTrace, Arg: text}, engine.CheckPacket(text) }}
	if !page.Captured(m.place.Packet) {
		in.Type(m.place.Packet)
	}
	m.push(in)
}

// trace opens a place of the Trace screen and asks what becomes of its packet: by what runs, and by what is staged or would
// come back.
func (m *Model) trace(at page.Place) tea.Cmd {
	m.open(at)
	m.traces = m.traces.put(page.Traced{Place: at, Asked: true})
	r := engine.TraceRequest{Packet: at.Packet, NIC: at.NIC, Against: m.otherSide(at.Change)}
	return m.start("tracing", traceLimit, func(ctx context.Context, node engine.Node) func(*Model) tea.Cmd {
		result, err := node.Trace(ctx, r)
		return func(m *Model) tea.Cmd {
			answer := page.Traced{Place: at, Result: result}
			if err != nil {
				answer.Why = err.Error()
			}
			m.traces = m.traces.put(answer)
			return nil
		}
	})
}

// otherSide is what a packet is traced against: a change that was named, else what would be otherwise soon; nil where all is as it runs.
func (m *Model) otherSide(change int) *engine.TraceOn {
	switch {
	case m.live == nil || m.live.Barred != "":
		return nil
	case change > 0:
		return &engine.TraceOn{Change: change}
	case m.staged.Len() > 0 && m.next != nil:
		return &engine.TraceOn{Spec: m.next}
	case !m.live.Generation.Deadline.IsZero():
		return &engine.TraceOn{Confirmed: true}
	}
	return nil
}
