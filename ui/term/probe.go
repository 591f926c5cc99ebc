package term

import (
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
)

type (
	// ProbedMsg comes when the terminal has answered what it can do. It comes at most once; a terminal that does not answer
	// is one that can do nothing of it.
	ProbedMsg struct {
		UTF8 bool // characters beyond ASCII take one cell each, as they should
	}

	// BackgroundMsg comes at most once, from terminals that say which background they have.
	BackgroundMsg struct{ Light bool }

	// LinkMsg says from time to time how long the terminal took to answer: the way there, what waited to be written, and the
	// way back. Terminals that answer nothing send none.
	LinkMsg struct{ Took time.Duration }
)

// probe asks the terminal and picks the answers out of what is typed. It never waits: the first frame is painted before
// any answer, in ASCII.
type probe struct {
	mu     sync.Mutex
	utf8   func(bool) // called with the answer, once; nil afterwards
	synced func(bool)
	light  func(bool)
	took   func(time.Duration) // called with each answer to a question that only asks for one

	now   func() time.Time
	asked time.Time // when the question went out that has no answer yet; zero = there is none
}

// question prints one character in the upper left corner and asks where the cursor is: in the second column only where
// UTF-8 is read, and where characters of ambiguous width are narrow, as the glyphs need it. In other encodings its two
// bytes are two letters. Then it asks for mode 2026 and for the background's colour; who does not know the former may
// print a "p". The first frame overwrites all of it.
const question = ansi.CursorHomePosition + "é" + ansi.RequestCursorPositionReport + "\x1b[?2026$p" + ansi.RequestBackgroundColor

// areYouThere asks for nothing but an answer.
const areYouThere = "\x1b[5n"

var (
	cursorReport = regexp.MustCompile(`\x1b\[1;([0-9]+)R`)
	modeReport   = regexp.MustCompile(`\x1b\[\?2026;([0-4])\$y`)
	hereIAm      = regexp.MustCompile(`\x1b\[([03])n`)
	colourReport = regexp.MustCompile(`\x1b\][0-9]+;(?:rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4}))?[^\x07\x1b]*(?:\x07|\x1b\\)`)
)

// ask sends the question of the start.
func (p *probe) ask(send func(string) bool) {
	p.mu.Lock()
	p.asked = p.now()
	p.mu.Unlock()
	send(question)
}

// ping asks for an answer, unless one is still awaited.
func (p *probe) ping(send func(string) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked.IsZero() && send(areYouThere) {
		p.asked = p.now()
	}
}

// answered ends the wait for an answer.
func (p *probe) answered() {
	if !p.asked.IsZero() && p.took != nil {
		p.took(p.now().Sub(p.asked))
	}
	p.asked = time.Time{}
}

// take removes the answers from what was read and returns how much is left of it. After its answer came, a cursor
// report is a key again (F3 with a modifier looks the same).
func (p *probe) take(read []byte) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(read)
	var g []string
	if p.utf8 != nil {
		if g, n = cut(read[:n], cursorReport); g != nil {
			p.answered()
			p.utf8(g[0] == "2")
			p.utf8 = nil
		}
	}
	if p.synced != nil {
		if g, n = cut(read[:n], modeReport); g != nil {
			p.synced(g[0] == "1" || g[0] == "2") // set or reset: known
			p.synced = nil
		}
	}
	for g, n = cut(read[:n], colourReport); g != nil; g, n = cut(read[:n], colourReport) {
		if g[0] != "" && p.light != nil {
			p.light(bright(g))
			p.light = nil
		}
	}
	if g, n = cut(read[:n], hereIAm); g != nil {
		p.answered()
	}
	return n
}

// bright tells whether black can be read better than white on a colour of three hexadecimal numbers.
func bright(rgb []string) bool {
	light := 0.0
	for i, weight := range [...]float64{0.2126, 0.7152, 0.0722} {
		v, _ := strconv.ParseUint(rgb[i], 16, 16)
		light += weight * float64(v) / float64(uint(1)<<(4*len(rgb[i]))-1)
	}
	return light > 0.5
}
