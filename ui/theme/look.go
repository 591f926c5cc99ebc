package theme

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"
)

// look is how a token is drawn: "[COLOUR] [on COLOUR] [bold] [faint] [italic] [underline] [reverse]", or "plain".
type look struct {
	fg, bg string // names in the palette; "" = the terminal's own
	attrs  []string
}

var attributes = []string{"bold", "faint", "italic", "underline", "reverse"}

func parseLook(text string) (look, error) {
	var l look
	words := strings.Fields(text)
	if len(words) == 0 {
		return l, fmt.Errorf("a look is empty (write \"plain\")")
	}
	for i := 0; i < len(words); i++ {
		switch w := words[i]; {
		case w == "plain":
		case slices.Contains(attributes, w):
			l.attrs = append(l.attrs, w)
		case w == "on" && i+1 < len(words) && l.bg == "":
			i++
			l.bg = words[i]
		case w != "on" && l.fg == "" && l.bg == "" && len(l.attrs) == 0:
			l.fg = w
		default:
			return look{}, fmt.Errorf("%q is out of place in %q", w, text)
		}
	}
	return l, nil
}

// String is the look as a theme file has it.
func (l look) String() string {
	words := []string{l.fg}
	if l.bg != "" {
		words = append(words, "on", l.bg)
	}
	text := strings.TrimSpace(strings.Join(append(words, l.attrs...), " "))
	if text == "" {
		return "plain"
	}
	return text
}

// missing is the first colour that the palette does not have.
func (l look) missing(palette map[string]colour) (string, bool) {
	for _, name := range []string{l.fg, l.bg} {
		if _, ok := palette[name]; name != "" && !ok {
			return name, true
		}
	}
	return "", false
}

func (l look) style(r *lipgloss.Renderer, palette map[string]colour, p Profile) lipgloss.Style {
	s := r.NewStyle()
	if c, ok := palette[l.fg]; ok {
		s = s.Foreground(lipgloss.Color(c.in(p)))
	}
	if c, ok := palette[l.bg]; ok {
		s = s.Background(lipgloss.Color(c.in(p)))
	}
	for _, a := range l.attrs {
		switch a {
		case "bold":
			s = s.Bold(true)
		case "faint":
			s = s.Faint(true)
		case "italic":
			s = s.Italic(true)
		case "underline":
			s = s.Underline(true)
		case "reverse":
			s = s.Reverse(true)
		}
	}
	return s
}
