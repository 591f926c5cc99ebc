package overlay

import (
	"strings"

	"hairpin/ui/action"
	"hairpin/ui/widget"
)

// maxText bounds what can be typed or pasted.
const maxText = 512

// line is a text being typed. It has no cursor but its end.
type line struct{ text string }

func (l *line) add(text string) {
	if text = widget.Clean(text); len(l.text)+len(text) <= maxText {
		l.text += text
	}
}

// act erases; false when the action is not about text.
func (l *line) act(id action.ID) bool {
	switch id {
	case action.Erase:
		if r := []rune(l.text); len(r) > 0 {
			l.text = string(r[:len(r)-1])
		}
	case action.EraseWord:
		text := strings.TrimRight(l.text, " ")
		l.text = text[:strings.LastIndex(text, " ")+1]
	case action.EraseLine:
		l.text = ""
	default:
		return false
	}
	return true
}
