package overlay

import (
	"fmt"
	"slices"

	"hairpin/ui/action"
	"hairpin/ui/page"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Choice is a question with buttons. The focus begins on the first one, which is the one that does no harm.
type Choice struct {
	Title   string
	Token   theme.Token // of the title; empty = title
	Body    []Line
	Buttons []Button
	Name    string // must be typed before a guarded button works; empty = none is guarded
	Quick   any    // asked for by ctrl+c; nil = it only closes

	focus int
	typed line
	top   int
	said  string
}

// Button is one answer. Its label is a verb.
type Button struct {
	Label   string
	Ask     any    // nil = nothing but closing
	Guarded bool   // works only once the name is typed
	Why     string // not available, for this reason
}

// Act moves the focus, presses a button, edits the typed name, or gives up.
func (c *Choice) Act(id action.ID) Outcome {
	c.said = ""
	switch id {
	case action.Accept:
		return c.press()
	case action.Dismiss:
		return Outcome{Close: true}
	case action.Quickest:
		return Outcome{Close: true, Ask: c.Quick}
	case action.NextField:
		c.focus = (c.focus + 1) % len(c.Buttons)
	case action.PrevField:
		c.focus = (c.focus + len(c.Buttons) - 1) % len(c.Buttons)
	case action.LineDown, action.PageDown:
		c.top++
	case action.LineUp, action.PageUp:
		c.top = max(0, c.top-1)
	default:
		if c.Name != "" && c.typed.act(id) {
			c.follow()
		}
	}
	return Outcome{}
}

// Type adds to the name.
func (c *Choice) Type(text string) Outcome {
	c.said = ""
	if c.Name != "" {
		c.typed.add(text)
		c.follow()
	}
	return Outcome{}
}

// follow puts the focus on the guarded button as soon as the whole name is there, and back when it is not any more.
func (c *Choice) follow() {
	c.focus = 0
	if c.typed.text == c.Name {
		c.focus = max(0, slices.IndexFunc(c.Buttons, func(b Button) bool { return b.Guarded }))
	}
}

func (c *Choice) press() Outcome {
	if len(c.Buttons) == 0 {
		return Outcome{Close: true}
	}
	b := c.Buttons[c.focus]
	wrong := c.Name != "" && c.typed.text != c.Name
	switch {
	case b.Why != "":
		c.said = b.Why
		return Outcome{}
	case wrong && (b.Guarded || c.typed.text != ""):
		c.said = fmt.Sprintf("that is not %q", c.Name)
		return Outcome{}
	}
	return Outcome{Close: true, Ask: b.Ask}
}

// Keys for the footer.
func (c *Choice) Keys() [][2]string {
	out := [][2]string{{"enter", "press"}, {"tab", "next button"}, {"esc", "cancel"}}
	if len(c.Buttons) == 1 {
		out = [][2]string{{"enter", "close"}}
	}
	if c.Quick != nil {
		out = append(out, [2]string{"ctrl+c", "quit at once"})
	}
	return out
}

// Over draws the question in the middle.
func (c *Choice) Over(k page.Kit, screen []string, w, h int) []string {
	const want = 76
	n := inner(w, want)
	tail := c.tail(k, n)
	body, title := wrapped(k, c.Body, n), c.Title
	if room := max(0, h-2-len(tail)); len(body) > room {
		c.top = min(c.top, len(body)-room)
		title += fmt.Sprintf(", %d-%d of %d, down scrolls", c.top+1, c.top+room, len(body))
		body = body[c.top : c.top+room]
	}
	token := c.Token
	if token == "" {
		token = theme.Title
	}
	return box(k, screen, w, h, title, token, append(body, tail...), want)
}

// tail is what must always be seen: the name to type, what was wrong, the buttons.
func (c *Choice) tail(k page.Kit, n int) []string {
	var out []string
	if c.Name != "" {
		prompt := fmt.Sprintf("type %s to go on: ", widget.Clean(c.Name))
		out = append(out, "", k.Say(theme.Hint, prompt)+field(k, c.typed.text, max(4, n-widget.Width(prompt))))
	}
	return append(out, k.Say(theme.Warn, c.said), c.buttons(k, n))
}

// buttons is the last line: the one with the focus stands out and is in brackets, so that it shows without colours.
func (c *Choice) buttons(k page.Kit, n int) string {
	line := ""
	for i, b := range c.Buttons {
		switch {
		case i == c.focus:
			line += k.Say(theme.Selection, "[ "+b.Label+" ]") + "  "
		case b.Why != "" || b.Guarded && c.Name != "" && c.typed.text != c.Name:
			line += k.Say(theme.Dim, "  "+b.Label+"  ") + "  "
		default:
			line += k.Say(theme.Key, "  "+b.Label+"  ") + "  "
		}
	}
	if widget.Width(line) > n && len(c.Buttons) > 0 {
		return k.Say(theme.Selection, "[ "+c.Buttons[c.focus].Label+" ]")
	}
	return line
}
