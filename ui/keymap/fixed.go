package keymap

import "hairpin/ui/action"

// always are the keys that no keymap may move: the way out and the way to learn the rest.
var always = [...]Binding{
	{Keys: []string{"ctrl+c"}, Action: action.Quit},
	{Keys: []string{"esc"}, Action: action.Cancel},
	{Keys: []string{"?"}, Action: action.Help},
	{Keys: []string{"1"}, Action: action.GoOverview},
	{Keys: []string{"2"}, Action: action.GoChain},
	{Keys: []string{"3"}, Action: action.GoVIPs},
	{Keys: []string{"4"}, Action: action.GoLimits},
	{Keys: []string{"5"}, Action: action.GoConnections},
	{Keys: []string{"6"}, Action: action.GoTrace},
	{Keys: []string{"7"}, Action: action.GoCapture},
	{Keys: []string{"8"}, Action: action.GoHandoff},
	{Keys: []string{"9"}, Action: action.GoEvents},
}

// dialog are the keys of everything drawn over a page; printable keys are text there.
var dialog = map[string]action.ID{
	"enter": action.Accept, "esc": action.Dismiss, "ctrl+c": action.Quickest,
	"tab": action.NextField, "right": action.NextField, "shift+tab": action.PrevField, "left": action.PrevField,
	"down": action.LineDown, "ctrl+n": action.LineDown, "up": action.LineUp, "ctrl+p": action.LineUp,
	"pgdown": action.PageDown, "pgup": action.PageUp,
	"backspace": action.Erase, "ctrl+h": action.Erase, "ctrl+w": action.EraseWord, "ctrl+u": action.EraseLine,
}

// InDialog is the action of a key while a dialog is open.
func InDialog(key string) (action.ID, bool) {
	id, ok := dialog[key]
	return id, ok
}

// protected says why a key may not be bound, or nothing.
func protected(key string) string {
	switch key {
	case "ctrl+c", "esc", "?":
		return "it is the same everywhere"
	case "1", "2", "3", "4", "5", "6", "7", "8", "9":
		return "digits are the screens, also those that are absent"
	}
	return ""
}
