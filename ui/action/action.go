// Package action is the registry of everything a person can do in the console: keymaps, help, the palette, the
// audit trail and the tests read the same table.
package action

import "strings"

// ID names an action: "noun.verb", lower case, stable, since people's keymaps hold it.
type ID string

// None is what a keymap writes to unbind a key.
const None ID = "none"

// Scope is where an action can be meant. A page looks a key up in its own scope first, then in Global.
type Scope string

// Scopes that a keymap may bind.
const (
	Global   Scope = "global"
	Overview Scope = "overview"
	VIPs     Scope = "vips"
	Backends Scope = "backends"
	Chain    Scope = "chain"
	Limits   Scope = "limits"
	Trace    Scope = "trace"
	Handoff  Scope = "handoff"
	Events   Scope = "events"

	Connections Scope = "connections"
	Capture     Scope = "capture"
)

// Dialog is the scope of everything drawn over a page. Its keys are fixed: no keymap may move Cancel.
const Dialog Scope = "dialog"

// Scopes are those that a keymap may bind, in the order in which help shows them.
var Scopes = [...]Scope{Global, Overview, Chain, VIPs, Backends, Limits, Connections, Trace, Capture, Handoff, Events}

// Action is one thing a person can do.
type Action struct {
	ID    ID
	Title string // one or two words: footer, palette
	Help  string // one sentence, no full stop
	Scope Scope
	Arms  bool   // touches the node, or what will be applied to it: refused while the console is not armed
	Arg   string // what the palette takes behind the name, in brackets when it may be left out; empty = nothing
	Of    Values // what Arg is one of; empty = it cannot be listed
}

// Values names a list that an argument is taken from. What is in it is known only while the console runs.
type Values string

// Lists of values.
const (
	VIPNames   Values = "VIPs"
	StageNames Values = "stages"
	// ChainStages are those that stand in a chain, with its NIC and hook.
	ChainStages Values = "stages of chains"
	Themes      Values = "themes"
	Presets     Values = "presets"
	GlyphSets   Values = "glyphs"
)

// Needs tells whether the action can do nothing without an argument.
func (a Action) Needs() bool { return a.Of != "" && !strings.HasPrefix(a.Arg, "[") }

// Find returns the action of that name.
func Find(id ID) (Action, bool) {
	for _, a := range table {
		if a.ID == id {
			return a, true
		}
	}
	return Action{}, false
}

// Title is the short name of an action, or the id itself when there is none.
func Title(id ID) string {
	if a, ok := Find(id); ok {
		return a.Title
	}
	return string(id)
}

// All is the whole table in the order in which help shows it.
func All() []Action {
	return append([]Action(nil), table[:]...)
}

// In lists the actions that can be meant in a scope: its own, then the global ones.
func In(scope Scope) []Action {
	var own, global []Action
	for _, a := range table {
		switch a.Scope {
		case scope:
			own = append(own, a)
		case Global:
			if scope != Dialog {
				global = append(global, a)
			}
		}
	}
	return append(own, global...)
}

// Parse splits what was typed into the palette: an action's id or title, and the argument behind it. The longest
// name wins, in letters of either case; ok is false when the text begins with no name of the list.
func Parse(text string, list []Action) (a Action, arg string, ok bool) {
	text = strings.TrimSpace(text)
	longest := 0
	for _, c := range list {
		for _, name := range [...]string{string(c.ID), c.Title} {
			n := len(name)
			if n <= longest || len(text) < n || !strings.EqualFold(text[:n], name) || len(text) > n && text[n] != ' ' {
				continue
			}
			a, arg, ok, longest = c, strings.TrimSpace(text[n:]), true, n
		}
	}
	return a, arg, ok
}
