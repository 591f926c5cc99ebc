package overlay

import (
	"hairpin/ui/action"
	"hairpin/ui/page"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Input asks for one line of text.
type Input struct {
	Title string
	Body  []Line
	// Check makes the request of a text, or says what is wrong with it.
	Check func(text string) (ask any, err error)

	typed line
	said  string
}

// Act edits the text, or hands it on.
func (in *Input) Act(id action.ID) Outcome {
	switch id {
	case action.Accept:
		ask, err := in.Check(in.typed.text)
		if err != nil {
			in.said = err.Error()
			return Outcome{}
		}
		return Outcome{Close: true, Ask: ask}
	case action.Dismiss, action.Quickest:
		return Outcome{Close: true}
	}
	in.said = ""
	in.typed.act(id)
	return Outcome{}
}

// Type adds to the text.
func (in *Input) Type(text string) Outcome {
	in.said = ""
	in.typed.add(text)
	return Outcome{}
}

// Keys for the footer.
func (in *Input) Keys() [][2]string { return [][2]string{{"enter", "go on"}, {"esc", "cancel"}} }

// Over draws the field in the middle.
func (in *Input) Over(k page.Kit, screen []string, w, h int) []string {
	const want = 68
	n := inner(w, want)
	body := append(wrapped(k, in.Body, n), "> "+field(k, in.typed.text, n-2))
	for _, text := range widget.Wrap(in.said, n) {
		body = append(body, k.Say(theme.Warn, text))
	}
	return box(k, screen, w, h, in.Title, theme.Title, body, want)
}

// Prompt is a line at the bottom whose text works while it is typed: the filter of a list.
type Prompt struct {
	Mark   string // in front of the text
	Change func(text string) (ask any)
	Before string // what was in force, and is again when it is given up

	typed line
}

// NewPrompt begins with a text.
func NewPrompt(mark, text string, change func(string) any) *Prompt {
	return &Prompt{Mark: mark, Change: change, Before: text, typed: line{text}}
}

// Act edits the text, keeps it, or goes back to the one before.
func (p *Prompt) Act(id action.ID) Outcome {
	switch id {
	case action.Accept:
		return Outcome{Close: true}
	case action.Dismiss, action.Quickest:
		return Outcome{Close: true, Ask: p.Change(p.Before)}
	}
	p.typed.act(id)
	return Outcome{Ask: p.Change(p.typed.text)}
}

// Type adds to the text.
func (p *Prompt) Type(text string) Outcome {
	p.typed.add(text)
	return Outcome{Ask: p.Change(p.typed.text)}
}

// Keys for the footer.
func (p *Prompt) Keys() [][2]string {
	return [][2]string{{"enter", "keep"}, {"esc", "as before"}, {"word, key=value, !word", "all must match"}}
}

// Over draws the line in place of the last one.
func (p *Prompt) Over(k page.Kit, screen []string, w, h int) []string {
	text := k.Say(theme.Filter, p.Mark) + field(k, p.typed.text, w-2)
	return widget.Place(screen, []string{widget.Fit(text, w, k.Glyphs)}, 0, h-1)
}
