package term

import (
	"regexp"
	"sync"

	"github.com/charmbracelet/x/ansi"
)

// ProbedMsg comes when the terminal has answered what it can do. It comes at most once; a terminal that does not answer is
// one that can do nothing of it.
type ProbedMsg struct {
	UTF8 bool // characters beyond ASCII take one cell each, as they should
}

// probe asks the terminal and picks the answers out of what is typed. It never waits: the first frame is painted before
// any answer, in ASCII.
type probe struct {
	mu     sync.Mutex
	utf8   func(bool) // called with the answer, once; nil afterwards
	synced func(bool)
}

// question prints one character in the upper left corner and asks where the cursor is: in the second column only where
// UTF-8 is read, and where characters of ambiguous width are narrow, as the glyphs need it. In other encodings its two
// bytes are two letters. Then it asks for mode 2026; who does not know that question may print a "p". The first
// frame overwrites all of it.
const question = ansi.CursorHomePosition + "é" + ansi.RequestCursorPositionReport + "\x1b[?2026$p"

var (
	cursorReport = regexp.MustCompile(`\x1b\[1;([0-9]+)R`)
	modeReport   = regexp.MustCompile(`\x1b\[\?2026;([0-4])\$y`)
)

// take removes the answers from what was read and returns how much is left of it. After its answer came, a cursor
// report is a key again (F3 with a modifier looks the same).
func (p *probe) take(read []byte) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(read)
	if p.utf8 != nil {
		var g []string
		if g, n = cut(read[:n], cursorReport); g != nil {
			p.utf8(g[0] == "2")
			p.utf8 = nil
		}
	}
	if p.synced != nil {
		var g []string
		if g, n = cut(read[:n], modeReport); g != nil {
			p.synced(g[0] == "1" || g[0] == "2") // set or reset: known
			p.synced = nil
		}
	}
	return n
}
