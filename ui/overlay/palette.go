package overlay

import (
	"strings"

	"hairpin/ui/action"
	"hairpin/ui/page"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Palette is every action by name: type a part of it, and behind the whole name its argument.
type Palette struct {
	items []Item
	run   func(a action.Action, arg string) any
	typed line
	at    int
}

// Item is an action as the palette shows it.
type Item struct {
	action.Action
	Keys string // how else it is called; empty = only here
	Why  string // not available, for this reason
}

// NewPalette offers items; run makes the request of the one that is chosen.
func NewPalette(items []Item, run func(a action.Action, arg string) any) *Palette {
	return &Palette{items: items, run: run}
}

// Act moves in the list, runs what is chosen, or gives up.
func (p *Palette) Act(id action.ID) Outcome {
	list := p.matching()
	switch id {
	case action.Dismiss, action.Quickest:
		return Outcome{Close: true}
	case action.LineDown, action.NextField:
		p.at = min(p.at+1, max(0, len(list)-1))
	case action.LineUp, action.PrevField:
		p.at = max(0, p.at-1)
	case action.Accept:
		if len(list) == 0 {
			return Outcome{}
		}
		chosen := list[p.at]
		return Outcome{Close: true, Ask: p.run(chosen.Action, p.argument(chosen))}
	default:
		p.typed.act(id)
		p.at = 0
	}
	return Outcome{}
}

// Type adds to the text.
func (p *Palette) Type(text string) Outcome {
	p.typed.add(text)
	p.at = 0
	return Outcome{}
}

// argument is what stands behind the whole name of the action.
func (p *Palette) argument(chosen Item) string {
	if a, arg, ok := action.Parse(p.typed.text, p.actions()); ok && a.ID == chosen.ID {
		return arg
	}
	return ""
}

func (p *Palette) actions() []action.Action {
	out := make([]action.Action, len(p.items))
	for i, it := range p.items {
		out[i] = it.Action
	}
	return out
}

// matching are the items that the text may mean: the one it names in full, with an argument, else all that have every
// word of it.
func (p *Palette) matching() []Item {
	var out []Item
	if a, arg, ok := action.Parse(p.typed.text, p.actions()); ok && arg != "" && a.Arg != "" {
		for _, it := range p.items {
			if it.ID == a.ID {
				return []Item{it}
			}
		}
	}
	words := strings.Fields(strings.ToLower(p.typed.text))
	for _, best := range [...]bool{true, false} { // those whose name begins with the text come first
		for _, it := range p.items {
			starts := len(words) > 0 && (strings.HasPrefix(strings.ToLower(it.Title), words[0]) || strings.HasPrefix(string(it.ID), words[0]))
			if starts == best && hasAll(strings.ToLower(it.Title+" "+string(it.ID)+" "+it.Help), words) {
				out = append(out, it)
			}
		}
	}
	return out
}

func hasAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// Keys for the footer.
func (p *Palette) Keys() [][2]string {
	return [][2]string{{"enter", "run"}, {"up down", "choose"}, {"esc", "cancel"}}
}

// Over draws the list in the middle.
func (p *Palette) Over(k page.Kit, screen []string, w, h int) []string {
	const want = 76
	n, rows := inner(w, want), max(1, min(14, h-6))
	list := p.matching()
	body := []string{k.Say(theme.Key, ":") + field(k, p.typed.text, n-1)}
	top := widget.Scroll(0, p.at, len(list), rows)
	for i := top; i < min(top+rows, len(list)); i++ {
		body = append(body, p.row(k, list[i], n, i == p.at))
	}
	for len(body) < rows+1 {
		body = append(body, "")
	}
	said := ""
	if len(list) == 0 {
		said = "no action has these words"
	} else if p.at < len(list) {
		if said = list[p.at].Why; said == "" {
			said = list[p.at].Help
		}
	}
	return box(k, screen, w, h, "COMMAND", theme.Title, append(body, k.Say(theme.Hint, widget.Truncate(said, n, k.Glyphs))), want)
}

func (p *Palette) row(k page.Kit, it Item, n int, selected bool) string {
	name := string(it.ID)
	if it.Arg != "" {
		name += " <" + it.Arg + ">"
	}
	if selected {
		return k.Theme.Style(theme.Selection).Render(widget.Line(n, k.Glyphs.Cursor+" "+name, it.Keys, k.Glyphs))
	}
	token := theme.Text
	if it.Why != "" {
		token = theme.Dim
	}
	return widget.Line(n, "  "+k.Say(token, name), k.Say(theme.Key, it.Keys), k.Glyphs)
}
