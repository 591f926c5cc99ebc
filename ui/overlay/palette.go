package overlay

import (
	"slices"
	"strings"

	"hairpin/ui/action"
	"hairpin/ui/page"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Palette is every action by name: type a part of it, and behind the whole name its argument. Tab completes either, and up
// on the first row brings what was run before.
type Palette struct {
	items  []Item
	past   []string // commands run before, newest last
	values func(action.Values) []string
	run    func(a action.Action, arg, text string) any

	typed line
	at    int
	back  int    // how far in the past the text is from
	draft string // what was typed before going there
}

// Item is an action as the palette shows it.
type Item struct {
	action.Action
	Keys string // how else it is called; empty = only here
	Why  string // not available, for this reason
}

// choice is a row of the list: an action, perhaps with a value of its argument.
type choice struct {
	Item
	value string
}

// NewPalette offers items. values lists what arguments may be; past are commands run before, newest last. run makes the
// request of the one that is chosen; text is what to remember of it.
func NewPalette(items []Item, past []string, values func(action.Values) []string, run func(a action.Action, arg, text string) any) *Palette {
	return &Palette{items: items, past: past, values: values, run: run}
}

// Act moves in the list, completes, runs what is chosen, or gives up.
func (p *Palette) Act(id action.ID) Outcome {
	list := p.matching()
	switch id {
	case action.Dismiss, action.Quickest:
		return Outcome{Close: true}
	case action.LineDown:
		if p.back > 0 && p.at == 0 {
			p.recall(-1)
		} else {
			p.at = min(p.at+1, max(0, len(list)-1))
		}
	case action.LineUp:
		if p.at == 0 {
			p.recall(1)
		}
		p.at = max(0, p.at-1)
	case action.PrevField:
		p.at = max(0, p.at-1)
	case action.NextField:
		if len(list) > 0 {
			p.complete(list[p.at])
		}
	case action.Accept:
		if len(list) == 0 {
			return Outcome{}
		}
		return p.accept(list[p.at])
	default:
		p.typed.act(id)
		p.begin()
	}
	return Outcome{}
}

// Type adds to the text.
func (p *Palette) Type(text string) Outcome {
	p.typed.add(text)
	p.begin()
	return Outcome{}
}

// begin is the list after another text.
func (p *Palette) begin() { p.at, p.back = 0, 0 }

// recall goes to older commands that begin as typed, or back to newer ones and in the end to what was typed.
func (p *Palette) recall(step int) {
	if p.back == 0 {
		p.draft = p.typed.text
	}
	fit := slices.DeleteFunc(slices.Clone(p.past), func(s string) bool { return !strings.HasPrefix(s, p.draft) })
	p.back = min(max(p.back+step, 0), len(fit))
	p.typed.text = p.draft
	if p.back > 0 {
		p.typed.text = fit[len(fit)-p.back]
	}
}

// complete writes the name of a row, and its value, as if they had been typed.
func (p *Palette) complete(c choice) {
	text := string(c.ID)
	if c.value != "" {
		text += " " + c.value
	} else if c.Arg != "" {
		text += " " + p.argument(c)
	}
	p.typed.text = text
	p.begin()
}

// accept runs a row. One that can do nothing without an argument asks for it first.
func (p *Palette) accept(c choice) Outcome {
	arg := c.value
	if arg == "" {
		arg = p.argument(c)
	}
	if arg == "" && c.Needs() {
		p.complete(c)
		return Outcome{}
	}
	return Outcome{Close: true, Ask: p.run(c.Action, arg, strings.TrimSpace(string(c.ID)+" "+arg))}
}

// argument is what stands behind the whole name of the action.
func (p *Palette) argument(chosen choice) string {
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

// matching are the rows that the text may mean: the one it names in full, with each value that its argument may be; else
// all that have every word of it.
func (p *Palette) matching() []choice {
	a, arg, ok := action.Parse(p.typed.text, p.actions())
	if ok && a.Arg != "" && (arg != "" || strings.HasSuffix(p.typed.text, " ")) {
		i := slices.IndexFunc(p.items, func(it Item) bool { return it.ID == a.ID })
		return p.fitting(p.items[i], arg)
	}
	words := strings.Fields(strings.ToLower(p.typed.text))
	var out []choice
	for _, best := range [...]bool{true, false} { // those whose name begins with the text come first
		for _, it := range p.items {
			starts := len(words) > 0 && (strings.HasPrefix(strings.ToLower(it.Title), words[0]) || strings.HasPrefix(string(it.ID), words[0]))
			if starts == best && hasAll(strings.ToLower(it.Title+" "+string(it.ID)+" "+it.Help), words) {
				out = append(out, choice{Item: it})
			}
		}
	}
	return out
}

// fitting are the values that have an argument in them, those that begin with it first; without one, the action alone
// with what was typed.
func (p *Palette) fitting(it Item, arg string) []choice {
	var first, then []choice
	if it.Of != "" {
		for _, v := range p.values(it.Of) {
			at := strings.Index(strings.ToLower(v), strings.ToLower(arg))
			switch {
			case at == 0:
				first = append(first, choice{it, v})
			case at > 0:
				then = append(then, choice{it, v})
			}
		}
	}
	if all := append(first, then...); len(all) > 0 {
		return all
	}
	return []choice{{Item: it}}
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
	return [][2]string{{"enter", "run"}, {"tab", "complete"}, {"down", "choose"}, {"up", "run before"}, {"esc", "cancel"}}
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

func (p *Palette) row(k page.Kit, it choice, n int, selected bool) string {
	name := string(it.ID)
	switch {
	case it.value != "":
		name += " " + it.value
	case strings.HasPrefix(it.Arg, "["):
		name += " " + it.Arg
	case it.Arg != "":
		name += " <" + it.Arg + ">"
	}
	name = widget.Clean(name)
	if selected {
		return k.Theme.Style(theme.Selection).Render(widget.Line(n, k.Glyphs.Cursor+" "+name, it.Keys, k.Glyphs))
	}
	token := theme.Text
	if it.Why != "" {
		token = theme.Dim
	}
	return widget.Line(n, "  "+k.Say(token, name), k.Say(theme.Key, it.Keys), k.Glyphs)
}
