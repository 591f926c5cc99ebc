package term

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
)

// MaxCopy is how many bytes terminals take for the clipboard (100,000 characters of base64, less the frame).
const MaxCopy = 74_994

// Copy is a command that puts text on the clipboard of the terminal's machine (OSC 52), also through tmux and screen. No
// terminal says whether it did, and many may not: offer a file as well. More than MaxCopy bytes are not sent; it is false
// then.
func Copy(text string) (tea.Cmd, bool) {
	if len(text) > MaxCopy {
		return nil, false
	}
	return func() tea.Msg { return copyMsg{text} }, true
}

// clipboard is the way to the clipboard, by what stands between.
type clipboard struct {
	tmux, screen bool
}

func clipboardFor(getenv func(string) string) clipboard {
	term := getenv("TERM")
	// sudo drops TMUX and STY, and keeps TERM; both multiplexers call themselves screen.
	either := strings.HasPrefix(term, "screen")
	return clipboard{
		tmux:   getenv("TMUX") != "" || strings.HasPrefix(term, "tmux") || either && getenv("STY") == "",
		screen: getenv("STY") != "" || either && getenv("TMUX") == "",
	}
}

// sequence is the plain one, which tmux takes itself if it is set so, and one wrapped for each multiplexer that may be
// there; a multiplexer drops the other's.
func (c clipboard) sequence(text string) string {
	plain := ansi.SetSystemClipboard(text)
	out := plain
	if c.tmux {
		out += ansi.TmuxPassthrough(plain)
	}
	if c.screen {
		out += ansi.ScreenPassthrough(plain, 768)
	}
	return out
}
