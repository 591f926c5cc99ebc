package overlay

import (
	"fmt"
	"testing"

	"hairpin/ui/action"
	"hairpin/ui/page"
	"hairpin/ui/theme"
	"hairpin/ui/uitest"
	"hairpin/ui/widget"
)

func testKit() page.Kit {
	t, _ := theme.Load(theme.Fallback)
	return page.Kit{Theme: t, Glyphs: theme.ASCII(), Units: &widget.Units{}}
}

// seen is an overlay drawn over an empty screen.
func seen(o Overlay, w, h int) *uitest.Screen {
	text := ""
	for _, line := range o.Over(testKit(), widget.Fill(nil, w, h, theme.ASCII()), w, h) {
		text += line + "\n"
	}
	return uitest.NewScreen(text, w, h)
}

func typed(o Overlay, text string) {
	for _, r := range text {
		o.Type(string(r))
	}
}

func guarded() *Choice {
	return &Choice{
		Title: "APPLY", Name: "web", Body: []Line{{theme.Text, "slots move"}},
		Buttons: []Button{{Label: "Cancel"}, {Label: "Apply", Ask: "apply", Guarded: true}},
	}
}

func TestChoiceBeginsOnTheHarmlessButton(t *testing.T) {
	c := &Choice{Buttons: []Button{{Label: "Cancel"}, {Label: "Apply", Ask: "apply"}}}
	if out := c.Act(action.Accept); out != (Outcome{Close: true}) {
		t.Errorf("enter at once: %+v", out)
	}
	c.Act(action.NextField)
	if out := c.Act(action.Accept); out != (Outcome{Close: true, Ask: "apply"}) {
		t.Errorf("tab, enter: %+v", out)
	}
	c.Act(action.NextField)
	if out := c.Act(action.Accept); out.Ask != nil {
		t.Errorf("once round: %+v", out)
	}
	c.Act(action.PrevField)
	if out := c.Act(action.Accept); out.Ask != "apply" {
		t.Errorf("back: %+v", out)
	}
}

func TestChoiceAsksForTheName(t *testing.T) {
	c := guarded()
	c.Act(action.NextField)
	if out := c.Act(action.Accept); out.Close {
		t.Errorf("the guarded button works without the name: %+v", out)
	}
	seen(c, 80, 20).Has(t, `that is not "web"`)
	c = guarded()
	typed(c, "we")
	if out := c.Act(action.Accept); out.Close {
		t.Errorf("half a name: %+v", out)
	}
	typed(c, "b")
	seen(c, 80, 20).Has(t, "Cancel", "[ Apply ]")
	typed(c, "x")
	seen(c, 80, 20).Has(t, "[ Cancel ]", "Apply")
	c.Act(action.Erase)
	if out := c.Act(action.Accept); out != (Outcome{Close: true, Ask: "apply"}) {
		t.Errorf("the whole name: %+v", out)
	}
	c = guarded()
	typed(c, "web")
	c.Act(action.EraseWord)
	if out := c.Act(action.Accept); out != (Outcome{Close: true}) {
		t.Errorf("erased again, enter cancels: %+v", out)
	}
}

func TestChoiceSaysWhyAButtonIsNotThere(t *testing.T) {
	c := &Choice{Buttons: []Button{{Label: "Detach", Ask: "detach", Why: "read-only: ! arms"}}, Quick: "leave"}
	if out := c.Act(action.Accept); out.Close || out.Ask != nil {
		t.Errorf("%+v", out)
	}
	seen(c, 60, 12).Has(t, "read-only: ! arms")
	if out := c.Act(action.Quickest); out.Ask != "leave" {
		t.Errorf("ctrl+c: %+v", out)
	}
	if out := c.Act(action.Dismiss); out != (Outcome{Close: true}) {
		t.Errorf("esc: %+v", out)
	}
}

func TestLongChoiceScrollsAndKeepsItsButtons(t *testing.T) {
	c := guarded()
	for range 40 {
		c.Body = append(c.Body, Line{theme.Text, "more"})
	}
	c.Body = append(c.Body, Line{theme.Text, "the end"})
	s := seen(c, 60, 12)
	s.Has(t, "slots move")
	s.Has(t, "type web")
	s.Has(t, "[ Cancel ]")
	s.Has(t, fmt.Sprintf("of %d, down scrolls", len(c.Body)))
	for range 100 {
		c.Act(action.LineDown)
	}
	s = seen(c, 60, 12)
	s.Has(t, "the end")
	s.Has(t, "[ Cancel ]")
	c.Act(action.LineUp)
	seen(c, 60, 12).HasNot(t, "the end")
}
