package uitest

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/cellbuf"

	"hairpin/ui/term/grid"
)

// Terminal carries out what a program writes, as far as the console's painter goes: text, CR, LF, BS, cursor moves,
// erasing, SGR, private modes. It answers no question; what it does not know it keeps for Unknown. It may be
// used from any goroutine.
type Terminal struct {
	mu      sync.Mutex
	grid    *grid.Grid
	parser  *ansi.Parser
	state   byte
	rest    []byte // the beginning of a sequence whose end has not come
	x, y    int
	pen     cellbuf.Style
	modes   map[int]bool
	unknown []string
	raw     bytes.Buffer
}

// NewTerminal is an empty terminal; it wraps at the right margin until mode 7 is reset.
func NewTerminal(w, h int) *Terminal {
	return &Terminal{grid: grid.New(w, h), parser: ansi.NewParser(), modes: map[int]bool{7: true, 25: true}}
}

// Screen is what it shows now.
func (t *Terminal) Screen() *Screen {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := grid.New(t.grid.W, t.grid.H)
	for y := range s.H {
		for x := range s.W {
			*s.At(x, y) = *t.grid.At(x, y)
		}
	}
	return &Screen{s}
}

// Mode says whether a private mode is set: 25 the cursor is seen, 1049 the other screen, 2026 output is held back.
func (t *Terminal) Mode(n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.modes[n]
}

// Unknown is what was written and not understood.
func (t *Terminal) Unknown() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.unknown...)
}

// Raw is every byte that was written.
func (t *Terminal) Raw() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.raw.String()
}

// Write takes a program's output; it may end anywhere.
func (t *Terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.raw.Write(p)
	b := append(t.rest, p...)
	t.rest = nil
	if n := unfinishedRune(b); n > 0 {
		b, t.rest = b[:len(b)-n], bytes.Clone(b[len(b)-n:])
	}
	for len(b) > 0 {
		seq, width, n, state := ansi.DecodeSequence(b, t.state, t.parser)
		if state != 0 && n == len(b) { // the sequence is not whole: begin again with more
			t.rest = append(bytes.Clone(b), t.rest...)
			break
		}
		t.step(string(seq), width)
		t.state, b = state, b[n:]
	}
	return len(p), nil
}

// unfinishedRune is how many bytes at the end begin a character that is not whole.
func unfinishedRune(b []byte) int {
	for n := 1; n <= min(len(b), utf8.UTFMax-1); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

func (t *Terminal) step(seq string, width int) {
	switch {
	case width > 0:
		t.text(seq, width)
	case seq == "\r":
		t.x = 0
	case seq == "\b":
		t.x = max(t.x-1, 0)
	case seq == "\n":
		if t.y == t.grid.H-1 {
			t.unknown = append(t.unknown, "line feed in the last row") // it would scroll
		}
		t.y = min(t.y+1, t.grid.H-1)
	case ansi.HasCsiPrefix(seq):
		t.csi(seq, seq[len(seq)-1])
	default:
		t.unknown = append(t.unknown, seq)
	}
}

func (t *Terminal) text(seq string, width int) {
	if t.x+width > t.grid.W {
		if t.modes[7] {
			t.unknown = append(t.unknown, "text in the last column wraps")
		}
		t.x = t.grid.W - width
	}
	t.grid.Put(t.x, t.y, grid.Cell{Text: seq, Width: width, Style: t.pen})
	t.x = min(t.x+width, t.grid.W)
}

func (t *Terminal) csi(seq string, final byte) {
	n, _ := t.parser.Param(0, 1)
	x := min(t.x, t.grid.W-1)
	switch {
	case strings.HasPrefix(seq, "\x1b[?") && (final == 'h' || final == 'l'):
		for _, mode := range strings.Split(seq[3:len(seq)-1], ";") {
			number, _ := strconv.Atoi(mode)
			t.modes[number] = final == 'h'
		}
	case final == 'm':
		cellbuf.ReadStyle(t.parser.Params(), &t.pen)
	case final == 'H':
		column, _ := t.parser.Param(1, 1)
		t.x, t.y = min(max(column, 1), t.grid.W)-1, min(max(n, 1), t.grid.H)-1
	case final == 'B':
		t.y = min(t.y+max(n, 1), t.grid.H-1)
	case final == 'C':
		t.x = min(x+max(n, 1), t.grid.W-1)
	case final == 'D':
		t.x = max(x-max(n, 1), 0)
	case seq == "\x1b[K":
		for ; x < t.grid.W; x++ {
			blank := grid.Blank()
			blank.Style.Bg = t.pen.Bg // as terminals do
			t.grid.Put(x, t.y, blank)
		}
	default:
		t.unknown = append(t.unknown, seq)
	}
}
