package overlay

import (
	"errors"
	"strings"
	"testing"

	"hairpin/ui/action"
)

func TestInputChecksItsText(t *testing.T) {
	in := &Input{Title: "WEIGHT", Check: func(text string) (any, error) {
		if text != "50" {
			return nil, errors.New("a weight is a number")
		}
		return 50, nil
	}}
	typed(in, "5x")
	if out := in.Act(action.Accept); out.Close {
		t.Errorf("wrong text: %+v", out)
	}
	seen(in, 60, 12).Has(t, "a weight is a number")
	in.Act(action.Erase)
	typed(in, "0")
	seen(in, 60, 12).HasNot(t, "a weight is a number")
	if out := in.Act(action.Accept); out != (Outcome{Close: true, Ask: 50}) {
		t.Errorf("right text: %+v", out)
	}
	if out := in.Act(action.Dismiss); out != (Outcome{Close: true}) {
		t.Errorf("esc: %+v", out)
	}
}

func TestPromptWorksWhileTyped(t *testing.T) {
	p := NewPrompt("/", "old", func(text string) any { return "filter " + text })
	if out := p.Type("x"); out != (Outcome{Ask: "filter oldx"}) {
		t.Errorf("typed: %+v", out)
	}
	p.Act(action.EraseLine)
	seen(p, 40, 3).RowHas(t, 2, "/")
	if out := p.Act(action.Accept); out != (Outcome{Close: true}) {
		t.Errorf("enter: %+v", out)
	}
	if out := p.Act(action.Dismiss); out != (Outcome{Close: true, Ask: "filter old"}) {
		t.Errorf("esc brings back what was: %+v", out)
	}
}

func TestTextIsBoundedAndClean(t *testing.T) {
	var l line
	l.add("a\x1b[2J\nb")
	if strings.ContainsAny(l.text, "\x1b\n") {
		t.Errorf("%q", l.text)
	}
	l = line{}
	for range 100 {
		l.add("0123456789")
	}
	if len(l.text) > maxText {
		t.Errorf("%d bytes", len(l.text))
	}
	l = line{"one two  "}
	l.act(action.EraseWord)
	if l.text != "one " {
		t.Errorf("%q", l.text)
	}
	l = line{"é"}
	if l.act(action.Erase); l.text != "" {
		t.Errorf("%q", l.text)
	}
	if l.act(action.Accept) {
		t.Error("enter is no editing")
	}
}

func TestFieldShowsTheEndOfALongText(t *testing.T) {
	in := &Input{Title: "ARM", Check: func(string) (any, error) { return nil, nil }}
	typed(in, strings.Repeat("x", 200)+"end")
	seen(in, 40, 12).Has(t, "xxend")
}
