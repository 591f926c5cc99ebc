package term

import tea "github.com/charmbracelet/bubbletea"

// Clicks and the wheel, in coordinates of any size. Moves are not asked for: they would be a flood.
const (
	mouseOn  = "\x1b[?1000h\x1b[?1006h"
	mouseOff = "\x1b[?1006l\x1b[?1000l"
)

// mouseMsg is the wish for another state of the mouse.
type mouseMsg struct{ on bool }

// Mouse is a command that makes the terminal report clicks and the wheel as tea.MouseMsg, or leaves them to the terminal
// again. While they are reported, most terminals select text only with shift held down.
func Mouse(on bool) tea.Cmd { return func() tea.Msg { return mouseMsg{on} } }
